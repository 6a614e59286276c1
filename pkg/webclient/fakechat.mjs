// A chat for the tests of client.js: it answers, or does not, as each test says. It has no log but counts messages: the
// one at index n has the content n, unless a test says otherwise.

import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { ChatClient } from "./files/client.js";

/** Bytes of a frame, past which API Gateway ends the connection. */
export const LIMIT = 32 * 1024;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A chat, and the sockets that were opened to it. */
export class Chat {
  sockets = [];
  tails = {}; // the number of messages in each room
  members = {}; // of each room: its users, as names or as {user_name, user_id}
  version = undefined; // of their lists; undefined in a chat that counts none
  me = { user_name: "ann" }; // whom the chat takes a client for
  delay = 1; // milliseconds until an answer comes
  old = false; // it knows no ping, and no joinRoom that catches up
  before = () => false; // is asked first about each frame; true where it has seen to it
  handshake = () => {}; // is asked about each socket before it opens; it may cut it

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
    return { room_name, index, user_name: "bob", content: `${index}`, create_at: 0 };
  }

  history({ room_name, after, limit = 10 }) {
    const tail = this.tails[room_name] ?? 0;
    const first = after === undefined ? Math.max(1, tail - limit + 1) : after + 1;
    const last = Math.min(tail, first + limit - 1);
    const messages = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => this.message(room_name, first + i));
    return { messages, ...(after !== undefined && last < tail && { more: true }), ...(after !== undefined && !this.old && { tail }) };
  }

  users(room_name) {
    const users = (this.members[room_name] ?? []).map((user) =>
      ({ ...(typeof user === "string" ? { user_name: user } : user), connections: 1 }));
    return { room_name, users, version: this.version };
  }

  /** Sends the last connection the list of a room's members. */
  announce(room_name, members) {
    this.version++;
    this.members[room_name] = members;
    this.sockets.at(-1).say({ members: this.users(room_name) });
  }

  answer(socket, frame) {
    const { action, ref, room_name, after, limit, content, message_id } = frame;
    switch (action) {
      case "joinRoom": {
        const frames = [{ presence: { room_name, ...this.me, event: "joined" } }];
        if (!this.old && (limit ?? after) !== undefined) frames.push(this.history(frame));
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
        if (this.old) return socket.say({ error: { code: "unknown_action", message: "no", action: "ping", request_id: "r" } });
        return socket.say({ ref, pong: { time: Math.floor(Date.now() / 1000) } });
      case "sendMessage":
        this.tails[room_name] = (this.tails[room_name] ?? 0) + 1;
        return socket.say({ messages: [{ room_name, index: this.tails[room_name], ...this.me, content, create_at: 0, message_id }] });
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

/** Waits for what must come, however busy the machine is. */
export async function until(holds, what = String(holds)) {
  for (let waits = 0; waits < 2000 && !holds(); waits++) await sleep(5);
  assert.ok(holds(), what);
}

/** What comes of a kind from an emitter of events, from now on. */
export function events(target, ...types) {
  const seen = [];
  for (const type of types) target.addEventListener(type, (e) => seen.push(types.length > 1 ? [type, e.detail] : e.detail));
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
