// Elements of the page. Everything that people write becomes text, never markup.

import { LANGUAGE, say } from "./texts.js";

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** Puts the words of the page's language into the document: data-says has the key of a text, or of an attribute's. */
export function sayEverything() {
  document.documentElement.lang = LANGUAGE;
  document.title = say("chat");
  const attributes = { says: "textContent", label: "ariaLabel", title: "title", placeholder: "placeholder" };
  for (const [name, property] of Object.entries(attributes)) {
    for (const e of document.querySelectorAll(`[data-${name}]`)) e[property] = say(e.dataset[name]);
  }
}

/** Makes an element with properties and children, which are elements or text. */
export function element(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(e.dataset, value);
    else if (name.includes("-")) e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children);
  return e;
}

/** A text that somebody wrote, isolated: its direction must not affect the text around it. */
export const bdi = (text) => element("bdi", {}, text);

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

/** A field with its label above it. */
export const labelled = (says, field) => element("label", {}, says, field);

/** A choice of one of several values, each with its words. */
export function select(says, options, chosen) {
  const choices = options.map(([value, words]) => element("option", { value, selected: value === chosen }, words));
  return element("select", { "aria-label": says }, ...choices);
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
