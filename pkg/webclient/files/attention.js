// What calls a person back to the page: the number in the title, a dot on the icon, and the browser's notifications.

import { $ } from "./dom.js";
import { say } from "./texts.js";
import { shownName } from "./words.js";

const BODY = 200; // characters of a message in a notification

/** The page's ways to call the person, who may be elsewhere. */
export class Attention {
  #icon = document.querySelector("link[rel=icon]");
  #plain = this.#icon.href;
  #shown = new Map(); // notifications, by room: a newer one replaces the one before

  /** @param {AbortSignal} signal ends the offer of notifications, and takes back those that are shown */
  constructor(signal) {
    $("notify").addEventListener("click", () => this.#ask(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.#takeBack(), { signal });
    signal.addEventListener("abort", () => (this.#takeBack(), this.unread(0)));
    this.#offer();
  }

  /** Notifications are offered by a button, until the person has decided. */
  #offer() {
    $("notify").hidden = globalThis.Notification?.permission !== "default";
  }

  async #ask() {
    await Notification.requestPermission().catch(() => {});
    this.#offer();
    $("draft").focus();
  }

  /** Shows how many messages are not read. */
  unread(count) {
    document.title = count > 0 ? `(${count}) ${say("chat")}` : say("chat");
    const dot = "<circle cx='25' cy='7' r='7' fill='%23d92020'/></svg>";
    this.#icon.href = count > 0 ? this.#plain.replace("</svg>", dot) : this.#plain;
  }

  /** Shows a message of somebody else, if the page is hidden and the person wants that. */
  notify(room, title, { user_name, content, deleted_at }, open) {
    if (!document.hidden || deleted_at || globalThis.Notification?.permission !== "granted") return;
    try {
      const says = new Notification(say("writesIn", { name: shownName(String(user_name)), room: title }),
        { body: String(content).slice(0, BODY), tag: room });
      says.onclick = () => (window.focus(), says.close(), open());
      this.#shown.set(room, says);
    } catch {
      return; // some browsers on phones have no notifications of pages
    }
  }

  #takeBack() {
    for (const says of this.#shown.values()) says.close();
    this.#shown.clear();
  }
}
