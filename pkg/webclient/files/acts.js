// What a person does to stored messages: edits, deletions, reactions. An edit is kept in this browser until it is
// stored or given up, like a message that is sent.

/**
 * The person's changes to the messages of a room that are not stored.
 *
 * Event: `change`, with {index}, when the message with this index has another state.
 */
export class Acts extends EventTarget {
  #room;
  #memory;
  #name;
  #doing = new Map(); // by index: {edit, deleting, reactions}
  #reacted = new Map(); // whether the person has a reaction: a frame names only some of those with a frequent one

  /** @param {string} name the room's name, under which edits are kept */
  constructor(room, name, memory) {
    super();
    this.#room = room;
    this.#name = name;
    this.#memory = memory;
    // A repeat of an edit that was stored does nothing, because it names the version that it is of.
    for (const edit of memory.edits(name)) if (edit.error) this.#set(edit.index, { edit }); else this.edit(edit);
  }

  /** What is being done to a message: {edit?: {content, error}, deleting?: boolean, reactions?: string[]}. */
  doing(index) {
    return this.#doing.get(index) ?? {};
  }

  /** The text that a message has, or is getting. */
  textOf({ index, content }) {
    return this.doing(index).edit?.content ?? content;
  }

  /** Whether closing the page now would lose an edit. */
  get isLosing() {
    return [...this.#doing.values()].some(({ edit }) => edit?.kept === false);
  }

  /** The indexes of the messages with a refused edit. */
  get refused() {
    return [...this.#doing].filter(([, { edit }]) => edit?.error).map(([index]) => index);
  }

  /** Whether the person has a reaction to a message. */
  hasReacted({ index, reactions = [] }, reaction, isMe) {
    const given = reactions.find((r) => r.reaction === reaction);
    if (!given) return false;
    const isNamed = given.users.some(isMe);
    return isNamed || (given.count > given.users.length && this.#reacted.get(`${index} ${reaction}`) === true);
  }

  /** Edits a message: {index, content, version}. It returns a ChatError if that is refused, and null otherwise. */
  async edit({ index, content, version }) {
    const edit = { index, content, version, error: null };
    edit.kept = this.#memory.keepEdit(this.#name, edit);
    this.#set(index, { edit });
    const error = await this.#settled(this.#room.edit(index, content, { version }));
    if (this.doing(index).edit !== edit || error?.code === "closed") return null; // there is a newer one, or it is kept
    if (error) {
      edit.error = { code: error.code, message: error.message };
      this.#memory.keepEdit(this.#name, edit);
      this.#set(index, { edit: { ...edit } });
    } else this.giveUp(index);
    return error;
  }

  /** Gives up a refused edit, or forgets a stored one. */
  giveUp(index) {
    this.#memory.forgetEdit(this.#name, index);
    this.#set(index, { edit: undefined });
  }

  /** Deletes a message. It returns a ChatError if that is refused, and null otherwise. */
  async remove(index) {
    this.#set(index, { deleting: true });
    const error = await this.#settled(this.#room.remove(index));
    this.#set(index, { deleting: undefined });
    return error;
  }

  /** Adds a reaction, or takes it back. It returns a ChatError if that is refused, and null otherwise. */
  async react(index, reaction, isOn) {
    const others = (this.doing(index).reactions ?? []).filter((r) => r !== reaction);
    this.#set(index, { reactions: [...others, reaction] });
    const error = await this.#settled(isOn ? this.#room.react(index, reaction) : this.#room.unreact(index, reaction));
    if (!error) this.#reacted.set(`${index} ${reaction}`, isOn);
    const left = (this.doing(index).reactions ?? []).filter((r) => r !== reaction);
    this.#set(index, { reactions: left.length > 0 ? left : undefined });
    return error;
  }

  async #settled(request) {
    try {
      await request;
      return null;
    } catch (error) {
      return error;
    }
  }

  #set(index, state) {
    const doing = { ...this.doing(index), ...state };
    if (Object.values(doing).some((value) => value !== undefined)) this.#doing.set(index, doing);
    else this.#doing.delete(index);
    this.dispatchEvent(new CustomEvent("change", { detail: { index } }));
  }
}
