// A client of the chat, for any page and for Node: an ES module with no dependencies.
//
//   import { ChatClient } from "./client.js";
//   const chat = new ChatClient("wss://…/dev", { user: "ann" });
//   const lobby = chat.join("lobby");
//   lobby.addEventListener("message", (e) => console.log(e.detail.index, e.detail.user_name, e.detail.content));
//   const index = await lobby.send("Hello.");
//
// It keeps what the chat promises, whatever happens to the network. Every message of a room is delivered once, in the order
// of its index, from the first that it showed. What you send is stored once, in the order in which you sent it. For that it
// numbers what it sends, has one message of a room under way at a time, and fetches what a jump of the index shows to be
// missing. After an interruption it asks for all that came meanwhile, and then sends again what is not there.
//
// It also tells when it is not connected. A network that drops closes no socket, so the client asks after a silence whether
// it is still heard, and connects again if no answer comes.

/** How long things may take, in milliseconds. Every one can be set with the option `timing`. */
const TIMING = {
  handshake: 15_000, // until an attempt to connect is given up
  answer: 7_000, // after something that is to be answered, until the client asks whether it is still heard
  pong: 6_000, // until a connection that does not answer that is dead
  heartbeat: 25_000, // of silence, until a client that is looked at asks whether it is still heard
  patience: 30_000, // until a question is asked again on a connection that works; API Gateway waits 29 s for the function
  sync: 8 * 60_000, // until each room asks for news: API Gateway closes a connection after 10 minutes without a frame
  members: 60_000, // until the members of a room are read again, for the rooms whose members are watched
  grace: 5_000, // until a user who left is gone: a page that is loaded again is back by then
  silence: 30_000, // after which a page that becomes visible asks for news
  swap: 110 * 60_000, // until a second connection takes over: API Gateway closes every one after 2 hours
  renew: 60_000, // before a token's end, when a second connection with a new token takes over; sooner for short ones
  gap: 100, // in which messages that overtook one another may still arrive, before a gap is fetched
  late: 2_000, // until a question counts as the one of which API Gateway said that it failed: it does not say which
  firstPause: 500, // before it connects again or sends again; doubled each time, with jitter
  longestPause: 30_000,
  stable: 5_000, // after which a connection counts as one that works, and the next pause is short again
};

/** One frame may have so many bytes: API Gateway ends a connection that sends a larger one. */
const FRAME_BYTES = 32 * 1024;

/** The content of a message may have so many bytes of UTF-8. */
const CONTENT_BYTES = 16 * 1024;

/** How many messages a room shows at first, and how many it fetches at once. */
const FIRST_MESSAGES = 50;
const PAGE = 100;

/** Of what arrives out of order, no more is kept than this. The rest is fetched. */
const MOST_AHEAD = 1000;

/** So many of a room's last messages are held, to be compared with those that come under the same index. */
const MOST_HELD = 200;

/** How many questions a connection has under way at once: a client in many rooms must not use up its own quota. */
const MOST_QUESTIONS = 8;

/** A timer of more milliseconds than this would fire at once. */
const LONGEST_TIMER = 60 * 60_000;

/** Errors after which the same may be tried again. The others say that it is refused. */
const PASSING = new Set(["room_busy", "not_sent", "unavailable", "internal", "rate_limited"]);

/** Statuses of a refused handshake that may be different next time; the others below 500 will not. */
const PASSING_STATUSES = new Set([408, 425, 429]);

/** So many attempts to connect fail for want of a token, before a client that was never online gives up. */
const TOKEN_ATTEMPTS = 3;

/**
 * What was refused, or could not be done: `code`, and a sentence. The codes are those of the chat's error frames, and of
 * this client: `invalid_argument`, `closed`, `handshake_failed` (there is no connection; it is not known why),
 * `handshake_refused` (with the HTTP `status`), `token_failed` (the token function threw; `cause` is what), `signed_out`
 * (the token function returned no token).
 */
export class ChatError extends Error {
  constructor(code, message, { cause, status } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ChatError";
    this.code = code;
    if (status !== undefined) this.status = status;
  }
}

/**
 * The spelling of a name of a room or a user, as the chat has it: in normal form C, with one space between two words.
 * The chat spells some emoji otherwise still, and says so when the room is entered.
 */
export function spelled(name) {
  return name.normalize("NFC").replace(/\p{Zs}+/gu, " ").replace(/^ | $/g, "");
}

/**
 * A person's connection to the chat, kept up for as long as it is wanted.
 *
 * Events: `state`, whose detail is the new state; `user`, when the name or the id is known, which a token says, and whose
 * detail is the name; `failed`, whose
 * detail is a ChatError, when an attempt to connect failed: the client goes on trying; `signedout`, whose detail is a
 * ChatError, when another attempt cannot help: the token's time is over and there is no new one, or the handshake is
 * refused. The client is closed then, and a new one is needed.
 */
export class ChatClient extends EventTarget {
  /** "connecting" at first, "online" once the rooms have been entered, "offline" while it waits to connect again, "closed". */
  state = "connecting";

  /** The name under which messages are sent. */
  user;

  /** The user's id, which tells people of one name apart; undefined in an open chat, and until the chat has said it. */
  userId;

  #url;
  #options;
  #timing;
  #rooms = new Map();
  #spellings = new Map(); // of names of rooms: the chat's, where it is another
  #connection = null;
  #opening = new Set(); // connections that are not in use yet
  #attempts = 0;
  #wasOnline = false;
  #tokenFailures = 0; // one after the other
  #refusals = 0; // of a handshake, one after the other
  #swapping = false;
  #ahead = 0; // milliseconds by which the chat's clock is ahead of this machine's
  #lastFrame = 0; // when it came
  #timers = new Timers();
  #listeners = new AbortController();

  /**
   * @param {string} url of the WebSocket API's stage, wss://…/dev; or a path, on the page's own host
   * @param {{user?: string, token?: string | (() => string | Promise<string>), timing?: object, WebSocket?: function}} options
   *   `user` is the name, where the chat is open to everybody. `token` is of an OpenID Connect provider, where one must
   *   sign in. A function is asked for one before each connection; one that returns nothing says that nobody is signed in.
   *   `WebSocket` is any class with the standard interface, such as that of npm's ws, where there is none of that name.
   * @throws {ChatError} invalid_argument
   */
  constructor(url, options = {}) {
    super();
    this.#url = checkedURL(url);
    this.#options = checkedOptions(options);
    this.#timing = { ...TIMING, ...options.timing };
    this.user = options.user ?? "";
    this.#watchThePage();
    queueMicrotask(() => this.#connect());
  }

  /** The rooms that were joined and not left, by name. */
  get rooms() {
    return new Map(this.#rooms);
  }

  /**
   * Whether a message, an element of a room's `users`, or the detail of a `presence` is of the person that this client acts
   * for: by the id, or by the name where an id is not known.
   */
  isMe({ user_id, user_name }) {
    return user_id === undefined || this.userId === undefined ? user_name === this.user : user_id === this.userId;
  }

  /**
   * Joins a room, or returns it where that was done.
   * @throws {ChatError} invalid_argument, for a name that is no text; other names the chat itself judges
   */
  join(name) {
    if (typeof name !== "string" || spelled(name) === "") throw invalid("The name of a room must be a text, and not empty.");
    name = this.#spelled(name);
    let room = this.#rooms.get(name);
    if (!room) {
      room = new Room(name, this, this.#timing);
      this.#rooms.set(name, room);
      for (const connection of this.#connections()) if (connection.isOpen) this.#enter(room, connection);
    }
    return room;
  }

  /** Leaves a room for good. */
  leave(name) {
    name = this.#spelled(String(name));
    const room = this.#rooms.get(name);
    if (!room) return;
    this.#rooms.delete(name);
    room._end(new ChatError("closed", "The room was left."));
    if (this.#roomsOf(room.name).length > 0) return; // it was joined under two spellings, and left under one
    for (const connection of this.#connections()) {
      if (connection.rooms.has(room)) this.#leaveOn(connection, room.name);
    }
  }

  /** How the chat spells the name of a room, as far as that is known. */
  #spelled(name) {
    name = spelled(name);
    return this.#spellings.get(name) ?? name;
  }

  /** The rooms that are called so by the chat: one, or more where it was joined under several spellings at once. */
  #roomsOf(name) {
    return [...this.#rooms.values()].filter((room) => room.name === name);
  }

  #isJoined(room) {
    return [...this.#rooms.values()].includes(room);
  }

  /** Stops being a member on a connection. Joining again waits for it, because the chat handles both at once. */
  #leaveOn(connection, name) {
    connection.leaving.set(name, connection.ask("leaveRoom", { room_name: name }).catch(() => {}));
  }

  /** Ends the connection and everything else. What is not sent yet is rejected. */
  close() {
    this.#close(new ChatError("closed", "The client was closed."));
  }

  #close(error) {
    if (this.state === "closed") return;
    const connections = this.#connections();
    this.#listeners.abort();
    this.#timers.clear();
    this.#connection = null;
    this.#setState("closed");
    for (const room of this.#rooms.values()) room._end(error);
    for (const connection of connections) connection.end();
  }

  #connections() {
    return [this.#connection, ...this.#opening].filter(Boolean);
  }

  /** Does not wait for the next attempt to connect. */
  retryNow() {
    if (this.state === "offline") {
      this.#timers.stop("connect");
      this.#connect();
    }
  }

  /** Connects, and is online when each room has been tried once: one that cannot be entered does not hold up the others. */
  async #connect() {
    if (this.state === "closed") return;
    this.#setState("connecting");
    try {
      const connection = await this.#open();
      this.#use(connection);
      await this.#enterAll(connection);
      if (this.#connection === connection) this.#setState("online");
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Tells why an attempt to connect failed, and makes the next one only where that may help. */
  #failed(error) {
    if (this.state === "closed") return;
    this.#emit("failed", error);
    if (this.state === "closed") return; // by a listener
    if (this.#isFinal(error)) this.#signOut(error);
    else if (this.#connection) this.#setState("online"); // another one took over meanwhile
    else this.#wait();
  }

  #isFinal({ code, status }) {
    const renewable = typeof this.#options.token === "function";
    switch (code) {
      case "signed_out":
      case "invalid_argument":
        return true;
      case "token_failed":
        return !this.#wasOnline && this.#tokenFailures >= TOKEN_ATTEMPTS;
      case "handshake_refused":
        return !PASSING_STATUSES.has(status) && (!renewable || this.#refusals >= TOKEN_ATTEMPTS);
    }
    return false;
  }

  #signOut(error) {
    this.#close(error);
    this.#emit("signedout", error);
  }

  #wait() {
    this.#setState("offline");
    this.#timers.start("connect", pause(this.#attempts++, this.#timing), () => this.#connect());
  }

  /** Opens a connection. */
  async #open() {
    const token = await this.#token();
    if (this.state === "closed") throw new ChatError("closed", "The client was closed.");
    const connection = new Connection(this.#url, token, this.#options, this.#timing);
    connection.expires = expiryOf(token);
    connection.onFrame = (frame, isAnswer) => this.#dispatch(frame, isAnswer, connection);
    this.#opening.add(connection);
    try {
      await connection.opened;
      this.#refusals = 0;
      return connection;
    } catch (error) {
      if (error.code === "handshake_refused") this.#refusals++;
      throw error;
    } finally {
      this.#opening.delete(connection);
    }
  }

  /** The token for the next connection; undefined where the chat is open. */
  async #token() {
    const { token } = this.#options;
    if (typeof token !== "function") return token;
    let answer;
    try {
      answer = await within(this.#timing.handshake, token(), "the token function does not answer");
      if (answer) checkToken(answer);
      this.#tokenFailures = 0;
    } catch (cause) {
      this.#tokenFailures++;
      throw new ChatError("token_failed", `There is no token: ${cause?.message ?? cause}`, { cause });
    }
    if (!answer) throw new ChatError("signed_out", "Nobody is signed in: the token function returned no token.");
    return answer;
  }

  /** Makes a connection the one that is used, and ends the one before. */
  #use(connection) {
    if (this.state === "closed" || connection.closed) {
      connection.end();
      throw new ChatError("handshake_failed", "The connection was closed as soon as it was there.");
    }
    const before = this.#connection;
    this.#connection = connection;
    this.#wasOnline = true;
    this.#timers.stop("connect", "token");
    this.#timers.start("stable", this.#timing.stable, () => (this.#attempts = 0));
    this.#timers.start("swap", this.#timing.swap * (0.95 + Math.random() / 20), () => this.#swap());
    connection.onClose = () => this.#lost(connection);
    before?.end();
    for (const room of this.#rooms.values()) {
      if (connection.rooms.has(room)) room._use(connection);
      else room._interrupt(); // what it was on is gone
    }
    // The answer has the chat's time, by which a token is judged: this machine's clock may be wrong.
    if (connection.expires !== Infinity) connection.probe();
  }

  #lost(connection) {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#timers.stop("swap", "stable", "token");
    this.#attempts = Math.min(this.#attempts, 2); // the chat is there, but what cuts us off may do so again
    for (const room of this.#rooms.values()) room._interrupt();
    this.#wait();
  }

  /** Lets a second connection take over, which nobody notices: until it has entered the rooms, the first one serves. */
  async #swap() {
    if (this.#swapping) return;
    this.#swapping = true;
    const before = this.#connection;
    try {
      const connection = await this.#open();
      this.#opening.add(connection);
      await this.#enterAll(connection);
      this.#opening.delete(connection);
      this.#use(connection);
      this.#setState("online");
    } catch (error) {
      if (this.state === "closed") return;
      this.#emit("failed", error);
      if (this.state === "closed" || !before || this.#connection !== before) return; // it connects again in any case
      if (this.#isFinal(error)) this.#signOut(error);
      else this.#timers.start("swap", this.#timing.swap / 100, () => this.#swap());
    } finally {
      this.#swapping = false;
    }
  }

  /** Enters every room on a connection. It is done when each was tried once, and does not wait long for that. */
  #enterAll(connection) {
    const all = [...this.#rooms.values()].map((room) => this.#enter(room, connection));
    return Promise.race([Promise.all(all), connection.sleep(this.#timing.answer)]);
  }

  /** Enters a room on a connection, and goes on trying while that may help. It is done after the first attempt. */
  #enter(room, connection) {
    return new Promise((tried) => this.#keepEntering(room, connection, tried));
  }

  async #keepEntering(room, connection, tried) {
    for (let attempt = 0; ; attempt++) {
      try {
        await connection.leaving.get(room.name);
        if (connection.closed || !this.#isJoined(room)) return;
        await room._enter(connection);
        connection.rooms.add(room);
        if (!this.#isJoined(room)) { // it was left meanwhile
          if (this.#roomsOf(room.name).length === 0) this.#leaveOn(connection, room.name);
        } else if (this.#connection === connection) room._use(connection);
        return;
      } catch (error) {
        if (connection.closed) return; // the next connection enters every room
        if (!PASSING.has(error.code)) return room._refuse(error);
        room._trouble(error);
      } finally {
        tried();
      }
      await connection.sleep(pause(attempt, this.#timing));
    }
  }

  /** Takes a frame, which may be the answer to a question. */
  #dispatch(frame, isAnswer, connection) {
    this.#lastFrame = Date.now();
    // A history is taken as a whole, with what its last frame says of it.
    const news = isAnswer ? [] : list(frame.messages);
    for (const message of news) for (const room of this.#roomsOf(message?.room_name)) room._accept(message);
    if (frame.presence && !frame.ref) for (const room of this.#roomsOf(frame.presence.room_name)) room._presence(frame.presence);
    if (frame.members && !frame.ref) for (const room of this.#roomsOf(frame.members.room_name)) room._announced(frame.members);
    if (frame.pong) this.#setClock(frame.pong.time, connection);
    // An older chat knows no ping: what it says is a sign of life, and this machine's clock has to do.
    if (frame.error?.action === "ping") this.#setClock(NaN, connection);
    if (frame.error?.code === "token_expired") this.#tokenExpired(connection, frame.error.message);
    if (frame.error?.message_id) {
      for (const room of this.#rooms.values()) room._sendFailed(frame.error);
    }
    if (frame.connectionId && frame.message) {
      // API Gateway itself says that something failed, but not what: what is not answered soon is tried again.
      connection.hurry();
      for (const room of this.#rooms.values()) room._sendLater();
    }
  }

  /** Takes the chat's time, in whole seconds since the epoch. */
  #setClock(seconds, connection) {
    if (Number.isFinite(seconds)) this.#ahead = seconds * 1000 + 500 - Date.now();
    this.#watchToken(connection);
  }

  /** Sees to it that a connection is replaced before its token's time is over, or ends then. */
  #watchToken(connection) {
    if (connection !== this.#connection || connection.expires === Infinity) return;
    const left = connection.expires - (Date.now() + this.#ahead); // milliseconds
    connection.lifetime ??= left;
    if (connection.lifetime <= 0) return; // the chat let it in all the same, as clocks differ, and says when it is over
    if (left <= 0) return this.#tokenExpired(connection, "The token's time is over.");
    const renewable = typeof this.#options.token === "function";
    // A token function may return the token that it has, until that is nearly over: then this comes closer by and by.
    const margin = renewable ? Math.min(this.#timing.renew, connection.lifetime / 3) : 0;
    const due = left - margin;
    if (due <= 0) this.#swap();
    this.#timers.start("token", Math.min(due > 0 ? due : left, LONGEST_TIMER), () => this.#watchToken(connection));
  }

  /** The next connection brings a new token; where there is none, this is the end. */
  #tokenExpired(connection, message) {
    if (typeof this.#options.token === "function") connection.end();
    else this.#signOut(new ChatError("token_expired", message));
  }

  /** The chat says under which name and id one is there. An older chat says no id. */
  _named({ user_name = this.user, user_id = this.userId } = {}) {
    if (typeof user_name !== "string" || (user_name === this.user && user_id === this.userId)) return;
    this.user = user_name;
    this.userId = user_id;
    this.#emit("user", user_name);
  }

  /** The chat says how a room's name is spelt. Frames have that spelling. */
  _renamed(room, name) {
    if (typeof name !== "string" || name === room.name || !this.#isJoined(room)) return;
    const given = room.name;
    room.name = name;
    if (this.#rooms.has(name)) return; // it was joined under both spellings at once: both rooms work
    this.#rooms.delete(given);
    this.#rooms.set(name, room);
    this.#spellings.set(given, name);
  }

  /** Asks for news of every room now. A connection that does not answer is dead, and is replaced. */
  sync() {
    for (const room of this.#rooms.values()) room._refresh();
  }

  /**
   * A page that comes back to light, or to the network, does not wait for its timers, which may have slept. One that
   * loses the network knows at once.
   */
  #watchThePage() {
    const signal = this.#listeners.signal;
    globalThis.addEventListener?.("offline", () => this.#connections().forEach((c) => c.end()), { signal });
    globalThis.addEventListener?.("online", () => (this.retryNow(), this.#connection?.probe(), this.sync()), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => {
      if (!isVisible()) return;
      this.retryNow();
      this.#connection?.probe();
      if (Date.now() - this.#lastFrame > this.#timing.silence) this.sync();
      for (const room of this.#rooms.values()) room._seen();
    }, { signal });
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * A room that the client is in.
 *
 * Events, each with its detail: `message` (a message as in the chat's frames: room_name, index, user_name, user_id, content,
 * create_at, message_id), every one once and in order; `expired` ({from, to}: indexes that are no longer kept); `outbox`
 * (what is not stored yet has changed); `members` (the users, and so the members, have changed); `presence` ({user_name,
 * user_id, event}: somebody came or went); `ready` (what was in the room at first has been delivered); `reset` ({last}: the room's log went back, as
 * when an older store was restored. What was delivered up to `last` counts no more; what is there now is delivered as at
 * first, and then it is `ready` again); `trouble` (a ChatError, or null when it is over: the room cannot be entered or
 * read for now, and is tried again); `refused` (a ChatError: the room cannot be joined).
 */
export class Room extends EventTarget {
  /** The name, as the chat spells it. */
  name;

  /** The index of the last message that was delivered; null before the first. */
  last = null;

  /** Whether what was in the room at first has been delivered; what comes from then on is new. */
  ready = false;

  /** What was sent and is not stored yet: {id, content, state: "waiting" | "sending" | "failed", error}, oldest first. */
  outbox = [];

  /**
   * Who is here: {user_name, user_id, connections} of each user, as in the chat's frames. Two people of one name are two
   * users; those who gave no name are one, whose name is "".
   */
  users = [];

  /** The number of connections under each name, of all who have it. `users` tells them apart. */
  members = new Map();

  /** A ChatError, why the room cannot be entered or read at the moment; null where it can. */
  trouble = null;

  _connection = null; // on which it is a member
  #client;
  #timing;
  #ahead = new Map(); // messages that came too early, by index
  #held = new Map(); // the messages that were delivered last, by index
  #doubt = Infinity; // the index from which on the log may be another one than what is held
  #syncing = null;
  #failures = 0; // of fetching, one after the other
  #watched = true;
  #reading = false; // the members
  #readAt = -Infinity; // when the members were read, or announced
  #version = undefined; // of the list of members on this connection: undefined before there is one, NaN where lists have none
  #unreadable = 0; // attempts to read the members that failed, one after the other
  #present = new Map(); // the users, by keyOf
  #came = new Map(); // when users came last, by keyOf
  #leaving = new Set(); // keys of users who left, and may be back at once
  #doubtful = new Map(); // users who left just after they came, or just before, by keyOf: the list tells
  #dropped = { keys: new Set(), at: 0 }; // users missing in the list when it was read last
  #timers = new Timers();
  #ended = false;

  constructor(name, client, timing) {
    super();
    this.name = name;
    this.#client = client;
    this.#timing = timing;
  }

  /** Whether the members are kept right within a minute, while the page is visible; otherwise when the room is entered. */
  get watchMembers() {
    return this.#watched;
  }

  set watchMembers(watched) {
    this.#watched = Boolean(watched);
    this._seen();
  }

  /**
   * Sends a message, after those that were sent before it. `id` is the message's id, by which it is stored once however
   * often it is sent; it is of use for what was kept when a program ended.
   * @returns {Promise<number>} its index, when it is stored; rejected with a ChatError where it is refused
   */
  send(content, { id = newID() } = {}) {
    if (this.#ended) return Promise.reject(new ChatError("closed", "The room was left."));
    if (typeof content !== "string" || content === "") return Promise.reject(invalid("A message must be a text, and not empty."));
    if (this.outbox.some((e) => e.id === id)) return Promise.reject(invalid("A message with this id is on its way."));
    const entry = { id, content, state: "waiting", error: null, attempts: 0 };
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

  /** Gives up what was refused, or was not sent yet, and tells whether it did. What is under way cannot be called back. */
  discard(id) {
    const entry = this.outbox.find((e) => e.id === id && e.state !== "sending");
    if (!entry) return false;
    this.outbox = this.outbox.filter((e) => e !== entry);
    if (entry.state === "waiting") entry.reject(new ChatError("closed", "The message was given up."));
    this.#emit("outbox");
    return true;
  }

  /** By how many bytes a content is more than a message may have; 0 where it fits. */
  excess(content) {
    const most = Number.MAX_SAFE_INTEGER;
    // The chat takes no message that would not fit into a frame of its own, whatever else that may have to say.
    const frame = { messages: [{ ...this.#frameOf({ content, id: newID() }), user_id: this.#client.userId, index: most, create_at: most }],
      more: true, expired: true, tail: most, part: true, ref: '"'.repeat(128) };
    return Math.max(0, bytesOf(content) - CONTENT_BYTES, bytesOfJSON(frame) - FRAME_BYTES);
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

  /** Becomes a member on a connection and is told what was missed, in one question: nothing falls between the two. */
  async _enter(connection) {
    const asked = this.#whatIsNew();
    this.#version = undefined;
    const answer = await connection.ask("joinRoom",
      { room_name: this.name, user_name: this.#client.user || undefined, ...asked.fields, members: this.#watched });
    if (this.#ended) return;
    this.#client._named(answer.presence);
    this.#client._renamed(this, answer.presence?.room_name);
    if (answer.users) this.#setMembers(answer.users, answer.version);
    // An older chat answers with no messages.
    if (!answer.messages || this.#take(answer, asked)) {
      while (this.#syncing) await this.#syncing.catch(() => {}); // it began before this connection was a member
      await this.#sync(connection);
    }
  }

  /** Works on this connection from here on. */
  _use(connection) {
    if (this.#ended) return;
    if (this._connection !== connection) this._sendAgain(); // what was under way may have gone down with the one before
    this._connection = connection;
    this._trouble(null);
    this.#deliver(); // a gap that was seen before is fetched now
    if (!this.ready) {
      this.ready = true;
      this.#emit("ready");
    }
    this._pump();
    this.#newsLater();
    this._seen();
    // If many come at once, as after an outage, an older chat does not announce all of them.
    if (Number.isNaN(this.#version)) this.#readMembersSoon();
  }

  _refuse(error) {
    this._interrupt();
    this._trouble(null);
    for (const entry of this.outbox) if (entry.state === "waiting") this.#fail(entry, error);
    this.#emit("refused", error);
  }

  /** Says that the room cannot be had for now, or, with null, that it can. */
  _trouble(error) {
    if (error === this.trouble || (error && this._connection && this.#failures < 2)) return; // once is no trouble
    this.trouble = error;
    this.#emit("trouble", error);
  }

  #newsLater() {
    this.#timers.start("news", this.#timing.sync * (0.9 + Math.random() / 10), () => this._refresh());
  }

  /** Asks what is new, and asks again after a pause where that fails. */
  _refresh() {
    const connection = this._connection;
    if (!connection) return;
    this.#newsLater();
    this.#sync(connection).then(() => this._trouble(null), (error) => {
      if (this._connection !== connection) return;
      if (!PASSING.has(error.code)) return; // asking again cannot help
      this._trouble(error);
      this.#timers.startOnce("gap", pause(this.#failures, this.#timing), () => this._refresh());
    });
  }

  /** The connection is gone. What was under way is not known to be stored, and is sent again if it is not found to be. */
  _interrupt() {
    this._connection = null;
    this.#timers.clear();
    this.#leaving.clear(); // the list is read when the room is entered again
    this.#doubtful.clear();
    this._sendAgain();
  }

  _end(error) {
    this.#ended = true;
    this._connection = null;
    this.#ahead.clear();
    this.#timers.clear();
    const left = this.outbox;
    this.outbox = [];
    for (const entry of left) if (entry.state !== "failed") entry.reject(error);
  }

  /** Takes a message, whichever way it came. */
  _accept(message) {
    if (this.#ended || !Number.isInteger(message.index)) return;
    const mine = this.#settle(message);
    if (this.last !== null && message.index <= this.last) {
      // A repeated message has an old index, and so has a new one in a log that went back. The log itself tells them apart.
      if (mine || this.#isStrange(message)) {
        this.#doubt = Math.min(this.#doubt, message.index);
        this.#timers.startOnce("back", this.#timing.gap, () => this._refresh());
      }
      return;
    }
    if (this.#ahead.size < MOST_AHEAD || message.index === this.last + 1) this.#ahead.set(message.index, message);
    this.#deliver();
  }

  /** Whether a message at or below the last one cannot be in the log that is known: it is another one, or far younger. */
  #isStrange(message) {
    const held = this.#held.get(message.index);
    return held ? !isSame(message, held) : message.create_at > this.#held.get(this.last)?.create_at + 60;
  }

  /** Delivers what follows on without a gap. */
  #deliver() {
    if (this.last === null) return;
    for (let m; (m = this.#ahead.get(this.last + 1)); ) {
      this.#ahead.delete(m.index);
      this.last = m.index;
      this.#held.set(m.index, m);
      this.#held.delete(m.index - MOST_HELD);
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
    this.#held.clear();
    this.#forgetAhead();
    this.#emit("expired", skipped);
  }

  #forgetAhead() {
    for (const index of this.#ahead.keys()) if (index <= this.last) this.#ahead.delete(index);
  }

  /**
   * What to ask for: the last messages at first, later those from the last one that is held on, or from the one that is in
   * doubt. That one comes again, and shows whether the log is still the one that is known.
   */
  #whatIsNew() {
    const { last } = this;
    if (last === null) return { fields: { limit: FIRST_MESSAGES } };
    const from = Math.min(last, this.#doubt);
    return { last, fields: { after: this.#held.has(from) ? from - 1 : last, limit: PAGE } };
  }

  /** Takes the answer to what was asked, and tells whether to ask again. */
  #take(page, asked) {
    if (this.#wentBack(page, asked)) {
      this.#reset();
      return true;
    }
    const first = asked.last === undefined;
    if (first) this.last ??= (page.messages[0]?.index ?? 1) - 1;
    else if (page.expired) this.#skipTo(this.#firstKept(page) - 1);
    this.#doubt = Infinity;
    for (const message of page.messages) this._accept(message);
    this.#forgetAhead();
    return !first && page.more;
  }

  /** The index of the first message that is kept of what was asked for; with none, of the one that will be stored next. */
  #firstKept(page) {
    const first = Math.min(page.messages[0]?.index ?? Infinity, ...this.#ahead.keys());
    return first === Infinity && Number.isInteger(page.tail) ? page.tail + 1 : first;
  }

  /** Whether an answer proves that the log is no longer the one that is known, as when an older store was restored. */
  #wentBack(page, { last }) {
    return page.tail < last || page.messages.some((m) => this.#held.has(m.index) && !isSame(m, this.#held.get(m.index)));
  }

  /** Begins again, as if nothing had been delivered. */
  #reset() {
    const { last } = this;
    this.last = null;
    this.ready = false;
    this.#held.clear();
    this.#doubt = Infinity;
    this.#ahead.clear();
    this.#emit("reset", { last });
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
    for (let more = true; more; ) {
      const asked = this.#whatIsNew();
      const page = await connection.ask("getRecentMessages", { room_name: this.name, ...asked.fields });
      if (this.#ended) return;
      more = this.#take({ ...page, messages: page.messages ?? [] }, asked);
    }
    if (!this.ready && this._connection === connection) { // after a reset
      this.ready = true;
      this.#emit("ready");
      this._pump();
    }
  }

  /** The list of members is looked at: it is read when it is old, and then from time to time. */
  _seen() {
    this.#timers.stop("members");
    if (!this.#watched || !this._connection || !isVisible()) return;
    const age = Date.now() - this.#readAt;
    if (age < this.#timing.members) this.#readMembersIn(this.#timing.members - age);
    else this.#readMembers();
  }

  #readMembersIn(ms) {
    this.#timers.start("members", ms * (0.7 + Math.random() / 5), () => isVisible() && this.#readMembers());
  }

  /** Reads the members. What fails is tried again, for as long as the list is looked at. */
  async #readMembers() {
    const connection = this._connection;
    if (this.#reading || !connection) return;
    this.#reading = true;
    try {
      const { users, version } = await connection.ask("getMembers", { room_name: this.name });
      if (this._connection === connection && users) this.#setMembers(users, version);
    } catch (error) {
      if (!PASSING.has(error.code)) this.#readAt = Date.now(); // asking again at once cannot help
    } finally {
      this.#reading = false;
    }
    if (this._connection !== connection || !this.#watched) return;
    if (Date.now() - this.#readAt < this.#timing.members / 2) this._seen();
    else this.#readMembersIn(pause(++this.#unreadable, this.#timing));
  }

  /** Takes a list of members, unless it is older than the one that there is. A list that was read may have no version. */
  #setMembers(users, version = NaN) {
    this.#readAt = Date.now();
    this.#unreadable = 0;
    if (version < this.#version) return;
    this.#version = version;
    const before = this.#present;
    this.#present = new Map(users.map((user) => [keyOf(user), user]));
    if (!Number.isNaN(version)) for (const key of this.#present.keys()) this.#leaving.delete(key);
    this.#dropped = { keys: new Set([...before.keys()].filter((key) => !this.#present.has(key))), at: Date.now() };
    this.#membersChanged();
    for (const [key, user] of this.#doubtful) if (!this.#present.has(key)) this.#tellLeft(user);
    this.#doubtful.clear();
  }

  /** Takes the list that a room is sent when somebody came or went, or is told that there are too many for one. */
  _announced({ users, version, over_limit: overLimit }) {
    if (version < this.#version) return;
    if (overLimit || !Array.isArray(users)) {
      this.#version = version;
      return this.#readMembersSoon();
    }
    const isNews = this.#version !== undefined; // and not the first list on this connection
    const before = this.#present;
    const leaving = new Set(this.#leaving);
    const doubtful = new Set(this.#doubtful.keys());
    this.#setMembers(users, version);
    this.#dropped.keys.clear();
    if (!isNews) return;
    const isOther = (user) => user.user_name !== "" && !this.#client.isMe(user);
    for (const [key, user] of this.#present) {
      if (!before.has(key) && !leaving.has(key) && isOther(user)) this.#tell(user, "joined");
    }
    for (const [key, user] of before) {
      if (!this.#present.has(key) && !doubtful.has(key) && isOther(user)) this.#tellLeftLater(key, user);
    }
  }

  #membersChanged() {
    this.users = [...this.#present.values()];
    this.members = new Map();
    for (const { user_name, connections } of this.users) {
      this.members.set(user_name, (this.members.get(user_name) ?? 0) + connections);
    }
    this.#emit("members");
  }

  #tellLeft(user) {
    this.#dropped.keys.delete(keyOf(user)); // once is enough
    this.#tell(user, "left");
  }

  #tell({ user_name, user_id }, event) {
    this.#emit("presence", { user_name, ...(user_id !== undefined && { user_id }), event });
  }

  /** What others are told of comings and goings. A coming may be told twice, or not at all, and a going too late. */
  _presence({ event, ...user }) {
    if (event === "joined") this.#joined(user);
    else if (event === "left") this.#left(user);
    // The list that is being read may be older than this.
    if (this.#reading) this.#readMembersSoon();
  }

  #joined(user) {
    const key = keyOf(user);
    this.#came.delete(key); // the map is in the order of coming
    this.#came.set(key, Date.now());
    for (const [other, at] of this.#came) {
      if (Date.now() - at < this.#timing.grace) break;
      this.#came.delete(other);
    }
    const wasLeaving = this.#leaving.delete(key);
    if (this.#present.has(key)) return; // the user was hardly away
    const { user_name, user_id } = user;
    this.#present.set(key, { user_name, ...(user_id !== undefined && { user_id }), connections: 1 });
    this.#membersChanged();
    if (!wasLeaving) this.#tell(user, "joined");
  }

  /** A page that is loaded again leaves and joins, in this order or the other: nobody is told. */
  #left(user) {
    if (this.#client.isMe(user)) return;
    const key = keyOf(user);
    if (!this.#present.has(key)) { // the list may have been read before this was told
      if (this.#dropped.keys.has(key) && Date.now() - this.#dropped.at < this.#timing.grace) this.#tellLeft(user);
      return;
    }
    if (Date.now() - this.#came.get(key) < this.#timing.grace) {
      this.#doubtful.set(key, user);
      return this.#readMembersSoon();
    }
    this.#tellLeftLater(key, user);
  }

  /** Tells that a user left, unless it is back soon. */
  #tellLeftLater(key, user) {
    if (this.#leaving.has(key)) return;
    this.#leaving.add(key);
    this.#timers.start(`left ${key}`, this.#timing.grace, () => {
      if (!this.#leaving.delete(key)) return;
      if (this.#present.delete(key)) this.#membersChanged();
      this.#tellLeft(user);
    });
  }

  #readMembersSoon() {
    this.#timers.startOnce("members soon", this.#timing.grace * (1 + Math.random()),
      () => this.#watched && isVisible() && this.#readMembers());
  }

  #frameOf({ content, id }) {
    return { room_name: this.name, user_name: this.#client.user, content, message_id: id };
  }

  /** Sends the next message, unless one is under way. */
  _pump() {
    if (!this._connection || this.last === null || this.outbox.some((e) => e.state === "sending")) return;
    const entry = this.outbox.find((e) => e.state === "waiting");
    if (!entry) return;
    entry.state = "sending";
    this.#emit("outbox");
    const fields = this.#frameOf(entry);
    if (bytesOfJSON({ action: "sendMessage", ...fields }) > FRAME_BYTES) {
      this._sendFailed({ message_id: entry.id, code: "too_large", message: "The message does not fit into a frame." });
      return;
    }
    this._connection.send("sendMessage", fields);
    // A connection that is dead is found out earlier than this: the chat is there, and has lost the message.
    this.#timers.start("answer", this.#timing.patience, () => this._sendAgain());
  }

  /** A message of one's own that comes back is stored. It tells whether this is one: ids of others may be the same. */
  #settle(message) {
    const entry = message.message_id && this.outbox.find((e) => e.id === message.message_id);
    if (!entry || (message.user_id !== undefined && !this.#client.isMe(message))) return false;
    this.outbox = this.outbox.filter((e) => e !== entry);
    if (entry.state === "sending") this.#timers.stop("answer", "again");
    this.#emit("outbox");
    entry.resolve(message.index);
    this._pump();
    return true;
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
  expires = Infinity; // when its token's time is over, in milliseconds since the epoch by the chat's clock
  rooms = new Set(); // that have been entered
  leaving = new Map(); // what is settled when a room is left, by name
  onFrame = () => {};
  onClose = () => {};
  #socket;
  #timing;
  #asked = new Map(); // questions under way, by ref
  #waiting = []; // questions that are not under way yet
  #awaited = new Set(); // refs and message ids of what is not answered yet
  #sleepers = new Set();
  #refs = 0;
  #timers = new Timers();
  #rejectOpen;

  /** @throws {ChatError} invalid_argument, where the class makes no socket */
  constructor(url, token, options, timing) {
    this.#timing = timing;
    // A browser can set no header, and a URL is logged in many places: the token travels as a subprotocol.
    try {
      this.#socket = new (options.WebSocket ?? WebSocket)(url, token ? ["chat", token] : []);
    } catch (cause) {
      throw new ChatError("invalid_argument", `No connection to ${url} can be made: ${cause?.message ?? cause}`, { cause });
    }
    this.opened = new Promise((resolve, reject) => {
      this.#rejectOpen = reject;
      this.#socket.onopen = () => {
        this.#timers.stop("handshake");
        this.#heard();
        resolve();
      };
    });
    this.opened.catch(() => {}); // whoever waits for it is told all the same
    // Some classes end the process with an error that nobody listens to, some say in it why the handshake was refused, and
    // some say nothing after it.
    this.#socket.onerror = (event) => this.#lost(event?.error ?? event);
    this.#socket.onclose = () => this.#lost();
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#timers.start("handshake", timing.handshake, () => this.end());
  }

  get isOpen() {
    return !this.closed && this.#socket.readyState === 1;
  }

  /** Sends a frame that is to be answered, by its message_id or its ref. */
  send(action, fields) {
    if (!this.isOpen) return;
    this.#socket.send(JSON.stringify({ action, ...fields }));
    const answeredBy = fields.message_id ?? fields.ref;
    if (answeredBy !== undefined) this.#awaited.add(answeredBy);
    this.#timers.startOnce("answer", this.#timing.answer, () => this.probe());
  }

  /** Asks a question, as soon as few enough are under way, and returns its answer, put together of all its frames. */
  ask(action, fields) {
    if (this.closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ref: String(++this.#refs), action, fields, resolve, reject, frames: [] });
      this.#askNext();
    });
  }

  #askNext() {
    while (this.#waiting.length > 0 && this.#asked.size < MOST_QUESTIONS) {
      const question = this.#waiting.shift();
      this.#asked.set(question.ref, question);
      this.#bound(question, this.#timing.patience);
      this.send(question.action, { ...question.fields, ref: question.ref });
    }
  }

  /** Gives a question so much more time. */
  #bound(question, ms) {
    clearTimeout(question.timer);
    question.timer = setTimeout(() => {
      this.#forget(question);
      question.reject(new ChatError("unavailable", "The chat did not answer."));
    }, ms);
  }

  #forget(question) {
    clearTimeout(question.timer);
    this.#asked.delete(question.ref);
    this.#awaited.delete(question.ref);
    this.#askNext();
  }

  /** Something that was asked failed, and it is not known what. What the others are waiting for comes soon, or not at all. */
  hurry() {
    for (const question of this.#asked.values()) this.#bound(question, this.#timing.late);
  }

  /** Asks whether the connection works. Where nothing comes, it does not. */
  probe() {
    if (!this.isOpen || this.#timers.has("pong")) return;
    this.#timers.start("pong", this.#timing.pong, () => this.end());
    this.send("ping", {});
  }

  /** Waits, but not for longer than the connection is there. */
  sleep(ms) {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { timer: setTimeout(() => (this.#sleepers.delete(sleeper), resolve()), ms), resolve };
      this.#sleepers.add(sleeper);
    });
  }

  end() {
    this.#socket.close();
    this.#lost(); // a dead socket takes its time to close
  }

  #lost(problem) {
    if (this.closed) return;
    this.closed = true;
    this.#timers.clear();
    this.#rejectOpen(handshakeError(problem));
    for (const sleeper of this.#sleepers) (clearTimeout(sleeper.timer), sleeper.resolve());
    const questions = [...this.#asked.values(), ...this.#waiting];
    this.#asked.clear();
    this.#waiting = [];
    for (const question of questions) (clearTimeout(question.timer), question.reject(closedError()));
    this.onClose();
  }

  /** Something came: the connection works. What is still to be answered may have been sent since it broke. */
  #heard() {
    this.#timers.stop("pong", "answer");
    if (this.#awaited.size > 0) this.#timers.start("answer", this.#timing.answer, () => this.probe());
    this.#timers.start("heartbeat", this.#timing.heartbeat, () => isVisible() && this.probe());
  }

  #receive(data) {
    if (this.closed) return;
    let frame;
    try {
      frame = JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data));
    } catch {
      frame = null; // nothing that this client knows
    }
    if (frame === null || typeof frame !== "object") return this.#heard();
    for (const message of list(frame.messages)) this.#awaited.delete(message?.message_id);
    this.#awaited.delete(frame.error?.message_id);
    const question = this.#asked.get(frame.ref);
    if (question) this.#answer(question, frame);
    this.#heard();
    this.onFrame(frame, Boolean(question));
  }

  #answer(question, frame) {
    question.frames.push(frame);
    if (frame.part) return this.#bound(question, this.#timing.patience);
    this.#forget(question);
    if (frame.error) {
      question.reject(new ChatError(frame.error.code, frame.error.message));
      return;
    }
    question.resolve(answerOf(question.frames));
  }
}

/** One answer of several frames. What no frame speaks of is undefined. */
function answerOf(frames) {
  const all = (of) => (frames.some((f) => Array.isArray(of(f))) ? frames.flatMap((f) => list(of(f))) : undefined);
  const said = (name) => frames.findLast((f) => f[name] !== undefined)?.[name];
  return {
    messages: all((f) => f.messages),
    users: all((f) => f.members?.users),
    version: frames.findLast((f) => f.members)?.members.version,
    presence: said("presence"),
    tail: said("tail"),
    more: said("more") ?? false,
    expired: said("expired") ?? false,
  };
}

/** Timers with names, of which each is set once. */
class Timers {
  #timers = new Map();

  start(name, ms, f) {
    this.stop(name);
    this.#timers.set(name, setTimeout(() => (this.#timers.delete(name), f()), ms));
  }

  startOnce(name, ms, f) {
    if (!this.has(name)) this.start(name, ms, f);
  }

  has(name) {
    return this.#timers.has(name);
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

const invalid = (sentence) => new ChatError("invalid_argument", sentence);
const closedError = () => new ChatError("unavailable", "The connection was closed.");

/** What is known of a handshake that failed. Browsers tell nothing; npm's ws tells the status. */
function handshakeError(problem) {
  const text = problem?.message ?? problem?.error?.message ?? "";
  const status = Number(/(?:response|status)\D*([45]\d\d)\b/i.exec(text)?.[1]); // an address may end with such a number, too
  if (status >= 400 && status < 500) {
    return new ChatError("handshake_refused", `The chat refused the handshake with status ${status}.`, { status, cause: problem });
  }
  const known = text ? `: ${text}` : ". Why is not known: it cannot be reached, or it refused the handshake.";
  return new ChatError("handshake_failed", `There is no connection to the chat${known}`,
    { cause: problem, ...(status && { status }) });
}

/** Checks the URL and makes one for a WebSocket of it; a path is one on the page's own host. */
function checkedURL(url) {
  let parsed;
  try {
    parsed = new URL(url, globalThis.location?.href);
  } catch {
    throw invalid(`${JSON.stringify(String(url))} is no URL such as wss://example.com/dev` +
      `${globalThis.location ? "" : ", and a path needs a page's own host"}.`);
  }
  const { protocol } = parsed;
  if (protocol === "http:" || protocol === "https:") parsed.protocol = protocol.replace("http", "ws");
  else if (protocol !== "ws:" && protocol !== "wss:") throw invalid(`The URL must begin with wss:// or ws://, not ${protocol}`);
  if (/#/.test(String(url))) throw invalid("The URL must not have a #: a WebSocket takes none.");
  return parsed.href;
}

function checkedOptions(options) {
  if (options === null || typeof options !== "object") throw invalid("The options must be an object.");
  const { user, token, timing = {}, WebSocket = globalThis.WebSocket } = options;
  if (typeof WebSocket !== "function") {
    throw invalid("There is no WebSocket here: give a class as the option WebSocket, such as that of the npm package ws.");
  }
  if (user !== undefined && typeof user !== "string") throw invalid("user must be a text.");
  if (token !== undefined && typeof token !== "function") checkToken(token);
  if (timing === null || typeof timing !== "object") throw invalid("timing must be an object.");
  for (const name of Object.keys(TIMING)) {
    if (timing[name] !== undefined && !(timing[name] >= 0)) throw invalid(`timing.${name} must be a number of milliseconds.`);
  }
  return options;
}

/** A token travels as a subprotocol, which may have just these characters (RFC 7230, section 3.2.6). */
function checkToken(token) {
  if (typeof token !== "string" || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(token)) {
    throw invalid("The token must be a text of letters, digits and . - _, without blanks: was all of it copied, and no more?");
  }
}

/** When a JWT's time is over, in milliseconds since the epoch; Infinity where it does not say. */
function expiryOf(token) {
  try {
    const payload = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(atob(payload));
    return Number.isFinite(exp) ? exp * 1000 : Infinity;
  } catch {
    return Infinity; // no JWT, or no token at all
  }
}

/** Whether somebody can see the page; where there is none, somebody always does. */
const isVisible = () => globalThis.document?.visibilityState !== "hidden";

const list = (value) => (Array.isArray(value) ? value : []);

/**
 * Whether two messages are one. Their content may differ in time, but not their sender and when they were sent. An older
 * process of the chat may have left out the sender's id.
 */
const isSame = (a, b) => a.user_name === b.user_name && a.create_at === b.create_at && a.message_id === b.message_id &&
  (a.user_id === b.user_id || a.user_id === undefined || b.user_id === undefined);

/** What a user is known by: the id, or the name where there is none. */
const keyOf = ({ user_id, user_name }) => (user_id === undefined ? `name ${user_name}` : `id ${user_id}`);

const bytesOf = (text) => new TextEncoder().encode(text).length;

/** The bytes of a value as the chat encodes it, which escapes two line separators more than this language does. */
const bytesOfJSON = (value) => bytesOf(JSON.stringify(value).replace(/[\u2028\u2029]/g, "\\u2028"));

/** A pause that grows with the attempts, at random, so that many clients do not come back in step. */
function pause(attempts, timing) {
  return Math.min(timing.longestPause, timing.firstPause * 2 ** Math.min(attempts, 10)) * (0.5 + Math.random() / 2);
}

/** Waits for a promise, but not for longer. */
function within(ms, promise, otherwise) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(otherwise)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** An id that nobody else has. (crypto.randomUUID is not there on pages without TLS.) */
function newID() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}
