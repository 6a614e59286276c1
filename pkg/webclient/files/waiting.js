// The messages that are not stored yet, below the room's messages.

import { waitingNode } from "./bubble.js";
import { $, element } from "./dom.js";
import { say } from "./texts.js";

export class Waiting {
  element = element("ol", { id: "outbox", "aria-label": say("notSentYet") });
  #shown = new Map(); // {state, node} by id
  #actions;
  #folds;

  /** `actions` are the buttons of a waiting message. */
  constructor({ actions, folds }) {
    this.#actions = actions;
    this.#folds = folds;
  }

  /** Draws the changes only: there may be many messages after a time offline. Refused messages stand elsewhere. */
  draw(entries) {
    const gone = new Set(this.#shown.keys());
    let before = null;
    for (const entry of entries) {
      if (entry.state === "failed") continue;
      gone.delete(entry.id);
      before = this.#drawOne(entry, before);
    }
    for (const id of gone) {
      this.#replace(this.#shown.get(id).node, null);
      this.#shown.delete(id);
    }
  }

  /** Draws a message after an element, or first. It returns the message's element. */
  #drawOne(entry, before) {
    const shown = this.#shown.get(entry.id);
    if (shown?.state === entry.state) return shown.node;
    const node = waitingNode(entry, this.#actions);
    this.#shown.set(entry.id, { state: entry.state, node });
    this.#folds.watch(node);
    if (shown) this.#replace(shown.node, node);
    else if (before) before.after(node);
    else this.element.prepend(node);
    return node;
  }

  /** Replaces or removes a node, which may have the focus. */
  #replace(old, node) {
    const focused = old.contains(document.activeElement);
    this.#folds.unwatch(old);
    if (node) old.replaceWith(node);
    else old.remove();
    if (focused) (node?.querySelector("button") ?? $("draft")).focus();
  }
}
