// What a person can do with a room: its menu, its link, the question before it is left, and what an empty one shows.

import { ask, openDialog, popUp } from "./dialog.js";
import { $, bdi, element } from "./dom.js";
import { isPrivate } from "./rules.js";
import { SIGN_IN } from "./signin.js";
import { nodes, say } from "./texts.js";

/** The address of a room for others; "" if it has none: the name of a direct room means nothing to them. */
function linkTo(name) {
  if (SIGN_IN && name.startsWith("@")) return "";
  return `${location.origin}${location.pathname}#${encodeURIComponent(name)}`;
}

/**
 * Opens the menu of a room, below its button.
 * @param {{name: string, isMuted: boolean, search: () => void, mute: () => void, about: () => void,
 *   tell: (text: string) => void, leave: () => void}} parts `tell` shows a text for a moment
 */
export function openRoomMenu({ name, isMuted, search, mute, about, tell, leave }) {
  const link = linkTo(name);
  const item = (id, says, f, className = "") =>
    element("button", { id, className, onclick: () => (dialog.close(), f()) }, says);
  const dialog = element("dialog", { className: "card menu at-header of-room", "aria-label": say("thisRoom") },
    item("search-here", say("searchHere"), search),
    item("mute", say(isMuted ? "unmute" : "mute"), mute),
    ...(SIGN_IN ? [item("about", say("aboutRoom"), about)] : []),
    ...(link ? [item("copy-link", say("copyLink"), () => copy(link, tell))] : []),
    item("leave", say("leaveRoom"), leave, "danger"),
    item("", say("cancel"), () => {}));
  popUp(dialog);
}

/** Copies a link. If the browser does not let the page, the person can do it: the link is shown, and selected. */
async function copy(link, tell) {
  try {
    await navigator.clipboard.writeText(link); // is there with TLS, and on localhost
    tell(say("linkCopied"));
  } catch {
    const field = element("input", { readOnly: true, value: link, dir: "ltr", "aria-label": say("linkToRoom") });
    openDialog(say("copyThis"), field);
    field.focus();
    field.select();
  }
}

/** Asks a person who leaves a room and would miss something. It tells whether to leave. */
export async function isSureToLeave({ room, listed, title, unsent, hasDraft, isLosing }) {
  const isClosed = isPrivate(room, listed) && !(room.rules ?? listed).direct;
  const written = unsent > 0 ? say("unsentCount", { n: unsent }) : hasDraft ? say("draftUnsent") : "";
  if (!isClosed && written === "") return true;
  const kept = say(isLosing ? "keptOpen" : "keptReturn");
  // Leaving ends no membership of a private room: "Leave for good" does.
  const back = nodes(room.you?.role ? "staysMember" : "backByName", { room: bdi(room.name) });
  const text = [...(written ? [written, " ", kept, " "] : []), ...(isClosed ? back : [])];
  const answers = { stay: say("stay"), leave: say("leave") };
  return (await ask(nodes("leaveAsk", { room: bdi(title) }), text, answers)) === "leave";
}

/** Shows or hides what stands in a room in which nobody has written. */
export function drawEmpty({ room, outbox }, name, tell) {
  const shown = $("empty");
  const isEmpty = room.ready && room.last === 0 && outbox.entries.length === 0;
  if (isEmpty && shown?.dataset.room === name) return;
  shown?.remove();
  if (!isEmpty) return;
  const link = linkTo(name);
  $("scroller").prepend(element("div", { id: "empty", dataset: { room: name } },
    element("h3", {}, say("isEmpty")),
    element("p", {}, say(link ? "writeFirstLink" : "writeFirst")),
    ...(link ? [element("button", { onclick: () => copy(link, tell) }, say("copyLink"))] : [])));
}
