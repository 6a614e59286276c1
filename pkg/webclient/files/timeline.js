// A room on the page: its conversation, as a list that scrolls, and below it the messages that are not sent yet. The
// page holds a few hundred messages of a room of any length.

import { Acts } from "./acts.js";
import { Folds } from "./bubble.js";
import { Conversation } from "./conversation.js";
import { $, element } from "./dom.js";
import { List } from "./list.js";
import { Menu } from "./menu.js";
import { Outbox } from "./outbox.js";
import { openSearch, Search } from "./search.js";
import { Seen } from "./seen.js";
import { isCalling } from "./text.js";
import { say } from "./texts.js";
import { View } from "./view.js";
import { Waiting } from "./waiting.js";

const LINE = 200; // messages: the line above the unread ones is sought so far above the end
const NEAR = 800; // pixels: nearer to an end of the window, more is fetched
const FOUND = 2000; // milliseconds: a message that was jumped to is marked for so long
const SEEN = 8; // pixels: a message of which so much is on the screen counts as read

/** Event: `change`, when something has changed that is unread or out of sight. */
export class Timeline extends EventTarget {
  room;
  outbox;
  #me;
  #conversation;
  #acts;
  #menu;
  #composer;
  #warn;
  #seen;
  #list;
  #view;
  #waiting;
  #search = null; // once it was opened
  #clock;
  #isOpen = false; // whether the person looks at the messages: first those that are to be shown first are fetched
  #begin = element("p", { id: "beginning", hidden: true });
  #end = new AbortController();

  /**
   * @param {{name: string, memory: Memory, tab: Tab, clock: Clock, composer: Composer, marker: number | null | "later",
   *   warn: (text: string) => void, moderates: () => boolean, about: (user) => void, me: () => string}} parts `name` is
   *   the room's name in this browser's memory; `composer` is where the person writes; `marker` is as in a
   *   Conversation; `warn` tells the person of a problem; `moderates`, `about` and `me` are as in a Menu
   */
  constructor(room, { name, memory, tab, clock, composer, marker, warn, moderates, about, me }) {
    super();
    const signal = this.#end.signal;
    const isMe = (whose) => room.isMe(whose);
    this.room = room;
    this.outbox = new Outbox(room, name, memory, tab, signal);
    this.#conversation = new Conversation(room, { marker, outbox: this.outbox, memory });
    this.#acts = new Acts(room, name, memory);
    this.#me = me;
    this.#composer = composer;
    this.#warn = warn;
    this.#clock = clock;
    this.#seen = new Seen(isMe);
    this.#menu = new Menu({ acts: this.#acts, composer, isMe, me, jump: (index) => this.toMessage(index), warn,
      moderates, about, clock });
    const actions = this.#unsentActions();
    const folds = new Folds({
      hold: (change) => this.#view.hold(change),
      holdAt: (e, change) => this.#view.holdAt(e, change),
      toggled: () => this.scrolled(),
    });
    this.#list = new List({ isMe, clock, folds, actions, looks: (message) => this.#menu.looks(message) });
    this.#view = new View(this.#list, this.#conversation);
    this.#waiting = new Waiting({ actions, folds });
    const listen = (target, type, f) => target.addEventListener(type, f, { signal });
    this.#conversation.subscribe(() => this.#changed());
    listen(room, "change", ({ detail: message }) => (this.#menu.update(message), composer.messageChanged(message)));
    for (const type of ["read", "members"]) listen(room, type, () => (this.#seen.learn(room.users), this.#look()));
    listen(room, "message", () => this.#markNew());
    listen(room, "reset", () => (this.#seen.forget(), (this.#isOpen = false)));
    listen(room, "ready", () => this.#open());
    listen(this.#acts, "change", (e) => (this.#view.hold(() => this.#list.redraw(e.detail.index)), this.#look()));
    listen(memory, "read", (e) => e.detail.room === name && this.#conversation.reloadReading());
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

  get #snapshot() {
    return this.#conversation.snapshot();
  }

  /** Takes how far the person has read the room on any device; null if that is not kept. */
  adopt(marker) {
    const wasReady = this.#snapshot.ready;
    this.#conversation.adopt(marker);
    if (!wasReady) this.#open();
  }

  /** Whether closing the page now would lose something that the person wrote. */
  get isLosing() {
    return this.outbox.isLosing || this.#acts.isLosing;
  }

  /** The message at an index; undefined if it is not in the window. */
  messageAt(index) {
    return this.#conversation.messageAt(index);
  }

  /** The text that the message at an index has, or is getting; undefined if it is not in the window. */
  textAt(index) {
    const message = this.messageAt(index);
    return message && this.#acts.textOf(message);
  }

  /** The last message of the person in the window, with the text that it has or is getting; undefined without one. */
  get lastOwn() {
    const message = this.#lastOf((own) => !own.deleted_at);
    return message && { ...message, content: this.#acts.textOf(message) };
  }

  /** The last message of the person in the window of which something is true; undefined without one. */
  #lastOf(isTrue) {
    const isOwn = ({ message }) => message && this.room.isMe(message) && isTrue(message);
    return this.#snapshot.items.findLast(isOwn)?.message;
  }

  /** Edits a message: {index, version, content}. */
  edit(edit) {
    return this.#menu.edit(edit);
  }

  /** Deletes a message, after a question. */
  remove(index) {
    return this.#menu.remove(index);
  }

  /** Goes to a message, also if it is not in the window. */
  async toMessage(index) {
    if (!(await this.#conversation.show(index))) return this.#warn(say("notFetched"));
    const node = this.#list.nodeAt(index);
    if (!node) return this.#warn(say("notKept"));
    this.#goTo(node);
    node.classList.add("found");
    setTimeout(() => node.classList.remove("found"), FOUND);
    (node.querySelector(".more") ?? $("scroller")).focus({ preventScroll: true });
  }

  /** Scrolls to an element of the list. */
  #goTo(node) {
    this.#view.following = false;
    node.scrollIntoView({ block: "center" });
    this.scrolled();
  }

  /** Opens the search in the room, under its title, as it was left. */
  openSearch(title) {
    const { items, ends } = this.#snapshot;
    this.#search ??= new Search(this.room, ends ? items.flatMap(({ message }) => message ?? []) : [], this.#end.signal);
    openSearch(this.#search, { title, clock: this.#clock, show: (index) => this.toMessage(index) });
  }

  /** Ends the timeline. Unsent messages stay in this browser. */
  close() {
    if (this.#view.isShown) this.unmount();
    this.#conversation.close();
    this.#end.abort();
  }

  /** The person's name has become known, or has changed. What is remembered under the new name counts too. */
  renamed() {
    this.outbox.adopt();
    this.#conversation.reloadReading();
  }

  /** When the room's last message was sent, in milliseconds since the epoch; 0 without one. */
  get lastAt() {
    return this.#conversation.lastAt;
  }

  /** The number of messages of others that the person has not read. */
  get unread() {
    return this.#snapshot.unread;
  }

  /** Whether a message that is not read calls the person, as @name. */
  get isCalling() {
    const { items, read } = this.#snapshot;
    return this.unread > 0 && items.some(({ message }) => message?.index > read && !this.room.isMe(message)
      && isCalling(String(message.content), this.#me()));
  }

  /** The words on the button that goes to the end; "" if it is not needed. */
  get behind() {
    if (this.#view.following) return "";
    return `${this.unread > 0 ? say("newMessages", { n: this.unread }) : say("toLatest")} ↓`;
  }

  /** How many messages were refused and are not in the window. */
  get refusedElsewhere() {
    const shown = this.#snapshot.items.filter(({ kind }) => kind === "refused");
    return this.outbox.refused.length - shown.length + this.#editsElsewhere.length;
  }

  /** The messages with a refused edit that are not in the window, by index. */
  get #editsElsewhere() {
    return this.#acts.refused.filter((index) => !this.messageAt(index));
  }

  /** Shows the list. */
  mount(scroller) {
    this.#draw();
    this.#view.mount(scroller, this.#begin, this.#list.element, this.#waiting.element);
    this.#open();
  }

  /** Hides it, and keeps its place. */
  unmount() {
    this.#isOpen = false;
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
      this.#view.scrolled(this.#snapshot.ends);
      if (this.#view.above < NEAR) this.#load("loadOlder");
      else if (!this.#snapshot.ends && this.#view.below < NEAR) this.#load("loadNewer");
    }
    this.#look();
  }

  /** Fetches what is before or after the window. */
  async #load(which) {
    if (this.#snapshot.loading) return;
    if (await this.#conversation[which]()) this.scrolled(); // more may be needed
  }

  /** Is called when the size of the list has changed. */
  resized() {
    this.#view.restore();
  }

  /** The person writes: earlier messages are no longer new. */
  wrote() {
    this.#conversation.unmark();
    this.toEnd();
  }

  /** Goes to the end of the room. */
  async toEnd() {
    if (!(await this.#conversation.toEnd())) return; // offline: newer messages cannot be fetched
    this.#view.toEnd();
    this.#look();
  }

  /** Goes to the first refused message, or refused edit, that is not in the window. */
  async toRefused() {
    const shown = new Set(this.#snapshot.items.map(({ entry }) => entry?.id));
    const entry = this.outbox.refused.find(({ id }) => !shown.has(id));
    const [edited] = this.#editsElsewhere;
    if (!entry && edited) return this.#toEdited(edited);
    if (!entry || !(await this.#conversation.show(Math.max(1, entry.after)))) return;
    const node = this.#list.nodeOf(`refused ${entry.id}`);
    if (node) this.#goTo(node);
  }

  /** Goes to a message with a refused edit. If the message is no longer kept, the text goes back to the person. */
  async #toEdited(index) {
    await this.toMessage(index);
    const { firstIndex } = this.#conversation;
    if (this.messageAt(index) || firstIndex === 0 || index >= firstIndex) return;
    this.#composer.put(this.#acts.doing(index).edit.content);
    this.#acts.giveUp(index);
  }

  /** The person begins to look at the room. A line marks where reading stopped. */
  async #open() {
    if (!this.#view.isShown || !this.#snapshot.ready || document.visibilityState !== "visible") return this.scrolled();
    this.#isOpen = false;
    this.#conversation.markNew();
    const { mark } = this.#snapshot;
    if (mark !== null && this.room.last - mark <= LINE) await this.#loadFrom(mark);
    this.#isOpen = this.#view.isShown;
    if (this.#list.newLine) this.#view.showLine(this.#list.newLine);
    this.scrolled();
  }

  /** Fetches the messages before the window, down to an index. */
  async #loadFrom(index) {
    while (this.#conversation.firstIndex > index + 1 && this.#view.isShown) {
      if (!(await this.#conversation.loadOlder())) break;
    }
  }

  /** A message that comes while the person reads something else is new. */
  #markNew() {
    const { mark, unread } = this.#snapshot;
    if (this.#isOpen && !this.#view.following && unread > 0 && mark === null) this.#conversation.markNew();
  }

  /** The conversation has changed. */
  #changed() {
    if (this.#view.isShown) this.#view.hold(() => this.#draw());
    this.#look();
  }

  #draw() {
    const { items, begins, expired, unsent } = this.#snapshot;
    this.#begin.hidden = !begins;
    this.#begin.textContent = expired ? say("noOlder")
      : items.some(({ message }) => message) ? say("begins") : say("isEmpty");
    this.#list.show(this.#snapshot);
    this.#waiting.draw(unsent);
  }

  /** Counts the messages on the screen as read. */
  #look() {
    const { isShown, following } = this.#view;
    if (this.#isOpen && document.visibilityState === "visible") {
      this.#conversation.markRead(following ? this.room.last : this.#list.indexAbove(this.#view.bottom - SEEN));
    }
    if (isShown) this.#drawSeen();
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** Says below the last message of the person, if it is in the window, who has read it. */
  #drawSeen() {
    const own = this.#lastOf(() => true);
    const at = own && { message: own, node: this.#list.nodeAt(own.index) };
    if (this.#seen.differs(at)) this.#view.hold(() => this.#seen.draw(at));
  }
}
