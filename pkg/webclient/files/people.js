// The people in a room.

import { $, bdi, element } from "./dom.js";
import { count, shownName } from "./words.js";

/**
 * Shows the users of a room; two users may have one name. `isMe` tells whether a user is the reader, and `show` shows
 * one who has signed in.
 */
export function drawPeople(users, isMe, show) {
  const named = users.filter((user) => user.user_name !== "").sort((a, b) => a.user_name.localeCompare(b.user_name));
  $("show-people").dataset.count = named.length; // what a narrow screen shows of it
  $("show-people").replaceChildren(element("span", {}, count(named.length, "person", "people")));
  const nameless = users.find((user) => user.user_name === "")?.connections ?? 0;
  const row = (user) => {
    const { user_name: name, connections } = user;
    const notes = [isMe(user) && "you", connections > 1 && count(connections, "device", "devices")].filter(Boolean);
    const shown = bdi(shownName(name));
    const label = user.user_id === undefined ? shown
      : element("button", { className: "link", onclick: () => show(user) }, shown);
    return element("li", {}, label, notes.length ? element("small", {}, ` (${notes.join(", ")})`) : "");
  };
  $("people").replaceChildren(
    element("h3", {}, "Who is here"),
    element("ul", {}, ...named.map(row)),
    nameless ? element("p", {}, element("small", {}, andNameless(nameless))) : "",
  );
}

/** Names the users that are typing, in a line that is always there, so that nothing moves. */
export function drawTyping(users) {
  const [first, second] = users.map(({ user_name: name }) => bdi(shownName(String(name))));
  const says = [[], [first, " is typing…"], [first, " and ", second, " are typing…"]];
  $("typing").replaceChildren(...(says[users.length] ?? ["Several people are typing…"]));
}

/** Says who came into the room and who went away: texts and elements. */
export function presenceInWords({ came, went, passed }) {
  const says = [[came, " came in"], [went, " went away"], [passed, " came and went"]];
  return says.filter(([users]) => users.length > 0)
    .flatMap(([users, did], i) => [...(i > 0 ? [", "] : []), ...namesOf(users), did]);
}

/** Names at most three users: "ann, bob and 3 others". */
function namesOf(users) {
  const named = users.length > 3 ? users.slice(0, 2) : users;
  const names = named.map(({ user_name: name }) => bdi(shownName(String(name))));
  const more = users.length - named.length;
  const all = more > 0 ? [...names, `${more} others`] : names;
  return all.flatMap((name, i) => [...(i === 0 ? [] : [i === all.length - 1 ? " and " : ", "]), name]);
}

const andNameless = (n) => `and ${count(n, "connection", "connections")} with no name`;
