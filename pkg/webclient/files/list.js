// The items of a room, oldest first: messages, notes about other events, and messages that were refused. A line marks
// the beginning of each day, and another one the place where the person stopped reading.

import { messageNode, refusedNode, showQuote, showSender, showTime } from "./bubble.js";
import { $, element } from "./dom.js";

const GROUP = 300_000; // milliseconds: messages of one person at shorter distances have one heading

/** An item is {kind: "message" | "note" | "refused", at, node}. A message has {message}, a refused one {entry}. */
export class List {
  element = element("ol", { id: "messages" });
  items = [];

  /** Whether the room has nothing before the first item. */
  begins = false;

  #isMe;
  #clock;
  #folds;
  #actions;
  #looks;
  #current = null; // the item whose buttons the Tab key reaches; null for the last one
  #latest = undefined; // the element of the reader's last message
  #mark = null; // the index after which messages are new; null for no line
  #line = element("li", { className: "new" }, "New");

  /**
   * `isMe` tells whether the reader wrote a message; `actions` are the buttons of a refused message; `looks` is a
   * function of a message: the rest of what messageNode needs.
   */
  constructor({ isMe, clock, folds, actions, looks }) {
    this.#isMe = isMe;
    this.#clock = clock;
    this.#folds = folds;
    this.#actions = actions;
    this.#looks = looks;
    this.element.addEventListener("focusin", ({ target }) => this.#focused(target));
    this.element.addEventListener("keydown", (event) => this.#move(event));
  }

  get firstIndex() {
    return this.items.find((i) => i.message)?.message.index ?? 0;
  }

  get lastIndex() {
    return this.items.findLast((i) => i.message)?.message.index ?? 0;
  }

  get notes() {
    return this.items.filter((i) => i.kind === "note");
  }

  /** The line above the new messages; null if it is not in the list. */
  get newLine() {
    return this.#line.isConnected ? this.#line : null;
  }

  /** Puts the line above the messages after this index; null removes it. */
  set mark(index) {
    this.#mark = index;
    this.arrange();
  }

  get mark() {
    return this.#mark;
  }

  /** The message at an index; undefined if it is not in the list. */
  messageAt(index) {
    return this.#itemAt(index)?.message;
  }

  /** The element of the message at an index; undefined if it is not in the list. */
  nodeAt(index) {
    return this.#itemAt(index)?.node;
  }

  #itemAt(index) {
    return this.items.find((i) => i.message?.index === index);
  }

  /** Draws a message as it is now, if it is in the list. */
  change(message) {
    const item = this.#itemAt(message.index);
    if (item) item.message = message;
    this.redraw(message.index);
  }

  /** Draws the message at an index again, if it is in the list. */
  redraw(index) {
    const item = this.#itemAt(index);
    if (!item) return;
    const old = item.node;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const { node } = this.#messageItem(item.message);
    node.querySelector(".content").classList.toggle("open", old.querySelector(".content.open") !== null);
    this.#folds.unwatch(old);
    old.replaceWith(node);
    this.#folds.watch(node);
    Object.assign(item, { node, isNamed: undefined, answered: null });
    this.arrange();
    if (!focused) return;
    const { reaction } = focused.dataset;
    const same = reaction && [...node.querySelectorAll(".reaction")].find((b) => b.dataset.reaction === reaction);
    (same || node.querySelector(".more") || $("draft")).focus();
  }

  isMine(message) {
    return this.#isMe(message);
  }

  /** Adds messages at the end. Refused messages whose place is later stay below them. */
  append(...messages) {
    const last = messages.at(-1)?.index;
    const place = this.items.findLastIndex((i) => !(i.entry?.after >= last)) + 1;
    this.#insert(place, messages.map((message) => this.#messageItem(message)));
  }

  prepend(...messages) {
    this.#insert(0, messages.map((message) => this.#messageItem(message)));
  }

  /** Adds a note: texts or elements. */
  note(...text) {
    const node = element("li", { className: "event" }, ...text);
    this.#insert(this.items.length, [{ kind: "note", at: Date.now(), node }]);
  }

  remove(item) {
    this.items.splice(this.items.indexOf(item), 1);
    this.#drop(item);
    this.arrange();
  }

  /** Removes a number of items from the start, or from the end. */
  trim(count, fromEnd = false) {
    const dropped = fromEnd ? this.items.splice(-count) : this.items.splice(0, count);
    dropped.forEach((item) => this.#drop(item));
    this.arrange();
  }

  clear() {
    this.trim(this.items.length);
  }

  /**
   * Shows the refused messages that belong into this part of the room, at the place where they were refused. `attached`
   * says that the end of the list is the end of the room.
   */
  placeRefused(entries, attached) {
    const { firstIndex, lastIndex } = this;
    const belongs = ({ after }) => (this.begins || after >= firstIndex - 1) && (attached || after <= lastIndex);
    const wanted = new Set(entries.filter(belongs));
    const shown = this.items.filter((i) => i.entry);
    for (const item of shown) if (!wanted.delete(item.entry)) this.remove(item);
    for (const entry of wanted) {
      const node = refusedNode(entry, this.#actions);
      showTime(node, entry.at, this.#clock);
      this.#insert(this.#placeOf(entry), [{ kind: "refused", at: entry.at, entry, node }]);
    }
  }

  /** How many of the refused messages are in the list. */
  get refused() {
    return this.items.filter((i) => i.entry).length;
  }

  #placeOf({ after, at }) {
    const isLater = (entry, i) => entry && entry.after >= after && i.at > at;
    const next = this.items.findIndex((i) => (i.message ? i.message.index > after : isLater(i.entry, i)));
    return next < 0 ? this.items.length : next;
  }

  #messageItem(message) {
    const at = message.create_at * 1000;
    const node = messageNode(message, this.#looks(message));
    showTime(node, at, this.#clock);
    return { kind: "message", at, message, node, answered: null }; // no quote is drawn yet
  }

  #insert(place, items) {
    const next = this.items[place];
    this.items.splice(place, 0, ...items);
    const nodes = items.map((item) => item.node);
    if (next) firstNode(next).before(...nodes);
    else this.element.append(...nodes);
    for (const item of items) if (item.kind !== "note") this.#folds.watch(item.node);
    this.arrange();
  }

  #drop(item) {
    if (item.kind !== "note") this.#folds.unwatch(item.node);
    if (this.#line.nextSibling === firstNode(item)) this.#line.remove();
    item.day?.remove();
    item.node.remove();
  }

  /** Draws what depends on other items: days, the line above the new messages, names, and what a message answers. */
  arrange() {
    const messages = new Map(this.items.map(({ message }) => [message?.index, message]));
    let day = null; // the last day that was named
    let before = null;
    let line = null; // the item below the line
    const isKnown = this.#mark !== null && (this.begins || this.firstIndex <= this.#mark + 1);
    for (const item of this.items) {
      const today = this.#dayOf(item);
      const named = day === null ? item.kind !== "note" && !Number.isNaN(today) : today > day;
      if (named) day = today;
      this.#nameDay(item, named);
      const { message } = item;
      if (isKnown && !line && message?.index > this.#mark && !this.isMine(message)) line = item;
      if (message) this.#nameSender(item, named || line === item || !isSame(before, item));
      if (message?.reply_to) this.#quote(item, messages.get(message.reply_to));
      before = item;
    }
    const latest = this.items.findLast(({ message }) => message && this.isMine(message) && !message.deleted_at);
    if (latest?.node !== this.#latest) {
      this.#latest?.classList.remove("latest");
      latest?.node.classList.add("latest");
      this.#latest = latest?.node;
    }
    if (!line) this.#line.remove();
    else if (this.#line.nextSibling !== firstNode(line)) firstNode(line).before(this.#line);
    this.#rove();
  }

  /**
   * The Tab key reaches the buttons of one message only: of the last one, or of the one that had the focus. The arrow
   * keys move to other messages. Otherwise hundreds of messages would stand between two parts of the page.
   */
  #rove() {
    if (!this.items.includes(this.#current) || this.#current.message.deleted_at) this.#current = null;
    const reached = this.#current ?? this.items.findLast((i) => i.message && !i.message.deleted_at);
    for (const item of this.items) {
      if (item.message) for (const b of item.node.querySelectorAll(".act")) b.tabIndex = item === reached ? 0 : -1;
    }
  }

  #focused(target) {
    const item = this.items.find((i) => i.message && i.node.contains(target));
    if (!item || item === this.#current) return;
    this.#current = item;
    this.#rove();
  }

  #move(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !event.target.classList.contains("act")) return;
    event.preventDefault();
    const messages = this.items.filter((i) => i.message && i.node.querySelector(".more"));
    const at = messages.findIndex((i) => i.node.contains(event.target));
    const next = at < 0 ? undefined : messages[at + step];
    next?.node.querySelector(".more").focus();
  }

  #quote(item, answered) {
    if (item.answered === answered) return;
    item.answered = answered;
    showQuote(item.node, answered);
  }

  #nameSender(item, named) {
    if (item.isNamed === named) return;
    item.isNamed = named;
    showSender(item.node, item.message, named);
  }

  #dayOf(item) {
    const { moves } = this.#clock;
    if (item.moves !== moves) Object.assign(item, { moves, number: this.#clock.dayOf(item.at) });
    return item.number;
  }

  #nameDay(item, named) {
    if (!named) {
      item.day?.remove();
      item.day = null;
      return;
    }
    if (!item.day) item.node.before((item.day = element("li", { className: "day" })));
    const words = this.#clock.dayInWords(item.at);
    if (item.day.textContent !== words) item.day.textContent = words;
  }

  /** The day or the time zone has changed. */
  clockChanged() {
    for (const item of this.items) if (item.kind !== "note") showTime(item.node, item.at, this.#clock);
    this.arrange();
  }

  /** The first item whose lower edge is below a height on the screen; undefined if there is none. */
  itemAt(y) {
    let [low, high] = [0, this.items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.items[middle].node.getBoundingClientRect().bottom > y) high = middle;
      else low = middle + 1;
    }
    return this.items[low];
  }

  /** The index of the last message whose upper edge is above a height on the screen; 0 if there is none. */
  indexAbove(y) {
    let place = this.items.indexOf(this.itemAt(y));
    if (place < 0) place = this.items.length - 1;
    for (; place >= 0; place--) {
      const { message, node } = this.items[place];
      if (message && node.getBoundingClientRect().top < y) return message.index;
    }
    return 0;
  }

  /** The item itself, or the nearest one if it has left the list; undefined if the list is empty. */
  nearest(item) {
    if (item.node.parentNode === this.element) return item;
    return this.items.find((i) => !item.message || i.message?.index >= item.message.index) ?? this.items.at(-1);
  }
}

const firstNode = (item) => item.day ?? item.node;

/** Whether a message belongs under the heading of the item before it. */
function isSame(before, { message, at }) {
  const { user_name: name, user_id: id } = before?.message ?? {};
  return name === message.user_name && id === message.user_id && at - before.at <= GROUP;
}
