// What a screen reader says by itself.

import { $ } from "./dom.js";
import { say } from "./texts.js";

const PAUSE = 500; // milliseconds: what comes in this time is said at once
const ELSEWHERE = 5000; // milliseconds: so long, news in other rooms are counted before they are said

export class Announcer {
  #news = []; // messages
  #notices = []; // other texts
  #elsewhere = []; // the rooms of messages, one for each message
  #timers = {};

  /** Reads a message aloud. If many come at once, it reads only their number. */
  read(message) {
    this.#news.push(message);
    this.say();
  }

  /** Says something. */
  say(...notices) {
    this.#notices.push(...notices);
    this.#timers.say ??= setTimeout(() => {
      const { length } = this.#news;
      const news = length > 3 ? [say("newMessages", { n: length })] : this.#news;
      $("announcer").textContent = [...news, ...new Set(this.#notices)].join("\n");
      this.#news = [];
      this.#notices = [];
      this.#timers.say = null;
    }, PAUSE);
  }

  /** A message has come in a room that is not shown. Only the number of such messages is said. */
  elsewhere(room) {
    this.#elsewhere.push(room);
    this.#timers.elsewhere ??= setTimeout(() => {
      const { length } = this.#elsewhere;
      if (length > 0) this.say(say("newElsewhere", { n: length }));
      this.#elsewhere = [];
      this.#timers.elsewhere = null;
    }, ELSEWHERE);
  }

  /** The person has seen what is new in a room, or has left it. */
  forget(room) {
    this.#elsewhere = this.#elsewhere.filter((other) => other !== room);
  }

  close() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
  }
}
