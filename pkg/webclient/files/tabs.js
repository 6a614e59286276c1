// The tabs of the chat in this browser. Each open tab holds a Web Lock. The browser releases the lock when the tab
// ends, for whatever reason.

const LIFE = "chat tab "; // before the id of the tab that holds the lock
const TURN = "chat turn";
const RELOAD = 3000; // milliseconds: by then a tab that is loaded again is back, and has taken what was its own

/**
 * This tab, until it is closed or loaded again.
 *
 * Event: `closed`, when another tab that is watched was closed, and not only loaded again.
 */
export class Tab extends EventTarget {
  id = newID();
  #locks = navigator.locks ?? null; // browsers have locks on pages with TLS, and on localhost
  #watched = new Set();
  #held;
  #since = performance.now();

  constructor() {
    super();
    this.#held = new Promise((held) => {
      const untilTheEnd = () => (held(), new Promise(() => {}));
      this.#locks?.request(LIFE + this.id, untilTheEnd).catch(() => {
        this.#locks = null; // they are forbidden here
        held();
      });
      if (!this.#locks) held();
    });
  }

  /** The ids of the open tabs; null if the browser does not say. */
  async living() {
    await this.#held;
    if (!this.#locks) return null;
    const { held } = await this.#locks.query();
    // A shared lock belongs to a tab that watches.
    const lives = held.filter((lock) => lock.mode === "exclusive" && lock.name.startsWith(LIFE));
    return new Set(lives.map((lock) => lock.name.slice(LIFE.length)));
  }

  /** Whether tabs that were loaded again together with this one may not be back yet. */
  get isYoung() {
    return performance.now() - this.#since < RELOAD;
  }

  /** Calls a function. No other tab calls one in this way, for this purpose, until its promise is settled. */
  async inTurn(f, purpose = TURN) {
    await this.#held;
    return this.#locks ? this.#locks.request(purpose, f) : f();
  }

  /** Watches for another tab to be closed. */
  watch(id) {
    if (!this.#locks || id === this.id || this.#watched.has(id)) return;
    this.#watched.add(id);
    this.#locks.request(LIFE + id, { mode: "shared" }, () => {}).then(() => setTimeout(() => {
      this.#watched.delete(id);
      this.dispatchEvent(new Event("closed"));
    }, RELOAD), () => {});
  }
}

/** A unique id. (Pages without TLS have no crypto.randomUUID.) */
export function newID() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}
