// Tests of client.js against a fake chat: names, which have one spelling in the chat.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, Chat, connect, events, sleep, until } from "./fakechat.mjs";
import { spelled } from "./files/client.js";

const GIVEN = "\u{1f3f3}\u200d\u{1f308} club", SPELT = "\u{1f3f3}\ufe0f\u200d\u{1f308} club";

/** A chat that spells names as the real one does. The client cannot do all of that. */
function spelling() {
  const chat = new Chat();
  const spell = (name) => spelled(name).replace(GIVEN, SPELT);
  chat.before = (socket, frame) => {
    if (frame.room_name !== undefined) frame.given = frame.room_name;
    if (frame.room_name !== undefined) frame.room_name = spell(frame.room_name);
    return false;
  };
  return chat;
}

test("a name has one spelling, with one space between two words and none around it", async () => {
  for (const [name, want] of [
    ["lobby", "lobby"], [" lobby ", "lobby"], ["the  lobby", "the lobby"],
    ["\u3000the \u00a0 lobby\u2003", "the lobby"],
    ["cafe\u0301 ", "caf\u00e9"], ["  ", ""], ["a\tb", "a\tb"], ["\ufeffa", "\ufeffa"], ["a \u0301", "a \u0301"],
  ]) assert.equal(spelled(name), want);
  const chat = spelling();
  const client = connect(chat);
  const room = client.join("  the \u00a0 lobby ");
  assert.equal(client.join("the lobby"), room);
  assert.deepEqual([...client.rooms.keys()], ["the lobby"]);
  assert.throws(() => client.join(" \u3000 "), { code: "invalid_argument" });
  await until(() => room.ready);
  const seen = events(room, "message");
  assert.equal(await room.send("hello"), 1);
  await until(() => seen.length === 1);
  client.leave("the  lobby");
  await until(() => actions(chat.sockets[0], "leaveRoom").length === 1);
  assert.equal(actions(chat.sockets[0], "leaveRoom")[0].room_name, "the lobby");
  assert.equal(client.rooms.size, 0);
});

test("a room has the name that the chat answers, and is found under both", async () => {
  const chat = spelling();
  const client = connect(chat, { firstPause: 10 });
  const room = client.join(GIVEN);
  await until(() => room.ready);
  assert.equal(room.name, SPELT);
  assert.deepEqual([...client.rooms.keys()], [SPELT]);
  assert.equal(client.join(GIVEN), room);
  assert.equal(client.join(SPELT), room);
  const seen = events(room, "message");
  chat.tails[SPELT] = 1;
  chat.sockets[0].say({ messages: [chat.message(SPELT, 1)] });
  assert.equal(await room.send("hello"), 2);
  await until(() => seen.length === 2);
  chat.sockets[0].cut();
  await until(() => chat.sockets.length === 2 && client.state === "online");
  assert.deepEqual(actions(chat.sockets[1], "joinRoom").map((frame) => frame.given), [SPELT]);
  client.leave(GIVEN);
  await until(() => actions(chat.sockets[1], "leaveRoom").length === 1);
  assert.equal(client.rooms.size, 0);
});

const slow = { timeout: 30_000 }; // milliseconds

test("a room that is joined under two spellings at once works under both, until both are left", slow, async () => {
  const chat = spelling();
  const client = connect(chat);
  const rooms = [client.join(SPELT), client.join(GIVEN)];
  await until(() => rooms.every((room) => room.ready && room.name === SPELT));
  const seen = rooms.map((room) => events(room, "message"));
  assert.equal(await rooms[1].send("hello"), 1);
  assert.equal(await rooms[0].send("hello"), 2);
  chat.tails[SPELT] = 3;
  chat.sockets[0].say({ messages: [chat.message(SPELT, 3)] }); // of somebody else
  await until(() => seen.every((messages) => messages.length === 3));
  assert.equal(client.rooms.size, 2);
  client.leave(GIVEN);
  await sleep(20);
  assert.equal(actions(chat.sockets[0], "leaveRoom").length, 0);
  chat.tails[SPELT] = 4;
  chat.sockets[0].say({ messages: [chat.message(SPELT, 4)] });
  await until(() => seen[0].length === 4);
  assert.equal(seen[1].length, 3);
  client.leave(SPELT);
  await until(() => actions(chat.sockets[0], "leaveRoom").length === 1);
});

test("the client has the user's name that the chat answers", async () => {
  const chat = spelling();
  const client = connect(chat, {}, { user: "  ann " });
  const names = events(client, "user");
  const room = client.join("lobby");
  await until(() => room.ready);
  assert.deepEqual([names, client.user], [["ann"], "ann"]);
  await room.send("hello");
  assert.equal(actions(chat.sockets[0], "sendMessage")[0].user_name, "ann");
});
