// A simulation of clients for minutes of a fake clock, on a network on which everything goes wrong. Afterwards
// everything works for a while. Then each client must have the log as it is, with what became of each message, must
// have sent its messages once and in order, must know the members, and must be online. None may have shown an older
// state of a message after a newer one. A seed that fails is printed: SEED=n runs it alone.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ChatClient } from "./files/client.js";

const flush = setImmediate; // the real one, not the fake clock's
const settled = () => new Promise((done) => flush(done));

/** Numbers from 0 to 1 that a seed determines. */
function random(seed) {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A chat with a log for each room, and a network whose faults can be switched off. */
class World {
  logs = new Map([["lobby", []], ["attic", []]]);
  changes = new Map([["lobby", []], ["attic", []]]); // the messages as they were after each change
  edits = new Set(); // the contents that edits have given
  sockets = new Set();
  faulty = true;

  constructor(seed) {
    this.random = random(seed);
  }

  chance(p) {
    return this.faulty && this.random() < p;
  }

  later(f) {
    setTimeout(f, 1 + this.random() * (this.chance(0.02) ? 9000 : 200));
  }

  get WebSocket() {
    const world = this;
    return class {
      readyState = 0;
      rooms = new Map(); // the rooms of which it is a member: the user's name, by room
      dead = false; // all frames are lost
      constructor() {
        world.later(() => {
          if (this.readyState !== 0) return;
          if (world.chance(0.2)) return this.broken();
          this.readyState = 1;
          world.sockets.add(this);
          this.onopen();
        });
      }
      send(text) {
        if (!this.dead) world.later(() => this.readyState === 1 && !this.dead && world.handle(this, JSON.parse(text)));
      }
      receive(frame) {
        const text = JSON.stringify(frame);
        const arrive = () => this.readyState === 1 && !this.dead && this.onmessage({ data: text });
        if (!world.chance(0.01)) world.later(arrive);
      }
      broken() {
        if (this.readyState === 3) return;
        this.readyState = 3;
        this.onclose({ code: 1006 });
      }
      close() {
        this.readyState = 3;
        world.later(() => world.gone(this));
      }
    };
  }

  gone(socket) {
    if (!this.sockets.delete(socket)) return;
    for (const [room, user] of socket.rooms) this.announce(room, user, "left");
  }

  members(room) {
    return [...this.sockets].filter((s) => s.rooms.has(room));
  }

  announce(room_name, user_name, event) {
    if (event === "left" && this.members(room_name).some((s) => s.rooms.get(room_name) === user_name)) return;
    const others = this.members(room_name).filter((s) => s.rooms.get(room_name) !== user_name);
    for (const s of others) s.receive({ presence: { room_name, user_name, event } });
  }

  handle(socket, f) {
    if (this.chance(0.01)) return socket.broken(), this.later(() => this.gone(socket));
    if (this.chance(0.01)) return (socket.dead = true), setTimeout(() => this.gone(socket), 60_000);
    if (this.chance(0.02)) return socket.receive({ message: "Too Many Requests", connectionId: "c", requestId: "r" });
    const unavailable = { code: "unavailable", message: "no", message_id: f.message_id };
    const isChange = f.action === "editMessage" || f.action === "addReaction";
    if (this.chance(0.02) || (isChange && this.isRestored && this.faulty)) {
      return socket.receive({ error: unavailable, ref: f.ref });
    }
    const log = this.logs.get(f.room_name);
    switch (f.action) {
      case "ping":
        return socket.receive({ pong: { time: Math.floor(Date.now() / 1000) } });
      case "joinRoom": {
        socket.rooms.set(f.room_name, f.user_name);
        this.announce(f.room_name, f.user_name, "joined");
        const frames = [{ presence: { room_name: f.room_name, user_name: f.user_name, event: "joined" } }];
        if (f.limit) frames.push(this.page(log, f));
        if (f.changes_after !== undefined) {
          frames.push({ changes: this.changesAfter(f.room_name, f.changes_after, 5) });
        }
        if (f.members) frames.push(this.list(f.room_name));
        if (this.chance(0.03)) frames.splice(1, 9, { error: { code: "unavailable", message: "no" } });
        const part = (i) => i < frames.length - 1 && { part: true };
        return frames.forEach((frame, i) => socket.receive({ ...frame, ref: f.ref, ...part(i) }));
      }
      case "getMembers":
        return socket.receive({ ...this.list(f.room_name), ref: f.ref });
      case "getRecentMessages":
        return socket.receive({ ...this.page(log, f), ref: f.ref });
      case "getChanges":
        return socket.receive({ changes: this.changesAfter(f.room_name, f.after, f.limit), ref: f.ref });
      case "editMessage":
      case "addReaction":
        return this.change(socket, log, f);
      case "sendMessage": {
        let stored = log.find((m) => m.message_id === f.message_id && m.user_name === f.user_name);
        const { room_name, user_name, content, message_id } = f;
        const create_at = Math.floor(Date.now() / 1000);
        if (!stored) {
          const index = log.length + 1;
          stored = { room_name, index, user_name, content, message_id, create_at, original: content };
          log.push(stored);
        }
        for (const s of new Set([socket, ...this.members(room_name)])) s.receive({ messages: [stored] });
      }
    }
  }

  /** Edits a message, or adds a reaction, as the chat does: once, and not over a newer edit. */
  change(socket, log, { action, room_name, user_name, index, content, reaction, if_version, ref }) {
    const before = log[index - 1];
    if (!before) return socket.receive({ error: { code: "invalid_field", message: "no" }, ref });
    const now = { ...before };
    if (action === "addReaction") now.reactions = [...new Set(before.reactions).add(`${user_name} ${reaction}`)];
    else if (before.content !== content && (before.edited ?? 0) > if_version) {
      return socket.receive({ error: { code: "conflict", message: "no", current: before }, ref });
    } else now.content = content;
    if (JSON.stringify(now) !== JSON.stringify(before)) {
      const changes = this.changes.get(room_name);
      now.version = changes.push(now);
      if (content !== undefined) {
        now.edited = now.version;
        assert.ok(!this.edits.has(content), `${content} was applied again`);
        this.edits.add(content);
      }
      log[index - 1] = now;
      const frame = { changes: this.changesAfter(room_name, now.version - 1, 1) };
      delete frame.changes.more;
      for (const s of this.members(room_name)) s.receive(frame);
    }
    socket.receive({ changes: { room_name, messages: [now] }, ref });
  }

  changesAfter(room_name, after, limit) {
    const [changes, log] = [this.changes.get(room_name), this.logs.get(room_name)];
    const part = changes.slice(after, after + limit);
    const messages = [...new Set(part.map((m) => m.index))].map((index) => log[index - 1]);
    const up_to = Math.min(after + limit, changes.length);
    return { room_name, messages, after, up_to, ...(up_to < changes.length && { more: true }) };
  }

  /** The chat starts again, with an older store. */
  goBack() {
    this.isRestored = true;
    this.edits.clear();
    for (const [room, log] of this.logs) {
      log.splice(Math.floor(log.length * this.random()));
      const changes = this.changes.get(room);
      const beyond = changes.findIndex((m) => m.index > log.length);
      changes.splice(Math.floor((beyond < 0 ? changes.length : beyond) * this.random()));
      for (const [i, { reactions, version, edited, original, ...message }] of log.entries()) {
        log[i] = changes.findLast((m) => m.index === i + 1) ?? { ...message, original, content: original };
      }
    }
    for (const socket of this.sockets) socket.broken();
    this.sockets.clear();
  }

  page(log, { after, limit, room_name }) {
    const from = after === undefined ? Math.max(0, log.length - limit) : after;
    const messages = log.slice(from, from + limit);
    const more = from + limit < log.length && { more: true };
    const changed = after === undefined && this.changes.get(room_name).length;
    return { messages, ...(changed && { changes_up_to: changed }),
      ...(after !== undefined && { tail: log.length, ...more }) };
  }

  list(room_name) {
    const users = new Map();
    for (const s of this.members(room_name)) {
      const name = s.rooms.get(room_name);
      users.set(name, (users.get(name) ?? 0) + 1);
    }
    const list = Array.from(users, ([user_name, connections]) => ({ user_name, connections }));
    return { members: { room_name, users: list } };
  }
}

/** A client's room, and the messages that it has delivered. */
function watch(world, user, room) {
  const shown = [];
  room.addEventListener("message", (e) => shown.push(e.detail));
  room.addEventListener("change", ({ detail }) => {
    const i = shown.findIndex((m) => m.index === detail.index);
    if (i < 0) return; // it was there before the first that was delivered
    assert.ok(detail.version > (shown[i].version ?? 0), "an older state after a newer one");
    shown[i] = detail;
  });
  room.addEventListener("reset", () => (shown.length = 0));
  return { user, room, shown, sent: [] };
}

async function simulate(seed) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1e12 });
  const world = new World(seed);
  const math = mock.method(Math, "random", random(seed + 0.5)); // the client's jitter
  const open = (user) => new ChatClient("wss://chat.example.com/dev", { user, WebSocket: world.WebSocket });
  const clients = ["ann", "bob", "carol"].map(open);
  try {
    const watched = (client) => [...world.logs.keys()].map((name) => watch(world, client.user, client.join(name)));
    const views = clients.flatMap(watched);
    const pass = async (seconds, each = () => {}) => {
      for (let ms = 0; ms < seconds * 1000; ms += 100) {
        mock.timers.tick(100);
        await settled();
        each();
      }
    };
    let wentBack = false;
    let acts = 0; // requests to change a message
    const outcomes = []; // of them
    await pass(400, () => {
      if (world.random() < 0.04) {
        const view = views[Math.floor(world.random() * views.length)];
        const content = `${view.user} ${view.sent.length}`;
        view.sent.push(content);
        view.room.send(content).catch((error) => assert.fail(error));
      }
      if (world.random() < 0.06) {
        const { user, room } = views[Math.floor(world.random() * views.length)];
        const index = 1 + Math.floor(world.random() * room.last);
        const isEdit = world.random() < 0.5;
        const done = isEdit ? room.edit(index, `${user} edit ${acts++}`) : room.react(index, `${acts++ % 3}`);
        // The message may be gone when the request arrives, or not there yet.
        done.then(() => outcomes.push("done"), (error) => outcomes.push(error.code));
      }
      if (seed % 3 === 0 && !wentBack && world.random() < 0.0006) {
        wentBack = true;
        world.goBack();
      }
    });
    world.faulty = false;
    await pass(600); // enough to notice a dead connection, a pause, a wrong list, and to ask for news
    for (const client of clients) assert.equal(client.state, "online", client.user);
    assert.equal(outcomes.length, acts, "not every request was answered");
    assert.deepEqual(outcomes.filter((code) => !["done", "conflict", "invalid_field"].includes(code)), []);
    for (const { user, room, shown, sent } of views) {
      const where = `${user} in the ${room.name}`;
      const log = world.logs.get(room.name);
      assert.deepEqual(shown, log.slice(log.length - shown.length), where);
      assert.equal(room.last, log.length, where);
      assert.deepEqual(room.outbox, [], where);
      const stored = log.filter((m) => m.user_name === user).map((m) => m.original);
      if (!wentBack) assert.deepEqual(stored, sent, where);
      else assert.deepEqual(stored, sent.filter((content) => stored.includes(content)), where);
      assert.deepEqual([...room.members.keys()].sort(), ["ann", "bob", "carol"], where);
      assert.equal(room.trouble, null, where);
    }
  } finally {
    for (const client of clients) client.close();
    math.mock.restore();
    mock.timers.reset();
  }
}

test("whatever goes wrong, each client has the log in the end", async () => {
  const only = Number(process.env.SEED);
  const runs = Number(process.env.RUNS ?? 30);
  for (const seed of only ? [only] : Array.from({ length: runs }, (_, i) => i + 1)) {
    try {
      await simulate(seed);
    } catch (error) {
      error.message = `SEED=${seed}: ${error.message}`;
      throw error;
    }
  }
});
