// Tests of client.js against a fake chat in which people sign in: the id says who somebody is, and the name does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, Chat, connect, events, sleep, until } from "./fakechat.mjs";

const sam1 = { user_name: "sam", user_id: "u1" };
const sam2 = { user_name: "sam", user_id: "u2" };
const sam3 = { user_name: "sam", user_id: "u3" };

const say = (chat, user, event) => chat.sockets.at(-1).say({ presence: { room_name: "lobby", ...user, event } });

/** A client of the first sam, in a lobby with these users. */
async function lobby(users, timing = {}) {
  const chat = new Chat();
  chat.me = sam1;
  chat.members.lobby = users;
  const client = connect(chat, { firstPause: 10, grace: 100, ...timing }, { token: "t" });
  const room = client.join("lobby");
  await until(() => room.ready);
  return { chat, client, room, news: events(room, "presence") };
}

test("the chat says which user a client is", async () => {
  const chat = new Chat();
  chat.me = sam1;
  const client = connect(chat, {}, { token: "t" });
  assert.equal(client.userId, undefined);
  const names = events(client, "user");
  const room = client.join("lobby");
  await until(() => room.ready);
  assert.deepEqual([client.user, client.userId, names], ["sam", "u1", ["sam"]]);
  client.join("attic");
  await until(() => client.rooms.get("attic").ready);
  assert.deepEqual(names, ["sam"]); // one event
});

test("an open chat knows no ids", async () => {
  const chat = new Chat();
  chat.members.lobby = ["ann", "bob"];
  const client = connect(chat);
  const room = client.join("lobby");
  const messages = events(room, "message");
  await until(() => room.ready);
  await room.send("hi");
  assert.equal(client.userId, undefined);
  assert.deepEqual(room.users, [{ user_name: "ann", connections: 1 }, { user_name: "bob", connections: 1 }]);
  assert.deepEqual([...room.members], [["ann", 1], ["bob", 1]]);
  assert.ok(client.isMe(messages[0]) && client.isMe(room.users[0]) && !client.isMe(room.users[1]));
});

test("two people with one name are two users and one member", async () => {
  const { client, room } = await lobby([sam1, sam2, "sam", { user_name: "ann", user_id: "u3" }]);
  assert.deepEqual(room.users, [
    { ...sam1, connections: 1 }, { ...sam2, connections: 1 }, { user_name: "sam", connections: 1 },
    { user_name: "ann", user_id: "u3", connections: 1 },
  ]);
  assert.deepEqual([...room.members], [["sam", 3], ["ann", 1]]);
  // The third is from before ids.
  assert.deepEqual(room.users.map((user) => client.isMe(user)), [true, false, true, false]);
});

test("users who come and go are told apart by the id", async () => {
  const { chat, room, news } = await lobby([sam1]);
  chat.members.lobby = [sam1, sam2, sam3];
  say(chat, sam2, "joined");
  await until(() => room.users.length === 2);
  assert.deepEqual([...room.members], [["sam", 2]]);
  say(chat, sam3, "joined");
  await until(() => room.users.length === 3);
  await sleep(300); // the list is read, and the grace is over
  chat.members.lobby = [sam1, sam3];
  say(chat, sam2, "left");
  await until(() => room.users.length === 2);
  assert.deepEqual(room.users.map((user) => user.user_id), ["u1", "u3"]);
  assert.deepEqual([...room.members], [["sam", 2]]);
  assert.deepEqual(news, [{ ...sam2, event: "joined" }, { ...sam3, event: "joined" }, { ...sam2, event: "left" }]);
  say(chat, sam1, "left"); // another connection of this user
  await sleep(200);
  assert.equal(room.users.length, 2);
});

test("a user who is gone when the list is read is reported with the id", async () => {
  const { chat, room, news } = await lobby([sam1]);
  chat.members.lobby = [sam1, sam2];
  say(chat, sam2, "joined");
  await until(() => room.users.length === 2);
  chat.members.lobby = [sam1];
  say(chat, sam2, "left");
  await until(() => room.users.length === 1);
  assert.deepEqual(news, [{ ...sam2, event: "joined" }, { ...sam2, event: "left" }]);
});

test("a user with another name is the same user", async () => {
  const { chat, room, news } = await lobby([sam1, sam2]);
  say(chat, { user_name: "Sam S.", user_id: "u2" }, "joined");
  await sleep(50);
  assert.equal(room.users.length, 2);
  assert.deepEqual(news, []);
});

test("a message of another user with the same message_id and name is no acknowledgement", async () => {
  const { chat, client, room } = await lobby([sam1, sam2], { patience: 200 });
  const messages = events(room, "message");
  let sends = 0;
  chat.before = (socket, frame) => {
    if (frame.action !== "sendMessage" || sends++ > 0) return false;
    const { room_name, message_id } = frame;
    chat.tails.lobby = 1;
    socket.say({ messages: [{ room_name, index: 1, ...sam2, content: "theirs", create_at: 0, message_id }] });
    return true; // the first sam's message is lost
  };
  assert.equal(await room.send("mine", { id: "1" }), 2);
  assert.equal(sends, 2);
  assert.deepEqual(messages.map((m) => [m.content, client.isMe(m)]), [["theirs", false], ["mine", true]]);
});

test("a chat that begins to send ids during a connection is understood", async () => {
  const chat = new Chat();
  chat.me = { user_name: "sam" };
  const client = connect(chat, { firstPause: 10, patience: 200 }, { token: "t" });
  const room = client.join("lobby");
  const messages = events(room, "message");
  const resets = events(room, "reset");
  await until(() => room.ready);
  await room.send("before");
  chat.me = sam1; // a new version was deployed
  assert.equal(await room.send("after"), 2);
  assert.equal(actions(chat.sockets[0], "sendMessage").length, 2); // nothing was sent again
  chat.me = { user_name: "sam" }; // an older process sends a message that a newer one has stored
  await room.send("and by the way");
  chat.me = sam1;
  assert.equal(client.userId, undefined);
  assert.deepEqual(messages.map((m) => client.isMe(m)), [true, true, true]);
  chat.message = (room_name, index) => (
    { room_name, index, ...sam1, content: `${index}`, create_at: 0, message_id: messages[index - 1]?.message_id });
  chat.sockets[0].cut();
  await until(() => client.state === "online" && chat.sockets.length === 2);
  assert.equal(client.userId, "u1");
  assert.equal(room.last, 3);
  assert.deepEqual(resets, []);
});

test("a message under the index of another user's message of the same name shows that the log went back", async () => {
  const { chat, client, room } = await lobby([sam1]);
  const resets = events(room, "reset");
  chat.message = (room_name, index) => ({ room_name, index, ...sam1, content: "a", create_at: 0 });
  chat.tails.lobby = 1;
  client.sync();
  await until(() => room.last === 1);
  chat.message = (room_name, index) => ({ room_name, index, ...sam2, content: "a", create_at: 0 });
  await until(() => (client.sync(), resets.length === 1)); // the one before may be under way still
});

test("a content is measured with the id, as the chat measures it", async () => {
  const chat = new Chat();
  chat.me = sam1;
  const client = connect(chat, {}, { token: "t" });
  const room = client.join("lobby");
  await until(() => room.ready);
  const content = '"'.repeat(16_384);
  const short = room.excess(content);
  client.userId = "\u0001".repeat(255);
  assert.equal(room.excess(content) - short, 255 * 6 - 2);
});
