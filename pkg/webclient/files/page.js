// The chat page: the rooms at the side, one of them in the middle. timeline.js shows a room, and client.js gets its
// messages.

import { askForRoom, showRoom } from "./about.js";
import { addressOf, isRoomVisited, roomInAddress, setAddress } from "./address.js";
import { Announcer } from "./announcer.js";
import { Attention } from "./attention.js";
import { spelled } from "./client.js";
import { Composer } from "./composer.js";
import { ConnectionState } from "./connection.js";
import { closeDialogs } from "./dialog.js";
import { $, bdi, element } from "./dom.js";
import { enterRoom, openDrawer } from "./drawer.js";
import { Memory } from "./memory.js";
import { actOf, showKeys } from "./keys.js";
import { openPalette } from "./palette.js";
import { drawPeople, drawTyping } from "./people.js";
import { showPerson } from "./person.js";
import { isModerator, isPrivate, nextChange, pace, removalInWords, silence, titleOf } from "./rules.js";
import { drawEmpty, isSureToLeave, openRoomMenu } from "./room.js";
import { lock, RoomList } from "./roomlist.js";
import { isReachable, nameIn, SIGN_IN } from "./signin.js";
import { nodes, say } from "./texts.js";
import { Timeline } from "./timeline.js";
import { askForName, isSureToSignOut } from "./welcome.js";
import { endInWords, moderationRefusal, nameProblem, refusal, shownName, troubleInWords } from "./words.js";

const RETRY = 5000; // milliseconds until the list of the person's rooms is asked for again
const LONGEST_TIMER = 24 * 60 * 60_000; // milliseconds
const TOAST = 5000; // milliseconds: how long a text is shown that needs no answer
const MOST_ROOMS = 50; // so many of the person's rooms on other devices are joined

/** After so many failed attempts to connect, while the server can be reached, the token counts as refused. */
const ATTEMPTS = { new: 2, accepted: 3 }; // one can fail just before the network is back

/** The chat of one person. Only the code behind its callback `ended` closes it. */
export class Page {
  #client;
  #memory;
  #connection;
  #attention;
  #composer;
  #timelines = new Map(); // by the room's name
  #active = null;
  #wasOnline = false;
  #failures = 0; // of attempts to connect, in a row, although the server can be reached
  #announcer = new Announcer();
  #list = new RoomList({
    names: () => this.#byActivity, looks: (name) => this.#looksOf(name), go: (name) => this.#goTo(name),
  });
  #toastTimer;
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
   *   `isLinked` says that a link signed the person in without a question; `ended` is called with {problem, field}, the
   *   reason for the end and the field of the first page that it is about, if any; or with {signOut: true}; or with
   *   {rename}, another name
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
    this.#connection = new ConnectionState(client);
    const announce = (text) => this.#announcer.say(text);
    this.#composer = new Composer({ send: (content, replyTo) => this.#send(content, replyTo), announce, signal });
    $("notice").hidden = true;
    $("welcome").hidden = true;
    $("chat").hidden = false;
    $("rename").textContent = say(SIGN_IN ? "signOut" : "change");
    $("new-room").hidden = !SIGN_IN;
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
    return addressOf(this.#active);
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
      composer: this.#composer, warn: (text) => this.say(text),
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
      this.#list.sort();
      if (!room.ready || this.#client.isMe(message) || deleted_at) return;
      if (name === this.#active) this.#announcer.read(`${shownName(String(user))}: ${String(content).slice(0, 300)}`);
      if (this.#memory.isMuted(name)) return;
      if (name !== this.#active) this.#announcer.elsewhere(name);
      this.#attention.notify(name, this.#titleOf(name), message, () => this.#timelines.has(name) && this.#goTo(name));
    });
    this.#drawRooms();
  }

  /** The person goes to another room, which is joined if it is not yet. From there, Back leads here. */
  #goTo(name) {
    this.#join(name);
    enterRoom(() => this.#show(name, { isMove: name !== this.#active }));
  }

  /** Shows a room. If the chat itself changes the room, or the browser has, Back must not lead to the one before. */
  #show(name, { isMove = false } = {}) {
    closeDialogs();
    const before = this.#timeline;
    if (before) {
      before.unmount();
      before.room.watchMembers = false;
    }
    this.#active = name;
    this.#announcer.forget(name);
    const timeline = this.#timeline;
    setAddress(name, { isMove });
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

  /** What the list of rooms says of a room; nothing of one that is being left. */
  #looksOf(name) {
    const timeline = this.#timelines.get(name);
    return {
      title: timeline ? this.#titleOf(name) : "", isShown: name === this.#active, isMuted: this.#memory.isMuted(name),
      isPrivate: Boolean(timeline) && isPrivate(timeline.room, this.#listed.get(name)),
      isCalling: Boolean(timeline?.isCalling), unread: timeline?.unread ?? 0,
    };
  }

  /** Remembers a person, to whom this one may want to write, or whom this one may want to add to a room. */
  #know({ user_id: id, user_name: name }) {
    if (typeof id === "string" && typeof name === "string" && id !== this.#client.userId) this.#known.set(id, name);
  }

  #showPerson(user, room) {
    showPerson(user, { room, isMe: (other) => this.#client.isMe(other), write: (other) => this.#writeTo(other),
      warn: (text) => this.say(text) });
  }

  #about() {
    const { room } = this.#timeline;
    showRoom(room, {
      listed: this.#listed.get(this.#active), known: this.#known, me: this.#client.userId,
      warn: (text) => this.say(text), show: (person) => this.#showPerson(person, room),
    });
  }

  /** Opens the room of this person and another one. */
  async #writeTo({ user_id: id, user_name: name }) {
    this.#enterRoom(await this.#client.openDirect(id, { name: name || undefined }));
  }

  /** Shows a room that was just made, or that others have opened. */
  #enterRoom(rules) {
    this.#listed.set(rules.room_name, rules);
    this.#goTo(rules.room_name);
  }

  /** The rules of a room have changed, or the time in them has passed. */
  #ruled(name) {
    this.#list.retitle(name);
    if (name === this.#active) this.#drawRules();
  }

  /** Says beside the field what keeps the person from writing. */
  #drawRules() {
    clearTimeout(this.#rulesTimer);
    const { room } = this.#timeline;
    const sign = isPrivate(room, this.#listed.get(this.#active)) ? [lock(), " "] : [];
    $("room-name").replaceChildren(...sign, bdi(this.#titleOf(this.#active)));
    const why = silence(room);
    const says = why || pace(room);
    if (why && why !== $("rules").textContent) this.#announcer.say(why);
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

  /** Leaves the room, after a question if the person would miss something. */
  async #askToLeave() {
    const [name, timeline] = [this.#active, this.#timeline];
    const isSure = await isSureToLeave({
      room: timeline.room, listed: this.#listed.get(name), title: this.#titleOf(name), isLosing: timeline.isLosing,
      unsent: this.#memory.own(name).length + this.#memory.edits(name).length,
      hasDraft: Boolean(this.#memory.draft(name)?.text.trim()),
    });
    if (isSure && this.#timelines.has(name) && !this.#end.signal.aborted) this.#leave(name);
  }

  /** Leaves a room. Its unsent messages stay in this browser until the person comes back. */
  #leave(name, problem) {
    this.#timelines.get(name).close();
    this.#timelines.delete(name);
    // A direct room stays in the list of the person's rooms: the other one may write again.
    this.#client.leave(name, { forget: SIGN_IN && !this.#client.rooms.get(name)?.rules?.direct });
    this.#memory.removeRoom(name);
    this.#announcer.forget(name);
    if (name !== this.#active) return this.#drawRooms();
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
      this.say(...nodes("linkSignedIn", { name: bdi(shownName(name)) }));
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

  /** Shows a text for a moment. */
  #tell(text) {
    $("toast").textContent = text;
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => $("toast").replaceChildren(), TOAST);
  }

  /** Ends the chat, and leaves nothing of it on the screen. */
  close() {
    this.#end.abort();
    for (const timeline of this.#timelines.values()) timeline.close();
    this.#client.close();
    this.#connection.close();
    clearTimeout(this.#toastTimer);
    this.#announcer.close();
    clearTimeout(this.#markersTimer);
    clearTimeout(this.#rulesTimer);
    closeDialogs();
    $("draft").disabled = $("send").disabled = false;
    const shown = ["scroller", "rooms", "people", "typing", "i-am", "room-name", "announcer", "notice-text"];
    for (const id of [...shown, "rules", "toast"]) $(id).replaceChildren();
    $("draft").value = "";
  }

  /** Changes the name, or signs out. Signing out deletes unsent messages, so the page asks first. */
  async #leaveAll() {
    const unsent = this.#memory.countUnsent;
    if (!SIGN_IN) return askForName(this.#name, unsent, (rename) => this.#ended({ rename }));
    if (unsent > 0 && !(await isSureToSignOut(unsent))) return;
    if (!this.#end.signal.aborted) this.#ended({ signOut: true });
  }

  /** An attempt to connect failed. If the page's server can be reached, the chat may have refused the token. */
  async #connectFailed({ code }) {
    if (!SIGN_IN || this.#wasOnline || code !== "handshake_failed") return;
    this.#failures = (await isReachable()) ? this.#failures + 1 : 0;
    if (this.#wasOnline || this.#end.signal.aborted) return;
    const most = ATTEMPTS[this.#browser.tokenWasAccepted ? "accepted" : "new"];
    if (this.#failures >= most) this.#ended({ problem: endInWords({ code }), field: "enter-token" });
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
    on($("show-rooms"), "click", openDrawer);
    on($("room-menu"), "click", () => openRoomMenu({
      name: this.#active, isMuted: this.#memory.isMuted(this.#active), mute: () => this.#toggleMute(),
      search: () => this.#openSearch(), about: () => this.#about(), tell: (text) => this.#tell(text),
      leave: () => this.#askToLeave(),
    }));
    on($("search"), "click", () => this.#openSearch());
    on($("keys"), "click", showKeys);
    on($("new-room"), "click", () => askForRoom({ known: this.#known, create: async (name, options) => {
      this.#enterRoom(await this.#client.createRoom(name, options));
    } }));
    on($("rename"), "click", () => this.#leaveAll());
    on($("notice-close"), "click", () => ($("notice").hidden = true, $("draft").focus()));
    on($("retry-now"), "click", () => this.#client.retryNow());
    on($("show-people"), "click", () => this.#togglePeople());
    on($("add-room"), "submit", (event) => this.#addRoom(event));
    on($("add-room-name"), "input", () => $("add-room-name").setCustomValidity(""));
    on(document, "keydown", (event) => document.querySelector("dialog") || this.#pressed(event));
    on(window, "hashchange", () => this.#addressChanged());
    on(window, "beforeunload", (event) => {
      // If this browser keeps nothing, unsent messages would be lost: it asks the person.
      if ([...this.#timelines.values()].some((timeline) => timeline.isLosing)) event.preventDefault();
    });
  }

  /** The person has opened a link, or gone back or forward. */
  #addressChanged() {
    const name = roomInAddress();
    const isGone = isRoomVisited() && !this.#timelines.has(name) && !this.#memory.rooms.includes(name);
    // Back into a room that was left does not join it again: others would see that, and the person did not ask for it.
    // Nor does it lead on to the entry before, which can be another site. The room that is shown takes the entry.
    if (isGone) this.#tell(say("notThere"));
    if (isGone || name === this.#active || nameProblem(name, "room")) return setAddress(this.#active);
    this.#join(name);
    this.#show(name);
  }

  #acts = {
    go: () => this.#openPalette(),
    search: () => this.#openSearch(),
    above: () => this.#list.step(this.#active, "previousElementSibling"),
    below: () => this.#list.step(this.#active, "nextElementSibling"),
    close: () => this.#closeOpen(),
    list: showKeys,
  };

  #pressed(event) {
    const act = this.#acts[actOf(event)];
    if (!act || event.defaultPrevented || event.isComposing) return;
    event.preventDefault();
    act();
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
    const people = [...this.#known].map(([user_id, user_name]) => ({ words: shownName(user_name), hint: say("person"),
      go: () => this.#writeTo({ user_id, user_name }).catch((error) => this.say(moderationRefusal(error))) }));
    openPalette([...places, ...people], (typed) => {
      const name = spelled(typed);
      return nameProblem(name, "room") ? null : { words: name, hint: say("joinThis"), go: () => this.#goTo(name) };
    });
  }

  #openSearch() {
    this.#timeline.openSearch(this.#titleOf(this.#active));
  }

  #addRoom(event) {
    event.preventDefault();
    const name = spelled($("add-room-name").value.trim());
    const problem = nameProblem(name, "room");
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
    if (error) this.#announcer.say(say("notSent", { why: refusal(error) }));
  }

  #drawName() {
    const name = this.#name || (SIGN_IN ? nameIn(this.#browser.token) : "");
    const shown = element("bdi", { id: "my-name" }, name === "" ? "…" : shownName(name));
    $("i-am").replaceChildren(...nodes("youAre", { name: shown }));
  }

  #drawState() {
    const { state } = this.#client;
    this.#connection.draw();
    this.#timeline?.resized(); // waiting messages get or lose a button
    if (state !== "online") return;
    this.#wasOnline = true;
    if (SIGN_IN) this.#browser.tokenWasAccepted = true;
    this.#timeline?.scrolled(); // fetches what could not be fetched before
    if (SIGN_IN) this.#takeMarkers(); // again after each interruption: another device may have read further
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
    this.#list.draw();
    this.#drawUnread();
  }

  #drawUnread() {
    this.#attention.unread(this.#list.drawUnread());
    if (this.#timeline) drawEmpty(this.#timeline, this.#active, (text) => this.#tell(text));
    const behind = this.#timeline?.behind ?? "";
    $("to-end").hidden = behind === "";
    $("to-end").textContent = behind;
    const refused = this.#timeline?.refusedElsewhere ?? 0;
    $("refused").hidden = refused === 0;
    $("refused-text").textContent = say("notSentCount", { n: refused });
  }

  #drawPeople() {
    const room = this.#timeline?.room;
    drawPeople(room?.users ?? [], (user) => this.#client.isMe(user), (user) => this.#showPerson(user, room));
  }

  #toggleMute() {
    const isMuted = !this.#memory.isMuted(this.#active);
    this.#memory.mute(this.#active, isMuted);
    this.#tell(say(isMuted ? "isMuted" : "isUnmuted"));
    this.#drawMute();
    this.#drawUnread();
  }

  #drawMute() {
    $("muted").hidden = !this.#memory.isMuted(this.#active);
  }

  #drawTyping() {
    drawTyping(this.#timeline?.room.typing ?? []);
  }

  #togglePeople() {
    const open = $("people").hidden;
    $("people").hidden = !open;
    $("show-people").setAttribute("aria-expanded", String(open));
  }
}
