// The chat page: the rooms at the side, one of them in the middle. timeline.js shows a room, and client.js gets its
// messages.

import { Attention } from "./attention.js";
import { spelled } from "./client.js";
import { Composer } from "./composer.js";
import { askForRoom, showRoom } from "./about.js";
import { $, bdi, closeDialogs, element } from "./dom.js";
import { Memory } from "./memory.js";
import { actOf, showKeys } from "./keys.js";
import { openPalette } from "./palette.js";
import { drawPeople, drawTyping } from "./people.js";
import { showPerson } from "./person.js";
import { isModerator, isPrivate, nextChange, pace, removalInWords, silence, titleOf } from "./rules.js";
import { isReachable, nameIn, SIGN_IN } from "./signin.js";
import { Timeline } from "./timeline.js";
import { isSureToSignOut } from "./welcome.js";
import { count, endInWords, moderationRefusal, nameProblem, refusal, shownName, troubleInWords } from "./words.js";

const STATES = { connecting: "Connecting…", online: "Online", offline: "Offline", closed: "" };
const PATIENCE = 1000; // milliseconds: a shorter interruption is not shown
const RETRY = 5000; // milliseconds until the list of the person's rooms is asked for again
const LONGEST_TIMER = 24 * 60 * 60_000; // milliseconds
const MOST_ROOMS = 50; // so many of the person's rooms on other devices are joined

/** After so many failed attempts to connect, while the server can be reached, the token counts as refused. */
const ATTEMPTS = { new: 2, accepted: 3 }; // one can fail just before the network is back

/** The room in the page's address, …/#lobby; "" if there is none. So people can share a room as a link. */
export function roomInAddress() {
  try {
    return spelled(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return "";
  }
}

/** The chat of one person. Only the code behind its callback `ended` closes it. */
export class Page {
  #client;
  #memory;
  #attention;
  #composer;
  #timelines = new Map(); // by the room's name
  #active = null;
  #wasOnline = false;
  #failures = 0; // of attempts to connect, in a row, although the server can be reached
  #news = []; // messages for the screen reader
  #notices = []; // other texts for the screen reader
  #newsTimer = null;
  #bannerTimer;
  #markersTimer;
  #browser;
  #clock;
  #name; // the person's name; "" until it is known
  #isLinked;
  #listed = new Map(); // what the chat's list says of each room, by name
  #known = new Map(); // the names of people that were seen, by id
  #rulesTimer;
  #markers = SIGN_IN ? undefined : new Map(); // how far each room is read on any device, once the chat has said it
  #ended;
  #end = new AbortController();

  /**
   * @param {{client: ChatClient, browser: Browser, clock: Clock, user: string, name: string, room: string,
   *   rooms: string[], isLinked: boolean, ended: (how: object) => void}} parts `user` is the person, as in a Memory;
   *   `name` is the person's name, "" until the chat says it; `room` is shown first, and `rooms` are joined as well;
   *   `isLinked` says that a link signed the person in without a question; `ended` is called with {problem}, the reason
   *   for the end, or with {signOut: true}
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
    this.#attention = new Attention(signal);
    const announce = (text) => this.#announce(text);
    this.#composer = new Composer({ send: (content, replyTo) => this.#send(content, replyTo), announce, signal });
    $("notice").hidden = true;
    $("welcome").hidden = true;
    $("chat").hidden = false;
    $("rename").textContent = SIGN_IN ? "Sign out" : "Change";
    $("new-room").hidden = $("about").hidden = !SIGN_IN;
    this.#wire();
    this.#drawName();
    const own = this.#isListAwaited ? [] : this.#memory.rooms;
    client.join(active); // the client enters the room that is shown before the others
    for (const room of new Set([...own, ...rooms, active])) this.#join(room);
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
    name = room.name; // as the chat spells it
    if (this.#timelines.has(name)) return;
    const timeline = new Timeline(room, {
      name, memory: this.#memory, tab: this.#browser.tab, clock: this.#clock,
      composer: this.#composer, say: (text) => this.say(text),
      marker: this.#markers ? (this.#markers.get(name) ?? null) : "later",
      moderates: () => isModerator(room), about: (user) => this.#showPerson(user, room), me: () => this.#client.user,
    });
    this.#timelines.set(name, timeline);
    this.#memory.addRoom(name);
    timeline.addEventListener("change", () => this.#drawUnread());
    room.watchMembers = false;
    room.addEventListener("ready", () => this.#drawRooms());
    room.addEventListener("members", () => {
      for (const user of room.users) this.#know(user);
      if (name === this.#active) this.#drawPeople();
    });
    room.addEventListener("rules", () => this.#ruled(name));
    room.addEventListener("removed", ({ detail }) => this.#removed(name, room, detail));
    room.addEventListener("typing", () => name === this.#active && this.#drawTyping());
    room.addEventListener("trouble", () => name === this.#active && this.#drawTrouble());
    room.addEventListener("message", ({ detail: message }) => {
      const { user_name: user, content, deleted_at } = message;
      this.#know(message);
      this.#sortRooms();
      if (!room.ready || this.#client.isMe(message) || deleted_at) return;
      if (name === this.#active) this.#read(`${shownName(String(user))}: ${String(content).slice(0, 300)}`);
      const open = () => this.#timelines.has(name) && this.#show(name);
      if (!this.#memory.isMuted(name)) this.#attention.notify(name, this.#titleOf(name), message, open);
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
    history.replaceState(null, "", this.address);
    timeline.room.watchMembers = true;
    timeline.mount($("scroller"));
    this.#composer.open(timeline, name, this.#memory);
    this.#memory.active = name;
    this.#drawRooms();
    this.#drawPeople();
    this.#drawTyping();
    this.#drawTrouble();
    this.#drawMute();
    this.#drawRules();
  }

  /** What a room is called. */
  #titleOf(name) {
    return titleOf(this.#timelines.get(name).room, this.#listed.get(name));
  }

  /** The sign of a private room, which no title can have. */
  #lock() {
    return element("span", { className: "lock", role: "img", "aria-label": "private" }, "🔒");
  }

  /** Remembers a person, to whom this one may want to write, or whom this one may want to add to a room. */
  #know({ user_id: id, user_name: name }) {
    if (typeof id === "string" && typeof name === "string" && id !== this.#client.userId) this.#known.set(id, name);
  }

  #showPerson(user, room) {
    showPerson(user, { room, isMe: (other) => this.#client.isMe(other), write: (other) => this.#writeTo(other),
      say: (text) => this.say(text) });
  }

  /** Opens the room of this person and another one. */
  async #writeTo({ user_id: id, user_name: name }) {
    this.#enterRoom(await this.#client.openDirect(id, { name: name || undefined }));
  }

  /** Shows a room that was just made, or that others have opened. */
  #enterRoom(rules) {
    this.#listed.set(rules.room_name, rules);
    this.#join(rules.room_name);
    this.#show(rules.room_name);
    $("draft").focus();
  }

  /** The rules of a room have changed, or the time in them has passed. */
  #ruled(name) {
    const row = this.#rowOf(name);
    if (row && row.title !== this.#titleOf(name)) this.#drawRooms();
    if (name === this.#active) this.#drawRules();
  }

  /** Says beside the field what keeps the person from writing. */
  #drawRules() {
    clearTimeout(this.#rulesTimer);
    const { room } = this.#timeline;
    const lock = isPrivate(room, this.#listed.get(this.#active)) ? [this.#lock(), " "] : [];
    $("room-name").replaceChildren(...lock, bdi(this.#titleOf(this.#active)));
    const why = silence(room);
    const says = why || pace(room);
    if (why && why !== $("rules").textContent) this.#announce(why);
    $("rules").textContent = says;
    $("rules").hidden = says === "";
    $("draft").disabled = $("send").disabled = why !== "";
    const wait = Math.max(nextChange(room) - Date.now(), 250);
    if (wait <= LONGEST_TIMER) this.#rulesTimer = setTimeout(() => this.#drawRules(), wait);
  }

  /** The person may no longer be in a room. */
  #removed(name, room, standing) {
    const says = removalInWords(titleOf(room, this.#listed.get(name)), standing);
    if (this.#timelines.has(name)) this.#leave(name, says);
    if (!this.#end.signal.aborted) this.say(says);
  }

  /** Leaves a room. Its unsent messages stay in this browser until the person comes back. */
  #leave(name, problem) {
    this.#timelines.get(name).close();
    this.#timelines.delete(name);
    // A direct room stays in the list of the person's rooms: the other one may write again.
    this.#client.leave(name, { forget: SIGN_IN && !this.#client.rooms.get(name)?.rules?.direct });
    this.#memory.removeRoom(name);
    if (name !== this.#active) return this.#drawRooms();
    closeDialogs();
    this.#active = null;
    const next = this.#timelines.keys().next().value;
    if (next !== undefined) return this.#show(next);
    this.#memory.active = undefined;
    this.#ended({ problem });
  }

  /**
   * Takes the person's rooms from the chat, so that all devices show the same, and how far each is read. What was left
   * on another device leaves this one, too, once this browser's own rooms are in the list.
   */
  async #takeMarkers() {
    let rooms;
    try {
      rooms = await this.#client.list();
    } catch ({ code }) {
      const isOlder = code === "unknown_action" || code === "forbidden"; // it keeps nothing of this
      if (!isOlder) this.#markersTimer = setTimeout(() => this.#takeMarkers(), RETRY);
      else this.#adoptMarkers(new Map());
      return;
    }
    if (this.#end.signal.aborted) return;
    this.#listed = new Map(rooms.map((room) => [room.name, room]));
    this.#adoptMarkers(new Map(rooms.map(({ name, read }) => [name, read])));
    for (const { name } of rooms.slice(0, MOST_ROOMS)) this.#join(name);
    this.#memory.listed = true;
  }

  /** Whether the rooms of this browser wait for the chat's list, in which some may be missing. */
  get #isListAwaited() {
    return SIGN_IN && this.#memory.listed && !this.#markers;
  }

  /** Joins the rooms that wait for the list, unless they were left on another device, and takes the markers. */
  #adoptMarkers(markers) {
    const isLeft = (name) => this.#memory.listed && !markers.has(name) && name !== this.#active;
    for (const name of this.#memory.rooms.map(spelled)) {
      if (!this.#markers && isLeft(name)) this.#memory.removeRoom(name);
      else if (!this.#timelines.has(name)) this.#join(name);
    }
    this.#markers = markers;
    for (const [name, timeline] of this.#timelines) timeline.adopt(markers.get(name) ?? null);
  }

  /** Joins and leaves the rooms that another tab has joined and left. */
  #followRooms() {
    if (this.#isListAwaited) return;
    const rooms = this.#memory.rooms.map(spelled); // older versions of the page kept other spellings
    for (const name of rooms) this.#join(name);
    for (const name of this.#timelines.keys()) if (!rooms.includes(name)) this.#leave(name);
  }

  /** Takes the person's name from the chat. */
  #named(name) {
    this.#name = name;
    if (!SIGN_IN) {
      if (name !== this.#memory.user) this.#memory.rename(name);
      this.#browser.name = name;
    } else if (this.#browser.named(name)) {
      this.#memory.inherit(name); // an older version of the page kept it by name
      this.#composer.open(this.#timeline, this.#active, this.#memory);
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

  /** Shows a notice, until the person closes it. */
  say(...words) {
    $("notice-text").replaceChildren(...words);
    $("notice").hidden = false;
  }

  /** Ends the chat, and leaves nothing of it on the screen. */
  close() {
    this.#end.abort();
    for (const timeline of this.#timelines.values()) timeline.close();
    this.#client.close();
    clearTimeout(this.#bannerTimer);
    clearTimeout(this.#newsTimer);
    clearTimeout(this.#markersTimer);
    clearTimeout(this.#rulesTimer);
    closeDialogs();
    $("draft").disabled = $("send").disabled = false;
    const shown = ["scroller", "rooms", "people", "typing", "my-name", "room-name", "announcer", "notice-text"];
    for (const id of [...shown, "rules"]) $(id).replaceChildren();
    $("draft").value = "";
  }

  /** Changes the name, or signs out. Signing out deletes unsent messages, so the page asks first. */
  async #leaveAll() {
    if (!SIGN_IN) return this.#ended({});
    const unsent = this.#memory.countUnsent;
    if (unsent > 0 && !(await isSureToSignOut(unsent))) return;
    if (!this.#end.signal.aborted) this.#ended({ signOut: true });
  }

  /** An attempt to connect failed. If the page's server can be reached, the chat may have refused the token. */
  async #connectFailed({ code }) {
    if (!SIGN_IN || this.#wasOnline || code !== "handshake_failed") return;
    this.#failures = (await isReachable()) ? this.#failures + 1 : 0;
    if (this.#wasOnline || this.#end.signal.aborted) return;
    const most = ATTEMPTS[this.#browser.tokenWasAccepted ? "accepted" : "new"];
    if (this.#failures >= most) this.#ended({ problem: endInWords({ code }) });
  }

  #wire() {
    const signal = this.#end.signal;
    const on = (target, type, f) => target.addEventListener(type, f, { signal });
    on(this.#client, "state", () => this.#drawState());
    on(this.#client, "user", (e) => this.#named(e.detail));
    on(this.#client, "failed", (e) => this.#connectFailed(e.detail));
    on(this.#client, "signedout", (e) => this.#ended({ problem: endInWords(e.detail) }));
    on(this.#client, "room", ({ detail: rules }) => {
      this.#listed.set(rules.room_name, rules);
      if (this.#timelines.size < MOST_ROOMS) this.#join(rules.room_name); // others can be opened by their names
    });
    on(this.#memory, "rooms", () => this.#followRooms());
    on($("scroller"), "scroll", () => this.#timeline?.scrolled());
    const sizes = new ResizeObserver(() => this.#timeline?.resized());
    sizes.observe($("scroller"));
    signal.addEventListener("abort", () => sizes.disconnect());
    on(document, "visibilitychange", () => this.#timeline?.appeared());
    on($("to-end"), "click", () => (this.#timeline.toEnd(), $("draft").focus()));
    on($("show-refused"), "click", () => this.#timeline.toRefused());
    on($("leave"), "click", () => this.#leave(this.#active));
    on($("mute"), "click", () => this.#toggleMute());
    on($("search"), "click", () => this.#openSearch());
    on($("keys"), "click", showKeys);
    on($("new-room"), "click", () => askForRoom({ known: this.#known, create: async (name, options) => {
      this.#enterRoom(await this.#client.createRoom(name, options));
    } }));
    on($("about"), "click", () => {
      const { room } = this.#timeline;
      showRoom(room, {
        listed: this.#listed.get(this.#active), known: this.#known, me: this.#client.userId,
        say: (text) => this.say(text), show: (person) => this.#showPerson(person, room),
      });
    });
    on($("rename"), "click", () => this.#leaveAll());
    on($("notice-close"), "click", () => ($("notice").hidden = true, $("draft").focus()));
    on($("retry-now"), "click", () => this.#client.retryNow());
    on($("show-people"), "click", () => this.#togglePeople());
    on($("add-room"), "submit", (event) => this.#addRoom(event));
    on($("add-room-name"), "input", () => $("add-room-name").setCustomValidity(""));
    on(document, "keydown", (event) => document.querySelector("dialog") || this.#pressed(event));
    on(window, "hashchange", () => {
      const name = roomInAddress();
      if (!name || nameProblem(name, "a room")) return history.replaceState(null, "", this.address);
      if (name === this.#active) return;
      this.#join(name);
      this.#show(name);
    });
    on(window, "beforeunload", (event) => {
      // If this browser keeps nothing, unsent messages would be lost: it asks the person.
      if ([...this.#timelines.values()].some((timeline) => timeline.isLosing)) event.preventDefault();
    });
  }

  #acts = {
    go: () => this.#openPalette(),
    search: () => this.#openSearch(),
    above: () => this.#step("previousElementSibling"),
    below: () => this.#step("nextElementSibling"),
    close: () => this.#closeOpen(),
    list: showKeys,
  };

  #pressed(event) {
    const act = this.#acts[actOf(event)];
    if (!act || event.defaultPrevented || event.isComposing) return;
    event.preventDefault();
    act();
  }

  /** Goes to the room above or below in the list. */
  #step(which) {
    const next = this.#rowOf(this.#active)?.[which];
    if (next) this.#goTo(next.dataset.room);
  }

  /** Shows a room, which is joined if it is not yet, for the person to write there. */
  #goTo(name) {
    this.#join(name);
    this.#show(name);
    $("draft").focus();
  }

  /** Closes what is open beside the conversation, and leads to the field. */
  #closeOpen() {
    if (!$("people").hidden) this.#togglePeople();
    else if (!$("notice").hidden) $("notice").hidden = true;
    $("draft").focus();
  }

  /** Lets the person type where to go: to a room, or to a person with an id. */
  #openPalette() {
    const rooms = new Set([...this.#byActivity, ...this.#listed.keys()]);
    rooms.delete(this.#active);
    const places = [...rooms].map((name) => ({ go: () => this.#goTo(name),
      words: titleOf(this.#client.rooms.get(name) ?? { name }, this.#listed.get(name)) }));
    const people = [...this.#known].map(([user_id, user_name]) => ({ words: shownName(user_name), hint: "person",
      go: () => this.#writeTo({ user_id, user_name }).catch((error) => this.say(moderationRefusal(error))) }));
    openPalette([...places, ...people], (typed) => {
      const name = spelled(typed);
      return nameProblem(name, "a room") ? null : { words: name, hint: "join this room", go: () => this.#goTo(name) };
    });
  }

  #openSearch() {
    this.#timeline.openSearch(this.#titleOf(this.#active));
  }

  #addRoom(event) {
    event.preventDefault();
    const name = spelled($("add-room-name").value.trim());
    const problem = nameProblem(name, "a room");
    $("add-room-name").setCustomValidity(problem);
    if (problem) return $("add-room-name").reportValidity();
    $("add-room-name").value = "";
    this.#goTo(name);
  }

  async #send(content, replyTo) {
    const timeline = this.#timeline;
    const sent = timeline.outbox.send(content, replyTo);
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
    this.#timeline?.resized(); // waiting messages get or lose a button
    if (state !== "offline" && document.activeElement === $("retry-now")) $("draft").focus(); // the button will hide
    if (state === "online") {
      this.#wasOnline = true;
      if (SIGN_IN) this.#browser.tokenWasAccepted = true;
      this.#timeline?.scrolled(); // fetches what could not be fetched before
      if (SIGN_IN) this.#takeMarkers(); // again after each interruption: another device may have read further
    }
    const isOver = state === "online" || state === "closed";
    if (isOver || !$("banner").hidden) this.#bannerTimer = clearTimeout(this.#bannerTimer);
    if (isOver) $("banner").hidden = true;
    else this.#bannerTimer ??= setTimeout(() => this.#drawBanner(), PATIENCE);
  }

  #drawBanner() {
    const offline = this.#client.state === "offline";
    this.#bannerTimer = undefined;
    const says = "There is no connection. Your messages are kept, and sent when it is back.";
    $("banner-text").textContent = offline ? says : "Connecting…";
    $("retry-now").hidden = !offline;
    $("banner").hidden = false;
  }

  #drawTrouble() {
    const trouble = this.#timeline?.room.trouble ?? null;
    $("trouble").hidden = trouble === null;
    $("trouble").textContent = trouble ? troubleInWords(trouble) : "";
  }

  /** The names of the rooms, the one with the latest message first. */
  get #byActivity() {
    const lastAt = (name) => this.#timelines.get(name).lastAt;
    return [...this.#timelines.keys()].sort((a, b) => lastAt(b) - lastAt(a));
  }

  #drawRooms() {
    const focused = document.activeElement.closest("#rooms li")?.dataset.room;
    $("rooms").replaceChildren(...this.#byActivity.map((name) => {
      const badge = element("span", { className: "badge", hidden: true });
      const { room } = this.#timelines.get(name);
      const lock = isPrivate(room, this.#listed.get(name)) ? this.#lock() : "";
      const title = this.#titleOf(name);
      const button = element("button", { onclick: () => (this.#show(name), $("draft").focus()) }, lock, bdi(title),
        badge);
      if (name === this.#active) button.setAttribute("aria-current", "true");
      return element("li", { dataset: { room: name }, title }, button);
    }));
    if (focused !== undefined) this.#rowOf(focused)?.querySelector("button").focus();
    $("rooms").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#drawUnread();
  }

  #rowOf(name) {
    return [...$("rooms").children].find((row) => row.dataset.room === name);
  }

  /** A room has a new message, and may become the first. Nothing else moves. */
  #sortRooms() {
    const [first] = this.#byActivity;
    const row = this.#rowOf(first);
    if (row && row !== $("rooms").firstElementChild && !row.matches(":focus-within, :active")) $("rooms").prepend(row);
  }

  #drawUnread() {
    let total = 0;
    for (const row of $("rooms").children) {
      const { room: name } = row.dataset;
      const { unread } = this.#timelines.get(name) ?? { unread: 0 };
      const badge = row.querySelector(".badge");
      const isMuted = this.#memory.isMuted(name);
      total += isMuted ? 0 : unread;
      badge.classList.toggle("muted", isMuted);
      badge.hidden = unread === 0;
      const calls = this.#timelines.get(name)?.isCalling ? "@ " : "";
      badge.textContent = `${calls}${unread > 99 ? "99+" : unread}`;
      badge.classList.toggle("calling", calls !== "");
      badge.title = count(unread, "unread message", "unread messages");
    }
    this.#attention.unread(total);
    const behind = this.#timeline?.behind ?? "";
    $("to-end").hidden = behind === "";
    $("to-end").textContent = behind;
    const refused = this.#timeline?.refusedElsewhere ?? 0;
    $("refused").hidden = refused === 0;
    $("refused-text").textContent = `${count(refused, "message was", "messages were")} not sent.`;
  }

  #drawPeople() {
    const room = this.#timeline?.room;
    drawPeople(room?.users ?? [], (user) => this.#client.isMe(user), (user) => this.#showPerson(user, room));
  }

  #toggleMute() {
    this.#memory.mute(this.#active, !this.#memory.isMuted(this.#active));
    this.#drawMute();
    this.#drawUnread();
  }

  #drawMute() {
    const isMuted = this.#memory.isMuted(this.#active);
    $("mute").textContent = isMuted ? "🔕" : "🔔";
    $("mute").title = isMuted ? "This room is muted" : "Mute this room";
    $("mute").setAttribute("aria-pressed", String(isMuted));
  }

  #drawTyping() {
    drawTyping(this.#timeline?.room.typing ?? []);
  }

  #togglePeople() {
    const open = $("people").hidden;
    $("people").hidden = !open;
    $("show-people").setAttribute("aria-expanded", String(open));
  }

  /** Makes a screen reader read a message aloud. If many come at once, it reads only their number. */
  #read(message) {
    this.#news.push(message);
    this.#announce();
  }

  /** Makes a screen reader say something. */
  #announce(...notices) {
    this.#notices.push(...notices);
    this.#newsTimer ??= setTimeout(() => {
      const { length } = this.#news;
      const news = length > 3 ? [count(length, "new message", "new messages")] : this.#news;
      $("announcer").textContent = [...news, ...new Set(this.#notices)].join("\n");
      this.#news = [];
      this.#notices = [];
      this.#newsTimer = null;
    }, 500);
  }
}
