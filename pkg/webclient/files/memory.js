// What this browser remembers of the chat. One key holds one fact, and no tab writes back what it read some time ago.
// So two tabs do not overwrite each other's facts.
//
//   active, user                 the room that was shown last
//   listed, user                 true: the chat has the rooms of this browser in its list of the person's
//   room, user, room             the room is joined: {joined}
//   muted, user, room            true: the room calls nobody
//   read, user, room             how far it was read: {epoch, index}; epoch is how often the room's log went back
//   draft, user, room, tab       a text that is not sent: {text, replyTo, edit, at}
//   unsent, user, room, id       a message that is not known to be stored: {content, replyTo, at, tab, error, after}
//   edit, user, room, index      an edit that is not known to be stored: {content, version, error}
//
// In an open chat the user is a name. Otherwise it is what ownerOf makes of the subject of a token, because two people
// may have one name. Unsent messages and drafts belong to a tab. When it is closed, another tab of the same person
// adopts them. An edit belongs to every tab, because a repeat of it does nothing.

import { keyOf } from "./store.js";

const KINDS = ["active", "listed", "room", "muted", "read", "draft", "unsent", "edit"];

/** The user for the subject of a token. It differs from every name: no name has a control character. */
export const ownerOf = (subject) => `\0${subject}`;

/**
 * What this browser remembers of one person.
 *
 * Events, for what other tabs do:
 *
 * - `rooms`: a room was joined or left
 * - `read`, with {room}: the person has read further
 * - `unsent`, with {room, id, value}: an unsent message has changed; the value is null if it was sent or given up
 */
export class Memory extends EventTarget {
  /** The person, as above. */
  user;

  #isErased = false;
  #browser;
  #kept;
  #tab;

  /** @param {AbortSignal} [signal] ends the events */
  constructor(browser, user, signal) {
    super();
    this.#browser = browser;
    this.#kept = browser.kept;
    this.#tab = browser.tab;
    this.user = user;
    if (signal) addEventListener("storage", (event) => this.#told(event), { signal });
  }

  /** Writes a value. It tells whether the value outlives the page. */
  #set(key, value) {
    return this.#isErased || this.#kept.set(key, value);
  }

  /** Deletes everything that this browser remembers of the person. After that, nothing more is written. */
  erase() {
    this.#isErased = true;
    for (const kind of KINDS) for (const key of this.#kept.keys(kind, this.user)) this.#kept.remove(key);
  }

  /** Reports what another tab has changed. */
  #told({ key: name, newValue }) {
    const [kind, user, room, id] = (name && keyOf(name)) || [];
    if (user !== this.user) return;
    if (kind === "room") this.#emit("rooms");
    if (kind === "read") this.#emit("read", { room });
    const value = () => (newValue === null ? null : this.#unsentOf(room, id));
    if (kind === "unsent") this.#emit("unsent", { room, id, value: value() });
  }

  /** The rooms that are joined, in the order of joining. */
  get rooms() {
    const joined = (room) => Number(this.#kept.get(["room", this.user, room])?.joined) || 0;
    const names = this.#kept.keys("room", this.user).map((key) => key[2]);
    const rooms = names.filter((room) => room && typeof room === "string");
    return rooms.sort((a, b) => joined(a) - joined(b) || (a < b ? -1 : 1));
  }

  addRoom(room) {
    if (this.rooms.includes(room)) return;
    const last = this.rooms.at(-1);
    const after = last === undefined ? 0 : Number(this.#kept.get(["room", this.user, last])?.joined) || 0;
    this.#set(["room", this.user, room], { joined: Math.max(Date.now(), after + 1) });
  }

  removeRoom(room) {
    this.#kept.remove(["room", this.user, room]);
  }

  /** The room that was shown last, or undefined. */
  get active() {
    const room = this.#kept.get(["active", this.user]);
    return typeof room === "string" ? room : undefined;
  }

  set active(room) {
    if (room === undefined) this.#kept.remove(["active", this.user]);
    else this.#set(["active", this.user], room);
  }

  /** Whether the chat has the rooms of this browser in its list of the person's rooms. */
  get listed() {
    return this.#kept.get(["listed", this.user]) === true;
  }

  set listed(isListed) {
    if (isListed !== this.listed) this.#set(["listed", this.user], isListed);
  }

  /** Whether a room is muted: it calls nobody. */
  isMuted(room) {
    return this.#kept.get(["muted", this.user, room]) === true;
  }

  mute(room, isMuted) {
    if (isMuted) this.#set(["muted", this.user, room], true);
    else this.#kept.remove(["muted", this.user, room]);
  }

  /** How far a room was read, {epoch, index}; null if it never was. */
  position(room) {
    const { epoch, index } = this.#kept.get(["read", this.user, room]) ?? {};
    return Number.isInteger(epoch) && Number.isInteger(index) ? { epoch, index } : null;
  }

  setPosition(room, position) {
    this.#set(["read", this.user, room], position);
  }

  /**
   * What is written in this tab and not sent: {text, replyTo?, edit?}; null if there is nothing. `replyTo` is the index
   * of the message that it answers. While a message is being edited, `edit` is {index, version, before}, and `before`
   * is the draft that was there.
   */
  draft(room) {
    return this.#draftOf(room, this.#tab.id) ?? null;
  }

  /** Keeps a draft; null deletes it. */
  setDraft(room, draft) {
    const key = ["draft", this.user, room, this.#tab.id];
    if (draft === null) this.#kept.remove(key);
    else this.#set(key, { ...draft, at: Date.now() });
  }

  #draftOf(room, tab) {
    return checkedDraft(this.#kept.get(["draft", this.user, room, tab]));
  }

  /** The edits of a room's messages that are not known to be stored: {index, content, version, error}. */
  edits(room) {
    const edit = ([, , , index]) => {
      const { content, version, error } = this.#kept.get(["edit", this.user, room, index]) ?? {};
      if (typeof content !== "string" || !isIndex(index) || !Number.isInteger(version)) return null;
      return { index, content, version, error: typeof error?.code === "string" ? error : null };
    };
    return this.#kept.keys("edit", this.user, room).map(edit).filter(Boolean);
  }

  /** Keeps an edit. It tells whether the edit outlives the page. */
  keepEdit(room, { index, content, version, error }) {
    return this.#set(["edit", this.user, room, index], { content, version, error });
  }

  forgetEdit(room, index) {
    this.#kept.remove(["edit", this.user, room, index]);
  }

  /** Takes the draft of this tab from before its reload, or else that of a closed tab. */
  adoptDraft(room) {
    return this.#tab.inTurn(async () => {
      const living = await this.#tab.living();
      const tabs = this.#kept.keys("draft", this.user, room).map((key) => key[3]);
      const orphans = tabs.filter((tab) => tab !== this.#tab.id && !living?.has(tab) && this.#draftOf(room, tab));
      const latest = orphans.sort((a, b) => this.#draftOf(room, b).at - this.#draftOf(room, a).at)[0];
      const from = orphans.includes(this.#browser.before) ? this.#browser.before : latest;
      if (from === undefined || this.draft(room)) return;
      this.setDraft(room, this.#draftOf(room, from));
      this.#kept.remove(["draft", this.user, room, from]);
    });
  }

  /** The messages of a room that are not known to be stored, oldest first, as kept, with their ids. */
  unsent(room) {
    const ids = this.#kept.keys("unsent", this.user, room).map((key) => key[3]);
    const entries = ids.map((id) => this.#unsentOf(room, id)).filter(Boolean);
    return entries.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  }

  #unsentOf(room, id) {
    const value = this.#kept.get(["unsent", this.user, room, id]);
    if (typeof value?.content !== "string" || typeof id !== "string") return null;
    const { content, tab } = value;
    const error = typeof value.error?.code === "string" ? value.error : null;
    const replyTo = isIndex(value.replyTo) ? value.replyTo : undefined;
    return { id, content, replyTo, at: Number(value.at) || 0, tab, error, after: Number(value.after) || 0 };
  }

  /** How many messages of this tab, or of no tab, are not known to be stored: a Map by room. */
  get roomsWithUnsent() {
    const rooms = new Map();
    for (const { room } of this.#ownOrFree()) rooms.set(room, (rooms.get(room) ?? 0) + 1);
    return rooms;
  }

  /** How many messages and edits of the person are not known to be stored, in all tabs. */
  get countUnsent() {
    const unsent = this.#kept.keys("unsent", this.user).filter(([, , room, id]) => this.#unsentOf(room, id));
    return unsent.length + this.#kept.keys("edit", this.user).length;
  }

  /** Whether the person has a draft, or a message that is not known to be stored. */
  get hasWriting() {
    return this.countUnsent > 0 || this.#kept.keys("draft", this.user).length > 0;
  }

  #ownOrFree() {
    const keys = this.#kept.keys("unsent", this.user);
    const entries = keys.map(([, , room, id]) => ({ ...this.#unsentOf(room, id), room }));
    return entries.filter(({ id, tab }) => id && (!tab || tab === this.#tab.id));
  }

  /** Keeps a message as this tab's. It tells whether the message outlives the page. */
  keep(room, { id, content, replyTo, at, error, after }) {
    return this.#setUnsent(room, id, { content, replyTo, at, tab: this.#tab.id, error, after });
  }

  #setUnsent(room, id, value) {
    return this.#set(["unsent", this.user, room, id], value);
  }

  forget(room, id) {
    this.#kept.remove(["unsent", this.user, room, id]);
  }

  /** Gives up this tab's unsent messages of a room: any tab may adopt them. */
  release(room) {
    for (const { id, ...value } of this.unsent(room)) {
      if (value.tab === this.#tab.id) this.#setUnsent(room, id, { ...value, tab: "" });
    }
  }

  /** Adopts the unsent messages of closed tabs. A tab that was closed just now may be back in a moment. */
  adopt(room) {
    return this.#tab.inTurn(async () => {
      const living = await this.#tab.living();
      const mayComeBack = living && this.#browser.before !== undefined && this.#tab.isYoung;
      for (const entry of this.unsent(room)) {
        const { tab } = entry;
        if (tab === this.#tab.id) continue;
        if (living?.has(tab) || (mayComeBack && tab && tab !== this.#browser.before)) this.#tab.watch(tab);
        else this.keep(room, entry);
      }
    });
  }

  /** The unsent messages of a room that are this tab's. */
  own(room) {
    return this.unsent(room).filter((entry) => entry.tab === this.#tab.id);
  }

  /**
   * Changes the user's name. What belongs to this tab goes along; other tabs keep what is theirs. If the new name is
   * `another` user, messages and edits do not go along: they are the old one's.
   */
  rename(user, { another = false } = {}) {
    const [from, kept] = [this.user, this.#kept];
    this.user = user;
    for (const key of kept.keys("room", from)) this.addRoom(key[2]);
    for (const kind of ["active", "muted", "read"]) {
      for (const [, , ...rest] of kept.keys(kind, from)) {
        const key = [kind, user, ...rest];
        if (kept.get(key) === undefined) this.#set(key, kept.get([kind, from, ...rest]));
      }
    }
    for (const kind of another ? ["draft"] : ["draft", "unsent", "edit"]) {
      for (const [, , ...rest] of kept.keys(kind, from)) {
        const value = kept.get([kind, from, ...rest]);
        const owner = kind === "draft" ? rest[1] : value?.tab;
        if ((owner && owner !== this.#tab.id) || (another && value?.edit)) continue;
        this.#set([kind, user, ...rest], value);
        kept.remove([kind, from, ...rest]);
      }
    }
  }

  /** Takes over everything that is remembered under another user, of every tab. */
  inherit(from) {
    for (const key of KINDS.flatMap((kind) => this.#kept.keys(kind, from))) {
      const mine = [key[0], this.user, ...key.slice(2)];
      if (this.#kept.get(mine) === undefined) this.#set(mine, this.#kept.get(key));
      this.#kept.remove(key);
    }
  }

  #emit(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const isIndex = (value) => Number.isInteger(value) && value > 0;

/** A draft as it was kept; undefined if it is none. */
function checkedDraft(value) {
  if (typeof value?.text !== "string") return undefined;
  const { text, replyTo, edit, at } = value;
  const draft = { text, ...(isIndex(replyTo) && { replyTo }), at };
  if (!isIndex(edit?.index) || !Number.isInteger(edit.version)) return draft;
  return { ...draft, edit: { index: edit.index, version: edit.version, before: checkedDraft(edit.before) ?? null } };
}
