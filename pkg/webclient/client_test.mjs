// Tests of client.js against a fake chat: the log of a room, and sending. What a
// real server, a real network and a real browser do is tested in pkg/localchat and test/page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, asked, Chat, connect, LIMIT, refuses, sleep, until } from "./fakechat.mjs";

test("messages come once and in order, whatever order they arrive in", async () => {
  const chat = new Chat();
  chat.tails.lobby = 60;
  const room = connect(chat).join("lobby");
  const got = [];
  room.addEventListener("message", (e) => got.push(e.detail.index));
  await until(() => got.length === 50);
  chat.tails.lobby = 70;
  const message = { room_name: "lobby", user_name: "bob", content: "", create_at: 0 };
  const say = (index) => chat.sockets[0].say({ messages: [{ ...message, index }] });
  for (const index of [63, 61, 63, 60, 70]) say(index);
  await until(() => got.length >= 60);
  await sleep(200); // nothing more may come
  assert.deepEqual(got, Array.from({ length: 60 }, (_, i) => i + 11)); // the last 50, and the new ones
});

test("messages are stored in the order typed, one at a time", async () => {
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
  await until(() => asked(chat, 0, "joinRoom"));
  await sleep(100); // the answer comes
  chat.tails.lobby = 1000;
  client.sync();
  client.leave("lobby");
  const before = chat.sockets[0].asked.length;
  await sleep(100);
  assert.ok(chat.sockets[0].asked.length - before <= 1);
  assert.equal(actions(chat.sockets[0], "leaveRoom").length, 1);
});

test("a message to a room that was left is rejected, and hurts no other room", async () => {
  const chat = new Chat();
  const client = connect(chat, { answer: 50 });
  client.join("lobby");
  const attic = client.join("attic");
  await until(() => asked(chat, 0, "joinRoom", "attic"));
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
  await sleep(100); // nothing more may come
  assert.deepEqual(chat.sockets[0].asked.filter((f) => f.room_name === "attic").at(-1).action, "leaveRoom");
});

test("a message in flight when the second connection takes over is sent again", async () => {
  const chat = new Chat();
  const room = connect(chat, { swap: 100, answer: 5000, firstPause: 10 }).join("lobby");
  await sleep(30);
  chat.before = (socket, { action }) => socket === chat.sockets[0] && action === "sendMessage"; // lost
  const index = await room.send("hello");
  assert.equal(index, 1);
  assert.equal(chat.sockets.length, 2);
});

test("a message that no frame can hold is refused, and not sent again and again", async () => {
  const chat = new Chat();
  const room = connect(chat).join("lobby");
  await assert.rejects(room.send("x".repeat(LIMIT)), { code: "too_large" });
  assert.equal(await room.send("the next one"), 1);
  assert.equal(chat.sockets.length, 1);
});

test("a connection that is cut again and again is not opened again without pause", async () => {
  const chat = new Chat();
  chat.before = (socket, { action }) => action === "joinRoom" && (socket.cut(), true);
  connect(chat, { firstPause: 20 }).join("lobby");
  await sleep(500);
  assert.ok(chat.sockets.length < 20, `${chat.sockets.length} connections`);
});

test("a refused room says so once, and rejects its messages; the others go on", async () => {
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

test("a room that cannot be entered does not hold up the others", async () => {
  const chat = new Chat();
  chat.before = refuses("internal", ({ action, room_name }) => action === "joinRoom" && room_name === "attic");
  const client = connect(chat, { firstPause: 10 });
  client.join("attic");
  assert.equal(await client.join("lobby").send("hello"), 1);
  assert.equal(client.state, "online");
});

test("a frame that API Gateway fails to handle is sent again, after longer pauses each time", async () => {
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

test("messages that have expired are skipped", async () => {
  const chat = new Chat();
  const room = connect(chat).join("lobby");
  await until(() => room.ready);
  chat.before = (socket, { action, ref, after }) => {
    if (action !== "getRecentMessages" || after !== 0) return false;
    const message = { room_name: "lobby", index: 5, user_name: "bob", content: "", create_at: 0 };
    socket.say({ ref, messages: [message], expired: true });
    return true;
  };
  const got = [];
  room.addEventListener("expired", (e) => got.push(e.detail));
  room.addEventListener("message", (e) => got.push(e.detail.index));
  chat.sockets[0].say({ messages: [{ room_name: "lobby", index: 6, user_name: "bob", content: "", create_at: 0 }] });
  await until(() => got.length >= 3);
  await sleep(50); // nothing more may come
  assert.deepEqual(got, [{ from: 1, to: 4 }, 5, 6]);
});

test("joining and asking for missed messages take one frame for each room", async () => {
  const chat = new Chat();
  chat.tails = { lobby: 5, attic: 3 };
  const client = connect(chat, { firstPause: 10 });
  const rooms = ["lobby", "attic", "empty"].map((name) => client.join(name));
  await until(() => rooms.every((room) => room.ready));
  chat.tails.lobby = 7;
  chat.sockets[0].cut();
  await until(() => rooms[0].last === 7);
  await until(() => client.state === "online");
  // The last message that is held comes again. It shows that the log is still the same.
  assert.deepEqual(chat.sockets[1].asked.map(({ action, room_name, after }) => [action, room_name, after]),
    [["joinRoom", "lobby", 4], ["joinRoom", "attic", 2], ["joinRoom", "empty", 0]]);
});

test("an older chat without ping, and without messages in joinRoom, is understood", async () => {
  const chat = new Chat();
  chat.old = true;
  chat.tails.lobby = 60;
  const client = connect(chat, { firstPause: 10, heartbeat: 50, pong: 50 });
  const room = client.join("lobby");
  await until(() => room.last === 60);
  await sleep(300); // several heartbeats
  assert.equal(chat.sockets.length, 1);
  chat.tails.lobby = 300;
  chat.sockets[0].cut();
  await until(() => room.last === 300);
  assert.equal(await room.send("hello"), 301);
});

test("a kept message is sent with its own id, and a waiting message can be discarded", async () => {
  const chat = new Chat();
  const room = connect(chat).join("lobby");
  const sent = room.send("kept", { id: "kept-1" });
  await assert.rejects(room.send("twice", { id: "kept-1" }), { code: "invalid_argument" });
  const givenUp = room.send("given up", { id: "2" });
  assert.equal(room.discard("2"), true);
  await assert.rejects(givenUp, { code: "closed" });
  await sent;
  assert.deepEqual(actions(chat.sockets[0], "sendMessage").map((f) => f.message_id), ["kept-1"]);
  assert.equal(room.discard("2"), false);
  assert.deepEqual(room.outbox, []);
});

test("a content is measured as the chat measures it", async () => {
  const room = connect(new Chat()).join("lobby");
  assert.equal(room.excess("x".repeat(16384)), 0);
  assert.equal(room.excess("x".repeat(16385)), 1);
  assert.equal(room.excess("é".repeat(8193)), 2);
  assert.equal(room.excess("\u0001".repeat(5000)), 0); // six bytes each, once encoded
  assert.ok(room.excess("\u0001".repeat(5461)) > 0);
  assert.ok(room.excess("\u2028".repeat(5461)) > 0);
});
