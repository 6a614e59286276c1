// Dialogs. The browser keeps the focus in a dialog, closes it with Escape, and gives the focus back.

import { bdi, element } from "./dom.js";
import { say } from "./texts.js";

/**
 * Asks a question in a dialog.
 * @param {string | (string | Node)[]} title
 * @param {string | (string | Node)[]} text
 * @param {Record<string, string | (string | Node)[]>} answers the words on the buttons, by the answer's name
 * @returns {Promise<string | null>} the name of the chosen answer; null if the dialog was closed
 */
export function ask(title, text, answers) {
  return new Promise((resolve) => {
    const answer = ([name, says], i) => element("button",
      { className: i === 0 ? "primary" : "", onclick: () => dialog.close(name) }, ...[says].flat());
    const described = { "aria-labelledby": "question", "aria-describedby": "question-text" };
    const dialog = element("dialog", { className: "card", ...described },
      element("h2", { id: "question" }, ...[title].flat()), element("p", { id: "question-text" }, ...[text].flat()),
      element("div", { className: "answers" }, ...Object.entries(answers).map(answer)));
    dialog.onclose = () => {
      dialog.remove();
      resolve(dialog.returnValue || null);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Shows a dialog, which a click beside what is in it closes. It is removed then, unless it has an onclose. */
export function popUp(dialog) {
  dialog.onclick = ({ target }) => {
    if (target === dialog) dialog.close();
  };
  dialog.onclose ??= () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}

/** Opens a dialog about a room with a title, which a button and Escape close, and returns it. */
export function openDialog(title, ...children) {
  const dialog = element("dialog", { className: "card of-room", "aria-labelledby": "dialog-title" },
    element("h2", { id: "dialog-title" }, bdi(title)), ...children,
    element("button", { type: "button", onclick: () => dialog.close() }, say("close")));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Closes the dialogs about rooms. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog.of-room")) dialog.close();
}
