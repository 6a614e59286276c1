// A client of the chat, for any page and for Node: an ES module with no dependencies.
//
//   import { ChatClient } from "./client.js";
//   const chat = new ChatClient("wss://…/dev", { user: "ann" });
//   const lobby = chat.join("lobby");
//   lobby.addEventListener("message", (e) => console.log(e.detail.index, e.detail.user_name, e.detail.content));
//   const index = await lobby.send("Hello.");
//
// It keeps the chat's promises, whatever happens to the network. Each message of a room is delivered once, in the order
// of its index, from the first that was delivered. Each message that you send is stored once, in the order in which you
// sent it. For this, the client gives each message an id, has one message of a room in flight at a time, and fetches
// the messages that a jump of the index shows to be missing. After an interruption it fetches everything that came
// meanwhile. Then it sends again what is not stored.
//
// It also knows when it is not connected. A network that drops closes no socket. So the client sends a ping after a
// silence, and connects again if no answer comes.
//
// The classes below describe their methods, fields and events: ChatClient, Room, ChatError.

/**
 * Every time limit of the client, in milliseconds. Each can be set with the option `timing`, under its name.
 */
const TIMING = {
  handshake: 15_000, // the longest time that an attempt to connect may take
  answer: 7_000, // after a frame that must be answered: the client sends a ping
  pong: 6_000, // after a ping that is not answered: the connection is dead
  heartbeat: 25_000, // of silence, while somebody sees the page: the client sends a ping
  patience: 30_000, // the longest wait for an answer on a live connection. API Gateway waits 29 s for the function
  sync: 8 * 60_000, // each room asks for news this often. API Gateway closes a connection after 10 silent minutes
  members: 60_000, // the members of a watched room are read this often
  grace: 5_000, // a user who left is reported after this time: a page that is loaded again is back by then
  mark: 1_000, // a room's read marker is moved this often
  typing: 5_000, // while this user types, the others are told this often
  typed: 8_000, // after that long without news, another user types no more
  silence: 30_000, // a page that becomes visible after such a silence asks for news
  swap: 110 * 60_000, // then a second connection takes over. API Gateway closes each connection after 2 hours
  renew: 60_000, // before a token's end, a new token takes over; for a short token it is a third of its life
  gap: 100, // messages that overtook one another may arrive in this time; then the missing ones are fetched
  late: 2_000, // after API Gateway reported a failure, the longest wait for answers: it does not say what failed
  firstPause: 500, // before the first retry of a connection or a message; doubled each time, with jitter
  longestPause: 30_000, // the longest pause before a retry
  stable: 5_000, // a connection that lasts so long works, and the next pause is short again
};

/** The size limit of one frame, in bytes. API Gateway closes a connection that sends a larger one. */
const FRAME_BYTES = 32 * 1024;

/** The size limit of a message's content, in bytes of UTF-8. */
const CONTENT_BYTES = 16 * 1024;

/** How many messages a room delivers at first, and how many it fetches at once. */
const FIRST_MESSAGES = 50;
const PAGE = 100;

/** How many changes a room looks at in one request. */
const CHANGES = 500;

/** The largest number of messages that are kept because they arrived early. The rest is fetched. */
const MOST_AHEAD = 1000;

/** How many of a room's last messages are kept, to be compared with messages that come later under the same index. */
const MOST_HELD = 200;

/** Of how many messages a room remembers the version, those that changed last. */
const MOST_VERSIONS = 10_000;

/** The largest number of requests in flight on a connection: a client in many rooms must not use up its own quota. */
const MOST_QUESTIONS = 8;

/** The longest timer that is set, in milliseconds. A much longer one (over 24 days) would fire at once. */
const LONGEST_TIMER = 60 * 60_000;

/** Error codes after which the client retries. After every other code, the request is refused. */
const PASSING = new Set(["room_busy", "not_sent", "unavailable", "internal", "rate_limited", "slow_mode"]);

/** HTTP statuses of 4xx after which a handshake is retried. After every other 4xx a retry cannot help. */
const PASSING_STATUSES = new Set([408, 425, 429]);

/** After so many failures of the token function, or refused handshakes, in a row, the client gives up. */
const TOKEN_ATTEMPTS = 3;

/**
 * An error of the chat or of this client.
 *
 * `code` is a code of the chat's error frames, such as "forbidden", or one of the client's own:
 *
 * - "invalid_argument": an argument is wrong, or no socket can be made for the URL
 * - "closed": the client was closed, the room was left, or the message was discarded
 * - "unavailable": there is no connection, or the chat did not answer in time (the chat has this code too)
 * - "handshake_failed": there is no connection, and the reason is not known
 * - "handshake_refused": the handshake was refused with a status of 4xx
 * - "token_failed": the token function threw, took too long, or gave no usable token
 * - "signed_out": the token function returned nothing
 *
 * `message` is a sentence for people. `status` is the HTTP status of a handshake that failed, a number, if it is known.
 * `cause` is the error behind this one, if there is one. With the code "conflict", `current` is the Message as it is
 * now.
 */
export class ChatError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{cause?: unknown, status?: number, current?: Message}} [options]
   */
  constructor(code, message, { cause, status, current } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ChatError";
    this.code = code;
    if (status !== undefined) this.status = status;
    if (current !== undefined) this.current = current;
  }
}

/**
 * One message, as in the chat's frames.
 * @typedef {object} Message
 * @property {string} room_name
 * @property {number} index 1, 2, 3, … in its room
 * @property {string} user_name the sender's name, to be shown
 * @property {string} [user_id] the sender's id, to be compared and not shown; missing in an open chat
 * @property {string} content "" if it was deleted
 * @property {number} create_at when it was stored, in whole seconds since the epoch
 * @property {string} [message_id] the id that the sender chose
 * @property {number} [reply_to] the index of the message that this one answers
 * @property {object} [metadata] what the sender's program has added
 * @property {number} [version] the number of its last change in its room; missing if it was never changed
 * @property {number} [edited_at] when it was edited last, in seconds since the epoch
 * @property {number} [deleted_at] when it was deleted, in seconds since the epoch
 * @property {Reaction[]} [reactions]
 */

/**
 * One reaction to a message, as in the chat's frames.
 * @typedef {object} Reaction
 * @property {string} reaction such as "👍"
 * @property {number} count how many people have it
 * @property {{user_name: string, user_id?: string}[]} users the first 20 of them
 */

/**
 * One user in a room, as in the chat's frames.
 * @typedef {object} User
 * @property {string} user_name "" for all connections without a name together
 * @property {string} [user_id] missing in an open chat
 * @property {number} connections how many the user has in the room
 * @property {number} [read] up to which index the user has read, in a room of at most ten users
 */

/**
 * A room that the user has joined or read.
 * @typedef {object} ListedRoom
 * @property {string} name
 * @property {number} last the index of its last message; 0 if it has none
 * @property {number} read the index of the last message that the user has read; 0 for none
 * @property {number} unread how many messages are not read
 * @property {string} [title] what it is called, instead of its name
 * @property {true} [private] only people with a role are let in
 * @property {true} [direct] it is the private room of two people
 * @property {{user_id: string, user_name: string}} [with] in a direct room, the other person; the name may be ""
 */

/**
 * The rules of a room, as in the chat's frames.
 * @typedef {object} Rules
 * @property {string} room_name
 * @property {number} version the greatest counts; 0 in a room without rules
 * @property {string} [title] what the room is called, instead of its name
 * @property {string} [topic] what it is about
 * @property {true} [private] only people with a role are let in
 * @property {true} [read_only] only moderators and owners write
 * @property {number} [slow_mode] seconds between two messages of one member
 * @property {true} [direct] it is the private room of two people
 * @property {{user_id: string, user_name: string}} [with] in a direct room, the other person; the name may be ""
 */

/**
 * What the rules say of one person, as in the chat's frames.
 * @typedef {object} Standing
 * @property {string} [user_id]
 * @property {string} [user_name]
 * @property {"owner" | "moderator" | "member" | "reader"} [role]
 * @property {true} [banned]
 * @property {number} [banned_until] seconds since the epoch; missing if the ban has no end
 * @property {true} [muted]
 * @property {number} [muted_until] seconds since the epoch; missing if the mute has no end
 * @property {string} [reason] of the ban or the mute
 */

/**
 * One message that is not stored yet.
 * @typedef {object} Entry
 * @property {string} id its message_id
 * @property {string} content
 * @property {number} [replyTo] the index of the message that it answers
 * @property {object} [metadata]
 * @property {"waiting" | "sending" | "failed"} state
 * @property {ChatError | null} error why it was refused; null unless it `failed`
 */

/**
 * An entry with what the room needs to send it.
 * @typedef {Entry & {attempts: number, resolve?: (index: number) => void, reject?: (error: ChatError) => void}} Sending
 */

/**
 * Spells the name of a room or a user as the chat does: in normal form C, with one space between two words. For some
 * emoji the chat has another spelling still; the client learns it when it enters the room.
 * @param {string} name
 * @returns {string}
 */
export function spelled(name) {
  return name.normalize("NFC").replace(/\p{Zs}+/gu, " ").replace(/^ | $/g, "");
}

/**
 * One user's client of the chat. It connects at once, and connects again until it is closed.
 *
 * Events, each a CustomEvent whose `detail` is:
 *
 * - `state`: the new state, a string
 * - `user`: the user's name, a string. The chat has said a name or an id that the client did not have
 * - `room`: Rules. After `list`: the user was added to a room that is not joined here, or somebody opened a direct room
 * - `removed`: {room_name, removed}, a Standing. After `list`: the user may no longer be in a room
 * - `failed`: a ChatError. An attempt to connect failed. The client tries again, unless `signedout` follows
 * - `signedout`: a ChatError. Another attempt cannot help: the token has expired and there is no new one, there is no
 *   token, the handshake is refused, or no socket can be made. The client is closed, and a new one is needed
 */
export class ChatClient extends EventTarget {
  /**
   * "connecting" at first; "online" when each room was tried once; "offline" during the pause before the next attempt;
   * "closed" at the end.
   * @type {"connecting" | "online" | "offline" | "closed"}
   */
  state = "connecting";

  /**
   * The name under which messages are sent. With a token it is "" until the chat has said it.
   * @type {string}
   */
  user;

  /**
   * The user's id, which tells two users of one name apart. It is undefined in an open chat, and until the chat has
   * said it.
   * @type {string | undefined}
   */
  userId;

  #url;
  #options;
  #timing;
  #rooms = new Map();
  #spellings = new Map(); // the chat's spelling of a room's name, by the name that was given, if they differ
  #connection = null;
  #opening = new Set(); // connections that are not in use yet
  #attempts = 0;
  #wasOnline = false;
  #tokenFailures = 0; // in a row
  #refusals = 0; // of the handshake, in a row
  #swapping = false;
  #toForget = new Set(); // names of rooms that are to leave the list of the user's rooms
  #ahead = 0; // milliseconds by which the chat's clock is ahead of this machine's
  #lastFrame = 0; // when the last frame came, in milliseconds since the epoch
  #timers = new Timers();
  #listeners = new AbortController();

  /**
   * @param {string} url the address of the WebSocket API's stage, wss://…/dev; or a path on the page's own host
   * @param {object} [options]
   * @param {string} [options.user] the user's name, if the chat is open
   * @param {string | (() => string | null | undefined | Promise<string | null | undefined>)} [options.token] the token
   *   of an OpenID Connect provider, if users must sign in. A function is called before each connection. If it returns
   *   nothing, nobody is signed in, and the client closes with `signedout`. If it throws, the client tries again:
   *   three times in a row, or for ever if it was online before or the error's `code` is "unavailable"
   * @param {Partial<typeof TIMING>} [options.timing] time limits that differ from TIMING, in milliseconds
   * @param {typeof WebSocket} [options.WebSocket] a class with the standard interface, such as that of npm's ws.
   *   Without it, the platform's own is used
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

  /**
   * The rooms that were joined and not left, by name, in a new map.
   * @returns {Map<string, Room>}
   */
  get rooms() {
    return new Map(this.#rooms);
  }

  /**
   * Tells whether a message, an element of a room's `users`, or the detail of a `presence` event is of this client's
   * own user. It compares the ids, or the names if an id is not known.
   * @param {{user_id?: string, user_name: string}} whose
   * @returns {boolean}
   */
  isMe({ user_id, user_name }) {
    return user_id === undefined || this.userId === undefined ? user_name === this.user : user_id === this.userId;
  }

  /**
   * Joins a room. If it was joined before, this returns the same room. The room is entered as soon as there is a
   * connection, and again on each connection after that.
   * @param {string} name
   * @returns {Room}
   * @throws {ChatError} invalid_argument, if the name is no string or is empty. The chat judges all other names: the
   *   room fires `refused` if the chat does not allow it
   */
  join(name) {
    if (typeof name !== "string" || spelled(name) === "") {
      throw invalid("The name of a room must be a text, and not empty.");
    }
    name = this.#spelled(name);
    let room = this.#rooms.get(name);
    if (!room) {
      room = new Room(name, this, this.#timing);
      this.#rooms.set(name, room);
      for (const connection of this.#connections()) if (connection.isOpen) this.#enter(room, connection);
    }
    return room;
  }

  /**
   * Reads which rooms the user has joined or read, on any device, and what is not read in them. An open chat keeps no
   * such list.
   * @returns {Promise<ListedRoom[]>} by name. It is rejected with a ChatError: forbidden in an open chat, unavailable
   *   without a connection or an answer, or another code of the chat
   */
  async list() {
    const all = [];
    for (let more = true; more; ) {
      if (!this.#connection) throw new ChatError("unavailable", "There is no connection.");
      const page = await this.#connection.ask("getRooms", { after: all.at(-1)?.name });
      for (const { room_name: name, last, read, ...rules } of list(page.rooms)) {
        all.push({ ...rules, name, last, read, unread: Math.max(0, last - read) });
      }
      more = page.more && list(page.rooms).length > 0;
    }
    return all;
  }

  /**
   * Makes a room with rules, of which this user is the owner. It is not joined.
   * @param {string} name a name that no room with messages has
   * @param {object} [options]
   * @param {boolean} [options.private] whether only people with a role are let in
   * @param {string} [options.title] what it is called, instead of its name
   * @param {string[]} [options.members] the ids of others who are members from the beginning
   * @returns {Promise<Rules>} rejected with a ChatError: forbidden if the name is taken or not allowed, or another code
   */
  async createRoom(name, { private: isPrivate, title, members } = {}) {
    const { room } = await this.#ask("createRoom", { room_name: name, private: isPrivate, title, members });
    return room;
  }

  /**
   * Opens the private room of this user and one other person, which is the same whoever opens it. It is not joined.
   * @param {string} userId
   * @param {object} [options]
   * @param {string} [options.name] what the person is called, to be shown where nobody knows better
   * @returns {Promise<Rules>} rejected with a ChatError
   */
  async openDirect(userId, { name } = {}) {
    const { room } = await this.#ask("openDirect", { user_id: userId, name });
    return room;
  }

  /** Asks until there is an answer. The request must be one that may be repeated. */
  async #ask(action, fields) {
    for (let attempt = 0; ; attempt++) {
      const connection = this.#connection;
      if (!connection) throw new ChatError("unavailable", "There is no connection.");
      try {
        return await connection.ask(action, fields);
      } catch (error) {
        if (connection.closed || !PASSING.has(error.code)) throw error;
      }
      await connection.sleep(pause(attempt, this.#timing));
    }
  }

  /**
   * Leaves a room for good. Messages that are not stored are rejected with the code closed. Nothing happens if the room
   * is not joined.
   * @param {string} name
   * @param {object} [options]
   * @param {boolean} [options.forget] whether to remove it from the list of the user's rooms, too
   */
  leave(name, { forget = false } = {}) {
    name = this.#spelled(String(name));
    const room = this.#rooms.get(name);
    if (!room) return;
    this.#rooms.delete(name);
    room._end(new ChatError("closed", "The room was left."));
    if (this.#roomsOf(room.name).length > 0) return; // it was joined under two spellings, and is left under one
    if (forget) this.#toForget.add(room.name);
    for (const connection of this.#connections()) {
      if (connection.rooms.has(room)) this.#leaveOn(connection, room.name);
    }
  }

  /** The chat's spelling of a room's name, as far as it is known. */
  #spelled(name) {
    name = spelled(name);
    return this.#spellings.get(name) ?? name;
  }

  /** The rooms that the chat calls so: one, or several if it was joined under several spellings at once. */
  #roomsOf(name) {
    return [...this.#rooms.values()].filter((room) => room.name === name);
  }

  #isJoined(room) {
    return [...this.#rooms.values()].includes(room);
  }

  /** Ends the membership on a connection. Joining again waits for it, because the chat handles frames concurrently. */
  #leaveOn(connection, name) {
    const forget = this.#toForget.has(name) && this.userId !== undefined; // an open chat has nothing to forget
    const left = connection.ask("leaveRoom", { room_name: name, ...(forget && { forget }) });
    connection.leaving.set(name, left.then(() => forget && this.#toForget.delete(name), () => {}));
  }

  /** Leaves, on a new connection, rooms that could not be forgotten before. */
  #forgetLeft(connection) {
    for (const name of this.#toForget) {
      if (this.#roomsOf(name).length > 0) this.#toForget.delete(name); // it was joined again
      else if (!connection.leaving.has(name)) this.#leaveOn(connection, name);
    }
  }

  /** Ends the client for good. Messages that are not stored are rejected with the code closed. */
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

  #isClosed() {
    return this.state === "closed";
  }

  #connections() {
    return [this.#connection, ...this.#opening].filter(Boolean);
  }

  /** Connects now, without the rest of the pause, if the client is offline. */
  retryNow() {
    if (this.state === "offline") {
      this.#timers.stop("connect");
      this.#connect();
    }
  }

  /** Connects. The client is online when each room was tried once: a room that cannot be entered holds up no other. */
  async #connect() {
    if (this.state === "closed") return;
    this.#setState("connecting");
    try {
      const connection = await this.#open();
      this.#use(connection);
      await this.#enterAll(connection);
      if (this.#connection === connection) this.#setState("online");
      this.#forgetLeft(connection);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Tells why an attempt to connect failed. The next one follows only if it can help. */
  #failed(error) {
    if (this.state === "closed") return;
    this.#emit("failed", error);
    if (this.#isClosed()) return; // by a listener
    if (this.#isFinal(error)) this.#signOut(error);
    else if (this.#connection) this.#setState("online"); // another connection took over meanwhile
    else this.#wait();
  }

  #isFinal({ code, status, cause }) {
    const renewable = typeof this.#options.token === "function";
    switch (code) {
      case "signed_out":
      case "invalid_argument":
        return true;
      case "token_failed":
        return !this.#wasOnline && this.#tokenFailures >= TOKEN_ATTEMPTS && cause?.code !== "unavailable";
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

  /** The token for the next connection; undefined if the chat is open. */
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

  /** Uses a connection from now on, and ends the one before. */
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
      else room._interrupt(); // its connection is gone
    }
    // The answer has the chat's time, which decides when a token expires: this machine's clock may be wrong.
    if (connection.expires !== Infinity) connection.probe();
  }

  #lost(connection) {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#timers.stop("swap", "stable", "token");
    this.#attempts = Math.min(this.#attempts, 2); // the chat is there, but the connection may be cut again
    for (const room of this.#rooms.values()) room._interrupt();
    this.#wait();
  }

  /** Lets a second connection take over, unnoticed: the first one serves until the second has entered the rooms. */
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
      if (this.#isClosed() || !before || this.#connection !== before) return; // it connects again in any case
      if (this.#isFinal(error)) this.#signOut(error);
      else this.#timers.start("swap", this.#timing.swap / 100, () => this.#swap());
    } finally {
      this.#swapping = false;
    }
  }

  /** Enters every room on a connection. It ends when each was tried once, or when that takes too long. */
  #enterAll(connection) {
    const all = [...this.#rooms.values()].map((room) => this.#enter(room, connection));
    return Promise.race([Promise.all(all), connection.sleep(this.#timing.answer)]);
  }

  /** Enters a room on a connection, and retries while that can help. The promise settles after the first attempt. */
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
        if (!this.#isJoined(room)) { // it was left in the meantime
          if (this.#roomsOf(room.name).length === 0) this.#leaveOn(connection, room.name);
        } else if (this.#connection === connection) room._use(connection);
        return;
      } catch (error) {
        if (connection.closed) return; // every room is entered on the next connection
        if (!PASSING.has(error.code)) return room._refuse(error);
        room._trouble(error);
      } finally {
        tried();
      }
      await connection.sleep(pause(attempt, this.#timing));
    }
  }

  /** Takes a frame, which may be a part of the answer to a request. */
  #dispatch(frame, isAnswer, connection) {
    this.#lastFrame = Date.now();
    // A history is handled as a whole, because its last frame describes it.
    const news = isAnswer ? [] : list(frame.messages);
    for (const message of news) for (const room of this.#roomsOf(message?.room_name)) room._accept(message);
    const { changes } = isAnswer ? {} : frame;
    if (changes) for (const room of this.#roomsOf(changes.room_name)) room._changed(changes);
    const { presence, members, signal, read, room } = frame.ref ? {} : frame;
    if (presence) for (const room of this.#roomsOf(presence.room_name)) room._presence(presence);
    if (members) for (const room of this.#roomsOf(members.room_name)) room._announced(members);
    if (signal) for (const room of this.#roomsOf(signal.room_name)) room._signalled(signal);
    if (read) for (const room of this.#roomsOf(read.room_name)) room._hasRead(read);
    if (room) this._takeRules(room);
    if (frame.pong) this.#setClock(frame.pong.time, connection);
    // An older chat does not know ping. Its refusal is a sign of life too, and this machine's clock must do.
    if (frame.error?.action === "ping") this.#setClock(NaN, connection);
    if (frame.error?.code === "token_expired") this.#tokenExpired(connection, frame.error.message);
    if (frame.error?.message_id) {
      for (const room of this.#rooms.values()) room._sendFailed(frame.error);
    }
    if (frame.connectionId && frame.message) {
      // API Gateway itself reports a failure, but not of what. So everything that is not answered soon is retried.
      connection.hurry();
      for (const room of this.#rooms.values()) room._sendLater();
    }
  }

  /** Takes the rules of a room, or that it is not for this user any more. */
  _takeRules(rules) {
    const { room_name, removed, version } = rules;
    const joined = this.#roomsOf(room_name);
    if (joined.some((room) => room.rules?.version > version)) return; // it is late
    if (removed) {
      const why = new ChatError("forbidden", removed.banned ? "You are banned from this room." : "You were removed.");
      for (const [name, room] of [...this.#rooms]) {
        if (!joined.includes(room)) continue;
        this.#rooms.delete(name);
        room._removed(removed, why);
      }
      this.#emit("removed", { room_name, removed });
    } else if (joined.length > 0) for (const room of joined) room._ruled(rules);
    else if (rules.you) this.#emit("room", rules);
  }

  /** Whether rooms can have rules: only where people sign in. */
  get _signsIn() {
    return this.#options.token !== undefined;
  }

  /** Takes the chat's time, in whole seconds since the epoch. */
  #setClock(seconds, connection) {
    if (Number.isFinite(seconds)) this.#ahead = seconds * 1000 + 500 - Date.now();
    this.#watchToken(connection);
  }

  /** Replaces a connection before its token expires, or ends it then. */
  #watchToken(connection) {
    if (connection !== this.#connection || connection.expires === Infinity) return;
    const left = connection.expires - (Date.now() + this.#ahead); // milliseconds
    connection.lifetime ??= left;
    if (connection.lifetime <= 0) return; // the chat accepted the token, as clocks differ, and will say when it is over
    if (left <= 0) return this.#tokenExpired(connection, "The token's time is over.");
    const renewable = typeof this.#options.token === "function";
    // A token function may return the old token until it has almost expired. Then the margin shrinks each time.
    const margin = renewable ? Math.min(this.#timing.renew, connection.lifetime / 3) : 0;
    const due = left - margin;
    if (due <= 0) this.#swap();
    this.#timers.start("token", Math.min(due > 0 ? due : left, LONGEST_TIMER), () => this.#watchToken(connection));
  }

  /** The next connection needs a new token. Without a token function, the client ends. */
  #tokenExpired(connection, message) {
    if (typeof this.#options.token === "function") connection.end();
    else this.#signOut(new ChatError("token_expired", message));
  }

  /** Takes the name and the id that the chat has for this client's user. An older chat says no id. */
  _named({ user_name = this.user, user_id = this.userId } = {}) {
    if (typeof user_name !== "string" || (user_name === this.user && user_id === this.userId)) return;
    this.user = user_name;
    this.userId = user_id;
    this.#emit("user", user_name);
  }

  /** Takes the chat's spelling of a room's name. Frames have that spelling. */
  _renamed(room, name) {
    if (typeof name !== "string" || name === room.name || !this.#isJoined(room)) return;
    const given = room.name;
    room.name = name;
    if (this.#rooms.has(name)) return; // it was joined under both spellings: both Room objects work
    this.#rooms.delete(given);
    this.#rooms.set(name, room);
    this.#spellings.set(given, name);
  }

  /** Asks for news of every room now. If no answer comes, the connection is dead and is replaced. */
  sync() {
    for (const room of this.#rooms.values()) room._refresh();
  }

  /**
   * A page that becomes visible, or gets its network back, does not wait for its timers, which may have slept. A page
   * that loses its network knows at once.
   */
  #watchThePage() {
    const signal = this.#listeners.signal;
    globalThis.addEventListener?.("offline", () => this.#connections().forEach((c) => c.end()), { signal });
    globalThis.addEventListener?.("online", () => {
      this.retryNow();
      this.#connection?.probe();
      this.sync();
    }, { signal });
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
 * A room that the client has joined. `client.join(name)` makes it.
 *
 * Events, each a CustomEvent whose `detail` is:
 *
 * - `message`: a Message. Each message once, in the order of the index
 * - `change`: a Message. It was edited or deleted, or its reactions have changed, and this is what it is now. It can be
 *   any message up to `last`, also one that was there before the first delivered one. An older state never comes after
 *   a newer one
 * - `ready`: null. The messages that were in the room at first are delivered
 * - `outbox`: null. The `outbox` has changed
 * - `members`: null. `users` and `members` have changed
 * - `presence`: {user_name, user_id?, event}. A user "joined" or "left". A user who is back within five seconds causes
 *   no event
 * - `typing`: null. `typing` has changed
 * - `rules`: null. `rules`, `you` or `writable` has changed
 * - `removed`: a Standing. This user may no longer be in the room, which has left the client's `rooms`. What was not
 *   stored yet is rejected with the code forbidden
 * - `read`: {user_name, user_id, index}. A user, perhaps this one on another device, has read up to an index
 * - `signal`: {user_name, user_id?, name, data?}. Somebody, perhaps this user on another device, has sent a signal
 * - `trouble`: a ChatError, or null. The room cannot be entered or read for now, and is tried again; null: it can
 * - `refused`: a ChatError. The room cannot be joined. It is tried again on the next connection
 * - `expired`: {from, to}, two indexes. The messages from the one to the other expired before they could be delivered
 * - `reset`: {last}, an index. The room's log went back, as after the restore of an older store. The messages that were
 *   delivered up to `last` are void. The present ones are delivered as at first, and then the room is `ready` again
 */
export class Room extends EventTarget {
  /**
   * The name, as the chat spells it.
   * @type {string}
   */
  name;

  /**
   * The index of the last message that was delivered. It is null until the room was entered, and 0 in an empty room.
   * @type {number | null}
   */
  last = null;

  /**
   * Whether the messages that were in the room at first are delivered. Later messages are new.
   * @type {boolean}
   */
  ready = false;

  /**
   * The messages that were sent and are not stored yet, oldest first. Those that were refused stay until they are
   * retried or discarded.
   * @type {Entry[]}
   */
  outbox = [];

  /**
   * The users in the room. Two people with one name are two users. All connections without a name are one user, whose
   * name is "".
   * @type {User[]}
   */
  users = [];

  /**
   * The number of connections under each name. `users` tells people with one name apart.
   * @type {Map<string, number>}
   */
  members = new Map();

  /**
   * Up to which index this user has read the room, on any device, as far as the client knows. It is 0 in an open chat.
   * @type {number}
   */
  read = 0;

  /**
   * The other users who are typing now, in the order in which they began.
   * @type {{user_name: string, user_id?: string}[]}
   */
  typing = [];

  /**
   * The rules of the room. They are null until the room was entered, and in an open chat.
   * @type {Rules | null}
   */
  rules = null;

  /**
   * What the rules say of this user: the role, and whether the user is muted. It is null with `rules`.
   * @type {Standing | null}
   */
  you = null;

  /**
   * From when on this user may write again in slow mode, in milliseconds since the epoch; 0 for now. Messages that are
   * sent earlier wait in the `outbox`.
   * @type {number}
   */
  writable = 0;

  /**
   * Why the room cannot be entered or read at the moment; null if it can.
   * @type {ChatError | null}
   */
  trouble = null;

  _connection = null; // the connection on which the room is entered
  #client;
  #timing;
  #ahead = new Map(); // messages that came too early, by index
  #changes = null; // the number of the last change up to which the room has all; null until it was entered
  #spans = []; // parts of the changes, {after, up_to}, that came too early
  #changesDue = false; // whether changes are to be fetched
  #versions = new Map(); // the greatest version that was seen of a message, by index; only of those with a version
  #newest = new Map(); // that state of it, by index, while an older state may still come and be shown
  #histories = 0; // parts of the history that are being fetched
  #turns = new Map(); // the requests to change a message, by its index: {last, edited}
  #held = new Map(); // the messages that were delivered last, by index
  #doubt = Infinity; // from this index on, the log may differ from the messages that are held
  #syncing = null;
  #failures = 0; // of fetching, in a row
  #watched = true;
  #reading = false; // whether a request for the members is in flight
  #readAt = -Infinity; // when the members were read or announced, in milliseconds since the epoch
  #version = undefined; // of the list of members on this connection: undefined without a list, NaN if lists have none
  #unreadable = 0; // failed attempts to read the members, in a row
  #present = new Map(); // the users, by keyOf
  #came = new Map(); // when users came last, by keyOf
  #leaving = new Set(); // keys of users who left, and may be back at once
  #doubtful = new Map(); // users who left at about the time when they came, by keyOf: the list decides
  #dropped = { keys: new Set(), at: 0 }; // users who were missing in the list when it was read last
  #timers = new Timers();
  #markless = false; // whether this user may not mark the room
  #toMark = 0; // up to which index the room is to be marked as read
  #markAttempts = 0; // failed ones, in a row
  #marking = false; // whether a request to mark is in flight
  #markedAt = -Infinity; // when the last one was sent, in milliseconds since the epoch
  #typedAt = -Infinity; // when the others were last told that this user types, in milliseconds since the epoch
  #waiting = []; // requests that wait for a connection: {resolve, reject}
  #ended = null; // the error for what is asked later

  constructor(name, client, timing) {
    super();
    this.name = name;
    this.#client = client;
    this.#timing = timing;
  }

  /**
   * Whether the client keeps `users` right within a minute while the page is visible. It is true at first. If it is
   * false, the client never asks for the list, and only announcements of the chat change it.
   * @type {boolean}
   */
  get watchMembers() {
    return this.#watched;
  }

  set watchMembers(watched) {
    this.#watched = Boolean(watched);
    this._seen();
  }

  /**
   * Tells whether a message, an element of `users` or the detail of an event is of this client's own user, as
   * `client.isMe` does.
   * @param {{user_id?: string, user_name: string}} whose
   * @returns {boolean}
   */
  isMe(whose) {
    return this.#client.isMe(whose);
  }

  /**
   * Sends a message, after those that were sent before it. Until it is stored or refused, it is in the `outbox`.
   * @param {string} content not empty, at most 16 KB of UTF-8: see `excess`
   * @param {object} [options]
   * @param {string} [options.id] the message_id. The chat stores a message once for each id, room and sender. Give the
   *   id of a message that may have been sent before, for example before a reload. Without it, a new id is made
   * @param {number} [options.replyTo] the index of the message that this one answers
   * @param {object} [options.metadata] anything that JSON can say, for your own program: at most 1 KB
   * @returns {Promise<number>} the index, once the message is stored. It is rejected with a ChatError if the message is
   *   refused (the chat's code), if the content or the id is wrong (invalid_argument), if the message is discarded, the
   *   room is left or the client is closed (closed), or with the error of `signedout`
   */
  send(content, { id = newID(), replyTo, metadata } = {}) {
    if (this.#ended) return Promise.reject(this.#ended);
    if (typeof content !== "string" || content === "") {
      return Promise.reject(invalid("A message must be a text, and not empty."));
    }
    if (this.outbox.some((e) => e.id === id)) return Promise.reject(invalid("A message with this id is on its way."));
    if (replyTo !== undefined && !isIndex(replyTo)) return Promise.reject(invalid("replyTo must be an index."));
    let copy; // what the caller does with the object later changes nothing
    try {
      copy = metadata === undefined ? undefined : JSON.parse(JSON.stringify(metadata));
    } catch (cause) {
      return Promise.reject(new ChatError("invalid_argument", "The metadata must be what JSON can say.", { cause }));
    }
    /** @type {Sending} */
    const entry = { id, content, replyTo, metadata: copy, state: "waiting", error: null, attempts: 0 };
    this.outbox.push(entry);
    return this.#promise(entry);
  }

  /**
   * Sends a refused message again, with its id.
   * @param {string} id of an entry of the `outbox` that has failed
   * @returns {Promise<number>} as in `send`; rejected with the code invalid_field if no such entry has failed
   */
  retry(id) {
    const entry = this.#sendings.find((e) => e.id === id && e.state === "failed");
    if (!entry) return Promise.reject(new ChatError("invalid_field", "Nothing with this id has failed."));
    entry.state = "waiting";
    entry.error = null;
    return this.#promise(entry);
  }

  /**
   * Gives up a message that was refused or is not sent yet. The promise of a waiting message is rejected with the code
   * closed. A message in flight cannot be called back.
   * @param {string} id of an entry of the `outbox`
   * @returns {boolean} whether the message was given up
   */
  discard(id) {
    const entry = this.#sendings.find((e) => e.id === id && e.state !== "sending");
    if (!entry) return false;
    this.outbox = this.outbox.filter((e) => e !== entry);
    if (entry.state === "waiting") entry.reject(new ChatError("closed", "The message was given up."));
    this.#emit("outbox");
    return true;
  }

  /**
   * Gives a message of this user another content. Like all requests to change a message, it is repeated after an
   * interruption until it is answered; such requests are sent one after the other for each message.
   * @param {number} index
   * @param {string} content not empty, at most 16 KB of UTF-8
   * @param {object} [options]
   * @param {number} [options.version] the version of the message that the user has edited, 0 if it had none. Without
   *   it, it is the newest that the room has fired. If the content was changed since, the edit is refused
   * @returns {Promise<Message>} the message as it is then. It is rejected with a ChatError: conflict, with `current`;
   *   another code of the chat; invalid_argument, if the arguments are wrong; or closed, as in `send`
   */
  edit(index, content, { version = this.#versions.get(index) ?? 0 } = {}) {
    if (typeof content !== "string" || content === "") {
      return Promise.reject(invalid("A message must be a text, and not empty."));
    }
    return this.#act("editMessage", index, { content }, version);
  }

  /**
   * Deletes a message of this user. A tombstone remains: a message with `deleted_at` and without content.
   * @param {number} index
   * @returns {Promise<Message>} the tombstone; rejected as in `edit`
   */
  remove(index) {
    return this.#act("deleteMessage", index);
  }

  /**
   * Adds this user's reaction to a message. Nothing happens if it is there already.
   * @param {number} index
   * @param {string} reaction such as "👍", at most 32 bytes of UTF-8
   * @returns {Promise<Message>} the message as it is then; rejected as in `edit`, with conflict if it was deleted
   */
  react(index, reaction) {
    return this.#act("addReaction", index, { reaction });
  }

  /**
   * Takes this user's reaction back.
   * @param {number} index
   * @param {string} reaction
   * @returns {Promise<Message>} as in `react`
   */
  unreact(index, reaction) {
    return this.#act("removeReaction", index, { reaction });
  }

  /**
   * Sends a signal to the others in the room: something that happens now and is not kept, such as the place of a
   * cursor. It is a courtesy: it is sent once, and of many in a second the chat drops most.
   * @param {string} name what happens, at most 128 bytes of UTF-8
   * @param {*} [data] anything that JSON can say, at most 1 KB
   * @returns {Promise<void>} rejected with a ChatError: unavailable without a connection or an answer, room_too_large
   *   if the room has too many connections for signals, or another code of the chat
   */
  async signal(name, data) {
    if (this.#ended) throw this.#ended;
    if (!this._connection) throw new ChatError("unavailable", "There is no connection.");
    await this._connection.ask("signal", this.#signalOf(name, data));
  }

  /**
   * Says that this user has read the messages up to an index. The marker only moves forward. Calls are gathered, and
   * survive interruptions. In an open chat nothing happens, because names prove nothing there.
   * @param {number} index
   * @throws {ChatError} invalid_argument
   */
  markRead(index) {
    if (!isIndex(index) && index !== 0) throw invalid("The index must be a whole number, 0 or more.");
    this.#toMark = Math.max(this.#toMark, index);
    this.#markSoon();
  }

  #markSoon() {
    const isNews = this.#toMark > this.read && this.#client.userId !== undefined;
    if (!isNews || !this._connection || this.#marking || this.#markless || this._connection.markless) return;
    this.#timers.startOnce("mark", this.#markedAt + this.#timing.mark - Date.now(), () => this.#mark());
  }

  async #mark() {
    const [connection, index] = [this._connection, Math.min(this.#toMark, this.last)];
    if (index <= this.read) return; // another device was faster
    this.#marking = true;
    this.#markedAt = Date.now();
    try {
      await connection.ask("markRead", { room_name: this.name, user_name: this.#client.user || undefined, index });
      this.read = Math.max(this.read, index);
      this.#markAttempts = 0;
    } catch (error) {
      if (error.code === "unknown_action") connection.markless = true; // it keeps none
      else if (!PASSING.has(error.code)) this.#markless = true;
      else await connection.sleep(pause(this.#markAttempts++, this.#timing));
    } finally {
      this.#marking = false;
    }
    if (!this.#ended) this.#markSoon();
  }

  /** Takes the news that a user has read further. */
  _hasRead({ user_name, user_id, index }) {
    if (!Number.isInteger(index)) return;
    const user = { user_name, ...(user_id !== undefined && { user_id }) };
    if (this.#client.isMe(user)) this.read = Math.max(this.read, index);
    const present = this.#present.get(keyOf(user));
    if (present && !(present.read >= index)) {
      this.#present.set(keyOf(user), { ...present, read: index });
      this.#membersChanged();
    }
    this.#emit("read", { ...user, index });
  }

  /** Tells the others that this user is typing. Call it with each key: most calls do nothing. */
  sendTyping() {
    const connection = this._connection;
    if (!connection || connection.typeless.has(this) || Date.now() - this.#typedAt < this.#timing.typing) return;
    this.#typedAt = Date.now();
    const signal = this.#signalOf("typing");
    // Only the first is to be confirmed, because an answer costs as much as a post to another user.
    if (connection.typed.has(this)) connection.tell("signal", signal);
    else {
      connection.ask("signal", signal).then(() => connection.typed.add(this), (error) => {
        if (!PASSING.has(error.code)) connection.typeless.add(this); // the room is too large, or the chat is older
      });
    }
  }

  #signalOf(name, data) {
    return { room_name: this.name, user_name: this.#client.user || undefined, name, data };
  }

  /** Takes a signal. */
  _signalled({ user_name, user_id, name, data }) {
    const user = { user_name, ...(user_id !== undefined && { user_id }) };
    if (name !== "typing") return this.#emit("signal", { ...user, name, ...(data !== undefined && { data }) });
    if (this.#client.isMe(user)) return;
    const key = keyOf(user);
    this.#timers.start(`typing ${key}`, this.#timing.typed, () => this.#typesNoMore(user));
    if (this.typing.some((other) => keyOf(other) === key)) return;
    this.typing = [...this.typing, user];
    this.#emit("typing");
  }

  #typesNoMore(user) {
    const key = keyOf(user);
    this.#timers.stop(`typing ${key}`);
    const left = this.typing.filter((other) => keyOf(other) !== key);
    if (left.length === this.typing.length) return;
    this.typing = left;
    this.#emit("typing");
  }

  /** Asks to change a message, after the requests of before to change it. `version` is the one that an edit is of. */
  async #act(action, index, fields = {}, version = undefined) {
    if (!isIndex(index)) throw invalid("The index of a message must be a whole number, 1 or more.");
    const turn = this.#turns.get(index) ?? { last: undefined, edited: 0 };
    this.#turns.set(index, turn);
    const before = turn.last;
    const mine = (turn.last = (async () => {
      await before?.catch(() => {});
      // This user's own edit from just before is no conflict.
      const ifVersion = version === undefined ? {} : { if_version: Math.max(version, turn.edited) };
      const message = await this.#request(action, { index, ...fields, ...ifVersion });
      if (version !== undefined) turn.edited = message.version ?? 0;
      return message;
    })());
    try {
      return await mine;
    } finally {
      if (turn.last === mine) this.#turns.delete(index);
    }
  }

  /** Asks to change a message until there is an answer. */
  async #request(action, fields) {
    try {
      const { changes } = await this.#ask(action, fields);
      const [message] = changes.messages;
      this.#learnKnown(message);
      return message;
    } catch (error) {
      if (error.current) this.#learnKnown(error.current);
      throw error;
    }
  }

  /** Asks until there is an answer. The request must be one that may be repeated. */
  async #ask(action, fields) {
    for (let attempt = 0; ; attempt++) {
      const connection = await this.#entered();
      const frame = { room_name: this.name, user_name: this.#client.user || undefined, ...fields };
      if (bytesOfJSON({ action, ...frame, ref: newID() }) > FRAME_BYTES) {
        throw new ChatError("too_large", "The message does not fit into a frame.");
      }
      try {
        return await connection.ask(action, frame);
      } catch (error) {
        if (!PASSING.has(error.code)) throw Object.assign(error, { repeated: attempt > 0 });
      }
      await connection.sleep(pause(attempt, this.#timing));
    }
  }

  /**
   * Changes the rules for everybody in the room: what is given. Like all changes of rules, it is repeated after an
   * interruption until it is answered, and rejected with a ChatError, forbidden without the right to it.
   * @param {{title?: string, topic?: string, slowMode?: number, readOnly?: boolean}} rules slowMode is in seconds
   * @returns {Promise<Rules>} the rules as they are then
   */
  setRules({ title, topic, slowMode, readOnly }) {
    return this.#moderate("setRoom", { title, topic, slow_mode: slowMode, read_only: readOnly });
  }

  /**
   * Gives somebody without a role that of a member.
   * @param {string} userId
   * @param {object} [options]
   * @param {string} [options.name] what the person is called, to be shown where nobody knows better
   * @returns {Promise<Rules>} as in `setRules`
   */
  addMember(userId, { name } = {}) {
    return this.#moderate("addMember", { user_id: userId, name });
  }

  /**
   * Takes somebody's role, or the own, which ends the membership of a private room.
   * @param {string} userId
   * @returns {Promise<Rules>} as in `setRules`
   */
  removeMember(userId) {
    return this.#moderate("removeMember", { user_id: userId });
  }

  /**
   * Gives somebody another role.
   * @param {string} userId
   * @param {"owner" | "moderator" | "member" | "reader"} role
   * @param {object} [options] name, as in `addMember`
   * @returns {Promise<Rules>} as in `setRules`
   */
  setRole(userId, role, { name } = {}) {
    return this.#moderate("setRole", { user_id: userId, role, name });
  }

  /**
   * Keeps somebody out of the room.
   * @param {string} userId
   * @param {object} [options]
   * @param {number} [options.seconds] how long; for ever without it
   * @param {string} [options.reason] why, at most 256 bytes of UTF-8. The person is shown it
   * @param {string} [options.name] as in `addMember`
   * @returns {Promise<Rules>} as in `setRules`
   */
  ban(userId, { seconds, reason, name } = {}) {
    return this.#moderate("banUser", { user_id: userId, seconds, reason, name });
  }

  /**
   * Ends a ban.
   * @param {string} userId
   * @returns {Promise<Rules>} as in `setRules`
   */
  unban(userId) {
    return this.#moderate("unbanUser", { user_id: userId });
  }

  /**
   * Keeps somebody from writing.
   * @param {string} userId
   * @param {object} [options] seconds, reason and name, as in `ban`
   * @returns {Promise<Rules>} as in `setRules`
   */
  mute(userId, { seconds, reason, name } = {}) {
    return this.#moderate("muteUser", { user_id: userId, seconds, reason, name });
  }

  /**
   * Ends a mute.
   * @param {string} userId
   * @returns {Promise<Rules>} as in `setRules`
   */
  unmute(userId) {
    return this.#moderate("unmuteUser", { user_id: userId });
  }

  /**
   * Reads which people have a role in the room. Moderators also get those who are banned or muted.
   * @returns {Promise<Standing[]>} by id. It is rejected with a ChatError
   */
  async people() {
    const all = [];
    for (let more = true; more; ) {
      const answer = await this.#ask("getRoom", { people: true, after: all.at(-1)?.user_id });
      this._ruled(answer.room);
      all.push(...list(answer.people));
      more = answer.room.more === true && list(answer.people).length > 0;
    }
    return all;
  }

  async #moderate(action, fields) {
    try {
      const { room } = await this.#ask(action, fields);
      this.#client._takeRules(room);
      return room;
    } catch (error) {
      // This user's own removal, which was not answered before, has been done: the room is not for this user any more.
      const isDone = error.code === "forbidden" && error.repeated && fields.user_id === this.#client.userId;
      if (!isDone || action !== "removeMember" || !this.rules?.private) throw error;
      const { room_name, version } = this.rules;
      const room = { room_name, version, removed: {} };
      this.#client._takeRules(room);
      return room;
    }
  }

  /**
   * Takes rules. Those of the greatest version count. What they say of this user is not in all of them.
   * @param {Rules & {people?: object[], more?: boolean, you?: Standing}} rules
   */
  _ruled({ people, more, you, ...rules }) {
    if (this.#ended || !Number.isInteger(rules.version) || rules.version < (this.rules?.version ?? 0)) return;
    this.rules = { ...(this.rules?.with && { with: this.rules.with }), ...rules };
    if (you) this.you = you;
    if (!rules.slow_mode) this.writable = 0;
    this.#emit("rules");
    this._pump();
  }

  /** This user may no longer be in the room. */
  _removed(standing, error) {
    this._end(error);
    this.#emit("outbox");
    this.#emit("removed", standing);
  }

  /** This user has written in a room with slow mode, or too soon. */
  #waitToWrite(seconds) {
    this.writable = Date.now() + seconds * 1000;
    this.#emit("rules");
  }

  /** Waits for the connection on which the room is entered. */
  #entered() {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this._connection) return Promise.resolve(this._connection);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #settleWaiting(settle) {
    const waiting = this.#waiting;
    this.#waiting = [];
    waiting.forEach(settle);
  }

  /**
   * By how many bytes a content is too long for a message. It counts the limit of the content and that of the frame.
   * @param {string} content
   * @param {object} [options] replyTo and metadata, as in `send`
   * @returns {number} bytes; 0 if it fits
   */
  excess(content, { replyTo, metadata } = {}) {
    const most = Number.MAX_SAFE_INTEGER;
    // The chat refuses a message that does not fit into a frame of its own with everything that the frame may say.
    const sent = this.#frameOf({ content, id: newID(), replyTo, metadata });
    const message = { ...sent, user_id: this.#client.userId, index: most, create_at: most };
    const frame = { messages: [message], more: true, expired: true, tail: most, part: true, ref: '"'.repeat(128) };
    return Math.max(0, bytesOf(content) - CONTENT_BYTES, bytesOfJSON(frame) - FRAME_BYTES);
  }

  /**
   * Reads a part of the room's history. It fires no `message`, and changes nothing in the room. A message that was
   * changed fires `change`, unless that is known already.
   * @param {object} span
   * @param {number} [span.before] an index, 1 or more: the last messages before it. Without `before` and `after`: the
   *   last messages of the room
   * @param {number} [span.after] an index, 0 or more: the first messages after it
   * @param {number} [span.limit] the largest number of messages, 1 to 100; 100 without it
   * @returns {Promise<{messages: Message[], more: boolean, expired: boolean}>} oldest first. `more`: there are more in
   *   that direction. `expired`: the span begins before the oldest message that is kept. The promise is rejected with a
   *   ChatError: unavailable without a connection or an answer, or the chat's code
   */
  async history({ before, after, limit = PAGE }) {
    if (!this._connection) throw new ChatError("unavailable", "There is no connection.");
    this.#histories++;
    try {
      const page = await this._connection.ask("getRecentMessages", { room_name: this.name, before, after, limit });
      page.messages?.forEach((message) => this.#learn(message));
      // A change may have come while the answer was on its way.
      return { ...page, messages: list(page.messages).map((message) => this.#newest.get(message.index) ?? message) };
    } finally {
      this.#histories--;
      this.#forgetStates();
    }
  }

  #promise(entry) {
    const promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    this.#emit("outbox");
    this._pump();
    return promise;
  }

  /** Joins on a connection and reads what was missed, in one request: no message can be lost between the two. */
  async _enter(connection) {
    const asked = this.#whatIsNew();
    this.#version = undefined;
    const answer = await connection.ask("joinRoom",
      { room_name: this.name, user_name: this.#client.user || undefined, ...asked.fields, ...asked.changes,
        members: this.#watched, rules: this.#client._signsIn || undefined });
    if (this.#ended) return;
    this.#client._named(answer.presence);
    this.#client._renamed(this, answer.presence?.room_name);
    this.#markless = false;
    if (answer.users) this.#setMembers(answer.users, answer.version);
    // An older chat answers without messages, or without changes.
    const more = !answer.messages || this.#take(answer, asked);
    if (answer.room) this._ruled(answer.room); // after what may show that the log went back
    if (asked.changes && this.last !== null) {
      this.#changesDue = !answer.changes || this.#takeChanges(answer.changes, asked.changes.changes_after);
    }
    if (more || this.#changesDue || this.last === null) {
      while (this.#syncing) await this.#syncing.catch(() => {}); // it began before this connection had joined
      await this.#sync(connection);
    }
  }

  /** Uses this connection from now on. */
  _use(connection) {
    if (this.#ended) return;
    if (this._connection !== connection) this._sendAgain(); // a message in flight may be lost with the one before
    this._connection = connection;
    this.#settleWaiting(({ resolve }) => resolve(connection));
    this._trouble(null);
    this.#deliver(); // a gap that was found before is fetched now
    if (!this.ready) {
      this.ready = true;
      this.#emit("ready");
    }
    this._pump();
    this.#newsLater();
    this.#markSoon();
    this._seen();
    // If many come at once, as after an outage, an older chat does not announce all of them.
    if (Number.isNaN(this.#version)) this.#readMembersSoon();
  }

  _refuse(error) {
    this._interrupt();
    this._trouble(null);
    for (const entry of this.outbox) if (entry.state === "waiting") this.#fail(entry, error);
    this.#settleWaiting(({ reject }) => reject(error));
    this.#emit("refused", error);
  }

  /** Sets `trouble`. The first failure of a room that works is not reported. */
  _trouble(error) {
    if (error === this.trouble || (error && this._connection && this.#failures < 2)) return;
    this.trouble = error;
    this.#emit("trouble", error);
  }

  #newsLater() {
    this.#timers.start("news", this.#timing.sync * (0.9 + Math.random() / 10), () => this._refresh());
  }

  /** Asks for news: for messages, and also for changes unless only messages are missing. After a failure it repeats. */
  _refresh({ changes = true } = {}) {
    const connection = this._connection;
    if (!connection) return;
    this.#changesDue ||= changes;
    this.#newsLater();
    this.#sync(connection).then(() => this._trouble(null), (error) => {
      if (this._connection !== connection) return;
      if (error.code === "forbidden") return this._refuse(error); // the right to be in the room has ended
      if (!PASSING.has(error.code)) return; // asking again cannot help
      this._trouble(error);
      this.#timers.startOnce("gap", pause(this.#failures, this.#timing), () => this._refresh({ changes }));
    });
  }

  /** The connection is gone. A message in flight may be stored or not. It is sent again if it is not found. */
  _interrupt() {
    this._connection = null;
    this.#timers.clear();
    if (this.typing.length > 0) {
      this.typing = [];
      this.#emit("typing");
    }
    this.#leaving.clear(); // the list is read when the room is entered again
    this.#doubtful.clear();
    this._sendAgain();
  }

  _end(error) {
    this.#ended = error;
    this._connection = null;
    this.#settleWaiting(({ reject }) => reject(error));
    this.#ahead.clear();
    this.#timers.clear();
    const left = this.#sendings;
    this.outbox = [];
    for (const entry of left) if (entry.state !== "failed") entry.reject(error);
  }

  /** Takes a message: pushed, or from a history. */
  _accept(message) {
    if (this.#ended || !Number.isInteger(message.index)) return;
    const mine = this.#settle(message);
    if (this.last !== null && message.index <= this.last) {
      // A repeated message has an old index, and so has a new message in a log that went back. Only the log can tell.
      if (mine || this.#isStrange(message)) this.#doubts(message.index);
      else this.#learn(message);
      return;
    }
    this.#learn(message);
    if (this.#ahead.size < MOST_AHEAD || message.index === this.last + 1) this.#ahead.set(message.index, message);
    this.#deliver();
  }

  /** The log may differ from the messages that are held, from an index on: it is compared. */
  #doubts(index) {
    this.#doubt = Math.min(this.#doubt, index);
    this.#timers.startOnce("back", this.#timing.gap, () => this._refresh());
  }

  /** Whether a message at an old index contradicts the known log: it differs from the one there, or is far younger. */
  #isStrange(message) {
    const held = this.#held.get(message.index);
    return held ? !isSame(message, held) : message.create_at > this.#held.get(this.last)?.create_at + 60;
  }

  /** Delivers the messages that follow without a gap. */
  #deliver() {
    if (this.last === null) return;
    for (let m; (m = this.#ahead.get(this.last + 1)); ) {
      this.#ahead.delete(m.index);
      this.last = m.index;
      this.#held.set(m.index, m);
      this.#held.delete(m.index - MOST_HELD);
      const newest = this.#newest.get(m.index) ?? m;
      this.#forgetStates();
      this.#emit("message", newest);
      this.#typesNoMore(newest);
    }
    const isGap = () => this.#ahead.size > 0 || this.#spans.length > 0;
    if (isGap() && !this.#syncing && this._connection) {
      const wait = Math.min(this.#timing.gap * 2 ** this.#failures, this.#timing.longestPause);
      this.#timers.startOnce("gap", wait, () => isGap() && this._refresh({ changes: this.#spans.length > 0 }));
    }
  }

  /** Takes a part of the changes that was pushed. The states in it count in any case. */
  _changed(part) {
    if (this.#ended) return;
    this.#takePart(part);
    this.#deliver();
  }

  /** Takes the answer to a request for the changes after a number, and tells whether to ask again. */
  #takeChanges({ messages, up_to, more }, after) {
    if (up_to < after) { // the log went back
      this.#reset();
      return false;
    }
    this.#takePart({ messages, after, up_to });
    return more === true;
  }

  #takePart({ messages, after, up_to }) {
    for (const message of list(messages)) this.#learnKnown(message);
    if (Number.isInteger(after) && Number.isInteger(up_to)) this.#spans.push({ after, up_to });
    this.#moveOn();
  }

  /** Moves the number of the last change over the parts that follow without a gap. */
  #moveOn() {
    if (this.#changes === null) return;
    const follows = ({ after, up_to }) => after <= this.#changes && up_to > this.#changes;
    for (let span; (span = this.#spans.find(follows)); ) this.#changes = span.up_to;
    this.#spans = this.#spans.filter(({ up_to }) => up_to > this.#changes);
  }

  /** Takes a state of a message, unless the message contradicts the known log. */
  #learnKnown(message) {
    if (!Number.isInteger(message?.index)) return;
    if (this.last !== null && message.index <= this.last && this.#isStrange(message)) this.#doubts(message.index);
    else this.#learn(message);
  }

  /** Takes a state of a message. The greatest version counts, whether the message was delivered already or not. */
  #learn(message) {
    const { index, version = 0 } = message;
    if (version <= (this.#versions.get(index) ?? 0)) return;
    this.#versions.delete(index); // keeps the map in the order of the changes
    this.#versions.set(index, version);
    if (this.#versions.size > MOST_VERSIONS) this.#versions.delete(this.#versions.keys().next().value);
    this.#newest.set(index, message);
    this.#forgetStates();
    if (this.last !== null && index <= this.last) this.#emit("change", message);
  }

  /** Forgets the states of which no older one can be shown any more. */
  #forgetStates() {
    if (this.#histories > 0 || this.last === null) return;
    for (const index of this.#newest.keys()) if (index <= this.last) this.#newest.delete(index);
  }

  /** Skips the messages up to an index: they have expired. */
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
   * What to ask for. At first these are the room's last messages. Later it is the last message that is held, or the one
   * in doubt, and everything after it. The repeated message shows whether the log is still the same.
   */
  #whatIsNew() {
    const { last } = this;
    if (last === null) return { fields: { limit: FIRST_MESSAGES } };
    const from = Math.min(last, this.#doubt);
    const fields = { after: this.#held.has(from) ? from - 1 : last, limit: PAGE };
    return { last, fields, changes: { changes_after: this.#changes } };
  }

  /** Takes an answer, and tells whether to ask again. */
  #take(page, asked) {
    if (this.#wentBack(page, asked)) {
      this.#reset();
      return true;
    }
    const first = asked.last === undefined;
    if (first) {
      this.last ??= (page.messages[0]?.index ?? 1) - 1;
      this.#changes ??= page.changesUpTo ?? 0;
      this.#moveOn();
    } else if (page.expired) this.#skipTo(this.#firstKept(page) - 1);
    this.#doubt = Infinity;
    for (const message of page.messages) this._accept(message);
    this.#forgetAhead();
    return !first && page.more;
  }

  /** The index of the first message of a span that is kept. Without any, it is the index of the next message. */
  #firstKept(page) {
    const first = Math.min(page.messages[0]?.index ?? Infinity, ...this.#ahead.keys());
    return first === Infinity && Number.isInteger(page.tail) ? page.tail + 1 : first;
  }

  /** Whether an answer proves that the log is another one, as after the restore of an older store. */
  #wentBack(page, { last }) {
    const contradicts = (m) => this.#held.has(m.index) && !isSame(m, this.#held.get(m.index));
    return page.tail < last || page.messages.some(contradicts);
  }

  /** Starts again, as if nothing had been delivered. */
  #reset() {
    const { last } = this;
    this.last = null;
    this.ready = false;
    this.#held.clear();
    this.#doubt = Infinity;
    this.#ahead.clear();
    this.#changes = null;
    this.#spans = [];
    this.#changesDue = false;
    this.#versions.clear();
    this.#newest.clear();
    this.#toMark = this.read = 0;
    this.rules = this.you = null; // the next ones count, whatever their version
    this.#emit("reset", { last });
  }

  /** Fetches all messages after the last one, unless that is in progress. */
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
      if (!more && this.#changesDue) more = await this.#fetchChanges(connection);
      if (this.#ended) return;
    }
    if (!this.ready && this._connection === connection) { // after a reset
      this.ready = true;
      this.#emit("ready");
      this._pump();
    }
  }

  /** Fetches all changes after the last one. It tells whether the log went back, and the messages are to be fetched. */
  async #fetchChanges(connection) {
    while (this.#changesDue) {
      const after = this.#changes;
      try {
        const { changes, room } = await connection.ask("getChanges",
          { room_name: this.name, after, limit: CHANGES });
        if (this.#ended) return false;
        if (room) this._ruled(room);
        this.#changesDue = this.#takeChanges(changes, after);
      } catch (error) {
        if (error.code !== "unknown_action") throw error;
        this.#changesDue = false; // an older chat has no changes
        this.#spans = [];
      }
    }
    return this.last === null;
  }

  /** Somebody sees the list of members: it is read if it is old, and then from time to time. */
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

  /** Reads the members. A failure is retried while somebody sees the list. */
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

  /** Takes a list of members, unless it is older than the present one. A list from an older chat has no version. */
  #setMembers(users, version = NaN) {
    this.#readAt = Date.now();
    this.#unreadable = 0;
    if (version < this.#version) return;
    this.#version = version;
    const before = this.#present;
    this.#present = new Map(users.map((user) => [keyOf(user), withRead(user, before.get(keyOf(user)))]));
    for (const user of users) if (user.read > this.read && this.#client.isMe(user)) this.read = user.read;
    if (!Number.isNaN(version)) for (const key of this.#present.keys()) this.#leaving.delete(key);
    this.#dropped = { keys: new Set([...before.keys()].filter((key) => !this.#present.has(key))), at: Date.now() };
    this.#membersChanged();
    for (const [key, user] of this.#doubtful) if (!this.#present.has(key)) this.#tellLeft(user);
    this.#doubtful.clear();
  }

  /** Takes the list that the chat announces when somebody came or went, or the news that it is too long to be sent. */
  _announced({ users, version, over_limit: overLimit }) {
    if (version < this.#version) return;
    if (overLimit || !Array.isArray(users)) {
      this.#version = version;
      return this.#readMembersSoon();
    }
    const isNews = this.#version !== undefined; // the first list on a connection is no news
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
    this.#dropped.keys.delete(keyOf(user)); // so that it is told once
    this.#tell(user, "left");
  }

  #tell({ user_name, user_id }, event) {
    this.#emit("presence", { user_name, ...(user_id !== undefined && { user_id }), event });
  }

  /** Takes a presence frame. A coming can be reported twice or never, and a going late. */
  _presence({ event, ...user }) {
    if (event === "joined") this.#joined(user);
    else if (event === "left") this.#left(user);
    // The answer in flight may be older than this frame.
    if (this.#reading) this.#readMembersSoon();
  }

  #joined(user) {
    const key = keyOf(user);
    this.#came.delete(key); // keeps the map in the order of coming
    this.#came.set(key, Date.now());
    for (const [other, at] of this.#came) {
      if (Date.now() - at < this.#timing.grace) break;
      this.#came.delete(other);
    }
    const wasLeaving = this.#leaving.delete(key);
    if (this.#present.has(key)) return; // the user was away for a moment
    const { user_name, user_id } = user;
    this.#present.set(key, { user_name, ...(user_id !== undefined && { user_id }), connections: 1 });
    this.#membersChanged();
    if (!wasLeaving) this.#tell(user, "joined");
  }

  /** A page that is loaded again leaves and joins, in either order. That is no news. */
  #left(user) {
    if (this.#client.isMe(user)) return;
    const key = keyOf(user);
    if (!this.#present.has(key)) { // the list may have come before this frame
      if (this.#dropped.keys.has(key) && Date.now() - this.#dropped.at < this.#timing.grace) this.#tellLeft(user);
      return;
    }
    if (Date.now() - this.#came.get(key) < this.#timing.grace) {
      this.#doubtful.set(key, user);
      return this.#readMembersSoon();
    }
    this.#tellLeftLater(key, user);
  }

  /** Reports that a user left, unless the user is back soon. */
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

  /** @param {{content: string, id: string, replyTo?: number, metadata?: object}} draft */
  #frameOf({ content, id, replyTo, metadata }) {
    const user_name = this.#client.user;
    return { room_name: this.name, user_name, content, message_id: id, reply_to: replyTo, metadata };
  }

  /** Sends the next message, unless one is in flight. */
  _pump() {
    if (!this._connection || this.last === null || this.outbox.some((e) => e.state === "sending")) return;
    const entry = this.outbox.find((e) => e.state === "waiting");
    if (!entry) return;
    if (this.writable > Date.now()) {
      this.#timers.start("pump", this.writable - Date.now(), () => this._pump());
      return;
    }
    entry.state = "sending";
    this.#emit("outbox");
    const fields = this.#frameOf(entry);
    if (bytesOfJSON({ action: "sendMessage", ...fields }) > FRAME_BYTES) {
      this._sendFailed({ message_id: entry.id, code: "too_large", message: "The message does not fit into a frame." });
      return;
    }
    this._connection.send("sendMessage", fields);
    this.#typedAt = -Infinity; // what is typed next is news
    // A dead connection would have been noticed earlier. So the chat is there, and has lost the message.
    this.#timers.start("answer", this.#timing.patience, () => this._sendAgain());
  }

  /**
   * Recognises a message of the outbox: it is stored now. It tells whether this is one. A message of another user can
   * have the same message_id.
   */
  #settle(message) {
    const entry = message.message_id && this.#sendings.find((e) => e.id === message.message_id);
    if (!entry || (message.user_id !== undefined && !this.#client.isMe(message))) return false;
    this.outbox = this.outbox.filter((e) => e !== entry);
    if (entry.state === "sending") this.#timers.stop("answer", "again");
    const { slow_mode: slow } = this.rules ?? {};
    if (slow && !["owner", "moderator"].includes(this.you?.role)) this.#waitToWrite(slow);
    this.#emit("outbox");
    entry.resolve(message.index);
    this._pump();
    return true;
  }

  /** @param {{message_id: string, code: string, message: string, retry_after?: number}} refusal */
  _sendFailed({ message_id, code, message, retry_after }) {
    const entry = this.#sendings.find((e) => e.id === message_id && e.state === "sending");
    if (!entry) return;
    if (code === "slow_mode" && retry_after > 0) {
      this.#waitToWrite(retry_after);
      this._sendAgain();
      return;
    }
    if (PASSING.has(code)) {
      this._sendLater();
      return;
    }
    this.#timers.stop("answer");
    this.#fail(entry, new ChatError(code, message));
    this._pump();
  }

  /** The outbox, with what is needed to send it. */
  get #sendings() {
    return /** @type {Sending[]} */ (this.outbox);
  }

  #fail(entry, error) {
    entry.state = "failed";
    entry.error = error;
    this.#emit("outbox");
    entry.reject(error);
  }

  /** Sends the message in flight again after a pause, which is longer each time. */
  _sendLater() {
    const entry = this.#sendings.find((e) => e.state === "sending");
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

/** One WebSocket, and the requests on it. A request with a ref is a question here. */
class Connection {
  opened;
  closed = false;
  expires = Infinity; // when its token expires, in milliseconds since the epoch, by the chat's clock
  rooms = new Set(); // the rooms that are entered on it
  leaving = new Map(); // promises that settle when a room is left, by name
  typed = new Set(); // the rooms in which the chat has taken that this user types
  typeless = new Set(); // those in which it does not
  markless = false; // whether the chat keeps no read markers
  /** @type {(frame: object, isAnswer: boolean) => void} */
  onFrame = () => {};
  onClose = () => {};
  #socket;
  #timing;
  #asked = new Map(); // questions in flight, by ref
  #waiting = []; // questions that are not sent yet
  #awaited = new Set(); // refs and message ids of frames that are not answered yet
  #sleepers = new Set();
  #refs = 0;
  #timers = new Timers();
  #rejectOpen;

  /** @throws {ChatError} invalid_argument, if the class cannot make a socket */
  constructor(url, token, options, timing) {
    this.#timing = timing;
    // A browser cannot set a header, and many places log URLs. So the token travels as a subprotocol.
    try {
      this.#socket = new (options.WebSocket ?? WebSocket)(url, token ? ["chat", token] : []);
    } catch (cause) {
      const why = cause?.message ?? cause;
      throw new ChatError("invalid_argument", `No connection to ${url} can be made: ${why}`, { cause });
    }
    this.opened = new Promise((resolve, reject) => {
      this.#rejectOpen = reject;
      this.#socket.onopen = () => {
        this.#timers.stop("handshake");
        this.#heard();
        resolve();
      };
    });
    this.opened.catch(() => {}); // no unhandled rejection; callers that await it still get the error
    // There must be a listener for errors: some classes end the process without one. Some classes say in the error why
    // the handshake was refused, and some fire no close event after it.
    this.#socket.onerror = (event) => this.#lost(event?.error ?? event);
    this.#socket.onclose = () => this.#lost();
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#timers.start("handshake", timing.handshake, () => this.end());
  }

  get isOpen() {
    return !this.closed && this.#socket.readyState === 1;
  }

  /** Sends a frame that must be answered, with its message_id or its ref. */
  send(action, fields) {
    if (!this.isOpen) return;
    this.#socket.send(JSON.stringify({ action, ...fields }));
    const answeredBy = fields.message_id ?? fields.ref;
    if (answeredBy !== undefined) this.#awaited.add(answeredBy);
    this.#timers.startOnce("answer", this.#timing.answer, () => this.probe());
  }

  /** Sends a frame that is not answered. */
  tell(action, fields) {
    if (this.isOpen) this.#socket.send(JSON.stringify({ action, ...fields }));
  }

  /** Asks a question when few enough are in flight. It returns the answer, assembled from all its frames. */
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

  /** Limits the time that a question may still take. */
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

  /** One request failed, and it is not known which. The answers to the others come soon, or never. */
  hurry() {
    for (const question of this.#asked.values()) this.#bound(question, this.#timing.late);
  }

  /** Sends a ping. If nothing comes after it, the connection is dead. */
  probe() {
    if (!this.isOpen || this.#timers.has("pong")) return;
    this.#timers.start("pong", this.#timing.pong, () => this.end());
    this.send("ping", {});
  }

  /** Waits for a time in milliseconds, or until the connection ends. */
  sleep(ms) {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { timer: setTimeout(() => (this.#sleepers.delete(sleeper), resolve()), ms), resolve };
      this.#sleepers.add(sleeper);
    });
  }

  end() {
    this.#socket.close();
    this.#lost(); // a dead socket takes long to close
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

  /** Something came, so the connection works. It may break before the frames that are still unanswered arrive. */
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
      frame = null; // it is not JSON, and is ignored
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
      const { code, message, current } = frame.error;
      question.reject(new ChatError(code, message, { current }));
      return;
    }
    question.resolve(answerOf(question.frames));
  }
}

/** Assembles an answer from its frames. A field that is in no frame is undefined. */
function answerOf(frames) {
  const all = (of) => (frames.some((f) => Array.isArray(of(f))) ? frames.flatMap((f) => list(of(f))) : undefined);
  const said = (name) => frames.findLast((f) => f[name] !== undefined)?.[name];
  return {
    messages: all((f) => f.messages),
    users: all((f) => f.members?.users),
    version: frames.findLast((f) => f.members)?.members.version,
    rooms: all((f) => f.rooms),
    room: said("room"),
    people: all((f) => f.room?.people),
    presence: said("presence"),
    changes: changesOf(frames.map((f) => f.changes).filter(Boolean)),
    changesUpTo: said("changes_up_to"),
    tail: said("tail"),
    more: said("more") ?? false,
    expired: said("expired") ?? false,
  };
}

/** Assembles a part of the changes from its frames; undefined if there are none. */
function changesOf(parts) {
  if (parts.length === 0) return undefined;
  return { ...parts.at(-1), after: parts[0].after, messages: parts.flatMap((part) => list(part.messages)) };
}

/** Timers with names. Each name has at most one timer. */
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

/** The error for a handshake that failed. Browsers say nothing about the reason; npm's ws says the status. */
function handshakeError(problem) {
  const text = problem?.message ?? problem?.error?.message ?? "";
  // Only behind these words: an address can end with such a number too.
  const status = Number(/(?:response|status)\D*([45]\d\d)\b/i.exec(text)?.[1]);
  if (status >= 400 && status < 500) {
    const says = `The chat refused the handshake with status ${status}.`;
    return new ChatError("handshake_refused", says, { status, cause: problem });
  }
  const known = text ? `: ${text}` : ". Why is not known: it cannot be reached, or it refused the handshake.";
  return new ChatError("handshake_failed", `There is no connection to the chat${known}`,
    { cause: problem, ...(status && { status }) });
}

/** Checks a URL and returns one for a WebSocket. A path is one on the page's own host. */
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
  else if (protocol !== "ws:" && protocol !== "wss:") {
    throw invalid(`The URL must begin with wss:// or ws://, not ${protocol}`);
  }
  if (/#/.test(String(url))) throw invalid("The URL must not have a #: a WebSocket takes none.");
  return parsed.href;
}

function checkedOptions(options) {
  if (options === null || typeof options !== "object") throw invalid("The options must be an object.");
  const { user, token, timing = {}, WebSocket = globalThis.WebSocket } = options;
  if (typeof WebSocket !== "function") {
    throw invalid("There is no WebSocket here: " +
      "give a class as the option WebSocket, such as that of the npm package ws.");
  }
  if (user !== undefined && typeof user !== "string") throw invalid("user must be a text.");
  if (token !== undefined && typeof token !== "function") checkToken(token);
  if (timing === null || typeof timing !== "object") throw invalid("timing must be an object.");
  for (const name of Object.keys(TIMING)) {
    if (timing[name] === undefined || timing[name] >= 0) continue;
    throw invalid(`timing.${name} must be a number of milliseconds.`);
  }
  return options;
}

/** Checks a token. It travels as a subprotocol, which may only have these characters (RFC 7230, section 3.2.6). */
function checkToken(token) {
  if (typeof token !== "string" || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(token)) {
    throw invalid("The token must be a text of letters, digits and . - _, without blanks: " +
      "was all of it copied, and no more?");
  }
}

/** When a JWT expires, in milliseconds since the epoch; Infinity if it does not say. */
function expiryOf(token) {
  try {
    const payload = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(atob(payload));
    return Number.isFinite(exp) ? exp * 1000 : Infinity;
  } catch {
    return Infinity; // it is no JWT, or there is no token
  }
}

/** Whether the page is visible. Without a page, as on Node.js, the answer is true. */
const isVisible = () => globalThis.document?.visibilityState !== "hidden";

const isIndex = (value) => Number.isInteger(value) && value > 0;

const list = (value) => (Array.isArray(value) ? value : []);

/**
 * Whether two messages are the same. The content of a message may change, but not its sender and its time. An older
 * process of the chat may have left out the sender's id.
 */
const isSame = (a, b) => a.user_name === b.user_name && a.create_at === b.create_at && a.message_id === b.message_id &&
  (a.user_id === b.user_id || a.user_id === undefined || b.user_id === undefined);

/**
 * The key of a user: the id, or the name if there is no id.
 * @param {{user_id?: string, user_name: string}} user
 */
const keyOf = ({ user_id, user_name }) => (user_id === undefined ? `name ${user_name}` : `id ${user_id}`);

/** A user of a list, with the greater of two indexes: how far the list says it has read, and what was known before. */
const withRead = (user, before) => (before?.read > (user.read ?? 0) ? { ...user, read: before.read } : user);

const bytesOf = (text) => new TextEncoder().encode(text).length;

/** The bytes of a value in the chat's JSON, which escapes two more line separators than JavaScript does. */
const bytesOfJSON = (value) => bytesOf(JSON.stringify(value).replace(/[\u2028\u2029]/g, "\\u2028"));

/** A pause in milliseconds that doubles with the attempts, with jitter: many clients must not come back at once. */
function pause(attempts, timing) {
  return Math.min(timing.longestPause, timing.firstPause * 2 ** Math.min(attempts, 10)) * (0.5 + Math.random() / 2);
}

/** Waits for a promise for so many milliseconds. After that it throws. */
function within(ms, promise, otherwise) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(otherwise)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A unique id. (Pages without TLS have no crypto.randomUUID.) */
function newID() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}
