// Tests of client.js against a fake chat: whether the client knows that it is connected, and what it says if it is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatClient, ChatError } from "./files/client.js";
import { actions, Chat, connect, events, refuses, sleep, until } from "./fakechat.mjs";

const url = "wss://chat.example.com/dev";

/** From now on, all frames are lost in both directions, and no socket is closed. */
function swallow(chat) {
  for (const socket of chat.sockets) socket.onmessage = () => {};
  const before = chat.before;
  const dead = new Set(chat.sockets);
  chat.before = (socket, frame) => dead.has(socket) || before(socket, frame);
}

test("a connection that loses every frame is noticed after a silence, and the client catches up", async () => {
  const chat = new Chat();
  const client = connect(chat, { heartbeat: 60, pong: 40, firstPause: 50 });
  const room = client.join("lobby");
  await until(() => client.state === "online");
  const states = events(client, "state");
  await sleep(300); // several heartbeats, each answered
  assert.equal(chat.sockets.length, 1);
  assert.ok(actions(chat.sockets[0], "ping").length >= 2);
  swallow(chat);
  chat.tails.lobby = 3;
  await until(() => room.last === 3);
  await until(() => client.state === "online");
  assert.deepEqual(states, ["offline", "connecting", "online"]);
});

test("after a send, a dead connection is noticed long before the heartbeat", async () => {
  const chat = new Chat();
  const client = connect(chat, { answer: 50, pong: 50, firstPause: 10, heartbeat: 600_000 });
  const room = client.join("lobby");
  await until(() => client.state === "online");
  swallow(chat);
  const sent = room.send("hello");
  await until(() => chat.sockets.length === 2);
  assert.equal(await sent, 1);
  assert.equal(chat.sockets.length, 2);
});

test("frames of others do not hide that a sent message is not answered", async () => {
  const chat = new Chat();
  const client = connect(chat, { answer: 100, pong: 50, firstPause: 10, heartbeat: 600_000 });
  const room = client.join("lobby");
  await until(() => client.state === "online");
  chat.before = (socket, { action }) => socket === chat.sockets[0] && action === "sendMessage"; // lost
  const sent = room.send("hello");
  const presence = { room_name: "lobby", user_name: "bob", event: "joined" };
  chat.sockets[0].say({ presence }); // it was in flight before the cut
  await sleep(30);
  swallow(chat);
  await until(() => chat.sockets.length === 2);
  assert.equal(await sent, 1);
});

test("a slow chat does not count as a dead connection", async () => {
  const chat = new Chat();
  const client = connect(chat, { answer: 20, pong: 100, firstPause: 10 });
  const room = client.join("lobby");
  await until(() => client.state === "online");
  chat.before = (socket, frame) => {
    if (frame.action !== "sendMessage") return false;
    setTimeout(() => chat.answer(socket, frame), 400);
    return true;
  };
  assert.equal(await room.send("hello"), 1);
  assert.equal(chat.sockets.length, 1);
  assert.equal(actions(chat.sockets[0], "sendMessage").length, 1);
});

test("a pong is no news: each room asks for news in spite of it", async () => {
  const chat = new Chat();
  const client = connect(chat, { heartbeat: 20, sync: 200 });
  const room = client.join("lobby");
  await until(() => client.state === "online");
  chat.tails.lobby = 2; // without a frame
  await until(() => room.last === 2);
});

/** A JWT that expires at a time in seconds since the epoch. */
const jwt = (exp) => ["{}", JSON.stringify({ sub: "ann", exp }), "sig"].map(encoded).join(".");
const encoded = (part) => Buffer.from(part).toString("base64url");
const now = () => Date.now() / 1000;

test("before a token ends, a connection with a new one takes over, and nothing is missed", async () => {
  const chat = new Chat();
  let tokens = 0;
  const client = connect(chat, { firstPause: 10 }, { token: () => (tokens++, jwt(now() + 3)) });
  const room = client.join("lobby");
  await until(() => client.state === "online");
  const states = events(client, "state");
  const got = events(room, "message");
  const speaking = setInterval(() => {
    chat.tails.lobby = (chat.tails.lobby ?? 0) + 1;
    const messages = [chat.message("lobby", chat.tails.lobby)];
    for (const socket of chat.sockets) socket.say({ messages }); // a closed socket gets none
  }, 20);
  await sleep(5000);
  clearInterval(speaking);
  assert.ok(tokens >= 3, `${tokens} tokens`);
  assert.deepEqual(states, []);
  await until(() => got.length === chat.tails.lobby);
  assert.deepEqual(got.map((m) => m.index), got.map((m, i) => i + 1));
});

test("a fixed token ends visibly, by the chat's clock and not by this machine's", async () => {
  for (const ahead of [-3600, 3600]) { // seconds, of the chat's clock
    const chat = new Chat();
    chat.before = (socket, { action, ref }) => {
      if (action !== "ping") return false;
      socket.say({ ref, pong: { time: Math.floor(now() + ahead) } });
      return true;
    };
    const client = connect(chat, {}, { token: jwt(now() + ahead + 3) });
    const ended = events(client, "signedout");
    client.join("lobby");
    await until(() => client.state === "online");
    await sleep(1000);
    assert.equal(client.state, "online");
    await until(() => ended.length === 1);
    assert.equal(ended[0].code, "token_expired");
    assert.equal(client.state, "closed");
  }
});

test("an expired token that the chat accepts ends when the chat says so", async () => {
  const chat = new Chat();
  const client = connect(chat, { heartbeat: 50 }, { token: jwt(now() - 20) });
  const ended = events(client, "signedout");
  client.join("lobby");
  await until(() => client.state === "online");
  await sleep(300);
  assert.equal(client.state, "online");
  chat.before = refuses("token_expired", () => true);
  await until(() => ended[0]?.code === "token_expired");
});

test("a token function that has no newer token yet is asked again, and its late token counts", async () => {
  const chat = new Chat();
  let token = jwt(now() + 4);
  const client = connect(chat, { firstPause: 10 }, { token: () => token });
  client.join("lobby");
  await until(() => client.state === "online");
  await sleep(3200);
  token = jwt(now() + 3600);
  await sleep(1500);
  assert.equal(client.state, "online");
  assert.ok(chat.sockets.length < 20, `${chat.sockets.length} connections`);
});

test("wrong arguments throw", async () => {
  const { WebSocket } = new Chat();
  const wrong = { code: "invalid_argument" };
  const make = (u, o) => () => new ChatClient(u, o);
  const hashes = ["wss://example.com/dev#", "wss://example.com/dev#room"];
  for (const bad of [...hashes, "/dev", "", "example.com", "ftp://example.com", undefined]) {
    assert.throws(make(bad, { user: "ann", WebSocket }), wrong, String(bad));
  }
  for (const token of ["a b", " ey.J.x", "ey.J.x\n", "", 7, {}, "a,b", "ü"]) {
    assert.throws(make(url, { token, WebSocket }), wrong, JSON.stringify(token));
  }
  const badTiming = { timing: { answer: "soon" }, WebSocket };
  for (const options of [null, "ann", { user: 7, WebSocket }, { user: "ann", WebSocket: {} }, badTiming]) {
    assert.throws(make(url, options), wrong, JSON.stringify(options));
  }
  const own = globalThis.WebSocket;
  delete globalThis.WebSocket;
  try {
    assert.throws(make(url, { user: "ann" }), wrong);
  } finally {
    if (own) globalThis.WebSocket = own;
  }
  const client = connect(new Chat());
  for (const name of ["", 7, undefined, null]) assert.throws(() => client.join(name), wrong);
  const room = client.join("lobby");
  for (const content of ["", 7, undefined, null]) await assert.rejects(room.send(content), wrong);
});

test("a token function that throws causes an event, and at the start, after three times, the end", async () => {
  const cause = new Error("no session");
  for (const token of [() => Promise.reject(cause), () => { throw cause; }]) {
    const client = connect(new Chat(), { firstPause: 10 }, { token });
    const seen = events(client, "failed", "signedout");
    const sent = client.join("lobby").send("hello");
    await assert.rejects(sent, { code: "token_failed" });
    assert.deepEqual(seen.map(([type, e]) => [type, e.code, e.cause]),
      ["failed", "failed", "failed", "signedout"].map((type) => [type, "token_failed", cause]));
    assert.equal(client.state, "closed");
  }
});

test("a token function that says that tokens are unavailable is asked again for ever", async () => {
  let asked = 0;
  const token = async () => {
    if (++asked < 6) throw new ChatError("unavailable", "no network");
    return "token";
  };
  const client = connect(new Chat(), { firstPause: 5, longestPause: 10 }, { token });
  const seen = events(client, "failed", "signedout");
  await until(() => client.state === "online");
  assert.deepEqual(seen.map(([type, e]) => [type, e.code]), Array(5).fill(["failed", "token_failed"]));
});

test("a token function that fails for a while is asked again by a client that was online", async () => {
  const chat = new Chat();
  let works = true;
  const token = () => (works ? "token" : Promise.reject(new Error("tunnel")));
  const client = connect(chat, { firstPause: 10, longestPause: 30 }, { token });
  const room = client.join("lobby");
  await until(() => client.state === "online");
  works = false;
  const failed = events(client, "failed");
  chat.sockets[0].cut();
  await until(() => failed.length >= 5);
  const sent = room.send("hello");
  works = true;
  assert.equal(await sent, 1);
});

test("a token function that returns none, or no token, says why nobody is signed in", async () => {
  for (const [token, code] of [
    [() => null, "signed_out"], [async () => "", "signed_out"],
    [() => "two words", "token_failed"], [() => 7, "token_failed"],
  ]) {
    const client = connect(new Chat(), { firstPause: 10 }, { token });
    const ended = events(client, "signedout");
    await assert.rejects(client.join("lobby").send("hello"), { code });
    assert.equal(ended[0].code, code);
  }
  const token = () => new Promise(() => {}); // it never answers
  const client = connect(new Chat(), { firstPause: 10, handshake: 30 }, { token });
  const failed = events(client, "failed");
  await until(() => failed.length > 0);
  assert.equal(failed[0].code, "token_failed");
});

/** Refuses handshakes as seen with npm's ws, with a status; or as seen in browsers, without one. */
const refuse = (chat, status) => (chat.handshake = (socket) => {
  socket.readyState = 3;
  setTimeout(() => {
    const error = status && new Error(`Unexpected server response: ${status}`);
    socket.onerror({ error, message: error?.message });
    socket.onclose({ code: 1006 });
  }, 1);
});

test("a refused handshake is tried again only if that can help, and says what is known", async () => {
  for (const [status, options, final] of [
    [401, { token: "t" }, true], [403, { token: "t" }, true],
    [403, { user: "ann" }, true], [400, { user: "ann" }, true],
    [429, { token: "t" }, false], [500, { token: "t" }, false],
    [503, { user: "ann" }, false], [undefined, { token: "t" }, false],
    [401, { token: () => "t" }, true],
  ]) {
    const chat = new Chat();
    refuse(chat, status);
    const client = connect(chat, { firstPause: 10, longestPause: 20 }, options);
    const seen = events(client, "failed", "signedout");
    const sent = client.join("lobby").send("hello");
    sent.catch(() => {});
    await until(() => seen.length >= 2);
    const { code, status: said } = seen[0][1];
    assert.equal(said, status);
    assert.equal(code, status < 500 ? "handshake_refused" : "handshake_failed");
    if (final) {
      await assert.rejects(sent, { code: "handshake_refused" });
      await until(() => client.state === "closed");
      assert.equal(seen.at(-1)[0], "signedout");
    } else {
      assert.equal(client.state === "closed", false, `${status}`);
      chat.handshake = () => {};
      assert.equal(await sent, 1); // the message has waited
    }
    client.close();
  }
});

test("a token that is refused once is followed by a new one", async () => {
  const chat = new Chat();
  let tokens = 0;
  chat.handshake = (socket) => {
    if (socket.protocols[1] !== "t2") {
      socket.readyState = 3;
      setTimeout(() => (socket.onerror({ message: "Unexpected server response: 401" }), socket.onclose({})), 1);
    }
  };
  const client = connect(chat, { firstPause: 10 }, { token: () => `t${++tokens}` });
  client.join("lobby");
  await until(() => client.state === "online");
  assert.equal(tokens, 2);
});

test("a class that makes no socket, and an address that looks like a status, are reported correctly", async () => {
  class Broken {
    constructor() {
      throw new Error("The operation is insecure.");
    }
  }
  const client = new ChatClient(url, { user: "ann", WebSocket: Broken });
  const ended = events(client, "signedout");
  await assert.rejects(client.join("lobby").send("hello"), { code: "invalid_argument" });
  assert.match(ended[0].message, /insecure/);
  const chat = new Chat();
  chat.handshake = (socket) => {
    socket.readyState = 3;
    setTimeout(() => (socket.onerror({ message: "connect ECONNREFUSED 127.0.0.1:443" }), socket.onclose({})), 1);
  };
  const other = connect(chat, { firstPause: 10 });
  const failed = events(other, "failed");
  await until(() => failed.length >= 2);
  assert.equal(failed[0].code, "handshake_failed");
});

test("a token is offered after the word chat, and is asked for before each connection", async () => {
  const chat = new Chat();
  let n = 0;
  const client = connect(chat, { firstPause: 10 }, { token: async () => `token${++n}` });
  client.join("lobby");
  await until(() => client.user);
  assert.equal(client.user, "ann"); // from the chat
  chat.sockets[0].say({ error: { code: "token_expired", message: "over" } });
  await until(() => chat.sockets.length >= 2);
  await sleep(100); // nothing more may come
  assert.deepEqual(chat.sockets.map((s) => s.protocols), [["chat", "token1"], ["chat", "token2"]]);
});

test("the page's offline event counts at once", async () => {
  const page = new EventTarget();
  globalThis.addEventListener = (...args) => page.addEventListener(...args);
  try {
    const chat = new Chat();
    const client = connect(chat, { firstPause: 100 });
    client.join("lobby");
    await until(() => client.state === "online");
    page.dispatchEvent(new Event("offline"));
    assert.equal(client.state, "offline");
    page.dispatchEvent(new Event("online"));
    assert.equal(client.state, "connecting");
    await until(() => client.state === "online");
  } finally {
    delete globalThis.addEventListener;
  }
});
