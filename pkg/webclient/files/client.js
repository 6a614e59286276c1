// A client of the chat, for any page: an ES module with no dependencies.
//
//   import { ChatClient } from "./client.js";
//   const chat = new ChatClient("wss://…/dev", { user: "ann" });
//   const lobby = chat.join("lobby");
//   lobby.addEventListener("message", (e) => console.log(e.detail.index, e.detail.user_name, e.detail.content));
//   const index = await lobby.send("Hello.");
//
// It keeps what the chat promises, whatever happens to the network: every message of a room is delivered once, in the
// order of its index, from the first that it showed; what you send is stored once, in the order in which you sent it.
// For that it numbers what it sends, has one message of a room under way at a time, fetches what a jump of the index
// shows to be missing, and after an interruption asks for all that came meanwhile before it sends again what is not there.

/** How long things may take, in milliseconds. Every one can be set with the option `timing`. */
const TIMING = {
  answer: 15_000, // until a question that is not answered counts as a dead connection
  sync: 8 * 60_000, // of silence, until the client asks for news: API Gateway closes a connection after 10 minutes of it
  silence: 30_000, // after which a page that becomes visible asks for news
  swap: 110 * 60_000, // until a second connection takes over: API Gateway closes every one after 2 hours
  gap: 100, // in which messages that overtook one another may still arrive, before a gap is fetched
  firstPause: 500, // before it connects again or sends again; doubled each time, with jitter
  longestPause: 30_000,
  stable: 5_000, // after which a connection counts as one that works, and the next pause is short again
};

/** One frame may have so many bytes; API Gateway ends a connection that sends a larger one. */
const FRAME_BYTES = 32 * 1024;

/** How many messages a room shows at first, and how many it fetches at once. */
const FIRST_MESSAGES = 50;
const PAGE = 100;

/** Of what arrives out of order, no more is kept than this; the rest is fetched. */
const MOST_AHEAD = 1000;

/** Errors after which the same may be tried again. The others say that it is refused. */
const PASSING = new Set(["room_busy", "not_sent", "unavailable", "internal", "rate_limited"]);

/** What the chat refused, or what could not be done: `code` as in the chat's error frames, and a sentence. */
export class ChatError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "ChatError";
    this.code = code;
  }
}

/**
 * A person's connection to the chat, kept up for as long as it is wanted.
 *
 * Events: `state`, whose detail is the new state; `user`, when the name is known, which a token may say; `signedout`, whose
 * detail is a ChatError, when the token's time is over and there is no new one.
 */
export class ChatClient extends EventTarget {
  /** "connecting" at first, "online" when every room is up to date, "offline" while it waits to connect again, "closed". */
  state = "connecting";

  /** The name under which messages are sent. */
  user;

  #url;
  #options;
  #timing;
  #rooms = new Map();
  #connection = null;
  #opening = new Set(); // connections that are not up to date yet
  #attempts = 0;
  #lastFrame = 0; // when it came
  #timers = new Timers();
  #listeners = new AbortController();

  /**
   * @param {string} url of the WebSocket API's stage, wss://…/dev; or a path, on the page's own host
   * @param {{user?: string, token?: string | (() => string | Promise<string>), timing?: object, WebSocket?: function}} options
   *   `user` is the name, where the chat is open to everybody; `token` is of an OpenID Connect provider, where one must
   *   sign in: a function is asked for one before each connection
   */
  constructor(url, options) {
    super();
    this.#url = absolute(url);
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.user = options.user ?? "";
    this.#watchThePage();
    queueMicrotask(() => this.#connect());
  }

  /** The rooms that were joined and not left, by name. */
  get rooms() {
    return new Map(this.#rooms);
  }

  /** Joins a room, or returns it where that was done. */
  join(name) {
    let room = this.#rooms.get(name);
    if (!room) {
      room = new Room(name, this, this.#timing);
      this.#rooms.set(name, room);
      if (this.#connection) this.#enterLate(room, this.#connection);
    }
    return room;
  }

  /** Leaves a room for good. */
  leave(name) {
    const room = this.#rooms.get(name);
    this.#rooms.delete(name);
    room?._end();
    for (const connection of [this.#connection, ...this.#opening]) {
      if (connection?.rooms.has(room)) this.#leaveOn(connection, name);
    }
  }

  /** Stops being a member on a connection. Who joins the room again waits for it: the chat handles both at once. */
  #leaveOn(connection, name) {
    connection.leaving.set(name, connection.ask("leaveRoom", { room_name: name }).catch(() => {}));
  }

  /** Ends the connection and everything else. What is not sent yet is rejected. */
  close() {
    this.#listeners.abort();
    this.#timers.clear();
    this.#setState("closed");
    for (const room of this.#rooms.values()) room._end();
    const connections = [this.#connection, ...this.#opening];
    this.#connection = null;
    for (const connection of connections) connection?.end();
  }

  /** Does not wait for the next attempt to connect. */
  retryNow() {
    if (this.state === "offline") {
      this.#timers.stop("connect");
      this.#connect();
    }
  }

  async #connect() {
    if (this.state === "closed") return;
    this.#setState("connecting");
    try {
      await this.#take(await this.#open());
    } catch {
      if (this.#connection) this.#setState("online"); // another one took over meanwhile
      else if (this.state !== "closed") this.#wait();
    }
  }

  #wait() {
    this.#setState("offline");
    this.#timers.start("connect", pause(this.#attempts++, this.#timing), () => this.#connect());
  }

  /** Opens a connection and enters every room on it. */
  async #open() {
    const token = await (typeof this.#options.token === "function" ? this.#options.token() : this.#options.token);
    const connection = new Connection(this.#url, token, this.#options, this.#timing);
    connection.onFrame = (frame) => this.#dispatch(frame, connection);
    this.#opening.add(connection);
    try {
      if (this.state === "closed") throw new ChatError("closed", "The client was closed.");
      await connection.opened;
      // A room that cannot be entered now is entered later: the others do not wait for it.
      await Promise.all([...this.#rooms.values()].map((room) => this.#enter(room, connection, 2)));
    } catch (error) {
      connection.end();
      throw error;
    } finally {
      this.#opening.delete(connection);
    }
    return connection;
  }

  /** Makes a connection that is up to date the one that is used, and ends the one before. */
  async #take(connection) {
    if (this.state === "closed" || connection.closed) {
      connection.end();
      throw new ChatError("unavailable", "The connection was closed.");
    }
    const before = this.#connection;
    this.#connection = connection;
    this.#timers.stop("connect");
    this.#timers.start("stable", this.#timing.stable, () => (this.#attempts = 0));
    connection.onClose = () => {
      if (this.#connection !== connection) return;
      this.#connection = null;
      this.#timers.stop("sync", "swap", "stable");
      this.#attempts = Math.min(this.#attempts, 2); // the chat is there, but what cuts us off may do so again
      for (const room of this.#rooms.values()) room._interrupt();
      this.#wait();
    };
    before?.end();
    for (const room of this.#rooms.values()) {
      if (connection.rooms.has(room)) room._use(connection);
      else if (!connection.refused.has(room)) {
        room._interrupt(); // what it was on is gone
        this.#enterLate(room, connection);
      }
    }
    this.#keepFromIdling();
    this.#timers.start("swap", this.#timing.swap * (0.95 + Math.random() / 20), () => this.#swap());
    this.#setState("online");
  }

  /** Lets a second connection take over, which nobody notices: until it is up to date, the first one serves. */
  async #swap() {
    try {
      await this.#take(await this.#open());
    } catch {
      if (this.#connection) this.#timers.start("swap", this.#timing.swap / 100, () => this.#swap());
    }
  }

  /** Enters a room on the connection that is in use. */
  async #enterLate(room, connection) {
    try {
      await this.#enter(room, connection);
    } catch {
      return; // the connection is gone, and the next one enters every room
    }
    if (this.#connection === connection && connection.rooms.has(room)) room._use(connection);
  }

  /** Enters a room on a connection, with so many attempts; what is refused is refused once. */
  async #enter(room, connection, attempts = Infinity) {
    for (let attempt = 1; ; attempt++) {
      try {
        await connection.leaving.get(room.name);
        if (this.#rooms.get(room.name) !== room) return; // it was left
        await room._enter(connection);
        connection.rooms.add(room);
        if (!this.#rooms.has(room.name)) this.#leaveOn(connection, room.name);
        return;
      } catch (error) {
        if (connection.closed) throw error;
        if (!PASSING.has(error.code)) {
          connection.refused.add(room);
          room._refuse(error); // the other rooms go on
          return;
        }
        if (attempt >= attempts) return;
        await sleep(pause(attempt, this.#timing));
      }
    }
  }

  #dispatch(frame, connection) {
    this.#lastFrame = Date.now();
    if (connection === this.#connection) this.#keepFromIdling();
    for (const message of frame.messages ?? []) this.#rooms.get(message.room_name)?._accept(message);
    if (frame.presence && !frame.ref) this.#rooms.get(frame.presence.room_name)?._presence(frame.presence);
    if (frame.error?.code === "token_expired") this.#tokenExpired(frame.error, connection);
    if (frame.error?.message_id) {
      for (const room of this.#rooms.values()) room._sendFailed(frame.error);
    }
    if (frame.connectionId && frame.message) {
      // API Gateway itself says that something failed, but not what: whatever is under way is tried again.
      connection.giveUp(new ChatError("unavailable", frame.message));
      for (const room of this.#rooms.values()) room._sendLater();
    }
  }

  /** The next connection brings a new token; where there is none, this is the end. */
  #tokenExpired(error, connection) {
    if (typeof this.#options.token === "function") {
      connection.end();
      return;
    }
    this.close();
    this.dispatchEvent(new CustomEvent("signedout", { detail: new ChatError(error.code, error.message) }));
  }

  /** The chat says under which name one is there. */
  _named(name) {
    if (name === this.user) return;
    this.user = name;
    this.dispatchEvent(new CustomEvent("user", { detail: name }));
  }

  /** After a silence, asks for news of every room: that keeps the connection, and heals what was missed. */
  #keepFromIdling() {
    this.#timers.start("sync", this.#timing.sync, () => this.sync());
  }

  /** Asks for news of every room. A connection that does not answer is dead, and is replaced. */
  sync() {
    if (!this.#connection) return;
    this.#keepFromIdling();
    for (const room of this.#rooms.values()) room._refresh();
  }

  /** A page that comes back to light, or to the network, does not wait for its timers, which may have slept. */
  #watchThePage() {
    const signal = this.#listeners.signal;
    globalThis.addEventListener?.("online", () => (this.retryNow(), this.sync()), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      this.retryNow();
      if (Date.now() - this.#lastFrame > this.#timing.silence) this.sync();
    }, { signal });
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

/**
 * A room that the client is in.
 *
 * Events, each with its detail: `message` (a message as in the chat's frames: room_name, index, user_name, content,
 * create_at, message_id), every one once and in order; `expired` ({from, to}: indexes that are no longer kept); `outbox`
 * (what is not stored yet has changed); `members` (the map of them has changed); `presence` ({user_name, event}: somebody
 * came or went); `ready` (what was in the room at first has been delivered); `refused` (a ChatError: the room cannot be
 * joined).
 */
export class Room extends EventTarget {
  /** The index of the last message that was delivered; null before the first. */
  last = null;

  /** Whether what was in the room at first has been delivered; what comes from then on is new. */
  ready = false;

  /** What was sent and is not stored yet: {id, content, state: "waiting" | "sending" | "failed", error}, oldest first. */
  outbox = [];

  /** Who is here: the number of connections of each user, by name. */
  members = new Map();

  _connection = null; // on which it is a member
  #client;
  #timing;
  #ahead = new Map(); // messages that came too early, by index
  #syncing = null;
  #failures = 0; // of fetching, one after the other
  #timers = new Timers();
  #ended = false;

  constructor(name, client, timing) {
    super();
    this.name = name;
    this.#client = client;
    this.#timing = timing;
  }

  /**
   * Sends a message, after those that were sent before it.
   * @returns {Promise<number>} its index, when it is stored; rejected with a ChatError where it is refused
   */
  send(content) {
    if (this.#ended) return Promise.reject(new ChatError("closed", "The room was left."));
    const entry = { id: newID(), content, state: "waiting", error: null, attempts: 0 };
    this.outbox.push(entry);
    return this.#promise(entry);
  }

  /** Sends again what was refused. */
  retry(id) {
    const entry = this.outbox.find((e) => e.id === id && e.state === "failed");
    if (!entry) return Promise.reject(new ChatError("invalid_field", "Nothing with this id has failed."));
    entry.state = "waiting";
    entry.error = null;
    return this.#promise(entry);
  }

  /** Gives up what was refused. */
  discard(id) {
    this.outbox = this.outbox.filter((e) => e.id !== id || e.state !== "failed");
    this.#emit("outbox");
  }

  /**
   * Reads a part of the room's history: `before` an index, or `after` one; at most `limit` messages, 1 to 100.
   * @returns {Promise<{messages: object[], more: boolean, expired: boolean}>} oldest first
   */
  async history({ before, after, limit = PAGE }) {
    if (!this._connection) throw new ChatError("unavailable", "There is no connection.");
    return this._connection.ask("getRecentMessages", { room_name: this.name, before, after, limit });
  }

  #promise(entry) {
    const promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    this.#emit("outbox");
    this._pump();
    return promise;
  }

  /** Becomes a member on a connection and then fetches what was missed: in this order, nothing falls between the two. */
  async _enter(connection) {
    const { presence } = await connection.ask("joinRoom", { room_name: this.name, user_name: this.#client.user || undefined });
    this.#client._named(presence.user_name);
    while (this.#syncing) await this.#syncing.catch(() => {}); // it began before this connection was a member
    await this.#sync(connection);
  }

  /** Sends on this connection from here on. */
  _use(connection) {
    if (this.#ended) return;
    if (this._connection !== connection) this._sendAgain(); // what was under way may have gone down with the one before
    this._connection = connection;
    this.#deliver(); // a gap that was seen before is fetched now
    if (!this.ready) {
      this.ready = true;
      this.#emit("ready");
    }
    this._pump();
    this.#readMembers().catch(() => {}); // they are read again with the next sync
  }

  _refuse(error) {
    this._interrupt();
    for (const entry of this.outbox) if (entry.state === "waiting") this.#fail(entry, error);
    this.#emit("refused", error);
  }

  _refresh() {
    const connection = this._connection;
    if (!connection) return;
    this.#sync(connection).catch(() => {
      if (this._connection !== connection) return;
      this.#timers.startOnce("gap", pause(this.#failures, this.#timing), () => this._refresh());
    });
    this.#readMembers().catch(() => {});
  }

  /** The connection is gone. What was under way is not known to be stored, and is sent again if it is not found to be. */
  _interrupt() {
    this._connection = null;
    this.#timers.clear();
    this._sendAgain();
  }

  _end() {
    this.#ended = true;
    this._connection = null;
    this.#ahead.clear();
    this.#timers.clear();
    for (const entry of this.outbox) entry.reject(new ChatError("closed", "The room was left before this was sent."));
    this.outbox = [];
  }

  /** Takes a message, whichever way it came. */
  _accept(message) {
    if (this.#ended) return;
    this.#settle(message);
    if (this.last !== null && message.index <= this.last) return;
    if (this.#ahead.size < MOST_AHEAD || message.index === this.last + 1) this.#ahead.set(message.index, message);
    this.#deliver();
  }

  /** Delivers what follows on without a gap. */
  #deliver() {
    if (this.last === null) return;
    for (let m; (m = this.#ahead.get(this.last + 1)); ) {
      this.#ahead.delete(m.index);
      this.last = m.index;
      this.#emit("message", m);
    }
    if (this.#ahead.size > 0 && !this.#syncing && this._connection) {
      const wait = Math.min(this.#timing.gap * 2 ** this.#failures, this.#timing.longestPause);
      this.#timers.startOnce("gap", wait, () => this.#ahead.size > 0 && this._refresh());
    }
  }

  /** Goes on after an index that cannot be had. */
  #skipTo(index) {
    if (index <= this.last || index === Infinity) return;
    const skipped = { from: this.last + 1, to: index };
    this.last = index;
    for (const ahead of this.#ahead.keys()) if (ahead <= index) this.#ahead.delete(ahead);
    this.#emit("expired", skipped);
  }

  /** Fetches all that came after the last message, unless that is under way. */
  #sync(connection) {
    this.#syncing ??= this.#fetch(connection).then(
      () => (this.#failures = 0),
      (error) => {
        this.#failures++;
        throw error;
      },
    ).finally(() => {
      this.#syncing = null;
      this.#deliver();
    });
    return this.#syncing;
  }

  async #fetch(connection) {
    for (;;) {
      const first = this.last === null;
      const page = await connection.ask("getRecentMessages", {
        room_name: this.name, ...(first ? { limit: FIRST_MESSAGES } : { after: this.last, limit: PAGE }),
      });
      if (this.#ended) return;
      if (first) this.last = (page.messages[0]?.index ?? 1) - 1;
      else if (page.expired) this.#skipTo((page.messages[0]?.index ?? Math.min(...this.#ahead.keys())) - 1);
      for (const message of page.messages) this._accept(message);
      for (const index of this.#ahead.keys()) if (index <= this.last) this.#ahead.delete(index);
      if (first || !page.more) return;
    }
  }

  async #readMembers() {
    const { users } = await this._connection.ask("getMembers", { room_name: this.name });
    this.members = new Map(users.map((u) => [u.user_name, u.connections]));
    this.#emit("members");
  }

  /** A coming may be announced twice, and of somebody who is known to be here. */
  _presence({ user_name, event }) {
    const here = this.members.has(user_name);
    if (here === (event === "joined")) return;
    if (event === "joined") this.members.set(user_name, 1);
    else this.members.delete(user_name);
    this.#emit("members");
    this.#emit("presence", { user_name, event });
  }

  /** Sends the next message, unless one is under way. */
  _pump() {
    if (!this._connection || this.last === null || this.outbox.some((e) => e.state === "sending")) return;
    const entry = this.outbox.find((e) => e.state === "waiting");
    if (!entry) return;
    entry.state = "sending";
    this.#emit("outbox");
    const connection = this._connection;
    const fields = { room_name: this.name, user_name: this.#client.user, content: entry.content, message_id: entry.id };
    if (new TextEncoder().encode(JSON.stringify({ action: "sendMessage", ...fields })).length > FRAME_BYTES) {
      this._sendFailed({ message_id: entry.id, code: "too_large", message: "The message does not fit into a frame." });
      return;
    }
    connection.send("sendMessage", fields);
    this.#timers.start("answer", this.#timing.answer, () => (connection.closed ? this._sendAgain() : connection.end()));
  }

  /** A message of one's own that comes back is stored. */
  #settle(message) {
    const entry = message.message_id && this.outbox.find((e) => e.id === message.message_id);
    if (!entry) return;
    this.outbox = this.outbox.filter((e) => e !== entry);
    if (entry.state === "sending") this.#timers.stop("answer", "again");
    this.#emit("outbox");
    entry.resolve(message.index);
    this._pump();
  }

  _sendFailed({ message_id, code, message }) {
    const entry = this.outbox.find((e) => e.id === message_id && e.state === "sending");
    if (!entry) return;
    if (PASSING.has(code)) {
      this._sendLater();
      return;
    }
    this.#timers.stop("answer");
    this.#fail(entry, new ChatError(code, message));
    this._pump();
  }

  #fail(entry, error) {
    entry.state = "failed";
    entry.error = error;
    this.#emit("outbox");
    entry.reject(error);
  }

  /** Sends what is under way again after a pause, longer each time. */
  _sendLater() {
    const entry = this.outbox.find((e) => e.state === "sending");
    if (!entry) return;
    this.#timers.stop("answer");
    this.#timers.start("again", pause(entry.attempts++, this.#timing), () => this._sendAgain());
  }

  _sendAgain() {
    for (const entry of this.outbox) if (entry.state === "sending") entry.state = "waiting";
    this.#timers.stop("answer", "again");
    if (!this.#ended) this.#emit("outbox");
    this.#timers.start("pump", this._connection ? this.#timing.firstPause : 0, () => this._pump());
  }

  #emit(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** One WebSocket, and the questions that are under way on it. */
class Connection {
  opened;
  closed = false;
  rooms = new Set(); // that have been entered
  refused = new Set(); // rooms that may not be entered
  leaving = new Map(); // what is settled when a room is left, by name
  onFrame = () => {};
  onClose = () => {};
  #socket;
  #timing;
  #questions = new Map(); // by ref: {resolve, reject, timer, frames}
  #refs = 0;

  constructor(url, token, options, timing) {
    this.#timing = timing;
    // A browser can set no header, and a URL is logged in many places: the token travels as a subprotocol.
    const socket = (this.#socket = new (options.WebSocket ?? WebSocket)(url, token ? ["chat", token] : []));
    socket.onclose = () => this.#lost();
    this.opened = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.end(), timing.answer);
      socket.onopen = () => (clearTimeout(timer), resolve());
      this.#questions.set("open", { timer, reject });
    });
    this.opened.catch(() => {}); // whoever waits for it is told all the same
    socket.onmessage = (event) => this.#receive(event.data);
  }

  send(action, fields) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify({ action, ...fields }));
  }

  /** Sends a question and returns its answer, put together of as many frames as it has. */
  ask(action, fields) {
    if (this.closed) return Promise.reject(new ChatError("unavailable", "The connection is closed."));
    const ref = String(++this.#refs);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.end(), this.#timing.answer); // who does not answer is dead
      this.#questions.set(ref, { resolve, reject, timer, frames: [] });
      this.send(action, { ...fields, ref });
    });
  }

  /** Rejects every question. */
  giveUp(error) {
    for (const question of this.#questions.values()) {
      clearTimeout(question.timer);
      question.reject(error);
    }
    this.#questions.clear();
  }

  end() {
    this.#socket.close();
    this.#lost(); // a dead socket takes its time to close
  }

  #lost() {
    if (this.closed) return;
    this.closed = true;
    this.giveUp(new ChatError("unavailable", "The connection was closed."));
    this.onClose();
  }

  #receive(text) {
    if (this.closed) return;
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return; // nothing that this client knows
    }
    const question = frame?.ref && this.#questions.get(frame.ref);
    if (question) this.#answer(question, frame);
    if (frame && typeof frame === "object") this.onFrame(frame);
  }

  #answer(question, frame) {
    question.frames.push(frame);
    if (frame.part) return;
    clearTimeout(question.timer);
    this.#questions.delete(frame.ref);
    if (frame.error) {
      question.reject(new ChatError(frame.error.code, frame.error.message));
      return;
    }
    question.resolve({
      messages: question.frames.flatMap((f) => f.messages ?? []),
      presence: frame.presence,
      users: question.frames.flatMap((f) => f.members?.users ?? []),
      more: frame.more ?? false,
      expired: frame.expired ?? false,
    });
  }
}

/** Timers with names, of which each is set once. */
class Timers {
  #timers = new Map();

  start(name, ms, f) {
    this.stop(name);
    this.#timers.set(name, setTimeout(() => (this.#timers.delete(name), f()), ms));
  }

  startOnce(name, ms, f) {
    if (!this.#timers.has(name)) this.start(name, ms, f);
  }

  stop(...names) {
    for (const name of names) {
      clearTimeout(this.#timers.get(name));
      this.#timers.delete(name);
    }
  }

  clear() {
    this.stop(...this.#timers.keys());
  }
}

/** A pause that grows with the attempts, at random, so that many clients do not come back in step. */
function pause(attempts, timing) {
  return Math.min(timing.longestPause, timing.firstPause * 2 ** Math.min(attempts, 10)) * (0.5 + Math.random() / 2);
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** An id that nobody else has. (crypto.randomUUID is not there on pages without TLS.) */
function newID() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** The WebSocket URL of a path on the page's own host; any other URL as it is. */
function absolute(url) {
  return url.startsWith("/") ? new URL(url, location.href).href.replace(/^http/, "ws") : url;
}
