// How far a person has read a room. This browser keeps it, and the chat too if people sign in.

/** A position in a room's log. It only grows, until the log itself goes back. */
export class Reading {
  #memory;
  #room;
  #position; // {epoch, index}, or null for a room that was never read
  #skipped = new Set(); // indexes above the position, of the person's own messages and of deleted ones
  #gone = 0; // messages up to this index have expired

  /** @param {string} room the room's name */
  constructor(memory, room) {
    this.#memory = memory;
    this.#room = room;
    this.#position = memory.position(room);
  }

  /** The index of the last message that was read. */
  get index() {
    return this.#position?.index ?? 0;
  }

  /** How many messages of others are not read, up to the index of the last one. */
  unread(last) {
    return this.#position ? Math.max(0, last - Math.max(this.index, this.#gone) - this.#skipped.size) : 0;
  }

  /**
   * The room was entered, and this is its last index. A room that was never read has nothing unread. `marker` is how
   * far the person has read on any device; null if the chat does not keep that.
   */
  begin(last, marker = null) {
    if (!this.#position) this.#set({ epoch: 0, index: Math.min(marker ?? last, last) });
    else if (this.index > last) this.#set({ epoch: this.#position.epoch + 1, index: last });
    this.to(Math.min(marker ?? 0, last));
  }

  /** The room's log went back, and this is its last index now. */
  reset(last) {
    this.#skipped.clear();
    this.#gone = 0;
    this.#set({ epoch: (this.#position?.epoch ?? 0) + 1, index: Math.min(this.index, last) });
  }

  /** Everything up to this index is read. */
  to(index) {
    if (this.#position && index > this.index) this.#set({ ...this.#position, index });
  }

  /** The message at this index is not to be read: it is the person's own, or was deleted. */
  skip(index) {
    if (!this.#position || index <= this.index) return;
    this.#skipped.add(index);
    while (this.#skipped.has(this.index + 1)) this.to(this.index + 1);
  }

  /** The messages up to this index have expired. */
  lost(index) {
    this.#gone = index;
    for (const i of this.#skipped) if (i <= index) this.#skipped.delete(i);
  }

  /** Another tab may have read further. */
  reload() {
    const other = this.#memory.position(this.#room);
    if (isFurther(other, this.#position)) this.#take(other);
    else if (isFurther(this.#position, other)) this.#set(this.#position); // the other tab has overwritten it
  }

  #set(position) {
    this.#take(position);
    this.#memory.setPosition(this.#room, position);
  }

  #take(position) {
    this.#position = position;
    for (const i of this.#skipped) if (i <= position.index) this.#skipped.delete(i);
  }
}

/** Whether position a replaces position b. */
function isFurther(a, b) {
  if (!a || !b) return Boolean(a);
  return a.epoch === b.epoch ? a.index > b.index : a.epoch > b.epoch;
}
