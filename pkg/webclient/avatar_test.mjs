// The initials and the colours of people.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hueOf, initialsOf } from "./files/avatar.js";

test("initials", () => {
  for (const [name, want] of [
    ["ann", "A"], ["Ann Lee", "AL"], ["Ann van der Berg", "AB"], ["élodie", "É"], ["e\u0301lodie", "E\u0301"],
    ["김민수", "김"], ["Ольга Иванова", "ОИ"], ["  ann  ", "A"], ["@ann_b", "AB"], ["42 bots", "4B"], ["👍", "?"],
    ["", "?"], ["\u202e", "?"], ["ß", "SS"], ["W".repeat(128), "W"],
  ]) assert.equal(initialsOf(name), want);
});

test("colours", () => {
  const of = (user_name, user_id) => hueOf({ user_name, user_id });
  assert.equal(of("ann"), of("ann"));
  assert.equal(of("ann", "1"), of("Ann Lee", "1"), "a new name is no new person");
  const used = new Set(Array.from({ length: 200 }, (_, i) => of("sam", `id ${i}`)));
  assert.deepEqual([...used].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});
