// A room on the page. It shows a window of the room's log, which moves as the person scrolls. So a room may have any
// number of messages, and the page holds a few hundred. Below the window are the messages that are not sent yet.

import { Acts } from "./acts.js";
import { Folds } from "./bubble.js";
import { $, bdi, element } from "./dom.js";
import { List } from "./list.js";
import { Menu } from "./menu.js";
import { Outbox } from "./outbox.js";
import { Reading } from "./reading.js";
import { Seen } from "./seen.js";
import { View } from "./view.js";
import { Waiting } from "./waiting.js";
import { count, refusal, shownName } from "./words.js";

const MOST = 300; // items in the window
const NOTES = 50; // notes in the window
const PAGE = 100; // messages that are fetched at once
const NEAR = 800; // pixels: nearer to an end of the window, more is fetched
const FOUND = 2000; // milliseconds: a message that was jumped to is marked for so long
const SEEN = 8; // pixels: a message of which so much is on the screen counts as read

/** Event: `change`, when something has changed that is unread or out of sight. */
export class Timeline extends EventTarget {
  room;
  outbox;
  #acts;
  #menu;
  #composer;
  #say;
  #reading;
  #marker; // how far the person has read on any device; undefined until that is known, null if it is not kept
  #seen;
  #list;
  #view;
  #waiting;
  #attached = true; // whether the window ends where the room ends
  #loading = null; // the promise of a fetch in progress
  #opening = false; // whether the messages to be shown first are being fetched
  #jumps = 0; // how often the window jumped to another place; a fetch from before a jump is out of date
  #beginning = null; // {index, expired} of the room's first message, if it is known
  #wentBack = false; // whether the room's log went back, and its present messages have not come yet
  #refusal = ""; // the last reason why the room cannot be joined
  #begin = element("p", { id: "beginning", hidden: true });
  #end = new AbortController();

  /**
   * @param {{name: string, memory: Memory, tab: Tab, clock: Clock, isMe: (message) => boolean, composer: Composer,
   *   marker?: number, say: (text: string) => void, moderates: () => boolean, about: (user) => void}} parts `name` is
   *   the room's name in this browser's memory; `isMe` tells whether the reader wrote a message, or is a user;
   *   `composer` is where the person writes; `marker` is as in `adopt`; `say` tells the person of a problem;
   *   `moderates` and `about` are as in a Menu
   */
  constructor(room, { name, memory, tab, clock, isMe, composer, marker, say, moderates, about }) {
    super();
    const signal = this.#end.signal;
    this.room = room;
    this.outbox = new Outbox(room, name, memory, tab, signal);
    this.#acts = new Acts(room, name, memory);
    this.#composer = composer;
    this.#say = say;
    this.#reading = new Reading(memory, name);
    this.#marker = marker;
    this.#seen = new Seen(isMe);
    this.#menu = new Menu({ acts: this.#acts, composer, isMe, jump: (index) => this.toMessage(index), say, moderates,
      about });
    const actions = this.#unsentActions();
    const folds = new Folds({
      hold: (change) => this.#view.hold(change),
      holdAt: (e, change) => this.#view.holdAt(e, change),
      toggled: () => this.scrolled(),
    });
    this.#list = new List({ isMe, clock, folds, actions, looks: (message) => this.#menu.looks(message) });
    this.#view = new View(this.#list);
    this.#waiting = new Waiting({ actions, folds });
    const listen = (target, type, f) => target.addEventListener(type, f, { signal });
    listen(room, "message", (e) => this.#add(e.detail));
    listen(room, "change", (e) => this.#changed(e.detail));
    listen(room, "expired", (e) => (this.#reading.lost(e.detail.to), this.#note("Some messages are no longer kept.")));
    listen(room, "refused", (e) => this.#refused(e.detail));
    listen(room, "presence", (e) => {
      this.#note(bdi(shownName(e.detail.user_name)), e.detail.event === "joined" ? " came in" : " went away");
    });
    for (const type of ["read", "members"]) {
      listen(room, type, () => (this.#seen.learn(room.users), this.#hasRead(room.read)));
    }
    listen(room, "reset", () => this.#reset());
    listen(room, "ready", () => this.#ready());
    listen(this.outbox, "change", () => this.#drawOutbox());
    listen(this.#acts, "change", (e) => (this.#view.hold(() => this.#list.redraw(e.detail.index)), this.#look()));
    listen(memory, "read", (e) => e.detail.room === name && (this.#reading.reload(), this.#look()));
    listen(clock, "change", () => this.#view.hold(() => this.#list.clockChanged()));
  }

  /** The buttons of a message that is not stored: functions of its id. */
  #unsentActions() {
    const retry = (id) => (this.outbox.retry(id), $("draft").focus());
    const discard = (id) => (this.outbox.discard(id), $("draft").focus());
    const edit = (id) => {
      const { content, replyTo } = this.outbox.entries.find((e) => e.id === id);
      this.#composer.put(content, replyTo);
      discard(id);
    };
    return { retry, discard, edit };
  }

  /**
   * Takes how far the person has read the room on any device; null if that is not kept. Until then nothing counts as
   * read or unread.
   */
  adopt(marker) {
    const isFirst = this.#marker === undefined;
    this.#marker = marker;
    if (!this.room.ready) return;
    if (isFirst) this.#beginReading();
    else this.#hasRead(marker ?? 0);
  }

  /** The person has read up to an index, perhaps on another device. */
  #hasRead(index) {
    if (this.#marker !== undefined) this.#reading.to(Math.min(index, this.room.last ?? 0));
    this.#look();
  }

  /** Whether closing the page now would lose something that the person wrote. */
  get isLosing() {
    return this.outbox.isLosing || this.#acts.isLosing;
  }

  /** The message at an index; undefined if it is not in the window. */
  messageAt(index) {
    return this.#list.messageAt(index);
  }

  /** The text that the message at an index has, or is getting; undefined if it is not in the window. */
  textAt(index) {
    const message = this.messageAt(index);
    return message && this.#acts.textOf(message);
  }

  /** The last message of the person in the window, with the text that it has or is getting; undefined without one. */
  get lastOwn() {
    const isOwn = ({ message }) => message && !message.deleted_at && this.#list.isMine(message);
    const { message } = this.#list.items.findLast(isOwn) ?? {};
    return message && { ...message, content: this.#acts.textOf(message) };
  }

  /** Edits a message: {index, version, content}. */
  edit(edit) {
    return this.#menu.edit(edit);
  }

  /** Deletes a message, after a question. */
  remove(index) {
    return this.#menu.remove(index);
  }

  /** One's own messages and deleted ones do not count as unread. */
  #skip(message) {
    if (message.deleted_at || this.#list.isMine(message)) this.#reading.skip(message.index);
  }

  /** A message is not what it was. */
  #changed(message) {
    this.#skip(message);
    this.#view.hold(() => this.#list.change(message));
    this.#menu.update(message);
    this.#composer.messageChanged(message);
    this.#look();
  }

  /** Goes to a message, also if it is not in the window. */
  async toMessage(index) {
    if (!this.messageAt(index)) {
      this.#jumps++;
      if (!(await this.#jump({ after: Math.max(0, index - PAGE / 2), limit: PAGE }))) {
        return this.#say("The message cannot be fetched at the moment.");
      }
    }
    const node = this.#list.nodeAt(index);
    if (!node) return this.#say("That message is no longer kept.");
    this.#view.following = false;
    node.scrollIntoView({ block: "center" });
    this.scrolled();
    node.classList.add("found");
    setTimeout(() => node.classList.remove("found"), FOUND);
    (node.querySelector(".more") ?? $("scroller")).focus({ preventScroll: true });
  }

  /** Ends the timeline. Unsent messages stay in this browser. */
  close() {
    if (this.#view.isShown) this.unmount();
    this.#end.abort();
  }

  /** The person's name has become known, or has changed. What is remembered under the new name counts too. */
  renamed() {
    this.outbox.adopt();
    this.#reading.reload();
  }

  /** When the room's last message was sent, in milliseconds since the epoch; 0 without one. */
  lastAt = 0;

  /** The number of messages of others that the person has not read. */
  get unread() {
    return this.room.ready ? this.#reading.unread(this.room.last ?? 0) : 0;
  }

  /** The words on the button that goes to the end; "" if it is not needed. */
  get behind() {
    if (this.#view.following) return "";
    return this.unread > 0 ? `${count(this.unread, "new message", "new messages")} ↓` : "To the latest message ↓";
  }

  /** How many messages were refused and are not in the window. */
  get refusedElsewhere() {
    return this.outbox.refused.length - this.#list.refused + this.#editsElsewhere.length;
  }

  /** The messages with a refused edit that are not in the window, by index. */
  get #editsElsewhere() {
    return this.#acts.refused.filter((index) => !this.messageAt(index));
  }

  /** Shows the list. */
  mount(scroller) {
    this.#view.mount(scroller, this.#begin, this.#list.element, this.#waiting.element);
    this.#open();
  }

  /** Hides it, and keeps its place. */
  unmount() {
    this.#menu.close();
    this.#view.unmount();
  }

  /** Is called when the page has become visible. */
  appeared() {
    if (this.unread > 0) this.#open();
    else this.scrolled();
  }

  /** Is called when the list was scrolled, or has become visible. */
  scrolled() {
    if (this.#view.isShown) {
      this.#view.scrolled(this.#attached);
      if (this.#view.above < NEAR) this.#load("older");
      else if (!this.#attached && this.#view.below < NEAR) this.#load("newer");
    }
    this.#look();
  }

  /** Is called when the size of the list has changed. */
  resized() {
    this.#view.restore();
  }

  /** The person writes: earlier messages are no longer new. */
  wrote() {
    this.#view.hold(() => (this.#list.mark = null));
    this.toEnd();
  }

  /** Goes to the end of the room. */
  async toEnd() {
    this.#jumps++;
    if (!this.#attached && !(await this.#jump({ limit: PAGE }))) return; // offline: newer messages cannot be fetched
    this.#view.following = this.#attached;
    this.#view.toEnd();
    this.#look();
  }

  /** Goes to the first refused message, or refused edit, that is not in the window. */
  async toRefused() {
    const shown = new Set(this.#list.items.map((i) => i.entry));
    const entry = this.outbox.refused.find((e) => !shown.has(e));
    const [edited] = this.#editsElsewhere;
    if (!entry && edited) return this.#toEdited(edited);
    this.#jumps++;
    if (!entry || !(await this.#jump({ after: Math.max(0, entry.after - PAGE / 2), limit: PAGE }))) return;
    this.#list.items.find((i) => i.entry === entry)?.node.scrollIntoView({ block: "center" });
    this.scrolled();
  }

  /** Goes to a message with a refused edit. If the message is no longer kept, the text goes back to the person. */
  async #toEdited(index) {
    await this.toMessage(index);
    if (this.messageAt(index) || !this.#list.firstIndex || index >= this.#list.firstIndex) return;
    this.#composer.put(this.#acts.doing(index).edit.content);
    this.#acts.giveUp(index);
  }

  /** Replaces the window by another part of the room. It tells whether it could. */
  async #jump(span) {
    const jumps = this.#jumps;
    try {
      const { messages, expired } = await this.room.history(span);
      if (jumps !== this.#jumps) return false;
      this.#list.clear();
      this.#list.append(...messages);
      this.#attached = this.#list.lastIndex >= this.room.last;
      this.#view.following = false;
      this.#windowMoved({ more: span.after !== 0 && !expired, expired });
      if (!this.#attached) this.#load("newer");
      return true;
    } catch {
      return false;
    }
  }

  /** The person begins to look at the room. A line marks where reading stopped. */
  async #open() {
    if (!this.#view.isShown || !this.room.ready || document.visibilityState !== "visible") return this.scrolled();
    const mark = this.unread > 0 ? this.#reading.index : null;
    this.#view.hold(() => (this.#list.mark = mark));
    if (mark !== null && this.room.last - mark <= MOST - PAGE) await this.#loadFrom(mark);
    if (this.#list.newLine) this.#view.showLine(this.#list.newLine);
    this.scrolled();
  }

  /** Fetches the messages before the window, down to an index. Meanwhile nothing counts as read. */
  async #loadFrom(index) {
    this.#opening = true;
    while (this.#list.firstIndex > index + 1 && !this.#list.begins && this.#view.isShown) {
      if (!(await this.#load("older"))) break;
    }
    this.#opening = false;
  }

  /** The room's first messages have come. */
  #ready() {
    if (this.#wentBack) {
      this.#wentBack = false;
      this.#reading.reset(this.room.last);
      this.#note("This room was restored to an earlier state. Messages that you saw here before may be gone.");
    }
    this.#refusal = "";
    this.#windowMoved();
    this.#beginReading();
  }

  /** The room is entered, and it is known how far it is read. */
  #beginReading() {
    if (this.#marker === undefined) return;
    this.#reading.begin(this.room.last, this.#marker);
    for (const { message } of this.#list.items) if (message) this.#skip(message);
    this.#open();
  }

  /** The room's log went back: the window shows messages that it no longer has. */
  #reset() {
    this.#jumps++;
    this.#wentBack = true;
    this.#seen.forget();
    this.#beginning = null;
    this.#attached = this.#view.following = true;
    this.#list.mark = null;
    this.#list.clear();
    this.#windowMoved();
  }

  #refused(error) {
    if (refusal(error) === this.#refusal) return; // the room is refused again on each new connection
    this.#refusal = refusal(error);
    this.#note(`This room cannot be joined. ${this.#refusal}`);
  }

  #add(message) {
    this.lastAt = message.create_at * 1000;
    const mine = this.#list.isMine(message);
    this.#skip(message);
    const { following } = this.#view;
    if (this.#attached && !following && this.#list.items.length >= MOST + PAGE) this.#attached = false;
    if (this.#attached && message.index > this.#list.lastIndex) {
      this.#list.append(message);
      if (following) {
        this.#trimStart();
        this.#view.toEnd();
      } else if (this.#view.isShown && this.room.ready && this.#list.mark === null && !mine) {
        this.#list.mark = this.#reading.index; // the message comes while the person reads something else
      }
      this.#showBeginning();
    }
    this.#look();
  }

  /** Adds a note. */
  #note(...text) {
    if (!this.#attached) return;
    this.#view.hold(() => {
      this.#list.note(...text);
      const { notes } = this.#list;
      if (notes.length > NOTES) this.#list.remove(notes[0]);
    });
  }

  /** Counts the messages on the screen as read. */
  #look() {
    if (this.#view.isShown && this.room.ready && !this.#opening && document.visibilityState === "visible") {
      if (this.#view.following) this.#reading.to(this.room.last);
      else if (this.unread > 0) this.#reading.to(this.#list.indexAbove(this.#view.bottom - SEEN));
    }
    if (this.#marker !== undefined) this.room.markRead(this.#reading.index);
    this.#drawSeen();
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** Says below the last message of the person, if it is in the window, who has read it. */
  #drawSeen() {
    const own = this.#list.items.findLast(({ message }) => message && this.#list.isMine(message));
    if (this.#seen.differs(own)) this.#view.hold(() => this.#seen.draw(own));
  }

  /** Moves the window to older or newer messages, which are fetched. It tells whether it did. */
  #load(which) {
    this.#loading ??= this.#fetch(which === "older").finally(() => (this.#loading = null)).then((moved) => {
      if (moved) this.scrolled(); // more may be needed
      return moved;
    });
    return this.#loading;
  }

  async #fetch(older) {
    if (!this.room.ready || (older && (this.#list.firstIndex <= 1 || this.#list.begins))) return false;
    const jumps = this.#jumps;
    try {
      const page = await this.room.history(older
        ? { before: this.#list.firstIndex, limit: PAGE }
        : { after: this.#list.lastIndex, limit: PAGE });
      if (jumps !== this.#jumps) return false;
      this.#view.hold(() => (older ? this.#prepend(page) : this.#append(page)));
      return true;
    } catch {
      return false; // offline: the next scroll, or the next connection, tries again
    }
  }

  #prepend(page) {
    const { firstIndex, items } = this.#list;
    this.#list.prepend(...page.messages.filter((m) => m.index < firstIndex));
    if (items.length > MOST) {
      this.#list.trim(items.length - MOST, true);
      this.#attached = false;
    }
    this.#windowMoved(page);
  }

  #append(page) {
    this.#list.append(...page.messages.filter((m) => m.index > this.#list.lastIndex));
    this.#attached = this.#list.lastIndex >= this.room.last;
    this.#trimStart();
    this.#windowMoved();
  }

  #trimStart() {
    const over = this.#list.items.length - MOST;
    if (over <= 0) return;
    this.#list.trim(over);
    this.#windowMoved();
  }

  /** Draws what depends on the part of the room that is shown. `page` is the answer that begins at the first item. */
  #windowMoved(page) {
    if (page && !page.more) this.#beginning = { index: this.#list.firstIndex, expired: page.expired };
    this.#showBeginning();
    this.#list.placeRefused(this.outbox.refused, this.#attached);
  }

  #showBeginning() {
    const { firstIndex } = this.#list;
    const known = this.#beginning?.index === firstIndex;
    const begins = known || firstIndex === 1 || (firstIndex === 0 && this.room.last === 0);
    this.#begin.hidden = !begins;
    this.#begin.textContent = known && this.#beginning.expired ? "Older messages are no longer kept."
      : firstIndex === 0 ? "Nobody has written anything yet." : "This is where the room begins.";
    if (this.#list.begins === begins) return;
    this.#list.begins = begins;
    this.#list.arrange();
  }

  #drawOutbox() {
    this.#view.hold(() => {
      this.#waiting.draw(this.outbox.entries);
      this.#list.placeRefused(this.outbox.refused, this.#attached);
    });
    this.#look();
  }
}
