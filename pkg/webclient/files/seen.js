// Who has read a message. The chat says it in rooms of a few people who have signed in.

import { bdi, element } from "./dom.js";
import { shownName } from "./words.js";

/** The line below a message that says who has read it. */
export class Seen {
  element = element("div", { className: "seen" });
  #isMe;
  #names = [];

  /** @param {(user) => boolean} isMe tells whether a user is the reader */
  constructor(isMe) {
    this.#isMe = isMe;
  }

  /** Whether the line must be drawn anew, for the item of a message, or for none. */
  differs(item, users) {
    const others = item ? users.filter((user) => user.read >= item.message.index && !this.#isMe(user)) : [];
    const names = others.map((user) => shownName(String(user.user_name)));
    const isSame = names.length === this.#names.length && names.every((name, i) => name === this.#names[i]);
    this.#names = names;
    return !isSame || (names.length > 0 && this.element.parentNode !== item.node);
  }

  /** Draws it below the message. */
  draw(item) {
    if (this.#names.length === 0) return this.element.remove();
    const names = this.#names.flatMap((name, i) => (i > 0 ? [", ", bdi(name)] : [bdi(name)]));
    this.element.replaceChildren("Seen by ", ...names);
    item.node.append(this.element);
  }
}
