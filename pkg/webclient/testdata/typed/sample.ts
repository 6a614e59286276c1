// A program that uses the client with all that is typed. The lines that must not compile say so.
import { ChatClient, ChatError, spelled, type Entry, type Message, type Rules } from "@wschat/client";
import { Conversation } from "@wschat/client/conversation";

const chat = new ChatClient("wss://example.com/dev", {
  async token() {
    return Math.random() < 0.5 ? "token" : null;
  },
  timing: { heartbeat: 10_000 },
});
chat.addEventListener("state", (e) => {
  const state: "connecting" | "online" | "offline" | "closed" = e.detail;
  console.log(state);
});
chat.addEventListener("signedout", ({ detail }) => console.log(detail.code, detail.status?.toFixed(), detail.current?.index));
chat.addEventListener("removed", (e) => console.log(e.detail.room_name, e.detail.removed.reason));

const lobby = chat.join(spelled(" lobby "));
const shown: Message[] = [];
lobby.addEventListener("message", ({ detail }) => shown.push(detail));
lobby.addEventListener("presence", ({ detail }) => console.log(detail.user_name, detail.event === "joined"));
lobby.addEventListener("trouble", ({ detail }) => console.log(detail?.message ?? "none"));
lobby.addEventListener("reset", function ({ detail }) {
  console.log(detail.last, this.name);
});
lobby.addEventListener("one of a later version", (e) => console.log(e.type));

try {
  const index: number = await lobby.send("Hello.", { replyTo: 1, metadata: { order: 7 } });
  const edited: Message = await lobby.edit(index, "Hello!", { version: 0 });
  console.log(edited.reactions?.[0]?.users.map((user) => user.user_id ?? user.user_name));
} catch (error) {
  if (error instanceof ChatError) console.log(error.code);
}
const failed: Entry | undefined = lobby.outbox.find((entry) => entry.state === "failed");
if (failed) await lobby.retry(failed.id);
const rules: Rules = await lobby.setRules({ title: "The lobby", slowMode: 10 });
await lobby.ban("eve", { seconds: 60, reason: rules.title });
const { messages, more } = await lobby.history({ before: 10 });
console.log(messages.length, more, chat.isMe(messages[0]!), (await chat.list())[0]?.unread);

const talk = new Conversation(lobby, { marker: (await chat.list())[0]?.read ?? null });
const end: () => void = talk.subscribe(() => console.log(talk.snapshot().unread.toFixed()));
const lines: string[] = talk.snapshot().items.map((item) => {
  if (item.kind === "message") return item.message.content;
  if (item.kind === "refused") return item.entry.error?.message ?? item.entry.content;
  return item.kind === "presence" ? `${item.came.length} came` : item.kind;
});
if (await talk.loadOlder()) console.log(lines, talk.messageAt(3)?.reactions);
end();

// @ts-expect-error nobody changes what a snapshot has
talk.snapshot().items.pop();
// @ts-expect-error nor its items
talk.snapshot().items[0]!.at = 0;
// @ts-expect-error an expired item has no message
talk.snapshot().items.map((item) => item.kind === "expired" && item.message);
// @ts-expect-error its members are not to be set
lobby.last = 3;
// @ts-expect-error there is no such method
lobby.fly();
// @ts-expect-error underscore members are not public
lobby._pump();
// @ts-expect-error a room is made by join
new (lobby.constructor as typeof import("@wschat/client").Room)("lobby");
// @ts-expect-error an index is a number
await lobby.react("1", "👍");
// @ts-expect-error there is no such role
await lobby.setRole("eve", "king");
// @ts-expect-error a message has no such field
console.log(shown[0]?.text);
