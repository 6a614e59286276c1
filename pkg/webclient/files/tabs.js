// The tabs that this browser has of the chat. Each holds a Web Lock for as long as it is open: the browser frees it whatever
// the end of the tab was.

const LIFE = "chat tab "; // before the id of the tab that holds the lock
const TURN = "chat turn";
const RELOAD = 3000; // milliseconds, within which a tab that is loaded again is back, and takes what was its own

/**
 * This tab, until it is closed or loaded again.
 *
 * Events: `closed`, when another tab that is watched was closed, and not just loaded again.
 */
export class Tab extends EventTarget {
  id = newID();
  #locks = navigator.locks ?? null; // browsers have them on pages with TLS, and on localhost
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

  /** The ids of the tabs that are open; null where the browser does not tell. */
  async living() {
    await this.#held;
    if (!this.#locks) return null;
    const { held } = await this.#locks.query();
    // A shared lock is that of a tab that watches.
    const lives = held.filter((lock) => lock.mode === "exclusive" && lock.name.startsWith(LIFE));
    return new Set(lives.map((lock) => lock.name.slice(LIFE.length)));
  }

  /** Whether tabs that were loaded again together with this one may not be back yet. */
  get isYoung() {
    return performance.now() - this.#since < RELOAD;
  }

  /** Calls a function, and no other tab does so until its promise is settled. */
  async inTurn(f) {
    await this.#held;
    return this.#locks ? this.#locks.request(TURN, f) : f();
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

/** An id that nobody else has. (crypto.randomUUID is not there on pages without TLS.) */
export function newID() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}
