// Search within a room: first in the messages that are loaded, and then further back, as far as the person wants.

import { openDialog } from "./dialog.js";
import { bdi, element } from "./dom.js";
import { placeOf } from "./fold.js";
import { say } from "./texts.js";
import { shownName } from "./words.js";

const PAGE = 100; // messages that are fetched at once
const STEP = 500; // messages that are searched further back at once
const AROUND = 60; // characters that are shown before a place
const MOST = 200; // results that are shown

/** The messages of a room that are searched: the last ones, without a gap. */
export class Search {
  /** What is sought. */
  query = "";

  /** Whether all messages of the room are searched. */
  isComplete = false;

  #room;
  #messages = new Map(); // by index
  #first = Infinity;

  /** @param {Message[]} loaded the last messages of the room, without a gap */
  constructor(room, loaded, signal) {
    this.#room = room;
    const listen = (type, f) => room.addEventListener(type, ({ detail }) => f(detail), { signal });
    listen("message", (message) => this.#take([message]));
    listen("change", (message) => this.#messages.has(message.index) && this.#take([message]));
    listen("reset", () => this.#forget());
    this.#take(loaded);
  }

  #take(messages) {
    for (const message of messages) {
      this.#messages.set(message.index, message);
      this.#first = Math.min(this.#first, message.index);
    }
    this.isComplete ||= this.#first === 1 || this.#room.last === 0;
  }

  #forget() {
    this.#messages.clear();
    this.#first = Infinity;
    this.isComplete = false;
  }

  /** How many messages are searched. */
  get size() {
    return this.#messages.size;
  }

  /** The messages in which the text is found, newest first, each with the place: {message, place}. */
  get results() {
    const messages = [...this.#messages.values()].sort((a, b) => b.index - a.index);
    const found = messages.map((message) => ({ message, place: placeOf(String(message.content), this.query) }));
    return found.filter(({ place }) => place !== null);
  }

  /** Searches further back. It throws a ChatError if older messages cannot be fetched. */
  async further() {
    for (const goal = this.size + STEP; this.size < goal && !this.isComplete;) {
      const before = this.#first;
      const { messages, more } = await this.#room.history({ ...(before < Infinity && { before }), limit: PAGE });
      if (before !== this.#first) return; // the log went back meanwhile
      this.#take(messages);
      if (!more) this.isComplete = true;
    }
  }
}

/**
 * Opens the search of a room in a dialog.
 * @param {Search} search
 * @param {{title: string, clock: Clock, show: (index: number) => void}} parts `show` goes to a message
 */
export function openSearch(search, { title, clock, show }) {
  const field = element("input", { type: "search", value: search.query, "aria-label": say("text"),
    placeholder: say("text"), autocomplete: "off" });
  const status = element("p", { role: "status" });
  const list = element("ol", { className: "found-list" });
  const further = element("button", { type: "button", onclick: goOn }, say("searchOlder"));
  const dialog = openDialog(say("searchIn", { room: title }), field, status, list, further);
  field.oninput = () => ((search.query = field.value), draw());
  field.onkeydown = (event) => event.key === "Enter" && list.querySelector("button")?.click();
  draw();
  field.select();

  async function goOn() {
    further.disabled = true;
    status.textContent = say("searching");
    try {
      await search.further();
      draw();
    } catch {
      draw();
      status.textContent = say("noOlderNow");
    }
  }

  function draw() {
    const results = search.query.trim() === "" ? [] : search.results;
    const found = { found: results.length, n: search.size };
    status.textContent = say(search.isComplete ? "foundInAll" : "foundInLast", found);
    list.replaceChildren(...results.slice(0, MOST).map(rowOf));
    further.hidden = search.isComplete;
    further.disabled = false;
  }

  function rowOf({ message, place: [begin, end] }) {
    const content = String(message.content);
    const from = begin <= AROUND ? 0 : begin - AROUND;
    const text = element("span", { dir: "auto" }, `${from > 0 ? "…" : ""}${content.slice(from, begin)}`,
      element("mark", {}, content.slice(begin, end)), content.slice(end, end + 2 * AROUND));
    const at = message.create_at * 1000;
    const head = element("small", {}, bdi(shownName(String(message.user_name))), ` · ${clock.inFull(at)}`);
    return element("li", {}, element("button", { onclick: () => (dialog.close(), show(message.index)) }, head, text));
  }
}
