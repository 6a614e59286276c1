// A fake chat for the tests of client.js. Each test decides what it answers. It has no log and only counts messages:
// the one at index n has the content n, unless a test decides otherwise.

import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { ChatClient } from "./files/client.js";

/** The size limit of a frame, in bytes. API Gateway closes a connection that sends a larger one. */
export const LIMIT = 32 * 1024;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A chat, and the sockets that were opened to it. */
export class Chat {
  sockets = [];
  tails = {}; // the number of messages in each room
  states = {}; // of each room: the messages that were changed, by index
  changes = {}; // of each room: the indexes of the messages that were changed, in the order of the changes
  rules = {}; // of each room; without any, the chat has none
  members = {}; // of each room: its users, as names or as {user_name, user_id}
  version = undefined; // of the lists of members; undefined in a chat whose lists have none
  me = { user_name: "ann" }; // the user that the chat has for a client
  delay = 1; // milliseconds until an answer comes
  old = false; // it has no ping and no changes, and its joinRoom answers without messages
  before = () => false; // is called first with each frame; it returns true if it has handled the frame
  handshake = () => {}; // is called with each socket before it opens, and may cut it

  get WebSocket() {
    const chat = this;
    return class {
      readyState = 0;
      asked = [];
      constructor(url, protocols) {
        this.protocols = protocols;
        chat.sockets.push(this);
        chat.handshake(this);
        setTimeout(() => this.readyState === 0 && ((this.readyState = 1), this.onopen()), 1);
      }
      send(text) {
        const frame = JSON.parse(text);
        this.asked.push(frame);
        if (text.length > LIMIT) this.cut();
        else if (!chat.before(this, frame)) chat.answer(this, frame);
      }
      say(frame) {
        setTimeout(() => this.readyState === 1 && this.onmessage({ data: JSON.stringify(frame) }), chat.delay);
      }
      cut() {
        this.readyState = 3;
        setTimeout(() => this.onclose(), 1);
      }
      close() {
        this.readyState = 3;
      }
    };
  }

  message(room_name, index) {
    return this.states[room_name]?.[index] ?? { room_name, index, user_name: "bob", content: `${index}`, create_at: 0 };
  }

  /** Changes a message, and returns it. Nobody is told. */
  change(room_name, index, fields) {
    const pointers = (this.changes[room_name] ??= []);
    const states = (this.states[room_name] ??= {});
    const version = pointers.push(index);
    return (states[index] = { ...this.message(room_name, index), ...fields, version });
  }

  /** The changes after a number, as a frame has them. */
  changesAfter(room_name, after, limit = 100) {
    const pointers = (this.changes[room_name] ?? []).slice(after, after + limit);
    const messages = [...new Set(pointers)].map((index) => this.message(room_name, index));
    const up_to = Math.min(after + pointers.length, this.changes[room_name]?.length ?? 0);
    const more = up_to < (this.changes[room_name]?.length ?? 0);
    return { room_name, messages, after, up_to, ...(more && { more }) };
  }

  history({ room_name, before, after, limit = 10 }) {
    const tail = this.tails[room_name] ?? 0;
    const first = after === undefined ? Math.max(1, (before ?? tail + 1) - limit) : after + 1;
    const last = before === undefined ? Math.min(tail, first + limit - 1) : before - 1;
    const length = Math.max(0, last - first + 1);
    const messages = Array.from({ length }, (_, i) => this.message(room_name, first + i));
    const changed = this.changes[room_name]?.length;
    if (before !== undefined) return { messages, ...(first > 1 && { more: true }) };
    if (after === undefined) return { messages, ...(changed && { changes_up_to: changed }) };
    return { messages, ...(last < tail && { more: true }), ...(!this.old && { tail }) };
  }

  users(room_name) {
    const users = (this.members[room_name] ?? []).map((user) =>
      ({ ...(typeof user === "string" ? { user_name: user } : user), connections: 1 }));
    return { room_name, users, version: this.version };
  }

  /** Sends the list of a room's members to the newest connection. */
  announce(room_name, members) {
    this.version++;
    this.members[room_name] = members;
    this.sockets.at(-1).say({ members: this.users(room_name) });
  }

  answer(socket, frame) {
    const { action, ref, room_name, after, limit, content, message_id, index } = frame;
    const changed = (fields) => {
      socket.say({ ref, changes: { room_name, messages: [this.change(room_name, index, fields)] } });
    };
    const unknown = () => {
      socket.say({ ref, error: { code: "unknown_action", message: "no", action, request_id: "r" } });
    };
    switch (action) {
      case "joinRoom": {
        const frames = [{ presence: { room_name, ...this.me, event: "joined" } }];
        if (frame.rules && this.rules[room_name]) frames.push({ room: { room_name, ...this.rules[room_name] } });
        if (!this.old && (limit ?? after) !== undefined) frames.push(this.history(frame));
        if (!this.old && frame.changes_after !== undefined) {
          frames.push({ changes: this.changesAfter(room_name, frame.changes_after) });
        }
        if (!this.old && frame.members) frames.push({ members: this.users(room_name) });
        frames.forEach((f, i) => socket.say({ ...f, ...(i < frames.length - 1 && { part: true }), ref }));
        return;
      }
      case "leaveRoom":
        return socket.say({ ref, presence: { room_name, ...this.me, event: "left" } });
      case "getMembers":
        return socket.say({ ref, members: this.users(room_name) });
      case "getRecentMessages":
        return socket.say({ ref, ...this.history(frame) });
      case "ping":
        if (this.old) return unknown();
        return socket.say({ ref, pong: { time: Math.floor(Date.now() / 1000) } });
      case "sendMessage": {
        const last = (this.tails[room_name] = (this.tails[room_name] ?? 0) + 1);
        return socket.say({ messages: [{ room_name, index: last, ...this.me, content, create_at: 0, message_id }] });
      }
      case "signal":
      case "markRead":
        return ref !== undefined && socket.say({ ref, done: {} });
      case "getChanges":
        if (this.old) return unknown();
        return socket.say({ ref, changes: this.changesAfter(room_name, after, limit) });
      case "editMessage":
        return changed({ content, edited_at: 1 });
      case "deleteMessage":
        return changed({ content: "", deleted_at: 1 });
      case "addReaction":
        return changed({ reactions: [{ reaction: frame.reaction, count: 1, users: [this.me] }] });
      case "removeReaction":
        return changed({ reactions: undefined });
    }
  }
}

let clients = [];

/** A client of a chat, which is closed when the test ends. */
export function connect(chat, timing = {}, options = { user: "ann" }) {
  const client = new ChatClient("wss://chat.example.com/dev", { ...options, WebSocket: chat.WebSocket, timing });
  clients.push(client);
  return client;
}
afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
});

/** Waits until a condition holds. The limit is long, because the machine may be busy. */
export async function until(holds, what = String(holds)) {
  for (let waits = 0; waits < 2000 && !holds(); waits++) await sleep(5);
  assert.ok(holds(), what);
}

/** The events of some types from now on: their details, or with several types [type, detail]. */
export function events(target, ...types) {
  const seen = [];
  const take = (type, { detail }) => seen.push(types.length > 1 ? [type, detail] : detail);
  for (const type of types) target.addEventListener(type, (event) => take(type, event));
  return seen;
}

export const actions = (socket, action) => socket.asked.filter((frame) => frame.action === action);

/** Whether a socket was asked for an action in a room. */
export const asked = (chat, socket, action, room = "lobby") =>
  chat.sockets[socket]?.asked.some((frame) => frame.action === action && frame.room_name === room) ?? false;

/** Refuses the frames that a test picks. */
export const refuses = (code, which) => (socket, frame) => {
  if (!which(frame)) return false;
  socket.say({ ref: frame.ref, error: { code, message: "no", message_id: frame.message_id } });
  return true;
};
