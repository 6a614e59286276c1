// Users that come into a room and go away, summed up: what happened between two messages is one item of a conversation,
// and a short absence is none.

const ABSENCE = 5 * 60_000; // milliseconds: a shorter one is not shown

const LISTS = ["came", "went", "passed"];

/**
 * Takes in that a user has come or gone.
 * @param {object[]} items of a Conversation
 * @param {{user_name: string, user_id?: string, event: "joined" | "left"}} change
 * @param {number} at when, in milliseconds since the epoch
 * @returns {{items: object[], added: object | null}} the items with it, or what a new item has to say
 */
export function withPresence(items, { user_name, user_id, event }, at) {
  const user = Object.freeze({ user_name, ...(user_id !== undefined && { user_id }), at });
  const last = items.at(-1)?.kind === "presence" ? items.at(-1) : null;
  const from = (item) => LISTS.find((list) => item[list].some((other) => isSame(other, user)));
  const list = event === "left" ? leftTo(last && from(last)) : "came";
  const put = (item, to) => items.map((i) => (i === item ? moved(item, user, to) : i)).filter((i) => i !== null);
  if (event === "joined") {
    const left = items.findLast((i) => i.kind === "presence" && ["went", "passed"].includes(from(i)));
    const isBack = left && (left === last || at - leftAt(left, user) <= ABSENCE);
    if (isBack) return { items: put(left, from(left) === "went" ? null : "came"), added: null };
  }
  if (last) return { items: put(last, list), added: null };
  return { items, added: { came: [], went: [], passed: [], [list]: [user] } };
}

/** The list of a user that goes away, and was in another list since the last message. */
const leftTo = (before) => (before === "came" || before === "passed" ? "passed" : "went");

const leftAt = (item, user) => [...item.went, ...item.passed].find((other) => isSame(other, user)).at;

/** An item with a user in one list, or in none; null if nothing is left of it. */
function moved(item, user, to) {
  const without = (list) => item[list].filter((other) => !isSame(other, user));
  const lists = LISTS.map((list) => [list, list === to ? [...without(list), user] : without(list)]);
  if (lists.every(([, users]) => users.length === 0)) return null;
  return Object.freeze({ ...item, ...Object.fromEntries(lists) });
}

const isSame = (a, b) => (a.user_id ?? b.user_id) === undefined ? a.user_name === b.user_name : a.user_id === b.user_id;
