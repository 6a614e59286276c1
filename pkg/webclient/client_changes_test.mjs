// Tests of client.js against a fake chat: what becomes of messages, and the requests that change them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, asked, Chat, connect, events, refuses, sleep, until } from "./fakechat.mjs";

/** A client in a room with some messages, and the states of them that it has shown. */
async function enter(chat, tail = 10, timing = {}) {
  chat.tails.lobby = tail;
  const client = connect(chat, timing);
  const room = client.join("lobby");
  const shown = new Map(); // by index
  const show = (e) => {
    const before = shown.get(e.detail.index);
    assert.ok(!before || (e.detail.version ?? 0) > (before.version ?? 0), "an older state after a newer one");
    shown.set(e.detail.index, e.detail);
  };
  room.addEventListener("message", show);
  room.addEventListener("change", show);
  room.addEventListener("reset", () => shown.clear());
  await until(() => room.ready);
  return { client, room, shown, contentOf: (index) => shown.get(index)?.content };
}

/** Pushes a part of the changes to the newest connection. */
const push = (chat, after, up_to = after + 1) => chat.sockets.at(-1).say({
  changes: { ...chat.changesAfter("lobby", after, up_to - after), more: undefined } });

test("a change is fired once, with the message as it is now", async () => {
  const chat = new Chat();
  const { room, contentOf } = await enter(chat);
  const fired = events(room, "change");
  chat.change("lobby", 5, { content: "five" });
  push(chat, 0);
  push(chat, 0);
  await until(() => contentOf(5) === "five");
  await sleep(200); // nothing more comes
  assert.deepEqual(fired.map((m) => m.version), [1]);
  assert.equal(actions(chat.sockets[0], "getChanges").length, 0);
});

test("parts of the changes may come in any order, and what is missing is fetched", async () => {
  const chat = new Chat();
  const { contentOf } = await enter(chat);
  for (const [index, content] of [[1, "a"], [2, "b"], [1, "c"], [3, "d"]]) chat.change("lobby", index, { content });
  push(chat, 2);
  push(chat, 1);
  push(chat, 0);
  await sleep(250);
  assert.equal(actions(chat.sockets[0], "getChanges").length, 0, "nothing is missing");
  assert.deepEqual([1, 2].map(contentOf), ["c", "b"]);
  chat.change("lobby", 4, { content: "e" });
  push(chat, 4); // the one before it was lost
  await until(() => contentOf(3) === "d" && contentOf(4) === "e");
  assert.deepEqual(actions(chat.sockets[0], "getChanges").map((f) => f.after), [3]);
});

test("a change that comes before its message wins", async () => {
  const chat = new Chat();
  const { contentOf } = await enter(chat, 2);
  const old = chat.message("lobby", 3);
  chat.tails.lobby = 3;
  chat.change("lobby", 3, { content: "new" });
  push(chat, 0);
  await sleep(50);
  assert.equal(contentOf(3), undefined);
  chat.sockets[0].say({ messages: [old] });
  await until(() => contentOf(3) === "new");
});

test("a change that comes while a page of the history is on its way wins", async () => {
  const chat = new Chat();
  const { room, contentOf } = await enter(chat, 200);
  assert.equal(contentOf(7), undefined);
  const page = chat.history({ room_name: "lobby", after: 0, limit: 100 });
  chat.before = (socket, { action, ref }) => {
    if (action !== "getRecentMessages") return false;
    chat.change("lobby", 7, { content: "new" });
    push(chat, 0);
    setTimeout(() => socket.say({ ref, ...page }), 100);
    return true;
  };
  const { messages } = await room.history({ after: 0 });
  assert.equal(messages[6].content, "new");
  assert.equal(messages[7].content, "8");
});

test("what a page of the history shows to be changed is fired", async () => {
  const chat = new Chat();
  const { room, contentOf } = await enter(chat);
  chat.change("lobby", 7, { content: "new" });
  await room.history({ after: 0 });
  assert.equal(contentOf(7), "new");
});

test("a client that comes back catches up with the changes, also with many", async () => {
  const chat = new Chat();
  const { contentOf } = await enter(chat, 10, { firstPause: 10 });
  chat.change("lobby", 1, { content: "one" });
  push(chat, 0);
  await until(() => contentOf(1) === "one");
  chat.sockets[0].cut();
  for (let i = 0; i < 700; i++) chat.change("lobby", 1 + (i % 7), { content: `${i}` });
  await until(() => contentOf(7) === "699" && actions(chat.sockets[1], "getChanges").length === 2);
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(contentOf), ["693", "694", "695", "696", "697", "698"]);
  assert.equal(actions(chat.sockets[1], "joinRoom")[0].changes_after, 1);
  assert.deepEqual(actions(chat.sockets[1], "getChanges").map((f) => f.after), [101, 601]);
});

test("what was changed before the client came needs no catching up", async () => {
  const chat = new Chat();
  for (let i = 0; i < 5; i++) chat.change("lobby", 2, { content: `${i}` });
  const { contentOf } = await enter(chat);
  assert.equal(contentOf(2), "4");
  chat.change("lobby", 3, { content: "three" });
  push(chat, 5);
  await until(() => contentOf(3) === "three");
  await sleep(200);
  assert.equal(actions(chat.sockets[0], "getChanges").length, 0);
});

test("a log of changes that went back is a log that went back", async () => {
  const chat = new Chat();
  chat.change("lobby", 2, { content: "two" });
  chat.change("lobby", 3, { content: "three" });
  const { room, contentOf } = await enter(chat, 10, { firstPause: 10 });
  const resets = events(room, "reset");
  chat.changes.lobby = [2];
  delete chat.states.lobby[3];
  chat.sockets[0].cut();
  await until(() => resets.length === 1 && room.ready);
  assert.deepEqual([2, 3].map(contentOf), ["two", "3"]);
  chat.change("lobby", 4, { content: "four" });
  push(chat, 1);
  await until(() => contentOf(4) === "four");
});

test("a message is edited, deleted, and reacted to", async () => {
  const chat = new Chat();
  const { room, shown } = await enter(chat);
  assert.equal((await room.edit(3, "three")).content, "three");
  assert.equal(shown.get(3).content, "three");
  assert.equal((await room.react(4, "👍")).reactions[0].reaction, "👍");
  assert.equal((await room.unreact(4, "👍")).reactions, undefined);
  assert.equal((await room.remove(5)).deleted_at, 1);
  const [edit, ...rest] = chat.sockets[0].asked.filter((f) => /edit|delete|Reaction/.test(f.action));
  const { ref, ...fields } = edit;
  assert.deepEqual(fields, { action: "editMessage", room_name: "lobby", user_name: "ann", index: 3, content: "three",
    if_version: 0 });
  assert.deepEqual(rest.map((f) => [f.action, f.index, f.reaction, f.if_version]),
    [["addReaction", 4, "👍", undefined], ["removeReaction", 4, "👍", undefined],
      ["deleteMessage", 5, undefined, undefined]]);
  for (const wrong of [0, -1, 1.5, "1", null, undefined, NaN, 2n]) {
    for (const ask of [room.edit(wrong, "x"), room.remove(wrong), room.react(wrong, "x"), room.unreact(wrong, "x")]) {
      await assert.rejects(ask, { code: "invalid_argument" });
    }
  }
  await assert.rejects(room.edit(3, ""), { code: "invalid_argument" });
  await assert.rejects(room.edit(3, 5), { code: "invalid_argument" });
  await assert.rejects(room.edit(3, "\u0001".repeat(6000)), { code: "too_large" });
});

test("an edit says which version it is of: the newest that is shown, or the given one", async () => {
  const chat = new Chat();
  const { room } = await enter(chat);
  const versions = () => actions(chat.sockets[0], "editMessage").map((f) => f.if_version);
  for (let i = 0; i < 3; i++) chat.change("lobby", 3, { content: `${i}` });
  push(chat, 0, 3);
  await until(() => asked(chat, 0, "joinRoom") && room);
  await sleep(50);
  await room.edit(3, "a");
  assert.deepEqual(versions(), [3]);
  await Promise.all([room.edit(3, "b"), room.edit(3, "c")]); // the second is of what the first has made
  assert.deepEqual(versions(), [3, 4, 5]);
  await room.edit(3, "d", { version: 2 });
  assert.deepEqual(versions(), [3, 4, 5, 2]);
});

test("requests to change one message are sent one after the other", async () => {
  const chat = new Chat();
  chat.delay = 30;
  const { room } = await enter(chat);
  const done = [];
  const asks = ["a", "b", "c"].map((reaction) => room.react(3, reaction).then(() => done.push(reaction)));
  await sleep(15);
  assert.equal(actions(chat.sockets[0], "addReaction").length, 1);
  await Promise.all(asks);
  assert.deepEqual(done, ["a", "b", "c"]);
});

test("a refused edit says why, and shows the message as it is now", async () => {
  const chat = new Chat();
  const { room, contentOf } = await enter(chat);
  chat.before = (socket, { action, ref }) => {
    if (action !== "editMessage") return false;
    const current = chat.change("lobby", 3, { content: "theirs" });
    socket.say({ ref, error: { code: "conflict", message: "no", action, request_id: "r", current } });
    return true;
  };
  const isTheirs = (error) => error.code === "conflict" && error.current.content === "theirs";
  await assert.rejects(room.edit(3, "mine"), isTheirs);
  assert.equal(contentOf(3), "theirs");
});

test("a request to change a message survives interruptions", async () => {
  const chat = new Chat();
  const { room } = await enter(chat, 10, { firstPause: 10 });
  let cuts = 0;
  chat.before = (socket, { action }) => action === "addReaction" && cuts++ < 2 && (socket.cut(), true);
  assert.equal((await room.react(3, "👍")).reactions.length, 1);
  assert.equal(chat.sockets.length, 3);
  let refusals = 0;
  chat.before = refuses("room_busy", ({ action }) => action === "deleteMessage" && refusals++ < 2);
  assert.equal((await room.remove(3)).deleted_at, 1);
  chat.before = refuses("forbidden", ({ action }) => action === "deleteMessage");
  await assert.rejects(room.remove(4), { code: "forbidden" });
});

test("a request waits for a connection, and ends with the room", async () => {
  const chat = new Chat();
  chat.tails.lobby = 3;
  const client = connect(chat);
  const room = client.join("lobby");
  const early = room.react(3, "👍"); // there is no connection yet
  assert.equal((await early).index, 3);
  chat.before = (socket, { action }) => action === "addReaction"; // never answered
  const waits = [room.react(2, "👍"), room.react(2, "👎")];
  await until(() => actions(chat.sockets[0], "addReaction").length === 2);
  client.leave("lobby");
  client.close();
  for (const wait of waits) await assert.rejects(wait, { code: "closed" });
  await assert.rejects(room.remove(1), { code: "closed" });
});

test("a request in a room that cannot be joined is refused as the room is", async () => {
  const chat = new Chat();
  chat.before = refuses("forbidden", ({ action }) => action === "joinRoom");
  await assert.rejects(connect(chat).join("lobby").react(1, "👍"), { code: "forbidden" });
});

test("a chat that knows no changes works as before", async () => {
  const chat = new Chat();
  chat.old = true;
  const { room, client } = await enter(chat);
  await until(() => client.state === "online");
  client.sync();
  await until(() => asked(chat, 0, "getChanges"));
  await sleep(50);
  assert.equal(room.trouble, null);
  assert.equal(await room.send("hello"), 11);
});

test("an answer and metadata are sent along", async () => {
  const chat = new Chat();
  const { room } = await enter(chat);
  const metadata = { color: "red" };
  const sent = room.send("yes", { replyTo: 3, metadata });
  metadata.color = "blue";
  await sent;
  const [frame] = actions(chat.sockets[0], "sendMessage");
  assert.equal(frame.reply_to, 3);
  assert.deepEqual(frame.metadata, { color: "red" });
  await room.send("plain");
  assert.ok(!("reply_to" in actions(chat.sockets[0], "sendMessage")[1]));
  for (const replyTo of [0, -1, 1.5, "3"]) {
    await assert.rejects(room.send("x", { replyTo }), { code: "invalid_argument" });
  }
  await assert.rejects(room.send("x", { metadata: { n: 1n } }), { code: "invalid_argument" });
  const [content, more] = ["\u0001".repeat(5400), { metadata: { a: "x".repeat(500) } }];
  assert.ok(room.excess(content, more) > room.excess(content));
});
