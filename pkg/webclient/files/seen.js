// "Seen by": the names of those that have read a message. The chat tells them in rooms of a few signed-in people.

import { bdi, element } from "./dom.js";
import { nodes } from "./texts.js";
import { shownName } from "./words.js";

/** The line with these names, below a message. */
export class Seen {
  element = element("div", { className: "seen" });
  #isMe;
  #readers = new Map(); // the other users that have read something: {name, index}, by id
  #names = []; // that are shown

  /** @param {(user) => boolean} isMe tells whether a user is the reader */
  constructor(isMe) {
    this.#isMe = isMe;
  }

  /** Takes how far users have read. Somebody who has left has read all the same. */
  learn(users) {
    for (const user of users) {
      if (!user.read || this.#isMe(user)) continue;
      const index = Math.max(user.read, this.#readers.get(user.user_id)?.index ?? 0);
      this.#readers.set(user.user_id, { name: shownName(String(user.user_name)), index });
    }
  }

  forget() {
    this.#readers.clear();
  }

  /** Whether the line must be drawn anew, for the item of a message, or for none. */
  differs(item) {
    const others = item ? [...this.#readers.values()].filter(({ index }) => index >= item.message.index) : [];
    const names = others.map(({ name }) => name);
    const isSame = names.length === this.#names.length && names.every((name, i) => name === this.#names[i]);
    this.#names = names;
    return !isSame || (names.length > 0 && this.element.parentNode !== item.node);
  }

  /** Draws it below the message. */
  draw(item) {
    if (this.#names.length === 0) return this.element.remove();
    const names = this.#names.flatMap((name, i) => (i > 0 ? [", ", bdi(name)] : [bdi(name)]));
    this.element.replaceChildren(...nodes("seenBy", { names }));
    item.node.append(this.element);
  }
}
