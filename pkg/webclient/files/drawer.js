// On a narrow screen, the rooms are in a drawer. It is a dialog, so the browser keeps the focus in it, closes it with
// Escape, and gives the focus back. The side bar itself moves into it: there is one list of rooms.

import { popUp } from "./dialog.js";
import { $, element } from "./dom.js";
import { say } from "./texts.js";

const NARROW = matchMedia("(max-width: 720px)"); // as in the style sheet

export function openDrawer() {
  const bar = $("sidebar");
  const dialog = element("dialog", { className: "drawer of-room", "aria-label": say("rooms") });
  const close = () => dialog.close();
  dialog.onclose = () => {
    NARROW.removeEventListener("change", close);
    if (bar.parentElement === dialog) $("chat").prepend(bar);
    dialog.remove();
  };
  NARROW.addEventListener("change", close);
  $("close-rooms").onclick = close;
  popUp(dialog);
  dialog.append(bar); // which is never out of the document: the page finds its parts there
  bar.querySelector("[aria-current]")?.focus();
}

/**
 * Shows a room, and puts the person into it: into the field, or from the drawer, on a phone, to the messages. There the
 * field would bring the keyboard up, over half of what the person wants to read.
 * @param {() => void} show shows the room, and closes the drawer
 */
export function enterRoom(show) {
  const place = $(document.querySelector("dialog.drawer[open]") ? "scroller" : "draft");
  show();
  place.focus();
}
