// Days and times of day, in the person's time zone.

import { LOCALE } from "./texts.js";

const MINUTE = 60_000; // milliseconds

/**
 * Puts days and times into words. All times are in milliseconds since the epoch.
 *
 * Event: `change`, when the words have changed: after midnight, and in another time zone.
 */
export class Clock extends EventTarget {
  /** How many times the time zone has changed. */
  moves = 0;

  #timer;
  #zone;
  #today;
  #time;
  #date;
  #words = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });

  constructor() {
    super();
    this.#read();
    this.#wait();
    document.addEventListener("visibilitychange", () => (this.check(), this.#wait()));
    for (const type of ["focus", "pageshow"]) addEventListener(type, () => this.check());
  }

  /** The time of day, in a few characters; "" for an invalid time. */
  timeOf(ms) {
    return isTime(ms) ? this.#time.format(ms) : "";
  }

  /** The day and the time in full; "" for an invalid time. */
  inFull(ms) {
    return isTime(ms) ? new Date(ms).toLocaleString(LOCALE) : "";
  }

  /** The day, as a number that grows from day to day; NaN for an invalid time. */
  dayOf(ms) {
    const date = new Date(ms);
    return (date.getFullYear() * 12 + date.getMonth()) * 31 + date.getDate();
  }

  /** The day in words: today, yesterday, or the date. */
  dayInWords(ms) {
    for (const ago of [0, 1]) {
      const day = new Date();
      day.setDate(day.getDate() - ago);
      if (this.dayOf(day) === this.dayOf(ms)) {
        const word = this.#words.format(-ago, "day");
        return word[0].toUpperCase() + word.slice(1);
      }
    }
    return isTime(ms) ? this.#date.format(ms) : "";
  }

  /** Checks whether day and time zone have changed. No event says so: a machine sleeps through midnight, or travels. */
  check() {
    if (this.dayOf(Date.now()) === this.#today && zone() === this.#zone) return;
    this.#read();
    this.dispatchEvent(new Event("change"));
  }

  #read() {
    if (this.#zone !== zone()) this.moves++;
    this.#zone = zone();
    this.#today = this.dayOf(Date.now());
    // Formats keep the time zone in which they were made.
    this.#time = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
    const full = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
    this.#date = new Intl.DateTimeFormat(LOCALE, full);
  }

  #wait() {
    clearTimeout(this.#timer);
    if (document.visibilityState !== "visible") return; // nobody reads the words
    const midnight = new Date();
    midnight.setHours(24, 0, 0, 0);
    this.#timer = setTimeout(() => {
      this.check();
      this.#wait();
    }, Math.max(50, Math.min(MINUTE, midnight - Date.now())));
  }
}

const isTime = (ms) => Number.isFinite(new Date(ms).getTime());
const zone = () => new Intl.DateTimeFormat().resolvedOptions().timeZone;
