// The messages of a person in a room that are not stored yet. Each is kept with its id until it is stored or given up.
// So it is stored once, whatever happens to the page.

import { newID } from "./tabs.js";

const ADOPTION = 2000; // milliseconds: how long a new message waits for the adoption of older ones

/**
 * The unsent messages of a room.
 *
 * Event: `change`, when a message was added or removed, or has another state.
 */
export class Outbox extends EventTarget {
  /**
   * {id, content, replyTo, at, state: "waiting" | "sending" | "failed", error, after, kept, handed}, in the order of
   * sending. `replyTo` is the index of the message that it answers, if any. `after` is the room's last index when the
   * message was refused. `kept` says whether the message outlives the page, and `handed` whether the client has got it.
   */
  entries = [];

  #room;
  #memory;
  #name;
  #adopted; // settles when the adopted messages stand before the new ones

  /**
   * @param {string} name the room's name, under which its messages are kept
   * @param {AbortSignal} signal ends the outbox
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

  /** The messages that were refused. */
  get refused() {
    return this.entries.filter((entry) => entry.state === "failed");
  }

  /** Whether closing the page now would lose a message. */
  get isLosing() {
    return this.entries.some((entry) => !entry.kept);
  }

  /**
   * Sends a message, which may answer the one with an index. The promise settles when the message is stored, with null,
   * or refused, with the ChatError.
   */
  async send(content, replyTo) {
    const entry = { id: newID(), content, replyTo, at: 0, state: "waiting", error: null, after: 0 };
    this.#append(entry);
    await this.#adopted;
    return this.#transmit(entry);
  }

  /** Sends a refused message again, after the messages that were written since. */
  retry(id) {
    const entry = this.entries.find((e) => e.id === id && e.state === "failed");
    if (!entry) return;
    this.entries = this.entries.filter((e) => e !== entry);
    this.#append(Object.assign(entry, { state: "waiting", error: null, after: 0 }));
    this.#transmit(entry);
  }

  /** Gives up a message that is not in flight. It tells whether it did. */
  discard(id) {
    const entry = this.entries.find((e) => e.id === id);
    if (!entry || (entry.state !== "failed" && !this.#room.discard(id))) return false;
    this.#forget(entry);
    return true;
  }

  /** Takes over the messages that closed tabs did not send. */
  adopt() {
    const adoption = this.#memory.adopt(this.#name).catch(() => {}).then(() => this.#take());
    this.#adopted = Promise.race([adoption, new Promise((resolve) => setTimeout(resolve, ADOPTION))]);
  }

  #take() {
    const news = this.#memory.own(this.#name).filter(({ id }) => !this.entries.some((e) => e.id === id));
    if (news.length === 0) return;
    const adopted = news.map(({ id, content, replyTo, at, error, after }) => (
      { id, content, replyTo, at, state: error ? "failed" : "waiting", error, after, kept: true }));
    // Messages that the client has are sent before the adopted ones. Messages that were written since wait for them.
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

  /** Hands a message to the client, which sends it when it can. It returns a ChatError if the message is refused. */
  async #transmit(entry) {
    entry.handed = true;
    try {
      await this.#room.send(entry.content, { id: entry.id, replyTo: entry.replyTo });
      this.#forget(entry);
      return null;
    } catch (error) {
      const refused = this.#room.outbox.some((e) => e.id === entry.id && e.state === "failed");
      if (!refused) return null; // the room was left, or the client is closed: the message is kept for later
      this.#room.discard(entry.id);
      const { code, message } = error;
      Object.assign(entry, { state: "failed", error: { code, message }, after: this.#room.last ?? 0 });
      this.#keep(entry);
      this.#changed();
      return error;
    }
  }

  /** Takes over the states that the client has for its messages. */
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

  /** Another tab has stored, given up or released a message. */
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
