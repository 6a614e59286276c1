// All words of the page are in one file, in each language.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { LANGUAGES, TEXTS } from "./files/texts.js";

const others = ["texts.js", "client.js"]; // the client speaks to programs
const files = readdirSync("files").filter((name) => /\.(js|html)$/.test(name) && !others.includes(name));
const sources = new Map(files.map((name) => [name, readFileSync(`files/${name}`, "utf8")]));
const all = [...sources.values()].join("\n");

test("each text is there in each language, with the same values, and is used", () => {
  for (const [key, texts] of Object.entries(TEXTS)) {
    assert.equal(texts.length, LANGUAGES.length, key);
    const valuesOf = (form) => [...new Set(form.match(/\{\w+\}/g) ?? [])].sort().join();
    for (const text of texts) {
      const first = texts[0].split("|")[0];
      for (const form of text.split("|")) assert.equal(valuesOf(form), valuesOf(first), `${key}: ${form}`);
    }
    assert.ok(all.includes(`"${key}"`), `${key} is not used`);
  }
});

test("each text that is used is there", () => {
  const asked = [...all.matchAll(/(?:\b(?:say|nodes)\(|data-(?:says|label|title|placeholder)=)"(\w+)"/g)];
  assert.ok(asked.length > 100);
  for (const [, key] of asked) assert.ok(TEXTS[key], `${key} is not there`);
  for (const [, a, b] of all.matchAll(/\b(?:say|nodes)\([^()"]*\? "(\w+)" : "(\w+)"/g)) {
    assert.ok(TEXTS[a] && TEXTS[b], `${a}, ${b}`);
  }
});

test("no words stand elsewhere", () => {
  const strange = /(?<=["`>])[^"`<>]*\b[A-Za-z]{2,} [a-z]{2,}[^"`<>]*(?=["`<])/g; // two words in a row
  const rest = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$|(?<=[;,{}()]) \/\/.*$|<noscript>[\s\S]*<\/noscript>/gm; // comments
  const code = (source) => source.replace(rest, "");
  for (const [name, source] of sources) {
    for (const [words] of code(source).matchAll(strange)) {
      const isName = /^[a-z -]+$|^[.#[]|[(){};=]/.test(words); // of keys in the storage or of classes, and code
      assert.ok(isName, `${name}: ${words}`);
    }
  }
});
