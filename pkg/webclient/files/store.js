// A browser's storage. One key holds one fact. The browser may forbid the storage, and it may be full.

const PREFIX = "chat "; // of the keys, before a list in JSON

/** A storage area. Values that it does not take are kept in memory while the page is open. */
export class Store {
  #area = null;
  #own = new Map(); // the values that the area did not take, by name

  /** @param {() => Storage} open opens the area, and may throw */
  constructor(open) {
    try {
      this.#area = open();
    } catch {
      this.#area = null;
    }
  }

  /** The value of a key, which is a list of texts; undefined if there is none, or if it cannot be read. */
  get(key) {
    const name = nameOf(key);
    if (this.#own.has(name)) return this.#own.get(name);
    try {
      return JSON.parse(this.#area.getItem(name)) ?? undefined;
    } catch {
      return undefined;
    }
  }

  /** Sets the value of a key. It tells whether the value outlives the page. */
  set(key, value) {
    const name = nameOf(key);
    try {
      this.#area.setItem(name, JSON.stringify(value));
      this.#own.delete(name);
      return true;
    } catch {
      this.#own.set(name, value);
      return false;
    }
  }

  remove(key) {
    this.#own.delete(nameOf(key));
    try {
      this.#area.removeItem(nameOf(key));
    } catch {
      return; // it was never there
    }
  }

  /** The keys that begin with these texts. */
  keys(...beginning) {
    return this.#names().map(keyOf).filter((key) => key && beginning.every((part, i) => key[i] === part));
  }

  #names() {
    const names = new Set(this.#own.keys());
    try {
      for (let i = 0; i < this.#area.length; i++) names.add(this.#area.key(i));
    } catch {
      return [...names];
    }
    return [...names];
  }

  /** Removes and returns a value that an older version of the page kept; undefined if there is none. */
  takeOld(name) {
    try {
      const value = JSON.parse(this.#area.getItem(name));
      this.#area.removeItem(name);
      return value ?? undefined;
    } catch {
      return undefined;
    }
  }
}

const nameOf = (key) => PREFIX + JSON.stringify(key);

/** The key of a name in the storage; null for names of others. */
export function keyOf(name) {
  try {
    const key = name.startsWith(PREFIX) ? JSON.parse(name.slice(PREFIX.length)) : null;
    return Array.isArray(key) ? key : null;
  } catch {
    return null;
  }
}
