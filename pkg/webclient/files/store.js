// Storage that a browser may forbid, or that may be full, and in which one key holds one fact.

const PREFIX = "chat "; // of the keys, before a list in JSON

/** A storage area. What it does not take is remembered for as long as the page is open. */
export class Store {
  #area = null;
  #own = new Map(); // what the area did not take, by name

  /** @param {() => Storage} open opens the area, and may throw */
  constructor(open) {
    try {
      this.#area = open();
    } catch {
      this.#area = null;
    }
  }

  /** The value of a key, which is a list of texts; undefined where there is none that makes sense. */
  get(key) {
    const name = nameOf(key);
    if (this.#own.has(name)) return this.#own.get(name);
    try {
      return JSON.parse(this.#area.getItem(name)) ?? undefined;
    } catch {
      return undefined;
    }
  }

  /** Sets the value of a key, and tells whether it outlives the page. */
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

  /** The keys that begin like this. */
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

  /** Takes what an earlier page kept as one value, under a name of its own; undefined where there is nothing. */
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

/** The key of a name, or null where it is none of these. */
export function keyOf(name) {
  try {
    const key = name.startsWith(PREFIX) ? JSON.parse(name.slice(PREFIX.length)) : null;
    return Array.isArray(key) ? key : null;
  } catch {
    return null;
  }
}
