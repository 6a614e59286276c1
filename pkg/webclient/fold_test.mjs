// Finding a text in another.

import assert from "node:assert/strict";
import { test } from "node:test";
import { folded, placeOf } from "./files/fold.js";

test("a text is found as people mean it", () => {
  for (const [text, sought, want] of [
    ["Hello World", "world", "World"], ["Über Straße", "uber", "Über"], ["Straße", "STRASSE", "Straße"],
    ["naïve café", "CAFE", "café"], ["김철수님", "철수", "철수"], ["김철수", "ㄱ", "김"], ["ﬁne", "in", "ﬁn"],
    ["🎉x🎉", "X", "x"], ["e\u0301a", "é", "e\u0301"], ["e\u0301a", "a", "a"], ["İstanbul", "istanbul", "İstanbul"],
    ["ΟΔΟΣ ὁδός", "οδος", "ΟΔΟΣ"], ["السَّلام", "السلام", "السَّلام"], ["a\nb", "a\nb", "a\nb"], ["xxy", "xy", "xy"],
    ["a", "b", null], ["", "", null], ["abc", "", null], ["\u0301", "a", null], ["abc", "\u0301", null],
  ]) {
    const place = placeOf(text, sought);
    assert.equal(place && text.slice(...place), want, `${sought} in ${text}`);
  }
});

test("each letter is folded by itself, so that its place is known", () => {
  for (const text of ["ΟΔΟΣ ς", "İI", "ﬃ", "가나다", "ß", "\u0301x", "क्षि", "👩‍👩‍👧", "\ud800x", "ǆ Ǆ ǅ"]) {
    assert.equal(folded(text), [...text].map(folded).join(""));
  }
});
