// A room as a person sees it, without a screen: a part of the room's log, what happened beside it, what is not sent,
// and what is not read. The page shows it, and so can a program that has no page.

import { withPresence } from "./presence.js";
import { Reading } from "./reading.js";

const MOST = 300; // items in the window
const NOTES = 50; // of them, items that are no messages
const PAGE = 100; // messages that are fetched at once
const FIELDS = ["id", "content", "replyTo", "metadata", "state", "error", "after", "at"]; // of an entry of the outbox

const NO_MEMORY = { position: () => null, setPosition() {} };

/**
 * One item of the window. `key` is unique in it and stays the same; an item that has changed is another object. `at` is
 * its time, in milliseconds since the epoch. The kinds, each with its fields:
 *
 * - `message`: {message}, a message as it is now
 * - `refused`: {entry}, a message that was not accepted, at the place in the log where that happened
 * - `presence`: {came, went, passed}, lists of users that came, went away, and did both, with no message in between
 * - `expired`: messages are missing here, because they are no longer kept
 * - `restored`: the room went back to an earlier state. Messages that were here may be gone
 * - `barred`: {error}, why the room cannot be entered
 */

/**
 * @typedef {import("./client.js").Room} Room
 * @typedef {import("../conversation.d.ts").Snapshot} Snapshot
 */

/**
 * A window of a room's log, which a reader moves, and the state around it.
 *
 * `subscribe` and `snapshot` fit React's useSyncExternalStore.
 */
export class Conversation {
  /** @type {Room} */
  room;

  /** When the room's last message was sent, in milliseconds since the epoch; 0 without one. */
  lastAt = 0;

  /**
   * Whether the reader is at the end of the room, so that new messages replace the oldest ones of a full window.
   * Otherwise they are not taken into a full window, and what the reader looks at stays.
   */
  following = true;

  #outbox;
  #reading;
  #typing = Object.freeze([]);
  #marker; // how far the user has read on any device; undefined until that is known, null if it is not kept
  #items = []; // frozen
  #unsent = Object.freeze([]); // frozen copies of what is in the outbox
  #mark = null;
  #ends = true; // whether the window ends where the room ends
  #beginning = null; // {index, expired} of the room's first message, if it is known
  #loading = null; // the promise of a fetch in progress
  #jumps = 0; // how often the window jumped to another place; a fetch from before a jump is out of date
  #wentBack = false; // whether the room's log went back, and its present messages have not come yet
  #barred = ""; // the last reason why the room cannot be entered
  #notes = 0; // that were ever added
  #snapshot;
  #listeners = new Set();
  #isClosed = false;
  #unlisten = []; // functions that end listening to an event

  /**
   * @param {Room} room
   * @param {object} [options]
   * @param {number | null | "later"} [options.marker] the index up to which the user has read the room on any device,
   *   as `client.list()` says it; null if the chat does not keep it. With "later", nothing counts as read or unread
   *   until `adopt` says it
   * @param {EventTarget & {entries: readonly object[]}} [options.outbox] what is not stored; a `change` event says that
   *   it has changed. An entry may have `after`, the room's last index when it was refused, and `at`, in milliseconds.
   *   Without it, the room's own outbox, which ends with the program
   * @param {{position: (room: string) => any, setPosition: (room: string, position: any) => void}} [options.memory]
   *   keeps how far the user has read; without it, that is forgotten with the program
   */
  constructor(room, { marker = null, outbox, memory = NO_MEMORY } = {}) {
    this.room = room;
    this.#outbox = outbox;
    this.#reading = new Reading(memory, room.name);
    this.#marker = marker === "later" ? undefined : marker;
    const listen = (target, type, take) => {
      const listener = ({ detail }) => (take(detail), this.#changed());
      target.addEventListener(type, listener);
      this.#unlisten.push(() => target.removeEventListener(type, listener));
    };
    listen(room, "message", (message) => this.#add(message));
    listen(room, "change", (message) => this.#replace(message));
    listen(room, "expired", ({ to }) => (this.#reading.lost(to), this.#note("expired")));
    listen(room, "refused", (error) => this.#refused(error));
    listen(room, "presence", (change) => this.#comesOrGoes(change));
    listen(room, "read", () => this.#hasRead(room.read));
    listen(room, "members", () => this.#hasRead(room.read));
    listen(room, "typing", () => (this.#typing = Object.freeze([...room.typing])));
    listen(room, "reset", () => this.#reset());
    listen(room, "ready", () => this.#ready());
    listen(outbox ?? room, outbox ? "change" : "outbox", () => this.#takeOutbox());
    this.#takeOutbox();
    this.#snapshot = Object.freeze(this.#state());
    if (room.last === null) return;
    this.#ends = room.last === 0; // what was delivered before is fetched
    if (room.ready) this.#ready();
    this.#changed();
    this.toEnd();
  }

  /** Ends it: nothing changes any more. */
  close() {
    this.#isClosed = true;
    for (const unlisten of this.#unlisten) unlisten();
  }

  /**
   * Calls a function after each change, until the returned function is called.
   * @param {() => void} listener
   * @returns {() => void}
   */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * The state as it is now. It never changes; it is the same object until something has changed.
   * @returns {Snapshot}
   */
  snapshot = () => this.#snapshot;

  #state() {
    return {
      ready: this.room.ready && this.#marker !== undefined,
      items: Object.freeze(this.#items),
      unsent: this.#unsent,
      begins: this.#begins,
      expired: this.#begins && this.#beginning?.expired === true,
      ends: this.#ends,
      mark: this.#mark,
      read: this.#reading.index,
      unread: this.room.ready ? this.#reading.unread(this.room.last ?? 0) : 0,
      typing: this.#typing,
      loading: this.#loading !== null,
    };
  }

  /** The message at an index; undefined if it is not in the window. */
  messageAt(index) {
    return this.#itemAt(index)?.message;
  }

  /** The index of the first message in the window; 0 without one. */
  get firstIndex() {
    return this.#items.find((i) => i.message)?.message.index ?? 0;
  }

  /** The index of the last message in the window; 0 without one. */
  get lastIndex() {
    return this.#items.findLast((i) => i.message)?.message.index ?? 0;
  }

  /**
   * Fetches messages from before the window. Newer ones leave a full window.
   * @returns {Promise<boolean>} whether there are more in the window now; false at the beginning, and offline
   */
  loadOlder() {
    return this.#load(true);
  }

  /** The same after the window. Older messages leave a full window. */
  loadNewer() {
    return this.#load(false);
  }

  /** Moves the window to the end of the room. It tells whether it is there. */
  async toEnd() {
    this.#jumps++;
    if (!this.#ends && !(await this.#jump({ limit: PAGE }))) return false;
    this.following = this.#ends;
    return this.#ends;
  }

  /**
   * Moves the window to a message, unless that is in it.
   * @returns {Promise<boolean>} whether that part of the room is in the window. The message may be no longer kept
   */
  async show(index) {
    if (this.messageAt(index)) return true;
    this.#jumps++;
    return this.#jump({ after: Math.max(0, index - PAGE / 2), limit: PAGE });
  }

  /** The reader has seen the messages up to an index. */
  markRead(index) {
    if (!this.room.ready) return;
    this.#reading.to(index);
    this.#changed();
  }

  /** Lets a line mark where the unread messages begin, or removes it if there are none. */
  markNew() {
    this.#mark = this.#snapshot.unread > 0 ? this.#reading.index : null;
    this.#changed();
  }

  /** Removes that line. */
  unmark() {
    this.#mark = null;
    this.#changed();
  }

  /** Takes how far the user has read on any device, as in the constructor. */
  adopt(marker) {
    const isFirst = this.#marker === undefined;
    this.#marker = marker;
    if (!this.room.ready) return;
    if (isFirst) this.#beginReading();
    else this.#hasRead(marker ?? 0);
    this.#changed();
  }

  /** What the memory keeps may have been changed from elsewhere. */
  reloadReading() {
    this.#reading.reload();
    this.#changed();
  }

  #changed() {
    if (this.#isClosed) return;
    if (this.#marker !== undefined) this.room.markRead(this.#reading.index);
    const state = this.#state();
    if (Object.entries(state).every(([name, value]) => this.#snapshot[name] === value)) return;
    this.#snapshot = Object.freeze(state);
    for (const listener of [...this.#listeners]) listener();
  }

  #itemAt(index) {
    return this.#items.find((i) => i.message?.index === index);
  }

  get #begins() {
    const { firstIndex } = this;
    if (firstIndex === 0) return this.room.last === 0;
    return firstIndex === 1 || this.#beginning?.index === firstIndex;
  }

  /** One's own messages and deleted ones do not count as unread. */
  #skip(message) {
    if (message.deleted_at || this.room.isMe(message)) this.#reading.skip(message.index);
  }

  #hasRead(index) {
    if (this.#marker !== undefined) this.#reading.to(Math.min(index, this.room.last ?? 0));
  }

  #add(message) {
    this.lastAt = message.create_at * 1000;
    this.#skip(message);
    if (this.#ends && !this.following && this.#items.length >= MOST + PAGE) this.#ends = false;
    if (!this.#ends || message.index <= this.lastIndex) return;
    this.#append([message]);
    if (this.following) this.#trimStart();
  }

  #replace(message) {
    this.#skip(message);
    this.#items = this.#items.map((i) => (i.message?.index === message.index ? itemOf(message) : i));
  }

  /** Adds messages at the end. Refused messages whose place is later stay below them. */
  #append(messages) {
    const last = messages.at(-1)?.index;
    const place = this.#items.findLastIndex(({ entry }) => !(entry && placeOf(entry) >= last)) + 1;
    this.#items = this.#items.toSpliced(place, 0, ...messages.map(itemOf));
  }

  /** Adds what is no message. */
  #note(kind, fields) {
    if (!this.#ends) return;
    const item = Object.freeze({ kind, key: `note ${++this.#notes}`, at: Date.now(), ...fields });
    const notes = this.#items.filter(isNote);
    const items = notes.length < NOTES ? this.#items : this.#items.filter((i) => i !== notes[0]);
    this.#items = [...items, item];
  }

  #refused(error) {
    const reason = `${error.code} ${error.message}`; // the room is refused again on each new connection
    if (reason === this.#barred) return;
    this.#barred = reason;
    this.#note("barred", { error });
  }

  #comesOrGoes(change) {
    if (!this.#ends) return;
    const { items, added } = withPresence(this.#items, change, Date.now());
    this.#items = items;
    if (added) this.#note("presence", added);
  }

  /** The room's first messages have come. */
  #ready() {
    if (this.#wentBack) {
      this.#wentBack = false;
      this.#reading.reset(this.room.last);
      this.#note("restored");
    }
    this.#barred = "";
    this.#placeRefused();
    this.#beginReading();
  }

  /** The room is entered, and it is known how far it is read. */
  #beginReading() {
    if (this.#marker === undefined) return;
    this.#reading.begin(this.room.last, this.#marker);
    for (const { message } of this.#items) if (message) this.#skip(message);
  }

  /** The room's log went back: the window shows messages that it no longer has. */
  #reset() {
    this.#jumps++;
    this.#wentBack = true;
    this.#beginning = this.#mark = null;
    this.#ends = this.following = true;
    this.#items = [];
    this.#placeRefused();
  }

  /** Replaces the window by another part of the room. It tells whether it could. */
  async #jump(span) {
    const jumps = this.#jumps;
    try {
      const { messages, expired } = await this.room.history(span);
      if (jumps !== this.#jumps || this.#isClosed) return false;
      this.#jumps++; // what is fetched meanwhile belongs to the window before
      this.#items = messages.map(itemOf);
      this.#ends = this.lastIndex >= this.room.last;
      this.following = false;
      if (span.after === 0 || expired) this.#beginning = { index: this.firstIndex, expired };
      messages.forEach((message) => this.#skip(message));
      this.#placeRefused();
      this.#changed();
      return true;
    } catch {
      return false; // offline
    }
  }

  #load(older) {
    if (this.#loading) return this.#loading;
    if (!this.room.ready || (older ? this.#begins || this.firstIndex === 0 : this.#ends)) return Promise.resolve(false);
    this.#loading = this.#fetch(older).finally(() => {
      this.#loading = null;
      this.#changed();
    });
    this.#changed();
    return this.#loading;
  }

  async #fetch(older) {
    const { firstIndex, lastIndex } = this;
    const jumps = this.#jumps;
    try {
      const page = await this.room.history(older ? { before: firstIndex, limit: PAGE }
        : { after: lastIndex, limit: PAGE });
      if (jumps !== this.#jumps || this.#isClosed) return false;
      if (older) this.#takeOlder(page);
      else this.#takeNewer(page);
      page.messages.forEach((message) => this.#skip(message));
      this.#placeRefused();
      return true;
    } catch {
      return false; // offline: the next call tries again
    }
  }

  #takeOlder({ messages, more, expired }) {
    const { firstIndex } = this;
    this.#items = [...messages.filter((m) => m.index < firstIndex).map(itemOf), ...this.#items];
    if (this.#items.length > MOST) {
      this.#items = this.#items.slice(0, MOST);
      this.#ends = false;
    }
    if (!more) this.#beginning = { index: this.firstIndex, expired };
  }

  #takeNewer({ messages }) {
    this.#append(messages.filter((m) => m.index > this.lastIndex));
    this.#ends = this.lastIndex >= this.room.last;
    this.#trimStart();
  }

  #trimStart() {
    const over = this.#items.length - MOST;
    if (over <= 0) return;
    this.#items = this.#items.slice(over);
    this.#placeRefused();
  }

  #takeOutbox() {
    const copies = new Map(this.#unsent.map((copy) => [copy.id, copy]));
    const entries = this.#outbox?.entries ?? this.room.outbox;
    this.#unsent = Object.freeze(entries.map((entry) => copyOf(entry, copies.get(entry.id))));
    this.#placeRefused();
  }

  /** Puts the refused messages that belong into this part of the room where they were refused. */
  #placeRefused() {
    const { firstIndex, lastIndex } = this;
    const belongs = (after) => (this.#begins || after >= firstIndex - 1) && (this.#ends || after <= lastIndex);
    const shown = new Map(this.#items.map((i) => [i.entry, i]));
    const refused = this.#unsent.filter((e) => e.state === "failed" && belongs(placeOf(e)));
    const items = this.#items.filter((i) => i.kind !== "refused");
    if (items.length === this.#items.length && refused.length === 0) return;
    for (const entry of refused) {
      const { id, at = Date.now() } = entry;
      const item = shown.get(entry) ?? Object.freeze({ kind: "refused", key: `refused ${id}`, at, entry });
      const isLater = (i) => (i.message ? i.message.index > placeOf(entry)
        : i.entry && placeOf(i.entry) >= placeOf(entry) && i.at > at);
      const next = items.findIndex(isLater);
      items.splice(next < 0 ? items.length : next, 0, item);
    }
    this.#items = items;
  }
}

const itemOf = (message) =>
  Object.freeze({ kind: "message", key: `message ${message.index}`, at: message.create_at * 1000, message });

const isNote = ({ kind }) => kind !== "message" && kind !== "refused";

/** A copy of an entry that nobody changes; the one from before, if the entry is as it was. */
function copyOf(entry, before) {
  if (before && FIELDS.every((field) => before[field] === entry[field])) return before;
  return Object.freeze(Object.fromEntries(FIELDS.map((field) => [field, entry[field]])));
}

/** The index after which a refused message stands. */
const placeOf = ({ after = Infinity }) => after;
