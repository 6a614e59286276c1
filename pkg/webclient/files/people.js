// The people in a room.

import { $, bdi, element } from "./dom.js";
import { nodes, say } from "./texts.js";
import { shownName } from "./words.js";

/**
 * Shows the users of a room; two users may have one name. `isMe` tells whether a user is the reader, and `show` shows
 * one who has signed in.
 */
export function drawPeople(users, isMe, show) {
  const named = users.filter((user) => user.user_name !== "").sort((a, b) => a.user_name.localeCompare(b.user_name));
  $("show-people").dataset.count = named.length; // what a narrow screen shows of it
  $("show-people").replaceChildren(element("span", {}, say("people", { n: named.length })));
  const nameless = users.find((user) => user.user_name === "")?.connections ?? 0;
  const row = (user) => {
    const { user_name: name, connections } = user;
    const notes = [isMe(user) && say("you"), connections > 1 && say("devices", { n: connections })].filter(Boolean);
    const shown = bdi(shownName(name));
    const label = user.user_id === undefined ? shown
      : element("button", { className: "link", onclick: () => show(user) }, shown);
    return element("li", {}, label, notes.length ? element("small", {}, ` (${notes.join(", ")})`) : "");
  };
  $("people").replaceChildren(
    element("h3", {}, say("whoIsHere")),
    element("ul", {}, ...named.map(row)),
    nameless ? element("p", {}, element("small", {}, say("nameless", { n: nameless }))) : "",
  );
}

/** Names the users that are typing, in a line that is always there, so that nothing moves. */
export function drawTyping(users) {
  const [first, second] = users.map(({ user_name: name }) => bdi(shownName(String(name))));
  const says = [[], nodes("types", { name: first }), nodes("twoType", { a: first, b: second })];
  $("typing").replaceChildren(...(says[users.length] ?? [say("manyType")]));
}

/** Says who came into the room and who went away: texts and elements. */
export function presenceInWords({ came, went, passed }) {
  const says = [["cameIn", came], ["wentAway", went], ["cameAndWent", passed]].filter(([, users]) => users.length > 0);
  return says.flatMap(([key, users], i) =>
    [...(i > 0 ? [", "] : []), ...nodes(key, { n: users.length, names: namesOf(users) })]);
}

/** Names at most three users: "ann, bob and 3 others". */
function namesOf(users) {
  const named = users.length > 3 ? users.slice(0, 2) : users;
  const names = named.map(({ user_name: name }) => bdi(shownName(String(name))));
  const more = users.length - named.length;
  const all = more > 0 ? [...names, say("others", { n: more })] : names;
  if (all.length === 1) return all;
  const first = all.slice(0, -1).flatMap((name, i) => (i > 0 ? [", ", name] : [name]));
  return nodes("listTwo", { a: first, b: all.at(-1) });
}
