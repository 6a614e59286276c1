// What a person wrote in a room and what is not stored yet. It is kept with its id until it is stored or given up, so that
// it is stored once, whatever becomes of the page.

import { newID } from "./tabs.js";

const ADOPTION = 2000; // milliseconds, for which what is written waits for what was written before

/**
 * The unsent messages of a room.
 *
 * Events: `change`, when one came, went, or has another state.
 */
export class Outbox extends EventTarget {
  /**
   * {id, content, at, state: "waiting" | "sending" | "failed", error, after, kept, handed}, in the order of sending. A
   * refused one stood at the end of the room when the index `after` was the last. `kept` says whether it outlives the page,
   * `handed` whether the client has had it.
   */
  entries = [];

  #room;
  #memory;
  #name;
  #adopted; // settled when what was written before has its place before what is written now

  /**
   * @param {string} name of the room, by which its messages are kept
   * @param {AbortSignal} signal ends it
   */
  constructor(room, name, memory, tab, signal) {
    super();
    this.#room = room;
    this.#name = name;
    this.#memory = memory;
    room.addEventListener("outbox", () => this.#follow(), { signal });
    memory.addEventListener("unsent", (e) => e.detail.room === name && this.#told(e.detail), { signal });
    tab.addEventListener("closed", () => this.adopt(), { signal });
    signal.addEventListener("abort", () => memory.release(name));
    this.adopt();
  }

  /** Messages that were refused. */
  get refused() {
    return this.entries.filter((entry) => entry.state === "failed");
  }

  /** Whether a message is lost when the page is closed now. */
  get isLosing() {
    return this.entries.some((entry) => !entry.kept);
  }

  /** Sends a message. It is done when the message is stored or refused; then it gives the reason, a ChatError. */
  async send(content) {
    const entry = { id: newID(), content, at: 0, state: "waiting", error: null, after: 0 };
    this.#append(entry);
    await this.#adopted;
    return this.#transmit(entry);
  }

  /** Sends what was refused again, after what was written since. */
  retry(id) {
    const entry = this.entries.find((e) => e.id === id && e.state === "failed");
    if (!entry) return;
    this.entries = this.entries.filter((e) => e !== entry);
    this.#append(Object.assign(entry, { state: "waiting", error: null, after: 0 }));
    this.#transmit(entry);
  }

  /** Gives up what is not under way, and tells whether it did. */
  discard(id) {
    const entry = this.entries.find((e) => e.id === id);
    if (!entry || (entry.state !== "failed" && !this.#room.discard(id))) return false;
    this.#forget(entry);
    return true;
  }

  /** Takes over what tabs that are closed did not send. */
  adopt() {
    const adoption = this.#memory.adopt(this.#name).catch(() => {}).then(() => this.#take());
    this.#adopted = Promise.race([adoption, new Promise((resolve) => setTimeout(resolve, ADOPTION))]);
  }

  #take() {
    const news = this.#memory.own(this.#name).filter(({ id }) => !this.entries.some((e) => e.id === id));
    if (news.length === 0) return;
    const adopted = news.map(({ id, content, at, error, after }) => (
      { id, content, at, state: error ? "failed" : "waiting", error, after, kept: true }));
    // What the client has already is sent before it, what was written since waits for it.
    const handed = this.entries.filter((e) => e.handed);
    this.entries = [...handed, ...adopted, ...this.entries.filter((e) => !e.handed)];
    for (const entry of adopted) if (entry.state === "waiting") this.#transmit(entry);
    this.#changed();
  }

  #append(entry) {
    entry.at = Math.max(Date.now(), (this.entries.at(-1)?.at ?? 0) + 1);
    this.entries.push(entry);
    this.#keep(entry);
    this.#changed();
  }

  #keep(entry) {
    entry.kept = this.#memory.keep(this.#name, entry);
  }

  #forget(entry) {
    this.entries = this.entries.filter((e) => e !== entry);
    this.#memory.forget(this.#name, entry.id);
    this.#changed();
  }

  /** Hands a message to the client, which sends it when it can. It gives a ChatError where the message is refused. */
  async #transmit(entry) {
    entry.handed = true;
    try {
      await this.#room.send(entry.content, { id: entry.id });
      this.#forget(entry);
      return null;
    } catch (error) {
      const refused = this.#room.outbox.some((e) => e.id === entry.id && e.state === "failed");
      if (!refused) return null; // the room was left, or the client is closed: it is kept for another time
      this.#room.discard(entry.id);
      Object.assign(entry, { state: "failed", error: { code: error.code, message: error.message }, after: this.#room.last ?? 0 });
      this.#keep(entry);
      this.#changed();
      return error;
    }
  }

  /** Takes over what the client says of its messages. */
  #follow() {
    let changed = false;
    for (const { id, state } of this.#room.outbox) {
      const entry = this.entries.find((e) => e.id === id);
      if (!entry || state === "failed" || entry.state === state) continue;
      entry.state = state;
      changed = true;
    }
    if (changed) this.#changed();
  }

  /** Another tab has stored or given up a message, or lets one go. */
  #told({ id, value }) {
    if (value?.tab === "") this.adopt();
    const entry = this.entries.find((e) => e.id === id);
    if (value || !entry || (entry.state !== "failed" && !this.#room.discard(id))) return;
    this.entries = this.entries.filter((e) => e !== entry);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
