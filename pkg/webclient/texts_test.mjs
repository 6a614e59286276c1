// All words of the page are in one file, in each language.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

/** By key, the texts in each language. */
const TEXTS = Object.assign({}, ...Object.values(JSON.parse(readFileSync("files/texts.json", "utf8"))));
const LANGUAGES = ["en", "ko", "de"];

const others = ["client.js"]; // it speaks to programs
const files = readdirSync("files").filter((name) => /\.(js|html)$/.test(name) && !others.includes(name));
const sources = new Map(files.map((name) => [name, readFileSync(`files/${name}`, "utf8")]));
const all = [...sources.values()].join("\n");

test("each text is there in each language, with the same values, and is used", () => {
  for (const [key, texts] of Object.entries(TEXTS)) {
    assert.deepEqual(Object.keys(texts), LANGUAGES, key);
    const valuesOf = (form) => [...new Set(form.match(/\{\w+\}/g) ?? [])].sort().join();
    const [first] = texts.en.split("|");
    for (const text of Object.values(texts)) {
      for (const form of text.split("|")) assert.equal(valuesOf(form), valuesOf(first), `${key}: ${form}`);
    }
    assert.ok(all.includes(`"${key}"`), `${key} is not used`);
  }
});

test("the page offers these languages", () => {
  const listed = JSON.stringify(LANGUAGES).slice(1, -1).replaceAll(",", ", ");
  assert.ok(sources.get("texts.js").includes(`[${listed}]`));
  assert.ok(readFileSync("texts.go", "utf8").includes(`{${listed}}`));
});

test("a key is in one section", () => {
  const sections = Object.values(JSON.parse(readFileSync("files/texts.json", "utf8")));
  const keys = sections.flatMap((section) => Object.keys(section));
  assert.equal(new Set(keys).size, keys.length);
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
      const isName = /^[a-z_ -]+$|^[.#[]|[(){};=]/.test(words); // of keys in the storage or of classes, and code
      assert.ok(isName, `${name}: ${words}`);
    }
  }
});
