// A room's messages as a list that scrolls: a window of the room's log, which moves over it as the person scrolls, so that
// a room may have any number of messages and the page holds a few hundred.

import { element, bdi } from "./dom.js";
import { count, dayInWords, dayOf, refusal, shownName, timeOf } from "./words.js";

const MOST = 300; // items in the window
const NOTES = 50; // of them at most are no messages
const PAGE = 100; // messages that are fetched at once
const NEAR = 800; // pixels from an end of the window, at which more is fetched
const AT_END = 40; // pixels from the end, within which the list follows what is new
const GROUP = 300; // seconds, within which messages of one person stand under one name
const LONG = 1500; // characters, from which a message is shown in part

/**
 * Events: `change`, when what is unread or unseen has changed.
 */
export class Timeline extends EventTarget {
  /** Messages that came and that the person has not seen. */
  unread = 0;

  /** Whether the list is scrolled to its end, and stays there. */
  following = true;

  draft = ""; // what is written and not sent
  #items = []; // {message} or {event}, each with its nodes, oldest first
  #attached = true; // the end of the window is the end of the room
  #loading = false;
  #jumps = 0; // to the end, by which what is being fetched is out of date
  #room;
  #me;
  #scroller = null; // where it is shown; null where it is not
  #scrollTop = 0;
  #begin = element("p", { className: "beginning", id: "beginning", hidden: true });
  #list = element("ol", { id: "messages" });
  #waiting = new Map(); // what is shown of the outbox, by id
  #outbox = element("ol", { id: "outbox", "aria-label": "Not sent yet" });

  /** `me` tells the name of the person who looks at it. */
  constructor(room, me) {
    super();
    this.#room = room;
    this.#me = me;
    room.addEventListener("message", (e) => this.#add(e.detail));
    room.addEventListener("expired", () => this.#note("Some messages are no longer kept."));
    room.addEventListener("refused", (e) => this.#note(`This room cannot be joined. ${refusal(e.detail)}`));
    room.addEventListener("presence", (e) => {
      this.#note(bdi(shownName(e.detail.user_name)), e.detail.event === "joined" ? " came in" : " went away");
    });
    room.addEventListener("outbox", () => this.#drawOutbox());
    room.addEventListener("ready", () => {
      this.#showBeginning(false);
      this.scrolled(); // what there is may not fill the list
    });
  }

  /** Shows the list. */
  mount(scroller) {
    this.#scroller = scroller;
    scroller.replaceChildren(this.#begin, this.#list, this.#outbox);
    if (this.following) this.#scrollToEnd();
    else scroller.scrollTop = this.#scrollTop;
    this.#look();
  }

  /** Hides it, and keeps its place. */
  unmount() {
    this.#scrollTop = this.#scroller.scrollTop;
    this.#scroller = null;
  }

  /** Is called when the list was scrolled, or became visible. */
  scrolled() {
    const s = this.#scroller;
    if (!s) return;
    const below = s.scrollHeight - s.scrollTop - s.clientHeight;
    this.following = this.#attached && below < AT_END;
    if (s.scrollTop < NEAR) this.#load("older");
    else if (!this.#attached && below < NEAR) this.#load("newer");
    this.#look();
  }

  /** Is called when the list has another size. */
  resized() {
    if (this.following) this.#scrollToEnd();
  }

  /** Goes to the end of the room. */
  async toEnd() {
    this.#jumps++;
    if (!this.#attached) {
      try {
        const { messages } = await this.#room.history({ limit: PAGE });
        this.#clear();
        for (const message of messages) this.#push({ message });
        this.#showBeginning(false);
        this.#attached = this.#lastIndex() >= this.#room.last;
        if (!this.#attached) this.#load("newer");
      } catch {
        return; // offline: there is nothing newer to be had
      }
    }
    this.following = this.#attached;
    this.#scrollToEnd();
    this.#look();
  }

  #add(message) {
    const mine = message.user_name === this.#me();
    if (this.#room.ready && !mine) this.unread++;
    if (this.#attached && !this.following && this.#items.length >= MOST + PAGE) this.#attached = false;
    if (this.#attached && message.index > this.#lastIndex()) {
      this.#push({ message });
      if (this.following) {
        this.#trimStart();
        this.#scrollToEnd();
      }
    }
    if (this.#scroller) this.#showBeginning(false);
    this.#look();
  }

  /** Adds a line that is no message. */
  #note(...text) {
    if (!this.#attached) return;
    this.#push({ event: text });
    const notes = this.#items.filter((i) => i.event);
    if (notes.length > NOTES) {
      this.#remove(notes[0]);
      this.#items.splice(this.#items.indexOf(notes[0]), 1);
    }
    if (this.following) this.#scrollToEnd();
  }

  /** What is on the screen is read. */
  #look() {
    if (this.#scroller && this.following && document.visibilityState === "visible") this.unread = 0;
    this.dispatchEvent(new CustomEvent("change"));
  }

  #lastIndex() {
    return this.#items.findLast((i) => i.message)?.message.index ?? 0;
  }

  #firstIndex() {
    return this.#items.find((i) => i.message)?.message.index ?? 0;
  }

  /** Fetches the messages before or after the window, and moves the window. */
  async #load(which) {
    if (this.#loading || (which === "older" && this.#firstIndex() <= 1) || !this.#begin.hidden && which === "older") return;
    this.#loading = true;
    const jumps = this.#jumps;
    try {
      const page = await this.#room.history(which === "older"
        ? { before: this.#firstIndex(), limit: PAGE }
        : { after: this.#lastIndex(), limit: PAGE });
      if (jumps === this.#jumps) this.#holdStill(() => (which === "older" ? this.#prepend(page) : this.#append(page)));
    } catch {
      return; // offline: the next scroll, or the next connection, tries again
    } finally {
      this.#loading = false;
    }
    this.scrolled(); // it may not be enough
  }

  #prepend(page) {
    const items = page.messages.filter((m) => m.index < this.#firstIndex()).map((message) => ({ message }));
    this.#items.unshift(...items);
    for (let i = items.length - 1; i >= 0; i--) this.#draw(i);
    if (items.length < this.#items.length) this.#draw(items.length); // it has another one before it now
    while (this.#items.length > MOST) {
      this.#remove(this.#items.pop());
      this.#attached = false;
    }
    this.#showBeginning(!page.more, page.expired);
  }

  #append(page) {
    for (const message of page.messages) if (message.index > this.#lastIndex()) this.#push({ message });
    this.#attached = this.#lastIndex() >= this.#room.last;
    this.#trimStart();
  }

  #showBeginning(reached, expired = false) {
    const first = this.#firstIndex();
    this.#begin.hidden = !(reached || first === 1 || (first === 0 && this.#room.last === 0));
    this.#begin.textContent = expired ? "What was before this is no longer kept." : first === 0
      ? "Nobody has written anything yet." : "This is where the room begins.";
  }

  #trimStart() {
    if (this.#items.length <= MOST) return;
    while (this.#items.length > MOST) this.#remove(this.#items.shift());
    this.#draw(0);
    this.#showBeginning(false);
  }

  #push(item) {
    this.#items.push(item);
    this.#draw(this.#items.length - 1);
  }

  #clear() {
    this.#items = [];
    this.#list.replaceChildren();
  }

  #remove(item) {
    for (const node of item.nodes) node.remove();
  }

  /** Changes the list without moving what is on the screen. */
  #holdStill(change) {
    const s = this.#scroller;
    const top = s?.getBoundingClientRect().top;
    const item = s && this.#items.find((i) => i.nodes.at(-1).getBoundingClientRect().bottom > top);
    // Its lower edge: an item that gets another one before it may lose its heading, and what is below it is to stand still.
    const before = item?.nodes.at(-1).getBoundingClientRect().bottom;
    change();
    if (item?.nodes.at(-1).isConnected) s.scrollTop += item.nodes.at(-1).getBoundingClientRect().bottom - before;
  }

  #scrollToEnd() {
    if (this.#scroller) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Draws an item, for which it matters what is before it. */
  #draw(i) {
    const item = this.#items[i];
    const old = item.nodes;
    item.nodes = item.event ? [element("li", { className: "event" }, ...item.event)] : this.#messageNodes(item.message, this.#items[i - 1]?.message);
    if (old) {
      old[0].before(...item.nodes);
      this.#remove({ nodes: old });
    } else if (i === this.#items.length - 1) this.#list.append(...item.nodes);
    else this.#items[i + 1].nodes[0].before(...item.nodes);
  }

  #messageNodes(message, previous) {
    const nodes = [];
    const newDay = !previous || dayOf(previous.create_at) !== dayOf(message.create_at);
    if (newDay) nodes.push(element("li", { className: "day" }, dayInWords(message.create_at)));
    const first = newDay || previous.user_name !== message.user_name || message.create_at - previous.create_at > GROUP;
    const mine = message.user_name === this.#me();
    const when = new Date(message.create_at * 1000);
    const node = element("li", { className: `message${mine ? " mine" : ""}${first ? " first" : ""}`, dataset: { index: message.index } });
    if (first) {
      const time = element("time", { dateTime: when.toISOString(), title: when.toLocaleString() }, timeOf(message.create_at));
      node.append(element("div", { className: "who" }, bdi(shownName(message.user_name)), " ", time));
    }
    node.append(bubble(message.content));
    if (mine) node.append(element("div", { className: "sent", title: `Stored as number ${message.index}` }, "Sent"));
    nodes.push(node);
    return nodes;
  }

  /** Draws what has changed of what is not stored yet, which may be much after a while offline. */
  #drawOutbox() {
    const gone = new Set(this.#waiting.keys());
    for (const entry of this.#room.outbox) {
      gone.delete(entry.id);
      const shown = this.#waiting.get(entry.id);
      if (shown?.state === entry.state) continue;
      const node = this.#outboxNode(entry);
      this.#waiting.set(entry.id, { state: entry.state, node });
      if (shown) this.#replace(shown.node, node);
      else this.#outbox.append(node);
    }
    for (const id of gone) {
      this.#replace(this.#waiting.get(id).node, null);
      this.#waiting.delete(id);
    }
    if (this.following) this.#scrollToEnd();
  }

  /** Puts a node in the place of another, which may have the focus. */
  #replace(old, node) {
    const focused = old.contains(document.activeElement);
    if (node) old.replaceWith(node);
    else old.remove();
    if (focused) (node?.querySelector("button") ?? document.getElementById("draft")).focus();
  }

  #outboxNode(entry) {
    const says = { waiting: "Waiting to be sent", sending: "Sending…", failed: `Not sent. ${entry.error ? refusal(entry.error) : ""}` }[entry.state];
    const node = element("li", { className: `message mine ${entry.state}` }, bubble(entry.content), element("div", { className: "sent" }, says));
    if (entry.state === "failed") {
      node.append(element("div", {},
        element("button", { className: "link", onclick: () => this.#room.retry(entry.id).catch(() => {}) }, "Try again"), " ",
        element("button", { className: "link", onclick: () => this.#room.discard(entry.id) }, "Delete")));
    }
    return node;
  }

  /** What the button says that goes to the end; "" where there is no need of it. */
  get behind() {
    if (this.following) return "";
    return this.unread > 0 ? `${count(this.unread, "new message", "new messages")} ↓` : "To the latest message ↓";
  }
}

function bubble(content) {
  const text = element("div", { className: "content", dir: "auto" }, content);
  const node = element("div", { className: "bubble" }, text);
  if (content.length > LONG) {
    text.classList.add("long");
    const more = element("button", { className: "link", "aria-expanded": "false" }, "Show all of it");
    more.onclick = () => {
      const shown = text.classList.toggle("long");
      more.textContent = shown ? "Show all of it" : "Show less";
      more.setAttribute("aria-expanded", String(!shown));
    };
    node.append(more);
  }
  return node;
}
