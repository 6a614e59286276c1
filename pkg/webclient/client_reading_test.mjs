// Tests of client.js against a fake chat: who types, other signals, and how far people have read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, Chat, connect, events, refuses, sleep, until } from "./fakechat.mjs";

/** A client in a room with five messages, whose user has the id a where people sign in. */
async function enter(timing = {}, me = { user_name: "ann" }) {
  const chat = new Chat();
  chat.me = me;
  chat.tails.lobby = 5;
  const client = connect(chat, timing);
  const room = client.join("lobby");
  await until(() => room.ready && client.state === "online");
  return { chat, client, room };
}

const signedIn = { user_name: "ann", user_id: "a" };
const say = (chat, frame) => chat.sockets.at(-1).say(frame);
const signal = (chat, user_name, name, more) => say(chat, { signal: { room_name: "lobby", user_name, name, ...more } });
const names = (room) => room.typing.map((user) => user.user_name).join(" ");

test("a user types until nothing is heard of it, or until the message comes", async () => {
  const { chat, room } = await enter({ typed: 200 });
  const changes = events(room, "typing");
  signal(chat, "bob", "typing");
  signal(chat, "ann", "typing"); // oneself, on another device
  await until(() => names(room) === "bob");
  signal(chat, "cy", "typing");
  await until(() => names(room) === "bob cy");
  await sleep(150);
  signal(chat, "cy", "typing");
  await until(() => names(room) === "cy");
  chat.tails.lobby = 6;
  say(chat, { messages: [{ ...chat.message("lobby", 6), user_name: "cy" }] });
  await until(() => names(room) === "");
  assert.equal(changes.length, 4);
});

test("nobody types while there is no connection", async () => {
  const { chat, room } = await enter({ firstPause: 10 });
  signal(chat, "bob", "typing");
  await until(() => names(room) === "bob");
  chat.sockets[0].cut();
  await until(() => names(room) === "");
});

test("that this user types is sent now and then, and at once after a message", async () => {
  const { chat, room } = await enter({ typing: 100 });
  const sent = () => actions(chat.sockets[0], "signal");
  const began = Date.now();
  for (let i = 0; i < 25; i++) (room.sendTyping(), await sleep(10));
  const most = Math.floor((Date.now() - began) / 100) + 1; // the machine may be busy
  assert.ok(sent().length >= 2 && sent().length <= most, `${sent().length} signals, at most ${most}`);
  assert.deepEqual(sent()[0], { action: "signal", room_name: "lobby", user_name: "ann", name: "typing",
    ref: sent()[0].ref });
  assert.ok(sent()[0].ref && !sent().at(-1).ref, "the first is to be confirmed, and no other");
  await room.send("hello");
  const before = sent().length;
  room.sendTyping();
  assert.equal(sent().length, before + 1);
});

test("a room that takes no signals is sent no more of them", async () => {
  for (const code of ["room_too_large", "unknown_action"]) {
    const { chat, room } = await enter({ typing: 1 });
    chat.before = refuses(code, ({ action }) => action === "signal");
    room.sendTyping();
    await sleep(50);
    for (let i = 0; i < 5; i++) (room.sendTyping(), await sleep(5));
    assert.equal(actions(chat.sockets[0], "signal").length, 1);
  }
});

test("other signals belong to the application", async () => {
  const { chat, room } = await enter();
  const got = events(room, "signal");
  signal(chat, "bob", "cursor", { data: { line: 7 }, user_id: "b" });
  signal(chat, "bob", "wave");
  await until(() => got.length === 2);
  assert.deepEqual(got, [{ user_name: "bob", user_id: "b", name: "cursor", data: { line: 7 } },
    { user_name: "bob", name: "wave" }]);
  assert.equal(await room.signal("cursor", [1]), undefined);
  assert.deepEqual(actions(chat.sockets[0], "signal").map((f) => [f.name, f.data]), [["cursor", [1]]]);
  chat.before = refuses("room_too_large", ({ action }) => action === "signal");
  await assert.rejects(room.signal("cursor"), { code: "room_too_large" });
});

test("marks are gathered, and only move forward", async () => {
  const { chat, room } = await enter({ mark: 100 }, signedIn);
  const marks = () => actions(chat.sockets[0], "markRead").map((f) => f.index);
  for (const index of [1, 3, 2]) room.markRead(index);
  await until(() => room.read === 3);
  for (const index of [4, 5, 3]) room.markRead(index);
  await sleep(30);
  assert.deepEqual(marks(), [3]);
  await until(() => room.read === 5);
  room.markRead(4);
  room.markRead(99); // there are no more than five
  await sleep(250);
  assert.deepEqual(marks(), [3, 5]);
  for (const wrong of [-1, 1.5, "1", null]) assert.throws(() => room.markRead(wrong), { code: "invalid_argument" });
});

test("a mark survives an interruption, and what another device has read needs none", async () => {
  const { chat, room } = await enter({ mark: 50, firstPause: 10 }, signedIn);
  let cuts = 0;
  chat.before = (socket, { action }) => action === "markRead" && cuts++ === 0 && (socket.cut(), true);
  room.markRead(2);
  await until(() => room.read === 2);
  assert.equal(chat.sockets.length, 2);
  const read = events(room, "read");
  say(chat, { read: { room_name: "lobby", ...signedIn, index: 5 } });
  await until(() => room.read === 5);
  room.markRead(4);
  await sleep(100);
  assert.equal(actions(chat.sockets[1], "markRead").length, 1);
  assert.deepEqual(read, [{ ...signedIn, index: 5 }]);
});

test("nothing is marked in an open chat, or in an older one", async () => {
  const open = await enter({ mark: 1 });
  open.room.markRead(3);
  await sleep(50);
  assert.equal(actions(open.chat.sockets[0], "markRead").length, 0);
  const older = await enter({ mark: 1 }, signedIn);
  older.chat.before = refuses("unknown_action", ({ action }) => action === "markRead");
  for (const index of [3, 4, 5]) (older.room.markRead(index), await sleep(30));
  assert.equal(actions(older.chat.sockets[0], "markRead").length, 1);
});

test("how far the others have read is known, and never moves back", async () => {
  const { chat, room } = await enter({}, signedIn);
  const bob = { user_name: "bob", user_id: "b" };
  chat.version = 1;
  chat.announce("lobby", [{ ...signedIn, read: 1 }, { ...bob, read: 2 }]);
  const readOf = (id) => room.users.find((user) => user.user_id === id)?.read;
  await until(() => readOf("b") === 2 && room.read === 1);
  say(chat, { read: { room_name: "lobby", ...bob, index: 4 } });
  await until(() => readOf("b") === 4);
  say(chat, { read: { room_name: "lobby", ...bob, index: 3 } });
  chat.announce("lobby", [signedIn, { ...bob, read: 3 }]);
  await sleep(50);
  assert.equal(readOf("b"), 4);
});

test("the list of rooms has what is not read, from all its pages", async () => {
  const { chat, client } = await enter({}, signedIn);
  const rooms = ["attic", "cellar", "lobby"].map((room_name, i) => ({ room_name, last: 5 * i, read: 2 * i }));
  chat.before = (socket, { action, after, ref }) => {
    if (action !== "getRooms") return false;
    const from = after === undefined ? 0 : rooms.findIndex((r) => r.room_name === after) + 1;
    socket.say({ ref, rooms: rooms.slice(from, from + 2), ...(from === 0 && { more: true }) });
    return true;
  };
  assert.deepEqual(await client.list(), [{ name: "attic", last: 0, read: 0, unread: 0 },
    { name: "cellar", last: 5, read: 2, unread: 3 }, { name: "lobby", last: 10, read: 4, unread: 6 }]);
  chat.before = refuses("forbidden", ({ action }) => action === "getRooms");
  await assert.rejects(client.list(), { code: "forbidden" });
  client.leave("lobby", { forget: true });
  await sleep(20);
  assert.equal(actions(chat.sockets[0], "leaveRoom")[0].forget, true);
});

/** A chat with read markers, on a network that loses, repeats and delays frames and cuts connections. */
class Reading extends Chat {
  me = signedIn;
  version = 1;
  marker = 0; // of the one user
  faulty = true;

  constructor() {
    super();
    this.tails.lobby = 5;
    this.before = (socket, frame) => {
      if (this.faulty && Math.random() < 0.03) return (socket.cut(), true);
      const times = !this.faulty || Math.random() > 0.2 ? 1 : Math.random() < 0.5 ? 0 : 2;
      for (let i = 0; i < times; i++) setTimeout(() => this.take(socket, frame), this.faulty ? Math.random() * 30 : 1);
      return true;
    };
  }

  take(socket, frame) {
    if (frame.action === "markRead" && frame.index > this.marker) {
      this.marker = frame.index;
      for (const other of this.sockets) if (other !== socket) this.reach(other, { read: { ...this.read() } });
    }
    this.members.lobby = [{ ...signedIn, read: this.marker }];
    if (frame.action !== "getRooms") return this.answer(socket, frame);
    const room = { room_name: "lobby", last: this.tails.lobby, read: this.marker };
    socket.say({ ref: frame.ref, rooms: [room] });
  }

  read = () => ({ room_name: "lobby", ...signedIn, index: this.marker });

  /** Sends a frame to a socket, or loses it, or sends it late. */
  reach(socket, frame) {
    if (this.faulty && Math.random() < 0.3) return;
    setTimeout(() => socket.say(frame), this.faulty ? Math.random() * 50 : 0);
  }

  write() {
    const message = this.message("lobby", ++this.tails.lobby);
    for (const socket of this.sockets) this.reach(socket, { messages: [message] });
  }
}

test("two devices of a user agree on what is read, whatever the network does, and no marker moves back", async () => {
  const chat = new Reading();
  const timing = { mark: 10, firstPause: 5, longestPause: 20, patience: 100, late: 20, gap: 10, sync: 100, members: 50,
    answer: 50, pong: 50, grace: 20, handshake: 100 };
  const devices = ["laptop", "phone"].map(() => {
    const client = connect(chat, timing);
    return { client, room: client.join("lobby"), read: 0 };
  });
  const look = () => {
    for (const device of devices) {
      assert.ok(device.room.read >= device.read, "a marker moved back");
      device.read = device.room.read;
    }
  };
  for (let i = 0; i < 150; i++) {
    const { room } = devices[i % 2];
    if (Math.random() < 0.3) chat.write();
    if (room.last > 0) room.markRead(Math.ceil(Math.random() * room.last));
    await sleep(10);
    look();
  }
  chat.faulty = false;
  chat.write(); // the last, which nobody has read
  const [{ room: one }, { room: other }] = devices;
  await until(() => one.last === chat.tails.lobby);
  one.markRead(one.last - 1);
  await until(() => [one, other].every((room) => room.read === one.last - 1), "the devices do not agree");
  look();
  for (const { client } of devices) assert.deepEqual((await client.list()).map((room) => room.unread), [1]);
});
