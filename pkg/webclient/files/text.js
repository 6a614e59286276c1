// What a text says beside its characters: links and code. It changes no character: what is copied is what was written.

import { element } from "./dom.js";

/** A longer address stays text. */
const LONGEST_LINK = 2000;

/**
 * Code within a line, or what may be an address. An address ends before blanks, quotes, angle brackets,
 * and characters that nobody sees or that turn the direction of the text.
 */
const SPECIAL = new RegExp([
  "(?<code>`[^`\\n]+`)",
  "(?<link>(?<![\\p{L}\\p{N}_]|[a-z]:)https?:\\/\\/[^\\s<>\"`\\p{Cc}\\p{Cf}\\p{Z}]+)",
].join("|"), "giu");

/**
 * Takes a text apart.
 * @param {string} text
 * @returns {{kind: "text" | "link" | "code" | "block", text: string, href?: string}[]} together they are the text
 */
export function piecesOf(text) {
  const pieces = [];
  let done = 0;
  for (const [begin, end] of blocksOf(text)) {
    pieces.push(...inLines(text.slice(done, begin)), { kind: "block", text: text.slice(begin, end) });
    done = end;
  }
  return [...pieces, ...inLines(text.slice(done))];
}

/** Where the fenced blocks of a text begin and end. */
function* blocksOf(text) {
  let at = 0;
  let begin = -1; // of the block, while one is open
  for (const line of text.split("\n")) {
    if (begin < 0 && /^```[^`]*$/.test(line)) begin = at;
    else if (begin >= 0 && /^```\s*$/.test(line)) {
      yield [begin, at + line.trimEnd().length];
      begin = -1;
    }
    at += line.length + 1;
  }
}

/** The pieces of a text without blocks. */
function inLines(text) {
  const pieces = [];
  let done = 0;
  for (const found of text.matchAll(SPECIAL)) {
    const { code, link } = found.groups;
    const piece = link ? linkOf(link) : { kind: "code", text: code };
    if (!piece) continue;
    if (found.index > done) pieces.push({ kind: "text", text: text.slice(done, found.index) });
    pieces.push(piece);
    done = found.index + piece.text.length;
  }
  if (done < text.length) pieces.push({ kind: "text", text: text.slice(done) });
  return pieces;
}

/** An address without what belongs to the sentence around it; undefined if it is none that a person should follow. */
function linkOf(text) {
  text = withoutEnd(text);
  if (text.length > LONGEST_LINK) return undefined;
  let url;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  // A name before the host looks like the host itself: https://bank.example@evil.example. Letters of other alphabets
  // can look like those of a host that people know.
  const isPlain = url.username === "" && url.password === "" && !/(^|\.)xn--/.test(url.hostname);
  // What stands there must be the host, and not only be read as it: 。 is read as a dot.
  const isShown = text.toLowerCase().startsWith(`${url.protocol}//${url.hostname}`);
  if (!/^https?:$/.test(url.protocol) || !isPlain || !isShown || url.hostname === "") return undefined;
  return { kind: "link", text, href: url.href };
}

/** Leaves out punctuation at the end, and closing brackets that were not opened in the address. */
function withoutEnd(text) {
  const unclosed = {}; // how many brackets of each kind were opened and not closed, less than 0 if more were closed
  for (const c of text) {
    const kind = "([{".indexOf(c) + ")]}".indexOf(c) + 1;
    if ("()[]{}".includes(c)) unclosed[kind] = (unclosed[kind] ?? 0) + ("([{".includes(c) ? 1 : -1);
  }
  let end = text.length;
  for (; end > 0; end--) {
    const last = text[end - 1];
    const kind = ")]}".indexOf(last);
    if (kind >= 0 && unclosed[kind] < 0) unclosed[kind]++;
    else if (!/[.,:;!?'*_~|\\。、，！？：；」』）】]/u.test(last)) break;
  }
  return text.slice(0, end);
}

/** The nodes for a text. A link tells its page nothing of this one. */
export function textNodes(text) {
  return piecesOf(text).map(({ kind, text, href }) => {
    if (kind === "link") {
      const alone = { target: "_blank", rel: "noopener noreferrer nofollow", referrerPolicy: "no-referrer" };
      return element("a", { href, className: "act", ...alone }, text);
    }
    if (kind === "text") return text;
    return element("code", { className: kind, dir: "ltr" }, text);
  });
}
