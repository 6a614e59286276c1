// Tests of client.js against a fake chat: rooms in trouble, rooms whose log goes back, and members that come and go.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, asked, Chat, connect, events, refuses, sleep, until } from "./fakechat.mjs";

/** A client that holds the messages 1 to n of the lobby. */
async function holding(n, timing = {}) {
  const chat = new Chat();
  chat.tails.lobby = n;
  const client = connect(chat, { firstPause: 10, gap: 10, ...timing });
  const room = client.join("lobby");
  await until(() => room.ready && client.state === "online");
  return { chat, client, room };
}

/** From now on, the messages are those of another log. */
const another = (chat) => (chat.message = (room_name, index) => (
  { room_name, index, user_name: "eve", content: `other ${index}`, create_at: 9 }));

for (const [name, tail] of [["shorter", 3], ["as long", 5], ["longer", 8], ["empty", 0]]) {
  test(`a log that went back and is ${name} now is loaded again`, async () => {
    const { chat, client, room } = await holding(5);
    const seen = events(room, "reset", "message", "ready");
    chat.tails.lobby = tail;
    another(chat);
    chat.sockets[0].cut(); // the server starts again, with an older store
    await until(() => seen.length > 0 && room.last === tail && room.ready);
    await until(() => client.state === "online");
    assert.deepEqual(seen.map(([type, d]) => (type === "message" ? d.content : type)),
      ["reset", ...Array.from({ length: tail }, (_, i) => `other ${i + 1}`), "ready"]);
    assert.equal(seen[0][1].last, 5);
    assert.equal(await room.send("hello"), tail + 1);
    assert.equal(seen.at(-1)[1].index, tail + 1);
  });
}

test("a log that goes back during a connection is noticed by an own message, and by a younger one", async () => {
  for (const speak of [
    async ({ room }) => assert.equal(await room.send("mine"), 4),
    async ({ chat }) => {
      chat.tails.lobby = 4;
      chat.sockets[0].say({ messages: [{ ...chat.message("lobby", 4), create_at: 1e9 }] });
    },
    async ({ chat }) => {
      chat.tails.lobby = 5;
      chat.sockets[0].say({ messages: [chat.message("lobby", 5)] });
    },
  ]) {
    const at = await holding(5);
    const resets = events(at.room, "reset");
    another(at.chat);
    at.chat.tails.lobby = 3;
    await speak(at);
    await until(() => resets.length === 1);
    await until(() => at.room.last === at.chat.tails.lobby && at.room.ready);
  }
});

test("a message that was stored before, and frames that come twice, are no proof that the log went back", async () => {
  const { chat, room } = await holding(5);
  const seen = events(room, "reset", "message");
  chat.before = (socket, { action, message_id }) => {
    if (action !== "sendMessage") return false;
    socket.say({ messages: [{ ...chat.message("lobby", 2), message_id }] });
    return true;
  };
  assert.equal(await room.send("again", { id: "kept" }), 2);
  for (const index of [5, 4, 1]) chat.sockets[0].say({ messages: [chat.message("lobby", index)] });
  await sleep(100);
  assert.deepEqual(seen, []);
  assert.ok(actions(chat.sockets[0], "getRecentMessages").length === 1); // one answer was enough
});

test("a tail that was read before a message came is no proof that the log went back", async () => {
  const { chat, client, room } = await holding(5);
  const seen = events(room, "reset");
  chat.before = (socket, frame) => {
    if (frame.action !== "getRecentMessages") return false;
    const answer = { ref: frame.ref, ...chat.history(frame) }; // the state of now
    chat.tails.lobby++;
    socket.say({ messages: [chat.message("lobby", chat.tails.lobby)] });
    setTimeout(() => socket.say(answer), 20);
    return true;
  };
  client.sync();
  await until(() => room.last === 6);
  await sleep(100);
  assert.deepEqual(seen, []);
});

test("messages that expired while the client was away are skipped, and are no log that went back", async () => {
  const { chat, client, room } = await holding(5);
  const seen = events(room, "reset", "expired", "message");
  chat.tails.lobby = 9;
  chat.history = () => ({ messages: [8, 9].map((i) => chat.message("lobby", i)), expired: true, tail: 9 });
  chat.sockets[0].cut();
  await until(() => room.last === 9);
  chat.history = () => ({ messages: [], expired: true, tail: 12 }); // everything has expired
  await until(() => (client.sync(), room.last === 12)); // the one before may be under way still
  assert.deepEqual(seen.map(([type, d]) => [type, d.index ?? d]),
    [["expired", { from: 6, to: 7 }], ["message", 8], ["message", 9], ["expired", { from: 10, to: 12 }]]);
});

test("a room that cannot be read says so, and is tried again; the others work, and the client is online", async () => {
  for (const action of ["joinRoom", "getRecentMessages"]) {
    const chat = new Chat();
    chat.old = action === "getRecentMessages"; // an old chat is asked for the messages separately
    chat.before = refuses("unavailable", (f) => f.action === action && f.room_name === "attic");
    const client = connect(chat, { firstPause: 10, longestPause: 50 });
    const attic = client.join("attic");
    const troubles = events(attic, "trouble");
    const sent = attic.send("later");
    assert.equal(await client.join("lobby").send("hello"), 1);
    await until(() => client.state === "online");
    await until(() => troubles.length > 0);
    assert.equal(attic.trouble.code, "unavailable");
    chat.before = () => false;
    assert.equal(await sent, 1);
    assert.equal(attic.trouble, null);
    assert.equal(troubles.at(-1), null);
    assert.equal(chat.sockets.length, 1);
    client.close();
  }
});

test("a room that never answers does not keep the client from being online", async () => {
  const chat = new Chat();
  chat.before = (socket, { room_name }) => room_name === "attic";
  const client = connect(chat, { answer: 50, patience: 150, firstPause: 10 });
  const attic = client.join("attic");
  const lobby = client.join("lobby");
  await until(() => client.state === "online");
  await until(() => attic.trouble); // after the request was given up
  assert.equal(await lobby.send("hello"), 1);
  assert.equal(chat.sockets.length, 1);
});

test("a room whose news cannot be read is in trouble from the second failure on, until it can", async () => {
  const { chat, client, room } = await holding(5, { sync: 60_000 });
  const troubles = events(room, "trouble");
  chat.before = refuses("unavailable", (f) => f.action === "getRecentMessages");
  client.sync();
  await until(() => room.trouble?.code === "unavailable");
  chat.tails.lobby = 6;
  chat.before = () => false;
  await until(() => room.last === 6 && room.trouble === null);
  assert.deepEqual(troubles.map((e) => e?.code), ["unavailable", undefined]);
});

test("many rooms are entered a few at a time, and none is forgotten if API Gateway refuses frames", async () => {
  const chat = new Chat();
  let underWay = 0;
  let most = 0;
  chat.delay = 5;
  chat.before = (socket, frame) => {
    if (frame.action !== "joinRoom") return false;
    most = Math.max(most, ++underWay);
    setTimeout(() => underWay--, chat.delay);
    if (Math.random() < 0.5) return false;
    socket.say({ message: "Too Many Requests", connectionId: "c", requestId: "r" });
    return true;
  };
  const client = connect(chat, { firstPause: 10, longestPause: 50, late: 20 });
  const rooms = Array.from({ length: 40 }, (_, i) => client.join(`room ${i}`));
  chat.members = Object.fromEntries(rooms.map((room) => [room.name, ["ann", room.name]]));
  await until(() => rooms.every((room) => room.ready && room.members.size === 2));
  assert.ok(most <= 8, `${most} at once`);
  assert.equal(chat.sockets.length, 1);
});

const say = (chat, user_name, event) => chat.sockets.at(-1).say({ presence: { room_name: "lobby", user_name, event } });

/** A client in a lobby with bob and carol. The lists of the lobby have versions, beginning with this one. */
async function inCompany(timing = {}, version = undefined) {
  const chat = new Chat();
  chat.version = version;
  chat.members.lobby = ["ann", "bob", "carol"];
  const client = connect(chat, { firstPause: 10, grace: 100, ...timing });
  const room = client.join("lobby");
  await until(() => room.members.size === 3);
  return { chat, client, room, news: events(room, "presence") };
}

test("a page that is loaded again is no news, in whatever order it leaves and joins", async () => {
  const { chat, room, news } = await inCompany();
  say(chat, "bob", "left");
  say(chat, "bob", "joined");
  await sleep(10);
  say(chat, "carol", "joined");
  say(chat, "carol", "left"); // the connection from before the reload
  await sleep(400);
  assert.deepEqual(news, []);
  assert.deepEqual([...room.members.keys()], ["ann", "bob", "carol"]);
});

test("a user who leaves is gone after a while, and a user who comes is there at once", async () => {
  const { chat, room, news } = await inCompany();
  say(chat, "bob", "left");
  say(chat, "dave", "joined");
  await until(() => room.members.has("dave"));
  assert.ok(room.members.has("bob"));
  await until(() => !room.members.has("bob"));
  assert.deepEqual(news, [{ user_name: "dave", event: "joined" }, { user_name: "bob", event: "left" }]);
});

test("if a user leaves just after coming, the list is read, and the user is gone", async () => {
  const { chat, room, news } = await inCompany();
  chat.members.lobby = ["ann", "bob", "carol", "dave"];
  say(chat, "dave", "joined");
  await until(() => room.members.has("dave"));
  chat.members.lobby = ["ann", "bob", "carol"];
  say(chat, "dave", "left");
  await until(() => !room.members.has("dave"));
  assert.deepEqual(news, [{ user_name: "dave", event: "joined" }, { user_name: "dave", event: "left" }]);
});

test("a user who is missing in the list before the frame about it comes is news, and once", async () => {
  const { chat, room, news } = await inCompany({ members: 50, grace: 300 });
  chat.members.lobby = ["ann", "carol"];
  await until(() => !room.members.has("bob"));
  say(chat, "bob", "left");
  say(chat, "bob", "left");
  await until(() => news.length > 0);
  await sleep(400);
  assert.deepEqual(news, [{ user_name: "bob", event: "left" }]);
});

test("an announced list reports arrivals at once, and departures after a while", async () => {
  const { chat, room, news } = await inCompany({ members: 60_000, grace: 100 }, 1);
  chat.announce("lobby", ["ann", "bob", "dave"]);
  await until(() => room.members.has("dave"));
  assert.deepEqual([...room.members.keys()], ["ann", "bob", "dave"]);
  assert.deepEqual(news.map((n) => `${n.user_name} ${n.event}`), ["dave joined"]);
  await until(() => news.length === 2);
  assert.equal(`${news[1].user_name} ${news[1].event}`, "carol left");
  chat.announce("lobby", ["ann", "dave"]); // bob's page is loaded again
  chat.announce("lobby", ["ann", "bob", "dave"]);
  await sleep(250);
  assert.equal(news.length, 2);
  assert.ok(room.members.has("bob"));
  // The frames for older clients come before the list, and nothing is reported twice.
  say(chat, "eve", "joined");
  chat.announce("lobby", ["ann", "bob", "dave", "eve"]);
  await sleep(250); // eve came long ago
  say(chat, "eve", "left");
  chat.announce("lobby", ["ann", "bob", "dave"]);
  await sleep(300);
  assert.deepEqual(news.slice(2).map((n) => `${n.user_name} ${n.event}`), ["eve joined", "eve left"]);
});

test("a list that is older than the present one changes nothing, until there is another connection", async () => {
  const { chat, room } = await inCompany({ members: 60_000 }, 5);
  chat.announce("lobby", ["ann", "bob"]);
  await until(() => room.members.size === 2);
  chat.version = 4;
  chat.sockets.at(-1).say({ members: { ...chat.users("lobby"), users: [] } });
  chat.sockets.at(-1).say({ members: { room_name: "lobby", version: 3, over_limit: true } });
  room.watchMembers = true;
  await sleep(50);
  assert.equal(room.members.size, 2);
  chat.version = 0; // the room's announcement has expired
  chat.members.lobby = ["ann"];
  chat.sockets.at(-1).cut();
  await until(() => room.members.size === 1);
  chat.announce("lobby", ["ann", "zoe"]);
  await until(() => room.members.has("zoe"));
});

test("if there are too many members for an announced list, the list is read", async () => {
  const { chat, room } = await inCompany({ members: 60_000, grace: 30 }, 5);
  chat.members.lobby = ["ann", "bob", "carol", "dave"];
  chat.version = 6;
  chat.sockets.at(-1).say({ members: { room_name: "lobby", version: 6, over_limit: true } });
  await until(() => room.members.size === 4);
});

test("unknown events of presence, and frames of unknown shape, change nothing", async () => {
  const { chat, room, news } = await inCompany();
  for (const event of ["away", "", null, 7, undefined, "LEFT"]) say(chat, "bob", event);
  for (const frame of [
    { presence: null }, { presence: {} }, { messages: null }, { messages: {} }, { messages: [null, 7, {}] },
    { messages: [{ room_name: "lobby" }] }, { messages: [{ room_name: "lobby", index: "5" }] },
    { pong: 7 }, { error: 7 }, { typing: {} }, [], 7, null,
  ]) {
    chat.sockets[0].say(frame);
  }
  await sleep(300);
  assert.deepEqual(news, []);
  assert.equal(room.members.size, 3);
  assert.equal(await room.send("hello"), 1);
  assert.equal(chat.sockets.length, 1);
});

test("the list of members is right after a while, even if no frame reports a departure", async () => {
  const { chat, room } = await inCompany({ members: 100 });
  chat.members.lobby = ["ann", "carol"];
  await until(() => room.members.size === 2);
  // A list that cannot be read is read again.
  let refusals = 0;
  chat.before = refuses("unavailable", (f) => f.action === "getMembers" && refusals++ < 4);
  chat.members.lobby = ["ann"];
  await until(() => room.members.size === 1);
  assert.ok(refusals >= 5);
});

test("the members of a room that nobody watches are not read, and are read at once when somebody does", async () => {
  const chat = new Chat();
  chat.members.lobby = ["ann", "bob"];
  const client = connect(chat, { members: 50 });
  const room = client.join("lobby");
  room.watchMembers = false;
  await until(() => client.state === "online");
  await sleep(200);
  assert.equal(asked(chat, 0, "getMembers"), false);
  room.watchMembers = true;
  await until(() => room.members.size === 2);
  await until(() => actions(chat.sockets[0], "getMembers").length >= 3);
});

test("a list that was read while somebody came is read once more", async () => {
  const { chat, room } = await inCompany({ members: 300, grace: 30 });
  let late = null;
  chat.before = (socket, frame) => {
    if (frame.action !== "getMembers" || late) return false;
    late = { ref: frame.ref, members: chat.users("lobby") }; // without dave, who is not there yet
    chat.members.lobby.push("dave");
    say(chat, "dave", "joined");
    setTimeout(() => socket.say(late), 20);
    return true;
  };
  await until(() => late && !room.members.has("dave"));
  const before = Date.now();
  await until(() => room.members.has("dave"));
  assert.ok(Date.now() - before < 200, "long before the next reading");
});

test("a name has one spelling, and the chat's is adopted", async () => {
  const chat = new Chat();
  chat.before = (socket, frame) => {
    if (frame.action !== "joinRoom" || frame.room_name !== "two  blanks") return false;
    chat.answer(socket, { ...frame, room_name: "two blanks" });
    return true;
  };
  const client = connect(chat);
  assert.equal(client.join("cafe\u0301"), client.join("caf\u00e9"));
  const room = client.join("two  blanks");
  await until(() => room.name === "two blanks");
  assert.deepEqual([...client.rooms.keys()], ["caf\u00e9", "two blanks"]);
  assert.equal(await room.send("hello"), 1);
  client.leave("cafe\u0301");
  assert.deepEqual([...client.rooms.keys()], ["two blanks"]);
});
