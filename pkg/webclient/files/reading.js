// How far a person has read a room, in this browser.

/** A position in a room's log, which only grows until the log itself goes back. */
export class Reading {
  #memory;
  #room;
  #position; // {epoch, index}, or null for a room that was never read
  #mine = new Set(); // indexes above the position, of the person's own messages
  #gone = 0; // up to this index, messages are no longer kept

  /** @param {string} room its name */
  constructor(memory, room) {
    this.#memory = memory;
    this.#room = room;
    this.#position = memory.position(room);
  }

  /** The index of the last message that was read. */
  get index() {
    return this.#position?.index ?? 0;
  }

  /** How many messages of others, up to the last one, are not read. */
  unread(last) {
    return this.#position ? Math.max(0, last - Math.max(this.index, this.#gone) - this.#mine.size) : 0;
  }

  /** The room has been entered, and this is its last message. A room that is new has nothing unread. */
  begin(last) {
    if (!this.#position) this.#set({ epoch: 0, index: last });
    else if (this.index > last) this.#set({ epoch: this.#position.epoch + 1, index: last });
  }

  /** The room's log went back, and this is the last message now. */
  reset(last) {
    this.#mine.clear();
    this.#gone = 0;
    this.#set({ epoch: (this.#position?.epoch ?? 0) + 1, index: Math.min(this.index, last) });
  }

  /** All up to this message is read. */
  to(index) {
    if (this.#position && index > this.index) this.#set({ ...this.#position, index });
  }

  /** This message is the person's own. */
  wrote(index) {
    if (!this.#position || index <= this.index) return;
    this.#mine.add(index);
    while (this.#mine.has(this.index + 1)) this.to(this.index + 1);
  }

  /** The messages up to this one are no longer kept. */
  lost(index) {
    this.#gone = index;
    for (const i of this.#mine) if (i <= index) this.#mine.delete(i);
  }

  /** Another tab may have read further. */
  reload() {
    const other = this.#memory.position(this.#room);
    if (isFurther(other, this.#position)) this.#take(other);
    else if (isFurther(this.#position, other)) this.#memory.setPosition(this.#room, this.#position); // it wrote over ours
  }

  #set(position) {
    this.#take(position);
    this.#memory.setPosition(this.#room, position);
  }

  #take(position) {
    this.#position = position;
    for (const i of this.#mine) if (i <= position.index) this.#mine.delete(i);
  }
}

/** Whether one position replaces another one. */
function isFurther(a, b) {
  if (!a || !b) return Boolean(a);
  return a.epoch === b.epoch ? a.index > b.index : a.epoch > b.epoch;
}
