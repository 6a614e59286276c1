// The chat, while it is shown: rooms at the side, one of them in the middle. What a room shows is in timeline.js, how
// it gets there in client.js.

import { Composer } from "./composer.js";
import { $, bdi, element } from "./dom.js";
import { Memory } from "./memory.js";
import { drawPeople } from "./people.js";
import { isReachable, nameIn, SIGN_IN } from "./signin.js";
import { Timeline } from "./timeline.js";
import { isSureToSignOut } from "./welcome.js";
import { count, endInWords, nameProblem, refusal, shownName, troubleInWords } from "./words.js";

const STATES = { connecting: "Connecting…", online: "Online", offline: "Offline", closed: "" };
const PATIENCE = 1000; // milliseconds; a shorter interruption is nobody's business

/** How many attempts to connect fail while the server can be reached, until a token counts as one that is not accepted. */
const ATTEMPTS = { new: 2, accepted: 3 }; // one may fail just before a network comes back

/** The room in the page's address, …/#lobby, so that a room can be passed on as a link. */
export function roomInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)).normalize("NFC");
  } catch {
    return "";
  }
}

/** The chat of one person. It is closed by what it calls `ended`, and by nothing else. */
export class Page {
  #client;
  #memory;
  #composer;
  #timelines = new Map(); // by the room's name
  #active = null;
  #wasOnline = false;
  #failures = 0; // to connect, one after the other, although the server can be reached
  #news = []; // messages to be read aloud
  #notices = []; // other things to be said
  #newsTimer = null;
  #bannerTimer;
  #browser;
  #clock;
  #name; // the person's; "" while it is not known
  #isLinked;
  #ended;
  #end = new AbortController();

  /**
   * @param {{client: ChatClient, browser: Browser, clock: Clock, user: string, name: string, room: string,
   *   rooms: string[], isLinked: boolean, ended: (how: object) => void}} parts `user` is the person, as in a Memory;
   *   `name` is the person's, "" until the chat says it; `room` is shown first, and `rooms` are joined as well;
   *   `isLinked` says that a link signed the person in, and nobody was asked; `ended` is called with {problem}, why the
   *   chat is over, or with {signOut: true}
   */
  constructor({ client, browser, clock, user, name, room: active, rooms, isLinked, ended }) {
    this.#client = client;
    this.#browser = browser;
    this.#clock = clock;
    this.#name = name;
    this.#isLinked = isLinked;
    this.#ended = ended;
    const { signal } = this.#end;
    this.#memory = new Memory(browser, user, signal);
    this.#composer = new Composer({ send: (content) => this.#send(content), announce: (text) => this.#announce(text), signal });
    $("notice").hidden = true;
    $("welcome").hidden = true;
    $("chat").hidden = false;
    $("rename").textContent = SIGN_IN ? "Sign out" : "Change";
    this.#wire();
    this.#drawName();
    for (const room of new Set([...this.#memory.rooms, ...rooms, active])) this.#join(room);
    this.#show(active);
    this.#drawState();
    $("draft").focus();
  }

  /** What this browser remembers of the person. */
  get memory() {
    return this.#memory;
  }

  /** The rooms that are open. */
  get rooms() {
    return [...this.#timelines.keys()];
  }

  /** The part of the address that stands for the room that is shown. */
  get address() {
    return this.#active === null ? "" : `#${encodeURIComponent(this.#active)}`;
  }

  get #timeline() {
    return this.#timelines.get(this.#active);
  }

  #join(name) {
    const room = this.#client.join(name);
    name = name.normalize("NFC"); // as the client does
    if (this.#timelines.has(name)) return;
    const timeline = new Timeline(room, {
      name, memory: this.#memory, tab: this.#browser.tab, clock: this.#clock, isMe: (message) => this.#client.isMe(message),
      edit: (content) => this.#composer.put(content),
    });
    this.#timelines.set(name, timeline);
    this.#memory.addRoom(name);
    timeline.addEventListener("change", () => this.#drawUnread());
    room.watchMembers = false;
    room.addEventListener("members", () => name === this.#active && this.#drawPeople());
    room.addEventListener("trouble", () => name === this.#active && this.#drawTrouble());
    room.addEventListener("message", ({ detail: message }) => {
      const { user_name: user, content } = message;
      if (name === this.#active && room.ready && !this.#client.isMe(message)) {
        this.#read(`${shownName(String(user))}: ${String(content).slice(0, 300)}`);
      }
    });
    this.#drawRooms();
  }

  #show(name) {
    const before = this.#timeline;
    if (before) {
      before.unmount();
      before.room.watchMembers = false;
    }
    this.#active = name;
    const timeline = this.#timeline;
    $("room-name").textContent = name;
    history.replaceState(null, "", this.address);
    this.#composer.open(timeline.room, name, this.#memory);
    timeline.room.watchMembers = true;
    timeline.mount($("scroller"));
    this.#memory.active = name;
    this.#drawRooms();
    this.#drawPeople();
    this.#drawTrouble();
  }

  /** Leaves a room. What is not sent there stays in this browser until the person comes back. */
  #leave(name) {
    this.#timelines.get(name).close();
    this.#timelines.delete(name);
    this.#client.leave(name);
    this.#memory.removeRoom(name);
    if (name !== this.#active) return this.#drawRooms();
    this.#active = null;
    const next = this.#timelines.keys().next().value;
    if (next !== undefined) return this.#show(next);
    this.#memory.active = undefined;
    this.#ended({});
  }

  /** Joins and leaves what was joined and left in another tab. */
  #followRooms() {
    const { rooms } = this.#memory;
    for (const name of rooms) this.#join(name);
    for (const name of this.#timelines.keys()) if (!rooms.includes(name)) this.#leave(name);
  }

  /** Is told the person's name by the chat. */
  #named(name) {
    this.#name = name;
    if (!SIGN_IN) {
      if (name !== this.#memory.user) this.#memory.rename(name);
      this.#browser.name = name;
    } else if (this.#browser.named(name)) {
      this.#memory.inherit(name); // an earlier page kept it by name
      this.#composer.open(this.#timeline.room, this.#active, this.#memory);
    }
    if (this.#isLinked) {
      this.say("A link has signed you in as ", bdi(shownName(name)), ". If that is not you, sign out.");
    }
    this.#isLinked = false;
    this.#drawName();
    for (const timeline of this.#timelines.values()) timeline.renamed();
    this.#followRooms();
    this.#drawPeople();
  }

  /** Says something to the person, until it is put away. */
  say(...words) {
    $("notice-text").replaceChildren(...words);
    $("notice").hidden = false;
  }

  /** Ends it, and leaves nothing of it on the screen. */
  close() {
    this.#end.abort();
    for (const timeline of this.#timelines.values()) timeline.close();
    this.#client.close();
    clearTimeout(this.#bannerTimer);
    clearTimeout(this.#newsTimer);
    const shown = ["scroller", "rooms", "people", "my-name", "room-name", "announcer", "notice-text"];
    for (const id of shown) $(id).replaceChildren();
    $("draft").value = "";
    document.title = "Chat";
  }

  /** Changes the name, or signs out, which takes away what is not sent from the person who signed in. */
  async #leaveAll() {
    if (!SIGN_IN) return this.#ended({});
    const unsent = this.#memory.countUnsent;
    if (unsent > 0 && !(await isSureToSignOut(unsent))) return;
    if (!this.#end.signal.aborted) this.#ended({ signOut: true });
  }

  /** An attempt to connect failed. Where the server can be reached, the chat does not want the token. */
  async #connectFailed({ code }) {
    if (!SIGN_IN || this.#wasOnline || code !== "handshake_failed") return;
    this.#failures = (await isReachable()) ? this.#failures + 1 : 0;
    if (this.#wasOnline || this.#end.signal.aborted) return;
    if (this.#failures >= ATTEMPTS[this.#browser.tokenWasAccepted ? "accepted" : "new"]) this.#ended({ problem: endInWords({ code }) });
  }

  #wire() {
    const signal = this.#end.signal;
    const on = (target, type, f) => target.addEventListener(type, f, { signal });
    on(this.#client, "state", () => this.#drawState());
    on(this.#client, "user", (e) => this.#named(e.detail));
    on(this.#client, "failed", (e) => this.#connectFailed(e.detail));
    on(this.#client, "signedout", (e) => this.#ended({ problem: endInWords(e.detail) }));
    on(this.#memory, "rooms", () => this.#followRooms());
    on($("scroller"), "scroll", () => this.#timeline?.scrolled());
    const sizes = new ResizeObserver(() => this.#timeline?.resized());
    sizes.observe($("scroller"));
    signal.addEventListener("abort", () => sizes.disconnect());
    on(document, "visibilitychange", () => this.#timeline?.appeared());
    on($("to-end"), "click", () => (this.#timeline.toEnd(), $("draft").focus()));
    on($("show-refused"), "click", () => this.#timeline.toRefused());
    on($("leave"), "click", () => this.#leave(this.#active));
    on($("rename"), "click", () => this.#leaveAll());
    on($("notice-close"), "click", () => ($("notice").hidden = true, $("draft").focus()));
    on($("retry-now"), "click", () => this.#client.retryNow());
    on($("show-people"), "click", () => this.#togglePeople());
    on($("add-room"), "submit", (event) => this.#addRoom(event));
    on($("add-room-name"), "input", () => $("add-room-name").setCustomValidity(""));
    on(document, "keydown", (event) => event.key === "Escape" && !document.querySelector("dialog") && $("draft").focus());
    on(window, "hashchange", () => {
      const name = roomInAddress();
      if (!name || nameProblem(name, "a room")) return history.replaceState(null, "", this.address);
      if (name === this.#active) return;
      this.#join(name);
      this.#show(name);
    });
    on(window, "beforeunload", (event) => {
      // This browser keeps nothing, and what is not sent would be lost.
      if ([...this.#timelines.values()].some((timeline) => timeline.outbox.isLosing)) event.preventDefault();
    });
  }

  #addRoom(event) {
    event.preventDefault();
    const name = $("add-room-name").value.trim().normalize("NFC");
    const problem = nameProblem(name, "a room");
    $("add-room-name").setCustomValidity(problem);
    if (problem) return $("add-room-name").reportValidity();
    $("add-room-name").value = "";
    this.#join(name);
    this.#show(name);
    $("draft").focus();
  }

  async #send(content) {
    const timeline = this.#timeline;
    const sent = timeline.outbox.send(content);
    timeline.wrote();
    const error = await sent;
    if (error) this.#announce(`Not sent. ${refusal(error)}`);
  }

  #drawName() {
    const name = this.#name || (SIGN_IN ? nameIn(this.#browser.token) : "");
    $("my-name").textContent = name === "" ? "…" : shownName(name);
  }

  #drawState() {
    const { state } = this.#client;
    $("state").textContent = STATES[state];
    $("state").dataset.state = $("chat").dataset.state = state;
    this.#timeline?.resized(); // what waits is drawn with a button, or without
    if (state !== "offline" && document.activeElement === $("retry-now")) $("draft").focus(); // it is about to be hidden
    if (state === "online") {
      this.#wasOnline = true;
      if (SIGN_IN) this.#browser.tokenWasAccepted = true;
      this.#timeline?.scrolled(); // what could not be fetched is fetched
    }
    const isOver = state === "online" || state === "closed";
    if (isOver || !$("banner").hidden) this.#bannerTimer = clearTimeout(this.#bannerTimer);
    if (isOver) $("banner").hidden = true;
    else this.#bannerTimer ??= setTimeout(() => this.#drawBanner(), PATIENCE);
  }

  #drawBanner() {
    const offline = this.#client.state === "offline";
    this.#bannerTimer = undefined;
    $("banner-text").textContent = offline ? "There is no connection. What you write is sent as soon as it is back." : "Connecting…";
    $("retry-now").hidden = !offline;
    $("banner").hidden = false;
  }

  #drawTrouble() {
    const trouble = this.#timeline?.room.trouble ?? null;
    $("trouble").hidden = trouble === null;
    $("trouble").textContent = trouble ? troubleInWords(trouble) : "";
  }

  #drawRooms() {
    $("rooms").replaceChildren(...[...this.#timelines.keys()].map((name) => {
      const button = element("button", { onclick: () => (this.#show(name), $("draft").focus()) }, bdi(name), element("span", { className: "badge", hidden: true }));
      if (name === this.#active) button.setAttribute("aria-current", "true");
      return element("li", { dataset: { room: name } }, button);
    }));
    $("rooms").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#drawUnread();
  }

  #drawUnread() {
    let total = 0;
    for (const row of $("rooms").children) {
      const { unread } = this.#timelines.get(row.dataset.room) ?? { unread: 0 };
      const badge = row.querySelector(".badge");
      total += unread;
      badge.hidden = unread === 0;
      badge.textContent = unread > 99 ? "99+" : unread;
      badge.title = count(unread, "unread message", "unread messages");
    }
    document.title = total > 0 ? `(${total}) Chat` : "Chat";
    const behind = this.#timeline?.behind ?? "";
    $("to-end").hidden = behind === "";
    $("to-end").textContent = behind;
    const refused = this.#timeline?.refusedElsewhere ?? 0;
    $("refused").hidden = refused === 0;
    $("refused-text").textContent = `${count(refused, "message was", "messages were")} not sent.`;
  }

  #drawPeople() {
    drawPeople(this.#timeline?.room.users ?? [], (user) => this.#client.isMe(user));
  }

  #togglePeople() {
    const open = $("people").hidden;
    $("people").hidden = !open;
    $("show-people").setAttribute("aria-expanded", String(open));
  }

  /** Has a screen reader read a message aloud; of many at once, only how many they are. */
  #read(message) {
    this.#news.push(message);
    this.#announce();
  }

  /** Has a screen reader say something. */
  #announce(...notices) {
    this.#notices.push(...notices);
    this.#newsTimer ??= setTimeout(() => {
      const news = this.#news.length > 3 ? [count(this.#news.length, "new message", "new messages")] : this.#news;
      $("announcer").textContent = [...news, ...new Set(this.#notices)].join("\n");
      this.#news = [];
      this.#notices = [];
      this.#newsTimer = null;
    }, 500);
  }
}
