// Tests of conversation.js against a fake chat.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Chat, connect, refuses, sleep, until } from "./fakechat.mjs";
import { Conversation } from "./files/conversation.js";
import { withPresence } from "./files/presence.js";

/** A conversation in a room with so many messages. */
async function enter(tail = 5, options = {}) {
  const chat = new Chat();
  chat.tails.lobby = tail;
  const client = connect(chat, { firstPause: 10 });
  const conversation = new Conversation(client.join("lobby"), options);
  await until(() => conversation.room.ready && client.state === "online");
  return { chat, client, conversation };
}

const now = (conversation) => conversation.snapshot();
const messages = (conversation) => now(conversation).items.flatMap(({ message }) => message ?? []);
const indexes = (conversation) => messages(conversation).map(({ index }) => index);
const range = (first, last) => Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

/** Somebody writes. */
function write(chat, user_name = "bob") {
  const index = (chat.tails.lobby += 1);
  (chat.states.lobby ??= {})[index] = { room_name: "lobby", index, user_name, content: `${index}`, create_at: 0 };
  chat.sockets.at(-1).say({ messages: [chat.message("lobby", index)] });
  return index;
}

/** Somebody changes a message. */
function change(chat, index, fields) {
  const message = chat.change("lobby", index, fields);
  const after = message.version - 1;
  const changes = { room_name: "lobby", messages: [message], after, up_to: message.version };
  chat.sockets.at(-1).say({ changes });
}

test("a snapshot is the same object until something has changed, and then another one", async () => {
  const { chat, conversation } = await enter();
  let calls = 0;
  const end = conversation.subscribe(() => calls++);
  const first = now(conversation);
  assert.deepEqual(indexes(conversation), range(1, 5));
  const copy = structuredClone(first);
  conversation.markRead(5);
  assert.equal(now(conversation), first, "nothing has changed");
  assert.equal(calls, 0);
  write(chat);
  await until(() => now(conversation) !== first);
  change(chat, 2, { content: "other", edited_at: 1 });
  await until(() => conversation.messageAt(2).content === "other");
  assert.deepEqual(structuredClone(first), copy, "an earlier snapshot does not change");
  assert.equal(calls, 2);
  for (const frozen of [first, first.items, first.items[0], first.unsent, first.typing]) assert.ok(Object.isFrozen(frozen));
  assert.equal(now(conversation).items[0], first.items[0], "an item that has not changed is the same object");
  end();
  write(chat);
  await until(() => conversation.lastIndex === 7);
  assert.equal(calls, 2);
});

test("the window moves to the beginning of the room and back to its end", async () => {
  const { conversation } = await enter(1000);
  assert.deepEqual(indexes(conversation), range(951, 1000));
  conversation.following = false;
  while (await conversation.loadOlder()) {
    assert.ok(now(conversation).items.length <= 300);
    assert.equal(now(conversation).loading, false);
  }
  assert.deepEqual(indexes(conversation), range(1, 300));
  const { begins, ends } = now(conversation);
  assert.deepEqual([begins, ends], [true, false]);
  while (await conversation.loadNewer());
  assert.deepEqual(indexes(conversation), range(701, 1000));
  assert.ok(now(conversation).ends);
  assert.ok(await conversation.show(400));
  assert.ok(indexes(conversation).includes(400) && !now(conversation).ends);
  assert.ok(await conversation.toEnd());
  assert.equal(conversation.lastIndex, 1000);
});

test("new messages push out the oldest ones at the end of the room, and nothing elsewhere", async () => {
  const { chat, conversation } = await enter(50);
  for (let i = 0; i < 300; i++) write(chat);
  await until(() => conversation.lastIndex === 350);
  assert.deepEqual(indexes(conversation), range(51, 350));
  conversation.following = false;
  for (let i = 0; i < 300; i++) write(chat);
  await until(() => conversation.room.last === 650);
  assert.deepEqual([indexes(conversation), now(conversation).ends], [range(51, 450), false]);
});

test("without a connection nothing is fetched, and later it is", async () => {
  const { chat, client, conversation } = await enter(200);
  chat.handshake = (socket) => socket.cut();
  chat.sockets[0].cut();
  await until(() => client.state !== "online");
  assert.equal(await conversation.loadOlder(), false);
  assert.equal(await conversation.show(3), false);
  assert.deepEqual(indexes(conversation), range(151, 200));
  chat.handshake = () => {};
  client.retryNow();
  await until(() => client.state === "online");
  assert.equal(await conversation.loadOlder(), true);
});

test("a conversation may begin when the room is entered already", async () => {
  const { chat, client } = await enter(20);
  const later = new Conversation(client.join("lobby"));
  await until(() => later.lastIndex === 20);
  assert.ok(now(later).ends && now(later).ready && later.following);
  write(chat);
  await until(() => later.lastIndex === 21);
});

test("what others write is unread until it is seen; a line marks where it begins", async () => {
  const { chat, conversation } = await enter(5);
  assert.equal(now(conversation).unread, 0, "what was there at first counts as read");
  write(chat);
  write(chat, "ann");
  write(chat);
  await until(() => conversation.lastIndex === 8);
  assert.equal(now(conversation).unread, 2);
  conversation.markNew();
  assert.equal(now(conversation).mark, 5);
  change(chat, 6, { content: "", deleted_at: 1 });
  await until(() => now(conversation).unread === 1);
  conversation.markRead(8);
  assert.equal(now(conversation).unread, 0);
  assert.equal(now(conversation).mark, 5, "the line stays where it is");
  conversation.unmark();
  assert.equal(now(conversation).mark, null);
});

test("the chat may say later how far the room is read", async () => {
  const { conversation } = await enter(50, { marker: "later" });
  assert.deepEqual([now(conversation).ready, now(conversation).unread], [false, 0]);
  conversation.adopt(47);
  assert.deepEqual([now(conversation).ready, now(conversation).unread], [true, 3]);
});

test("what is not stored is in the snapshot, and what was refused stands where that happened", async () => {
  const { chat, conversation } = await enter(5);
  chat.before = refuses("forbidden", ({ content }) => content === "bad");
  const sent = conversation.room.send("bad").catch((error) => error);
  assert.deepEqual(now(conversation).unsent.map(({ content }) => content), ["bad"]);
  assert.equal((await sent).code, "forbidden");
  const { id, state, error, ...more } = now(conversation).unsent[0];
  assert.deepEqual([state, error.code, Object.keys(more).includes("resolve")], ["failed", "forbidden", false]);
  assert.deepEqual(now(conversation).items.at(-1).kind, "refused");
  const before = now(conversation).items.at(-1);
  write(chat);
  await conversation.room.send("good");
  assert.equal(conversation.lastIndex, 7);
  assert.equal(now(conversation).items.at(-1), before, "it is the same item, at the end");
  conversation.room.discard(id);
  assert.deepEqual([now(conversation).unsent, indexes(conversation)], [[], range(1, 7)]);
});

test("an outbox of the program's own says where a refused message stands", async () => {
  const outbox = Object.assign(new EventTarget(), { entries: [] });
  const { conversation } = await enter(5, { outbox });
  outbox.entries = [{ id: "a", content: "x", state: "failed", error: null, after: 2, at: 1 },
    { id: "b", content: "y", state: "waiting", error: null, after: 0, at: 2 }];
  outbox.dispatchEvent(new Event("change"));
  assert.deepEqual(now(conversation).items.map(({ key }) => key),
    ["message 1", "message 2", "refused a", "message 3", "message 4", "message 5"]);
  assert.equal(now(conversation).unsent.length, 2);
});

test("after its end nothing changes any more", async () => {
  const { chat, conversation } = await enter(5);
  const last = now(conversation);
  conversation.subscribe(() => assert.fail("it has ended"));
  conversation.close();
  write(chat);
  await until(() => conversation.room.last === 6);
  assert.equal(now(conversation), last);
});

test("a log that went back empties the window, and says so", async () => {
  const { chat, conversation } = await enter(5);
  chat.tails.lobby = 3;
  chat.sockets[0].cut();
  await until(() => now(conversation).items.some(({ kind }) => kind === "restored"));
  assert.deepEqual(indexes(conversation), range(1, 3));
});

// The window is a part of the log without a gap, each message as it is now, whatever happens and in whatever order.
for (const seed of range(1, Number(process.env.SEEDS ?? 20))) {
  test(`the window is true: seed ${seed}`, async () => {
    let state = seed;
    const random = (n) => ((state = (state * 48271) % 2147483647), state % n); // Lehmer's generator
    const { chat, conversation } = await enter(random(400));
    const seen = [];
    const check = () => {
      const { items, ends } = now(conversation);
      const shown = messages(conversation);
      const [first, last] = [shown[0]?.index ?? 1, shown.at(-1)?.index ?? 0];
      assert.deepEqual(shown.map(({ index }) => index), range(first, last));
      assert.ok(items.length <= 400, `${items.length} items`);
      assert.ok(!ends || last === (conversation.room.last ?? 0), `it ends at ${last} of ${conversation.room.last}`);
      seen.push([now(conversation), structuredClone(items.map(({ key, message }) => [key, message]))]);
    };
    conversation.subscribe(check);
    const acts = [
      () => write(chat, random(4) === 0 ? "ann" : "bob"),
      () => write(chat),
      () => chat.tails.lobby > 0 && change(chat, 1 + random(chat.tails.lobby), { content: `edited ${random(1000)}` }),
      () => void conversation.loadOlder(),
      () => void conversation.loadNewer(),
      () => chat.tails.lobby > 0 && void conversation.show(1 + random(chat.tails.lobby)),
      () => void conversation.toEnd(),
      () => (conversation.following = now(conversation).ends && random(2) === 0),
      () => random(8) === 0 && chat.sockets.at(-1).cut(),
      () => sleep(random(6)),
    ];
    for (let i = 0; i < 150; i++) await acts[random(acts.length)]();
    await until(() => conversation.room.last === chat.tails.lobby, "all has come");
    await until(async () => !now(conversation).loading);
    await conversation.toEnd();
    check();
    await until(() => messages(conversation).every((message) =>
      message.content === chat.message("lobby", message.index).content), "each message is as it is now");
    for (const [snapshot, copy] of seen) {
      assert.deepEqual(snapshot.items.map(({ key, message }) => [key, message]), copy);
    }
  });
}

const user = (event, user_name, minutes = 0) => ({ event, user_name, minutes });
for (const [what, changes, want] of [
  ["one comes", [user("joined", "ann")], ["came ann"]],
  ["one goes", [user("left", "ann")], ["went ann"]],
  ["one comes and goes", [user("joined", "ann"), user("left", "ann")], ["passed ann"]],
  ["one comes, goes and comes", [user("joined", "ann"), user("left", "ann"), user("joined", "ann")], ["came ann"]],
  ["several", [user("joined", "ann"), user("joined", "bob"), user("left", "cy"), user("left", "ann")],
    ["came bob, went cy, passed ann"]],
  ["a short absence", [user("left", "ann"), user("joined", "ann", 1)], []],
  ["a long absence without a message", [user("left", "ann"), user("joined", "ann", 60)], []],
  ["a short absence with a message", [user("left", "ann"), "message", user("joined", "ann", 1)], ["message"]],
  ["a long absence with a message", [user("left", "ann"), "message", user("joined", "ann", 6)],
    ["went ann", "message", "came ann"]],
  ["one who came, and was away for a moment", [user("joined", "ann"), user("left", "ann"), "message",
    user("joined", "ann", 1)], ["came ann", "message"]],
  ["messages separate", [user("joined", "ann"), "message", user("joined", "bob")], ["came ann", "message", "came bob"]],
  ["others stay", [user("left", "ann"), user("left", "bob"), "message", user("joined", "ann", 1)],
    ["went bob", "message"]],
]) {
  test(`presence: ${what}`, () => {
    let items = [];
    for (const change of changes) {
      if (change === "message") {
        items = [...items, { kind: "message" }];
        continue;
      }
      const { items: next, added } = withPresence(items, change, change.minutes * 60_000);
      items = added ? [...next, { kind: "presence", ...added }] : next;
    }
    const names = (item, list) => (item[list].length > 0 ? [`${list} ${item[list].map((u) => u.user_name)}`] : []);
    const says = (item) => ["came", "went", "passed"].flatMap((list) => names(item, list)).join(", ");
    assert.deepEqual(items.map((item) => (item.kind === "message" ? "message" : says(item))), want);
  });
}

test("two people of one name come and go by themselves", () => {
  const [ann, other] = ["a", "b"].map((user_id) => ({ user_name: "ann", user_id }));
  const { added } = withPresence([], { ...ann, event: "left" }, 0);
  const { items } = withPresence([{ kind: "presence", ...added }], { ...other, event: "joined" }, 1);
  assert.deepEqual(items[0].came.map((u) => u.user_id), ["b"]);
  assert.deepEqual(items[0].went.map((u) => u.user_id), ["a"]);
});
