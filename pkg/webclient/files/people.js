// Who is in a room.

import { $, bdi, element } from "./dom.js";
import { count, shownName } from "./words.js";

/** Shows the members of a room: the number of connections of each, by name. `me` is the name of the person who looks. */
export function drawPeople(members, me) {
  const names = [...members.keys()].filter((name) => name !== "").sort((a, b) => a.localeCompare(b));
  $("show-people").textContent = count(names.length, "person", "people");
  const nameless = members.get("") ?? 0;
  const row = (name) => {
    const notes = [name === me && "you", members.get(name) > 1 && count(members.get(name), "device", "devices")].filter(Boolean);
    return element("li", {}, bdi(shownName(name)), notes.length ? element("small", {}, ` (${notes.join(", ")})`) : "");
  };
  $("people").replaceChildren(
    element("h3", {}, "Who is here"),
    element("ul", {}, ...names.map(row)),
    nameless ? element("p", {}, element("small", {}, `and ${count(nameless, "connection", "connections")} with no name`)) : "",
  );
}
