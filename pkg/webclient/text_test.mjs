// What becomes a link and what becomes code in a message.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document ??= {};
const { isCalling, piecesOf } = await import("./files/text.js");

/** A text with its links in ⟨⟩, its code in ⟦⟧, names in ‹› and the reader's in «». */
function marked(text, me) {
  const pieces = piecesOf(text, me);
  assert.equal(pieces.map((p) => p.text).join(""), text, "characters were changed");
  for (const { kind, href } of pieces) {
    if (kind === "link") assert.match(href, /^https?:\/\/[^@/]*(\/|$)/);
    else assert.equal(href, undefined);
  }
  const brackets = { link: "⟨⟩", code: "⟦⟧", block: "⟦⟧", mention: "‹›", me: "«»", text: ["", ""] };
  return pieces.map(({ kind, text }) => brackets[kind][0] + text + brackets[kind][1]).join("");
}

test("links", () => {
  for (const [text, want] of [
    ["see https://example.com", "see ⟨https://example.com⟩"],
    ["http://example.com/a?b=c&d#e", "⟨http://example.com/a?b=c&d#e⟩"],
    ["HTTPS://EXAMPLE.COM/Path", "⟨HTTPS://EXAMPLE.COM/Path⟩"],
    ["https://example.com.", "⟨https://example.com⟩."],
    ["https://example.com/a, https://example.com/b!", "⟨https://example.com/a⟩, ⟨https://example.com/b⟩!"],
    ["(https://example.com/a)", "(⟨https://example.com/a⟩)"],
    ["https://en.wikipedia.org/wiki/Go_(game)", "⟨https://en.wikipedia.org/wiki/Go_(game)⟩"],
    ["(https://en.wikipedia.org/wiki/Go_(game))", "(⟨https://en.wikipedia.org/wiki/Go_(game)⟩)"],
    ["[x](https://example.com/a_b)", "[x](⟨https://example.com/a_b⟩)"],
    ['"https://example.com"', '"⟨https://example.com⟩"'],
    ["<https://example.com>", "<⟨https://example.com⟩>"],
    ["**https://example.com**", "**⟨https://example.com⟩**"],
    ["https://example.com/…", "⟨https://example.com/…⟩"],
    ["봐 https://example.com/한국 요", "봐 ⟨https://example.com/한국⟩ 요"],
    ["（https://example.com）", "（⟨https://example.com⟩）"],
    ["انظر https://example.com/مرحبا هنا", "انظر ⟨https://example.com/مرحبا⟩ هنا"],
    ["http://[::1]:8080/x", "⟨http://[::1]:8080/x⟩"],
    ["http://127.0.0.1:8080", "⟨http://127.0.0.1:8080⟩"],
    ["https://example.com/\u202egnp.exe", "⟨https://example.com/⟩\u202egnp.exe"],
    ["https://example.com\u200b.evil.example", "⟨https://example.com⟩\u200b.evil.example"],
    [`https://example.com/${"x".repeat(1000)}`, `⟨https://example.com/${"x".repeat(1000)}⟩`],
  ]) assert.equal(marked(text), want);
});

test("what is no link", () => {
  for (const text of [
    "javascript:alert(1)", "JaVaScRiPt://example.com/%0aalert(1)", "data:text/html,<script>alert(1)</script>",
    "vbscript:x", "file:///etc/passwd", "ftp://example.com", "mailto:a@example.com", "example.com", "www.example.com",
    "//example.com", "https://", "https://.", "http://)", "https:///", "https://%", "xhttps://example.com",
    "java\nscript:alert(1)", "https://bank.example@evil.example", "https://bank.example:x@evil.example/",
    "https://аррӏе.com", "https://www.xn--80ak6aa92e.com", "https://exa mple.com".slice(0, 8),
    `https://example.com/${"x".repeat(16 << 10)}`, "https://a b".slice(0, 8), "http://[::1", "",
    "blob:https://example.com/x", "https://bank.example。evil.example/", "https://bank.example．evil.example/x",
    "http://0x7f.1/", "https://%65xample.com/",
  ]) assert.equal(marked(text), text);
});

test("names", () => {
  for (const [text, want, me = "ann"] of [
    ["@ann", "«@ann»"], ["hi @Ann, and @bob!", "hi «@Ann», and ‹@bob›!"], ["@anna @an", "‹@anna› ‹@an›"],
    ["@ann-lee @ann. @ann's (@ann)", "‹@ann-lee› «@ann». «@ann»'s («@ann»)"],
    ["bob@ann.example x@ann", "bob@ann.example x@ann"], ["@ @@ @! a @", "@ @@ @! a @"], ["@@ann", "@«@ann»"],
    ["`@ann` https://example.com/@ann", "⟦`@ann`⟧ ⟨https://example.com/@ann⟩"],
    ["```\n@ann\n```", "⟦```\n@ann\n```⟧"],
    ["@Ann Lee, @ann", "«@Ann Lee», ‹@ann›", "Ann Lee"], ["@ann leeds", "‹@ann› leeds", "Ann Lee"],
    ["@김철수님 @김철수", "‹@김철수님› «@김철수»", "김철수"], ["@سلمى؟", "«@سلمى»؟", "سلمى"],
    ["@🎉 party", "«@🎉» party", "🎉"], ["@a `b` c", "«@a `b`» c", "a `b`"], ["@x", "‹@x›", ""],
    [`@${"x".repeat(200)}`, `‹@${"x".repeat(129)}›${"x".repeat(71)}`],
  ]) {
    assert.equal(marked(text, me), want);
    assert.equal(isCalling(text, me), want.includes("«"));
  }
});

test("code", () => {
  for (const [text, want] of [
    ["use `go test` here", "use ⟦`go test`⟧ here"],
    ["`https://example.com`", "⟦`https://example.com`⟧"],
    ["a ` b", "a ` b"], ["``", "``"], ["`a\nb`", "`a\nb`"],
    ["```\nfunc main()\n```", "⟦```\nfunc main()\n```⟧"],
    ["look:\n```go\nx := `a`\nhttps://a.com\n```\nright?", "look:\n⟦```go\nx := `a`\nhttps://a.com\n```⟧\nright?"],
    ["```not closed\nx", "```not closed\nx"],
    ["```\nnot closed `code`", "```\nnot closed ⟦`code`⟧"],
    ["```\n<b>\n```\n```\n2\n```", "⟦```\n<b>\n```⟧\n⟦```\n2\n```⟧"],
  ]) assert.equal(marked(text), want);
});

// A message has at most 16 KB. Something that takes a time that grows with the square would take minutes for these.
test("long texts", () => {
  for (const part of ["`", "```\n", "```a\n", "https://", "(", ")", ".", "`a", "https://a.", "@", "http://[", "\n"]) {
    const began = performance.now();
    marked(`https://a/${part.repeat((256 << 10) / part.length)}`);
    assert.ok(performance.now() - began < 10_000, `${part} takes ${performance.now() - began} ms`);
  }
});
