// One message on the page: its content, its time and its state.

import { bdi, element } from "./dom.js";
import { refusal, shownName } from "./words.js";

/** The content of a message, and a line for its time and its state. */
function bubble(content, ...meta) {
  return element("div", { className: "bubble" },
    element("div", { className: "content", dir: "auto" }, content),
    element("div", { className: "meta" }, ...meta));
}

/** A stored message. `mine` says whether the reader wrote it. */
export function messageNode({ content, index, edited_at, deleted_at }, mine) {
  const text = deleted_at ? "This message was deleted." : String(content ?? "");
  const node = element("li", { className: `message${mine ? " mine" : ""}`, dataset: { index } },
    bubble(text, element("time")));
  node.classList.toggle("deleted", Boolean(deleted_at));
  if (edited_at) node.querySelector(".meta").append(element("span", { className: "edited" }, "Edited"));
  if (mine) {
    const sent = element("span", { className: "sent", title: `Stored as number ${index}` }, "Sent");
    node.querySelector(".meta").append(sent);
  }
  return node;
}

/** Shows the time of a message, in milliseconds since the epoch. */
export function showTime(node, ms, clock) {
  const time = node.querySelector("time");
  time.textContent = clock.timeOf(ms);
  time.title = clock.inFull(ms);
  if (time.textContent) time.dateTime = new Date(ms).toISOString();
}

/** Shows or hides the sender's name above a message. */
export function showSender(node, name, shown) {
  const head = node.querySelector(".who");
  node.classList.toggle("first", shown);
  if (shown && !head) node.prepend(element("div", { className: "who" }, bdi(shownName(String(name ?? "")))));
  else if (!shown) head?.remove();
}

/** A message that is not stored yet. */
export function waitingNode({ id, content, state }, { discard }) {
  const meta = [element("span", { className: "sent" }, state === "sending" ? "Sending…" : "Waiting to be sent")];
  if (state === "waiting") {
    meta.push(element("button", { className: "link give-up", onclick: () => discard(id) }, "Delete"));
  }
  return element("li", { className: `message mine ${state}`, dataset: { id } }, bubble(content, ...meta));
}

/** A message that was refused, with the buttons for it. */
export function refusedNode({ id, content, error }, { edit, retry, discard }) {
  const action = (says, f) => element("button", { className: "link", onclick: () => f(id) }, says);
  return element("li", { className: "message mine failed", dataset: { id } },
    bubble(content, element("time")),
    element("div", { className: "sent" }, `Not sent. ${refusal(error)}`),
    element("div", {}, action("Edit", edit), " ", action("Try again", retry), " ", action("Delete", discard)));
}

/**
 * Folds long messages: it shows the first lines, and a button for the rest. The style sheet has the height of a folded
 * message. Whether a message is higher than that depends on the size of the window, which may change.
 */
export class Folds {
  #observer;

  /**
   * @param {{hold: (change) => void, holdAt: (element, change) => void, toggled: () => void}} view `hold` makes a
   *   change without moving what is on the screen; `holdAt` makes one without moving the element; `toggled` is called
   *   when a person has used a button
   */
  constructor(view) {
    this.#observer = new ResizeObserver((entries) => {
      const contents = entries.map((e) => e.target).filter((content) => content.isConnected);
      const wrong = contents.filter((content) => isCut(content) !== hasButton(content));
      if (wrong.length > 0) view.hold(() => wrong.forEach((content) => toggleButton(content, view)));
    });
  }

  watch(node) {
    this.#observer.observe(node.querySelector(".content"));
  }

  unwatch(node) {
    this.#observer.unobserve(node.querySelector(".content"));
  }
}

function toggleButton(content, view) {
  const meta = content.nextSibling;
  content.parentNode.classList.toggle("tall", !hasButton(content));
  if (hasButton(content)) return meta.querySelector(".fold").remove();
  const button = element("button", { className: "link fold", "aria-expanded": "false" }, "Show all of it");
  button.onclick = () => {
    const open = !content.classList.contains("open");
    const change = () => content.classList.toggle("open", open);
    if (open) change(); // it grows downwards
    else view.holdAt(button, change); // it stays under the pointer
    button.textContent = open ? "Show less" : "Show all of it";
    button.setAttribute("aria-expanded", String(open));
    view.toggled();
  };
  meta.prepend(button);
}

const hasButton = (content) => content.nextSibling.querySelector(".fold") !== null;
const isCut = (content) => content.classList.contains("open") || content.scrollHeight > content.clientHeight + 1;
