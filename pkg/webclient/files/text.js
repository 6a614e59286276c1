// What a text says beside its characters: links, code, and people that it names. It changes no character: what is
// copied is what was written.

import { element } from "./dom.js";

/** A longer address stays text. */
const LONGEST_LINK = 2000;

const LONGEST_NAME = 130; // characters, with the @

/**
 * Code within a line, what may be an address, or the @ before a name. An address ends before blanks, quotes, angle
 * brackets, and characters that nobody sees or that turn the direction of the text.
 */
const SPECIAL = new RegExp([
  "(?<code>`[^`\\n]+`)",
  "(?<link>(?<![\\p{L}\\p{N}_]|[a-z]:)https?:\\/\\/[^\\s<>\"`\\p{Cc}\\p{Cf}\\p{Z}]+)",
  "(?<at>(?<![\\p{L}\\p{N}\\p{M}_])@)",
].join("|"), "giu");

/**
 * Takes a text apart.
 * @param {string} text
 * @param {string} [me] the reader's name
 * @returns {{kind: "text" | "link" | "code" | "block" | "mention" | "me", text: string, href?: string}[]} together they
 *   are the text; "me" is a mention of the reader
 */
export function piecesOf(text, me = "") {
  const pieces = [];
  let done = 0;
  for (const [begin, end] of blocksOf(text)) {
    pieces.push(...inLines(text.slice(done, begin), me), { kind: "block", text: text.slice(begin, end) });
    done = end;
  }
  return [...pieces, ...inLines(text.slice(done), me)];
}

/** Whether a text names the reader, as @name. */
export const isCalling = (text, me) => text.includes("@") && piecesOf(text, me).some(({ kind }) => kind === "me");

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
function inLines(text, me) {
  const pieces = [];
  let done = 0;
  for (const found of text.matchAll(SPECIAL)) {
    const { code, link } = found.groups;
    const piece = link ? linkOf(link) : code ? { kind: "code", text: code } : mentionAt(text, found.index, me);
    if (!piece || found.index < done) continue; // a name can have anything in it
    if (found.index > done) pieces.push({ kind: "text", text: text.slice(done, found.index) });
    pieces.push(piece);
    done = found.index + piece.text.length;
  }
  if (done < text.length) pieces.push({ kind: "text", text: text.slice(done) });
  return pieces;
}

/** What an @ names: the reader, whose name may have blanks, or somebody of one word. Undefined if it is no name. */
function mentionAt(text, at, me) {
  const end = at + 1 + me.length;
  const isMe = me !== "" && text.slice(at + 1, end).toLowerCase() === me.toLowerCase() && !goesOn(text, end);
  if (isMe) return { kind: "me", text: text.slice(at, end) };
  const [word] = /^@[\p{L}\p{N}\p{M}_]+(?:[.-][\p{L}\p{N}\p{M}_]+)*/u.exec(text.slice(at, at + LONGEST_NAME)) ?? [];
  return word && { kind: "mention", text: word };
}

const goesOn = (text, at) => /^[.-]?[\p{L}\p{N}\p{M}_]/u.test(text.slice(at, at + 3));

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

/** The nodes for a text, for a reader with a name. A link tells its page nothing of this one. */
export function textNodes(text, me) {
  return piecesOf(text, me).map(({ kind, text, href }) => {
    if (kind === "link") {
      const alone = { target: "_blank", rel: "noopener noreferrer nofollow", referrerPolicy: "no-referrer" };
      return element("a", { href, className: "act", ...alone }, text);
    }
    if (kind === "text") return text;
    if (kind === "mention" || kind === "me") return element("bdi", { className: `mention ${kind}` }, text);
    return element("code", { className: kind, dir: "ltr" }, text);
  });
}
