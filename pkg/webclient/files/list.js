// The window of a conversation on the page, oldest item first. A line marks the beginning of each day, and another one
// the place where the person stopped reading.

import { messageNode, noteNode, refusedNode, showQuote, showSender, showTime } from "./bubble.js";
import { $, element } from "./dom.js";
import { say } from "./texts.js";

const GROUP = 300_000; // milliseconds: messages of one person at shorter distances have one heading

/** A row is {item, node} and what was drawn of it. The item is of a Conversation. */
export class List {
  element = element("ol", { id: "messages" });

  #rows = [];
  #snapshot = { items: [], mark: null, begins: false };
  #isMe;
  #clock;
  #folds;
  #actions;
  #looks;
  #current = null; // the row whose buttons the Tab key reaches; null for the last one
  #latest = undefined; // the element of the reader's last message
  #line = element("li", { className: "new" }, say("isNew"));

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

  /** The line above the new messages; null if it is not in the list. */
  get newLine() {
    return this.#line.isConnected ? this.#line : null;
  }

  /** The element of the message at an index; undefined if it is not in the list. */
  nodeAt(index) {
    return this.#rowOf(index)?.node;
  }

  /** The element of the item with a key; undefined if it is not in the list. */
  nodeOf(key) {
    return this.#rows.find((row) => row.item.key === key)?.node;
  }

  #rowOf(index) {
    return this.#rows.find((row) => row.item.message?.index === index);
  }

  /** Draws what differs in another snapshot of the conversation. */
  show(snapshot) {
    const { items, mark, begins } = this.#snapshot;
    if (snapshot.items === items && snapshot.mark === mark && snapshot.begins === begins) return;
    this.#snapshot = snapshot;
    if (snapshot.items !== items) this.#take(snapshot.items);
    this.#arrange();
  }

  #take(items) {
    const keys = new Set(items.map(({ key }) => key));
    for (const row of this.#rows) if (!keys.has(row.item.key)) this.#drop(row);
    const kept = new Map(this.#rows.map((row) => [row.item.key, row]));
    const added = [];
    let above = []; // new nodes, which stand before the next row that is kept
    this.#rows = items.map((item) => {
      const row = kept.get(item.key) ?? { item, node: this.#nodeOf(item), answered: null }; // no quote is drawn yet
      if (kept.has(item.key)) {
        if (above.length > 0) firstNode(row).before(...above);
        above = [];
        if (row.item !== item) this.#redraw(Object.assign(row, { item }));
      } else {
        above.push(row.node);
        added.push(row);
      }
      return row;
    });
    this.element.append(...above);
    for (const { node } of added) this.#folds.watch(node);
  }

  /** Draws the message at an index again, if it is in the list. */
  redraw(index) {
    const row = this.#rowOf(index);
    if (!row) return;
    this.#redraw(row);
    this.#arrange();
  }

  #redraw(row) {
    const old = row.node;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const node = this.#nodeOf(row.item);
    node.querySelector(".content")?.classList.toggle("open", old.querySelector(".content.open") !== null);
    this.#folds.unwatch(old);
    old.replaceWith(node);
    this.#folds.watch(node);
    Object.assign(row, { node, isNamed: undefined, answered: null });
    if (!focused) return;
    const { reaction } = focused.dataset;
    const same = reaction && [...node.querySelectorAll(".reaction")].find((b) => b.dataset.reaction === reaction);
    (same || node.querySelector(".more") || $("draft")).focus();
  }

  #nodeOf({ kind, at, message, entry, ...note }) {
    const node = kind === "message" ? messageNode(message, this.#looks(message))
      : kind === "refused" ? refusedNode(entry, this.#actions) : noteNode({ kind, ...note });
    if (message || entry) showTime(node, at, this.#clock);
    return node;
  }

  #drop(row) {
    this.#folds.unwatch(row.node);
    if (this.#line.nextSibling === firstNode(row)) this.#line.remove();
    row.day?.remove();
    row.node.remove();
  }

  /** Draws what depends on other items: days, the line above the new messages, names, and what a message answers. */
  #arrange() {
    const { mark, begins } = this.#snapshot;
    const messages = new Map(this.#rows.map(({ item: { message } }) => [message?.index, message]));
    const first = this.#rows.find(({ item }) => item.message)?.item.message.index ?? 0;
    let day = null; // the last day that was named
    let before = null;
    let line = null; // the row below the line
    const isKnown = mark !== null && (begins || first <= mark + 1);
    for (const row of this.#rows) {
      const { message, entry } = row.item;
      const today = this.#dayOf(row);
      const named = day === null ? Boolean(message || entry) && !Number.isNaN(today) : today > day;
      if (named) day = today;
      this.#nameDay(row, named);
      if (isKnown && !line && message?.index > mark && !this.#isMe(message)) line = row;
      if (message) this.#nameSender(row, named || line === row || !isSame(before, row.item));
      if (message?.reply_to) this.#quote(row, messages.get(message.reply_to));
      before = row.item;
    }
    const isOwn = ({ item: { message } }) => message && !message.deleted_at && this.#isMe(message);
    const latest = this.#rows.findLast(isOwn);
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
    const isThere = ({ item: { message } }) => message && !message.deleted_at;
    if (!this.#rows.includes(this.#current) || !isThere(this.#current)) this.#current = null;
    const reached = this.#current ?? this.#rows.findLast(isThere);
    for (const row of this.#rows) {
      if (row.item.message) for (const b of row.node.querySelectorAll(".act")) b.tabIndex = row === reached ? 0 : -1;
    }
  }

  #focused(target) {
    const row = this.#rows.find(({ item, node }) => item.message && node.contains(target));
    if (!row || row === this.#current) return;
    this.#current = row;
    this.#rove();
  }

  #move(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !event.target.classList.contains("act")) return;
    event.preventDefault();
    const messages = this.#rows.filter(({ item, node }) => item.message && node.querySelector(".more"));
    const at = messages.findIndex(({ node }) => node.contains(event.target));
    const next = at < 0 ? undefined : messages[at + step];
    next?.node.querySelector(".more").focus();
  }

  #quote(row, answered) {
    if (row.answered === answered) return;
    row.answered = answered;
    showQuote(row.node, answered);
  }

  #nameSender(row, named) {
    if (row.isNamed === named) return;
    row.isNamed = named;
    showSender(row.node, row.item.message, named);
  }

  #dayOf(row) {
    const { moves } = this.#clock;
    if (row.moves !== moves) Object.assign(row, { moves, number: this.#clock.dayOf(row.item.at) });
    return row.number;
  }

  #nameDay(row, named) {
    if (!named) {
      row.day?.remove();
      row.day = null;
      return;
    }
    if (!row.day) row.node.before((row.day = element("li", { className: "day" })));
    const words = this.#clock.dayInWords(row.item.at);
    if (row.day.textContent !== words) row.day.textContent = words;
  }

  /** The day or the time zone has changed. */
  clockChanged() {
    for (const { item, node } of this.#rows) if (item.message || item.entry) showTime(node, item.at, this.#clock);
    this.#arrange();
  }

  /** The first row whose lower edge is below a height on the screen; undefined if there is none. */
  rowAt(y) {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#rows[middle].node.getBoundingClientRect().bottom > y) high = middle;
      else low = middle + 1;
    }
    return this.#rows[low];
  }

  /** The index of the last message whose upper edge is above a height on the screen; 0 if there is none. */
  indexAbove(y) {
    let place = this.#rows.indexOf(this.rowAt(y));
    if (place < 0) place = this.#rows.length - 1;
    for (; place >= 0; place--) {
      const { item, node } = this.#rows[place];
      if (item.message && node.getBoundingClientRect().top < y) return item.message.index;
    }
    return 0;
  }

  /** The row itself, or the nearest one if it has left the list; undefined if the list is empty. */
  nearest(row) {
    if (row.node.parentNode === this.element) return row;
    const { index = 0 } = row.item.message ?? {};
    return this.#rows.find(({ item }) => index === 0 || item.message?.index >= index) ?? this.#rows.at(-1);
  }
}

const firstNode = (row) => row.day ?? row.node;

/** Whether a message belongs under the heading of the item before it. */
function isSame(before, { message, at }) {
  const { user_name: name, user_id: id } = before?.message ?? {};
  return name === message.user_name && id === message.user_id && at - before.at <= GROUP;
}
