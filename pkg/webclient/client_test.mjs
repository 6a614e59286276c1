// Tests of client.js against a chat that answers, or does not, as each test says. What a real server, a real network and a
// real browser do is tested in infra/local.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { ChatClient } from "./files/client.js";

const LIMIT = 32 * 1024; // bytes of a frame, past which API Gateway ends the connection
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A chat, and the sockets that were opened to it. */
class Chat {
  sockets = [];
  tails = {}; // the number of messages in each room
  delay = 1; // milliseconds until an answer comes
  before = () => false; // is asked first about each frame; true where it has seen to it

  get WebSocket() {
    const chat = this;
    return class {
      readyState = 0;
      asked = [];
      constructor() {
        chat.sockets.push(this);
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

  answer(socket, { action, ref, room_name, after, limit, content, message_id }) {
    const tail = this.tails[room_name] ?? 0;
    const message = (index) => ({ room_name, index, user_name: "bob", content: `${index}`, create_at: 0 });
    switch (action) {
      case "joinRoom":
        return socket.say({ ref, presence: { room_name, user_name: "ann", event: "joined" } });
      case "leaveRoom":
        return socket.say({ ref, presence: { room_name, user_name: "ann", event: "left" } });
      case "getMembers":
        return socket.say({ ref, members: { room_name, users: [] } });
      case "getRecentMessages": {
        const first = after === undefined ? Math.max(1, tail - limit + 1) : after + 1;
        const last = Math.min(tail, first + limit - 1);
        const messages = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => message(first + i));
        return socket.say({ ref, messages, ...(after !== undefined && last < tail && { more: true }) });
      }
      case "sendMessage":
        this.tails[room_name] = tail + 1;
        return socket.say({ messages: [{ room_name, index: tail + 1, user_name: "ann", content, create_at: 0, message_id }] });
    }
  }
}

let clients = [];
function connect(chat, timing = {}) {
  const client = new ChatClient("wss://chat.example.com/dev", { user: "ann", WebSocket: chat.WebSocket, timing });
  clients.push(client);
  return client;
}
afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
});

// until waits for what must come, however busy the machine is.
async function until(holds) {
  for (let waits = 0; waits < 1000 && !holds(); waits++) await sleep(5);
  assert.ok(holds());
}

const actions = (socket, action) => socket.asked.filter((frame) => frame.action === action);
const asked = (chat, socket, action, room = "lobby") =>
  chat.sockets[socket]?.asked.some((frame) => frame.action === action && frame.room_name === room);
const refuses = (code, which) => (socket, frame) => {
  if (!which(frame)) return false;
  socket.say({ ref: frame.ref, error: { code, message: "no", message_id: frame.message_id } });
  return true;
};

test("messages come once and in order, whatever order they arrive in", async () => {
  const chat = new Chat();
  chat.tails.lobby = 60;
  const room = connect(chat).join("lobby");
  const got = [];
  room.addEventListener("message", (e) => got.push(e.detail.index));
  await until(() => got.length === 50);
  chat.tails.lobby = 70;
  const say = (index) => chat.sockets[0].say({ messages: [{ room_name: "lobby", index, user_name: "bob", content: "", create_at: 0 }] });
  for (const index of [63, 61, 63, 60, 70]) say(index);
  await until(() => got.length >= 60);
  await sleep(200); // for what must not come
  assert.deepEqual(got, Array.from({ length: 60 }, (_, i) => i + 11)); // the last 50, and what came
});

test("what is sent is stored in the order typed, one at a time", async () => {
  const chat = new Chat();
  chat.delay = 5;
  let underWay = 0;
  chat.before = (socket, { action }) => {
    if (action === "sendMessage") {
      assert.equal(underWay++, 0);
      setTimeout(() => underWay--, chat.delay - 1);
    }
    return false;
  };
  const room = connect(chat).join("lobby");
  const indexes = await Promise.all(["one", "two", "three"].map((text) => room.send(text)));
  assert.deepEqual(indexes, [1, 2, 3]);
  assert.deepEqual(actions(chat.sockets[0], "sendMessage").map((f) => f.content), ["one", "two", "three"]);
});

test("a closed client opens nothing more, also when it is closed while a second connection takes over", async () => {
  const chat = new Chat();
  chat.before = (socket, { action }) => socket === chat.sockets[1] && action === "joinRoom"; // never answered
  const client = connect(chat, { swap: 100 });
  client.join("lobby");
  await until(() => asked(chat, 1, "joinRoom"));
  assert.equal(chat.sockets.length, 2);
  client.close();
  await sleep(100);
  assert.equal(chat.sockets.length, 2);
  assert.ok(chat.sockets.every((socket) => socket.readyState === 3));
});

test("a room that is left while it catches up is asked for no more", async () => {
  const chat = new Chat();
  const client = connect(chat);
  client.join("lobby");
  await until(() => asked(chat, 0, "getRecentMessages"));
  await sleep(100); // and it is answered
  chat.tails.lobby = 1000;
  client.sync();
  client.leave("lobby");
  const before = chat.sockets[0].asked.length;
  await sleep(100);
  assert.ok(chat.sockets[0].asked.length - before <= 1);
  assert.equal(actions(chat.sockets[0], "leaveRoom").length, 1);
});

test("what is sent to a room that was left is rejected, and hurts no other room", async () => {
  const chat = new Chat();
  const client = connect(chat, { answer: 50 });
  client.join("lobby");
  const attic = client.join("attic");
  await until(() => asked(chat, 0, "getRecentMessages", "attic"));
  client.leave("attic");
  await assert.rejects(attic.send("hello"), { code: "closed" });
  await sleep(100);
  assert.equal(chat.sockets.length, 1);
});

test("a room that is left while it is joined is left again", async () => {
  const chat = new Chat();
  chat.delay = 10;
  const client = connect(chat);
  client.join("lobby");
  client.join("attic");
  await until(() => asked(chat, 0, "joinRoom", "attic"));
  client.leave("attic");
  await until(() => asked(chat, 0, "leaveRoom", "attic"));
  await sleep(100); // for what must not come
  assert.deepEqual(chat.sockets[0].asked.filter((f) => f.room_name === "attic").map((f) => f.action).at(-1), "leaveRoom");
});

test("a message under way when the second connection takes over is sent again", async () => {
  const chat = new Chat();
  const room = connect(chat, { swap: 100, answer: 5000, firstPause: 10 }).join("lobby");
  await sleep(30);
  chat.before = (socket, { action }) => socket === chat.sockets[0] && action === "sendMessage"; // lost
  const index = await room.send("hello");
  assert.equal(index, 1);
  assert.equal(chat.sockets.length, 2);
});

test("a message that no frame can hold is refused, and not sent for ever", async () => {
  const chat = new Chat();
  const room = connect(chat).join("lobby");
  await assert.rejects(room.send("x".repeat(LIMIT)), { code: "too_large" });
  assert.equal(await room.send("the next one"), 1);
  assert.equal(chat.sockets.length, 1);
});

test("a connection that is cut again and again is not opened again without pause", async () => {
  const chat = new Chat();
  chat.before = (socket, { action }) => action === "getMembers" && (socket.cut(), true);
  connect(chat, { firstPause: 20 }).join("lobby");
  await sleep(500);
  assert.ok(chat.sockets.length < 20, `${chat.sockets.length} connections`);
});

test("a room that is refused says so once, and rejects what was sent to it; the others go on", async () => {
  const chat = new Chat();
  chat.before = refuses("forbidden", ({ action, room_name }) => action === "joinRoom" && room_name === "attic");
  const client = connect(chat);
  const attic = client.join("attic");
  let refusals = 0;
  attic.addEventListener("refused", () => refusals++);
  const lobby = client.join("lobby");
  await assert.rejects(attic.send("hello"), { code: "forbidden" });
  assert.equal(await lobby.send("hello"), 1);
  await sleep(20);
  assert.equal(refusals, 1);
});

test("a room that cannot be entered does not hold the others up", async () => {
  const chat = new Chat();
  chat.before = refuses("internal", ({ action, room_name }) => action === "joinRoom" && room_name === "attic");
  const client = connect(chat, { firstPause: 10 });
  client.join("attic");
  assert.equal(await client.join("lobby").send("hello"), 1);
  assert.equal(client.state, "online");
});

test("what API Gateway fails to handle is sent again, with longer pauses each time", async () => {
  const chat = new Chat();
  let failing = true;
  chat.before = (socket, { action }) => {
    if (!failing || action !== "sendMessage") return false;
    socket.say({ message: "Internal server error", connectionId: "c", requestId: "r" });
    return true;
  };
  const room = connect(chat, { firstPause: 10 }).join("lobby");
  const sent = room.send("hello");
  await sleep(300);
  assert.ok(actions(chat.sockets[0], "sendMessage").length < 10);
  failing = false;
  assert.equal(await sent, 1);
});

test("messages that have expired are passed over", async () => {
  const chat = new Chat();
  const room = connect(chat).join("lobby");
  await until(() => asked(chat, 0, "getRecentMessages"));
  await sleep(30); // and it is answered
  chat.before = (socket, { action, ref, after }) => {
    if (action !== "getRecentMessages" || after !== 0) return false;
    socket.say({ ref, messages: [{ room_name: "lobby", index: 5, user_name: "bob", content: "", create_at: 0 }], expired: true });
    return true;
  };
  const got = [];
  room.addEventListener("expired", (e) => got.push(e.detail));
  room.addEventListener("message", (e) => got.push(e.detail.index));
  chat.sockets[0].say({ messages: [{ room_name: "lobby", index: 6, user_name: "bob", content: "", create_at: 0 }] });
  await until(() => got.length >= 3);
  await sleep(50); // for what must not come
  assert.deepEqual(got, [{ from: 1, to: 4 }, 5, 6]);
});

test("a token is offered after the word chat, and asked for anew before each connection", async () => {
  const chat = new Chat();
  const offered = [];
  const WebSocket = class extends chat.WebSocket {
    constructor(url, protocols) {
      super(url);
      offered.push(protocols);
    }
  };
  let n = 0;
  const client = new ChatClient("wss://chat.example.com/dev", { token: async () => `token${++n}`, WebSocket, timing: { firstPause: 10 } });
  clients.push(client);
  client.join("lobby");
  await until(() => client.user);
  assert.equal(client.user, "ann"); // as the chat says
  chat.sockets[0].say({ error: { code: "token_expired", message: "over" } });
  await until(() => offered.length >= 2);
  await sleep(100); // for what must not come
  assert.deepEqual(offered, [["chat", "token1"], ["chat", "token2"]]);
});
