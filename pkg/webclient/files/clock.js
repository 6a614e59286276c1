// Days and times of day, where the person is now.

const MINUTE = 60_000; // milliseconds

/**
 * Tells days and times in words.
 *
 * Events: `change`, when they are others: after midnight, and in another time zone.
 */
export class Clock extends EventTarget {
  /** How often the time zone has changed. */
  moves = 0;

  #zone;
  #today;
  #time;
  #date;
  #words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

  constructor() {
    super();
    this.#read();
    this.#wait();
    document.addEventListener("visibilitychange", () => this.check());
    for (const type of ["focus", "pageshow"]) addEventListener(type, () => this.check());
  }

  /** The time of day, in a few characters; "" for what is no time. It is given in milliseconds since the epoch, as are all. */
  timeOf(ms) {
    return isTime(ms) ? this.#time.format(ms) : "";
  }

  /** Day and time, in full. */
  inFull(ms) {
    return isTime(ms) ? new Date(ms).toLocaleString() : "";
  }

  /** The day, as a number that grows from day to day; NaN for what is no time. */
  dayOf(ms) {
    const date = new Date(ms);
    return (date.getFullYear() * 12 + date.getMonth()) * 31 + date.getDate();
  }

  /** The day in words: today, yesterday, or its date. */
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

  /** Looks whether day and zone are still the same. No event tells: a machine sleeps through midnight, and travels. */
  check() {
    if (this.dayOf(Date.now()) === this.#today && zone() === this.#zone) return;
    this.#read();
    this.dispatchEvent(new Event("change"));
  }

  #read() {
    if (this.#zone !== zone()) this.moves++;
    this.#zone = zone();
    this.#today = this.dayOf(Date.now());
    // They keep the zone that they were made in.
    this.#time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
    this.#date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  }

  #wait() {
    const midnight = new Date();
    midnight.setHours(24, 0, 0, 0);
    setTimeout(() => {
      this.check();
      this.#wait();
    }, Math.max(50, Math.min(MINUTE, midnight - Date.now())));
  }
}

const isTime = (ms) => Number.isFinite(new Date(ms).getTime());
const zone = () => new Intl.DateTimeFormat().resolvedOptions().timeZone;
