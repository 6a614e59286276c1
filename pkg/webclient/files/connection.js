// What the page says of its connection: a word at all times, and a banner if an interruption is not over in a moment.

import { $ } from "./dom.js";
import { say } from "./texts.js";

const PATIENCE = 1000; // milliseconds: a shorter interruption has no banner

export class ConnectionState {
  #client;
  #timer;

  constructor(client) {
    this.#client = client;
  }

  /** Is called when the client's state has changed. */
  draw() {
    const { state } = this.#client;
    $("state").textContent = state === "closed" ? "" : say(state);
    $("state").dataset.state = $("chat").dataset.state = state;
    if (state !== "offline" && document.activeElement === $("retry-now")) $("draft").focus(); // the button will hide
    const isOver = state === "online" || state === "closed";
    if (isOver || !$("banner").hidden) this.close();
    if (isOver) $("banner").hidden = true;
    else this.#timer ??= setTimeout(() => this.#drawBanner(), PATIENCE);
  }

  #drawBanner() {
    const isOffline = this.#client.state === "offline";
    this.#timer = undefined;
    $("banner-text").textContent = say(isOffline ? "noConnection" : "connecting");
    $("retry-now").hidden = !isOffline;
    $("banner").hidden = false;
  }

  close() {
    this.#timer = clearTimeout(this.#timer);
  }
}
