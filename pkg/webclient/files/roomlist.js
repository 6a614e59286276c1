// The list of the person's rooms, with the numbers of what is not read in them.

import { $, bdi, element } from "./dom.js";
import { say } from "./texts.js";

/** The sign of a private room, which no title can have. */
export const lock = () => element("span", { className: "lock", role: "img", "aria-label": say("isPrivate") }, "🔒");

export class RoomList {
  #names;
  #looks;
  #go;

  /**
   * @param {{names: () => string[], looks: (name: string) => {title: string, isShown: boolean, isPrivate: boolean,
   *   isMuted: boolean, isCalling: boolean, unread: number}, go: (name: string) => void}} parts `names` are the rooms
   *   in their order; `go` shows one of them
   */
  constructor({ names, looks, go }) {
    this.#names = names;
    this.#looks = looks;
    this.#go = go;
  }

  draw() {
    const focused = document.activeElement.closest("#rooms li")?.dataset.room;
    $("rooms").replaceChildren(...this.#names().map((name) => {
      const { title, isShown, isPrivate } = this.#looks(name);
      const button = element("button", { onclick: () => this.#go(name) }, isPrivate ? lock() : "", bdi(title),
        element("span", { className: "badge", role: "img", hidden: true }));
      if (isShown) button.setAttribute("aria-current", "true");
      return element("li", { dataset: { room: name }, title }, button);
    }));
    if (focused !== undefined) this.#rowOf(focused)?.querySelector("button").focus();
    $("rooms").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #rowOf(name) {
    return [...$("rooms").children].find((row) => row.dataset.room === name);
  }

  /** Draws the rooms anew if one has another title. */
  retitle(name) {
    const row = this.#rowOf(name);
    if (!row || row.title === this.#looks(name).title) return;
    this.draw();
    this.drawUnread();
  }

  /** A room has a new message, and may become the first. Nothing else moves. */
  sort() {
    const row = this.#rowOf(this.#names()[0]);
    if (row && row !== $("rooms").firstElementChild && !row.matches(":focus-within, :active")) $("rooms").prepend(row);
  }

  /** Goes to the room above or below in the list: "previousElementSibling" or "nextElementSibling". */
  step(name, which) {
    const next = this.#rowOf(name)?.[which];
    if (next) this.#go(next.dataset.room);
  }

  /** Draws the numbers: of each room, and of the others at the button of the drawer. It returns their sum. */
  drawUnread() {
    const rooms = [...$("rooms").children].map((row) => ({ row, ...this.#looks(row.dataset.room) }));
    for (const { row, unread, isMuted, isCalling } of rooms) {
      const badge = row.querySelector(".badge");
      badge.classList.toggle("muted", isMuted);
      drawBadge(badge, unread, isCalling, say("unread", { n: unread }));
    }
    const sum = (some) => some.reduce((sum, { unread }) => sum + unread, 0);
    const calling = rooms.filter(({ isMuted }) => !isMuted);
    const others = calling.filter(({ isShown }) => !isShown);
    drawBadge($("elsewhere"), sum(others), others.some(({ isCalling }) => isCalling),
      say("unreadElsewhere", { n: sum(others) }));
    return sum(calling);
  }
}

/** Draws a number that says what it counts. */
function drawBadge(badge, n, isCalling, says) {
  const inFull = isCalling ? say("called", { says }) : says;
  badge.hidden = n === 0;
  badge.textContent = `${isCalling ? "@ " : ""}${n > 99 ? "99+" : n}`;
  badge.classList.toggle("calling", isCalling);
  badge.title = inFull;
  badge.setAttribute("aria-label", inFull);
}
