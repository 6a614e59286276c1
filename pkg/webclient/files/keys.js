// The keys of the page, and the dialog that lists them.

import { openDialog } from "./dialog.js";
import { element } from "./dom.js";
import { say } from "./texts.js";

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
const COMMAND = isMac ? "⌘" : "Ctrl";
const ALT = isMac ? "⌥" : "Alt";

/** Whether a key is pressed with the key for commands, and perhaps Shift. */
const commands = (event, key, shift = false) => (isMac ? event.metaKey : event.ctrlKey) && !event.altKey
  && event.shiftKey === shift && event.key.toLowerCase() === key;

/** What is listed. Those with `act` are keys of the whole page; the others work where the words say. */
const KEYS = [
  { keys: `${COMMAND} K`, says: "goToPlace", act: "go", is: (e) => commands(e, "k") },
  { keys: `${COMMAND} Shift F`, says: "searchHere", act: "search", is: (e) => commands(e, "f", true) },
  { keys: `${ALT} ↑`, says: "roomAbove", act: "above", is: (e) => e.altKey && e.key === "ArrowUp" },
  { keys: `${ALT} ↓`, says: "roomBelow", act: "below", is: (e) => e.altKey && e.key === "ArrowDown" },
  { keys: "Esc", says: "closeOpen", act: "close", is: (e) => e.key === "Escape" },
  { keys: `${COMMAND} /`, says: "thisList", act: "list", is: (e) => commands(e, "/") },
  { keys: "Enter", says: "sendIt" },
  { keys: "Shift Enter", says: "newLine" },
  { keys: "↑", says: "editLast" },
  { keys: "↑ ↓", says: "nextMessage" },
];

/** What a key of the page does: a name, as above; undefined for other keys. */
export const actOf = (event) => KEYS.find(({ is }) => is?.(event))?.act;

/** Shows the keys. */
export function showKeys() {
  const shown = (keys) => keys.split(" ").flatMap((key, i) => [i > 0 ? " " : "", element("kbd", {}, key)]);
  const row = ({ keys, says }) => element("tr", {},
    element("th", { scope: "row" }, ...shown(keys)), element("td", {}, say(says)));
  openDialog(say("keys"), element("table", { className: "keys" }, element("tbody", {}, ...KEYS.map(row))));
}
