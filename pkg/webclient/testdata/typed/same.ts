// The types say of the modules what they have, as far as TypeScript can tell: no less and, but for underscore members, no
// more.
import * as source from "../../files/client.js";
import * as conversation from "../../files/conversation.js";
import type * as typed from "../../client.d.ts";
import type * as typedConversation from "../../conversation.d.ts";

type Public<T> = Exclude<keyof T, `_${string}`>;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

export const names: [
  Same<keyof typeof source, keyof typeof typed>,
  Same<Public<source.ChatClient>, keyof typed.ChatClient>,
  Same<Public<source.Room>, keyof typed.Room>,
  Same<Public<source.ChatError>, keyof typed.ChatError>,
  Same<keyof typeof conversation, keyof typeof typedConversation>,
  Same<Public<conversation.Conversation>, keyof typedConversation.Conversation>,
] = [true, true, true, true, true, true];

declare const client: source.ChatClient;
export const asTyped: Pick<typed.ChatClient, "state" | "user" | "userId" | "isMe" | "leave" | "list" | "createRoom" |
  "openDirect" | "sync" | "retryNow" | "close"> = client;
declare const room: source.Room;
export const roomAsTyped: Omit<typed.Room, "addEventListener" | "removeEventListener"> = room;
declare const shown: conversation.Conversation;
export const conversationAsTyped: Omit<typedConversation.Conversation, "room"> = shown;
