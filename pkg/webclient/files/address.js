// The page's address: it names the room that is shown, so that people can share a room as a link, and so that Back and
// Forward move between rooms.

import { spelled } from "./client.js";

/** The state of the history's entries of rooms that were shown. Other entries are of links. */
const VISITED = { isVisited: true };

/** The room in the address, …/#lobby; "" if there is none. */
export function roomInAddress() {
  try {
    return spelled(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return "";
  }
}

/** The part of the address that stands for a room; "" for none, which is null. */
export const addressOf = (room) => (room === null ? "" : `#${encodeURIComponent(room)}`);

/** Whether the address is of a room that was shown in this tab, by anybody, and not one that a link leads to. */
export const isRoomVisited = () => Boolean(history.state?.isVisited);

/** The room that is shown has changed. If the person has moved, Back leads to the one before. */
export function setAddress(room, { isMove = false } = {}) {
  history[isMove ? "pushState" : "replaceState"](VISITED, "", addressOf(room));
}
