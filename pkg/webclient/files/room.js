// What a person can do with a room: its menu, its link, the question before it is left, and what an empty one shows.

import { $, ask, bdi, element, openDialog } from "./dom.js";
import { isPrivate } from "./rules.js";
import { SIGN_IN } from "./signin.js";
import { unsentInWords } from "./words.js";

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
  const dialog = element("dialog", { className: "card menu at-header of-room", "aria-label": "This room" },
    item("search-here", "Search in this room", search),
    item("mute", isMuted ? "Unmute this room" : "Mute this room", mute),
    ...(SIGN_IN ? [item("about", "About this room", about)] : []),
    ...(link ? [item("copy-link", "Copy link", () => copy(link, tell))] : []),
    item("leave", "Leave this room", leave, "danger"),
    item("", "Cancel", () => {}));
  dialog.onclick = ({ target }) => {
    if (target === dialog) dialog.close(); // the click was beside what is in it
  };
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}

/** Copies a link. If the browser does not let the page, the person can do it: the link is shown, and selected. */
async function copy(link, tell) {
  try {
    await navigator.clipboard.writeText(link); // is there with TLS, and on localhost
    tell("The link is copied.");
  } catch {
    const field = element("input", { readOnly: true, value: link, dir: "ltr", "aria-label": "Link to this room" });
    openDialog("Copy this link", field);
    field.focus();
    field.select();
  }
}

/** Asks a person who leaves a room and would miss something. It tells whether to leave. */
export async function isSureToLeave({ room, listed, title, unsent, hasDraft, isLosing }) {
  const isClosed = isPrivate(room, listed) && !(room.rules ?? listed).direct;
  const written = unsent > 0 ? unsentInWords(unsent) : hasDraft ? "What you are writing is not sent yet." : "";
  if (!isClosed && written === "") return true;
  const kept = isLosing ? "What is not sent is kept until you close this page."
    : "What is not sent is kept in this browser until you come back.";
  // Leaving ends no membership of a private room: "Leave for good" does.
  const stays = room.you?.role ? "You stay a member of this private room. " : "";
  const back = [stays, "You can come back by its name: ", bdi(room.name), "."];
  const text = [...(written ? [written, " ", kept, " "] : []), ...(isClosed ? back : [])];
  return (await ask(["Leave ", bdi(title), "?"], text, { stay: "Stay", leave: "Leave" })) === "leave";
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
    element("h3", {}, "Nobody has written anything yet."),
    element("p", {}, link ? "Write the first message, or send others the link to this room."
      : "Write the first message."),
    ...(link ? [element("button", { onclick: () => copy(link, tell) }, "Copy link")] : [])));
}
