// Tests of client.js against a fake chat: rooms with rules, and what a user may do in them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, asked, Chat, connect, events, refuses, sleep, until } from "./fakechat.mjs";

const me = { user_name: "ann", user_id: "a" };
const signedIn = { token: "h.e30.s" };
const say = (chat, frame) => chat.sockets.at(-1).say(frame);

/** A client that has signed in and is in a room with these rules. */
async function enter(rules = { version: 1, you: { role: "member" } }, timing = {}) {
  const chat = new Chat();
  chat.me = me;
  chat.tails.lobby = 5;
  chat.rules.lobby = rules;
  const client = connect(chat, { firstPause: 5, ...timing }, signedIn);
  const room = client.join("lobby");
  await until(() => room.ready && client.state === "online");
  return { chat, client, room };
}

test("the rules come with the room, where people sign in", async () => {
  const { chat, room } = await enter({ version: 3, title: "Lobby", slow_mode: 5, you: { role: "owner" } });
  assert.deepEqual(room.rules, { room_name: "lobby", version: 3, title: "Lobby", slow_mode: 5 });
  assert.deepEqual(room.you, { role: "owner" });
  assert.equal(actions(chat.sockets[0], "joinRoom")[0].rules, true);

  const open = new Chat();
  const client = connect(open);
  client.join("lobby");
  await until(() => client.state === "online");
  assert.equal("rules" in actions(open.sockets[0], "joinRoom")[0], false);
});

test("the rules of the greatest version count, and what they say of this user stays known", async () => {
  const { chat, room } = await enter({ version: 3, direct: true, with: { user_id: "b", user_name: "Bob" },
    you: { role: "member" } });
  const news = events(room, "rules");
  say(chat, { room: { room_name: "lobby", version: 5, direct: true, topic: "new" } });
  say(chat, { room: { room_name: "lobby", version: 4, topic: "old", you: { role: "owner" } } });
  say(chat, { room: { room_name: "lobby", version: 5, topic: "new", direct: true, you: { role: "reader" } } });
  say(chat, { room: { room_name: "attic", version: 9, topic: "another room" } });
  await until(() => news.length === 2);
  await sleep(20);
  assert.equal(news.length, 2);
  assert.deepEqual(room.rules,
    { room_name: "lobby", version: 5, topic: "new", direct: true, with: { user_id: "b", user_name: "Bob" } });
  assert.deepEqual(room.you, { role: "reader" });
});

test("a client that was away learns of the rules with the changes, or with the room", async () => {
  const { chat, room } = await enter();
  chat.rules.lobby = { version: 2, topic: "while you were away", you: { role: "moderator" } };
  chat.sockets[0].cut();
  await until(() => room.rules.topic === "while you were away");
  assert.equal(room.you.role, "moderator");

  chat.before = (socket, { action, ref, room_name, after }) => {
    if (action !== "getChanges") return false;
    socket.say({ room: { room_name, version: 7, topic: "caught up" }, part: true, ref });
    socket.say({ changes: { room_name, messages: [], after, up_to: 7 }, ref });
    return true;
  };
  say(chat, { changes: { room_name: "lobby", messages: [], after: 6, up_to: 7 } });
  await until(() => room.rules.topic === "caught up");
});

test("a user who is removed has left the room, and is told why", async () => {
  const { chat, client, room } = await enter();
  const [removed, gone] = [events(room, "removed"), events(client, "removed")];
  chat.before = (_, { action }) => action === "sendMessage"; // is not answered
  const sent = room.send("on its way").catch((error) => error);
  say(chat, { room: { room_name: "lobby", version: 2, removed: { banned: true, reason: "spam" } } });
  const error = await sent;
  assert.equal(error.code, "forbidden");
  assert.deepEqual(removed, [{ banned: true, reason: "spam" }]);
  assert.deepEqual(gone, [{ room_name: "lobby", removed: { banned: true, reason: "spam" } }]);
  assert.equal(client.rooms.size, 0);
  chat.sockets[0].cut();
  await until(() => chat.sockets.length === 2 && client.state === "online");
  assert.equal(asked(chat, 1, "joinRoom"), false, "the room is not entered again");
});

test("a user who is added to a room is told, and others are not", async () => {
  const { chat, client } = await enter();
  const added = events(client, "room");
  const rules = { room_name: "plans", version: 1, private: true, you: { role: "member" } };
  say(chat, { room: rules });
  say(chat, { room: { room_name: "other", version: 2 } });
  await until(() => added.length > 0);
  await sleep(20);
  assert.deepEqual(added, [rules]);
});

test("every moderation is asked for, repeated, and answered or refused", async () => {
  const { chat, client, room } = await enter();
  let refusals = 1;
  chat.before = (socket, frame) => {
    if (["joinRoom", "ping", "getMembers", "getRecentMessages"].includes(frame.action)) return false;
    if (refusals-- > 0) return refuses("unavailable", () => true)(socket, frame);
    refusals = 1;
    const { action, ref, ...fields } = frame;
    socket.say({ ref, room: { room_name: "lobby", version: 2, you: { role: "owner" }, asked: { action, ...fields } } });
    return true;
  };
  const lobby = { room_name: "lobby" };
  for (const [does, want] of [
    [() => room.setRules({ title: "T", topic: "t", slowMode: 3, readOnly: false }),
      { action: "setRoom", ...lobby, title: "T", topic: "t", slow_mode: 3, read_only: false }],
    [() => room.addMember("b", { name: "Bob" }), { action: "addMember", ...lobby, user_id: "b", name: "Bob" }],
    [() => room.removeMember("b"), { action: "removeMember", ...lobby, user_id: "b" }],
    [() => room.setRole("b", "reader"), { action: "setRole", ...lobby, user_id: "b", role: "reader" }],
    [() => room.ban("b", { seconds: 60, reason: "spam" }),
      { action: "banUser", ...lobby, user_id: "b", seconds: 60, reason: "spam" }],
    [() => room.unban("b"), { action: "unbanUser", ...lobby, user_id: "b" }],
    [() => room.mute("b", { seconds: 60 }), { action: "muteUser", ...lobby, user_id: "b", seconds: 60 }],
    [() => room.unmute("b"), { action: "unmuteUser", ...lobby, user_id: "b" }],
    [() => client.createRoom("plans", { private: true, title: "P", members: ["b"] }),
      { action: "createRoom", room_name: "plans", private: true, title: "P", members: ["b"] }],
    [() => client.openDirect("b", { name: "Bob" }), { action: "openDirect", user_id: "b", name: "Bob" }],
  ]) {
    const { asked: got } = await does();
    delete got.user_name;
    assert.deepEqual(got, want);
  }
  assert.equal(room.you.role, "owner");
  chat.before = refuses("forbidden", ({ action }) => action === "banUser" || action === "createRoom");
  await assert.rejects(room.ban("b"), { code: "forbidden" });
  await assert.rejects(client.createRoom("plans"), { code: "forbidden" });
});

test("a room in which this user may no longer be is refused, whatever was lost", async () => {
  const { chat, client, room } = await enter();
  const refused = events(room, "refused");
  chat.before = refuses("forbidden", ({ action }) => action === "getRecentMessages" || action === "getChanges");
  client.sync();
  await until(() => refused.length === 1);
  assert.equal(refused[0].code, "forbidden");
});

test("giving up a private room is done, also if the answer was lost", async () => {
  const { chat, client, room } = await enter({ version: 3, private: true, you: { role: "member" } });
  let asked = 0;
  chat.before = (socket, frame) => {
    if (frame.action !== "removeMember") return false;
    const code = asked++ === 0 ? "unavailable" : "forbidden";
    return refuses(code, () => true)(socket, frame);
  };
  const removed = events(room, "removed");
  await room.removeMember("a");
  assert.deepEqual(removed, [{}]);
  assert.equal(client.rooms.size, 0);

  const other = await enter({ version: 3, private: true, you: { role: "owner" } });
  other.chat.before = refuses("forbidden", ({ action }) => action === "removeMember");
  await assert.rejects(other.room.removeMember("a"), { code: "forbidden" });
  assert.equal(other.client.rooms.size, 1);
});

test("the people of a room are read to the end", async () => {
  const { chat, room } = await enter();
  chat.before = (socket, { action, ref, after }) => {
    if (action !== "getRoom") return false;
    const rules = { room_name: "lobby", version: 1, you: { role: "owner" } };
    if (after === undefined) {
      socket.say({ ref, part: true, room: { ...rules, people: [{ user_id: "a", role: "owner" }] } });
      socket.say({ ref, room: { ...rules, people: [{ user_id: "b", role: "member" }], more: true } });
    } else socket.say({ ref, room: { ...rules, people: [{ user_id: "c", banned: true }] } });
    return true;
  };
  assert.deepEqual(await room.people(),
    [{ user_id: "a", role: "owner" }, { user_id: "b", role: "member" }, { user_id: "c", banned: true }]);
  assert.equal("people" in room.rules, false);
});

test("in slow mode a message waits for its turn, and nobody has to send it again", async () => {
  const { chat, room } = await enter();
  const times = [];
  let refusals = 1;
  chat.before = (socket, frame) => {
    if (frame.action !== "sendMessage") return false;
    times.push(Date.now());
    if (refusals-- <= 0) return false;
    socket.say({ error: { code: "slow_mode", message: "no", message_id: frame.message_id, retry_after: 1 } });
    return true;
  };
  const sent = room.send("patience");
  await until(() => room.writable > Date.now());
  assert.equal(room.outbox[0].state, "waiting");
  await sent;
  assert.ok(times[1] - times[0] >= 990, `sent again after ${times[1] - times[0]} ms`);

  say(chat, { room: { room_name: "lobby", version: 2, slow_mode: 1 } });
  await until(() => room.rules.slow_mode === 1);
  await room.send("one");
  await room.send("two"); // is not refused, but waits
  assert.equal(times.length, 4);
  assert.ok(times[3] - times[2] >= 990, `the next one after ${times[3] - times[2]} ms`);

  say(chat, { room: { room_name: "lobby", version: 3, slow_mode: 1, you: { role: "moderator" } } });
  await until(() => room.you.role === "moderator");
  await sleep(1000);
  await room.send("three");
  await room.send("four");
  assert.ok(times[5] - times[4] < 900, "a moderator waits for nothing");

  say(chat, { room: { room_name: "lobby", version: 4, you: { role: "member" } } });
  await until(() => room.rules.version === 4);
  assert.equal(room.writable, 0);
});

test("a room that this user may not mark as read keeps no other from it", async () => {
  const { chat, client, room } = await enter(undefined, { mark: 1 });
  chat.tails.attic = 3;
  const attic = client.join("attic");
  await until(() => attic.ready);
  chat.before = refuses("forbidden", ({ action, room_name }) => action === "markRead" && room_name === "lobby");
  room.markRead(5);
  await until(() => asked(chat, 0, "markRead"));
  await sleep(20);
  attic.markRead(3);
  await until(() => attic.read === 3);
  assert.equal(actions(chat.sockets[0], "markRead").filter((f) => f.room_name === "lobby").length, 1);
});
