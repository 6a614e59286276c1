// What is on its way to a room, below its messages.

import { waitingNode } from "./bubble.js";
import { $, element } from "./dom.js";

export class Waiting {
  element = element("ol", { id: "outbox", "aria-label": "Not sent yet" });
  #shown = new Map(); // {state, node} by id
  #actions;
  #folds;

  /** `actions` are those of a message that waits. */
  constructor({ actions, folds }) {
    this.#actions = actions;
    this.#folds = folds;
  }

  /** Draws what has changed, which may be much after a while offline. Refused messages stand elsewhere. */
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

  /** Draws one after another one, or first, and returns its element. */
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

  /** Puts a node in the place of another, which may have the focus. */
  #replace(old, node) {
    const focused = old.contains(document.activeElement);
    this.#folds.unwatch(old);
    if (node) old.replaceWith(node);
    else old.remove();
    if (focused) (node?.querySelector("button") ?? $("draft")).focus();
  }
}
