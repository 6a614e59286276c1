// The types of client.js, whose comments say more.

export interface Message {
  room_name: string;
  /** 1, 2, 3, … in its room */
  index: number;
  /** the sender's name, to be shown */
  user_name: string;
  /** the sender's id, to be compared and not shown; missing in an open chat */
  user_id?: string;
  /** "" if it was deleted */
  content: string;
  /** when it was stored, in whole seconds since the epoch */
  create_at: number;
  /** the id that the sender chose */
  message_id?: string;
  /** the index of the message that this one answers */
  reply_to?: number;
  /** what the sender's program has added */
  metadata?: object;
  /** the number of its last change in its room; missing if it was never changed */
  version?: number;
  /** when it was edited last, in seconds since the epoch */
  edited_at?: number;
  /** when it was deleted, in seconds since the epoch */
  deleted_at?: number;
  reactions?: Reaction[];
}

export interface Reaction {
  /** such as "👍" */
  reaction: string;
  /** how many people have it */
  count: number;
  /** the first 20 of them */
  users: Person[];
}

/** Somebody. Two people can have one name; the id tells them apart, and is missing in an open chat. */
export interface Person {
  user_name: string;
  user_id?: string;
}

/** One user in a room. All connections without a name are one user, whose name is "". */
export interface User extends Person {
  /** how many the user has in the room */
  connections: number;
  /** up to which index the user has read, in a room of at most ten users */
  read?: number;
}

/** A room that the user has joined or read. */
export interface ListedRoom {
  name: string;
  /** the index of its last message; 0 if it has none */
  last: number;
  /** the index of the last message that the user has read; 0 for none */
  read: number;
  /** how many messages are not read */
  unread: number;
  title?: string;
  private?: true;
  direct?: true;
  /** in a direct room, the other person; the name may be "" */
  with?: { user_id: string; user_name: string };
}

export interface Rules {
  room_name: string;
  /** the greatest counts; 0 in a room without rules */
  version: number;
  /** what the room is called, instead of its name */
  title?: string;
  topic?: string;
  /** only people with a role are let in */
  private?: true;
  /** only moderators and owners write */
  read_only?: true;
  /** seconds between two messages of one member */
  slow_mode?: number;
  /** it is the private room of two people */
  direct?: true;
  /** in a direct room, the other person; the name may be "" */
  with?: { user_id: string; user_name: string };
}

export type Role = "owner" | "moderator" | "member" | "reader";

/** What the rules say of one person. */
export interface Standing {
  user_id?: string;
  user_name?: string;
  role?: Role;
  banned?: true;
  /** seconds since the epoch; missing if the ban has no end */
  banned_until?: number;
  muted?: true;
  /** seconds since the epoch; missing if the mute has no end */
  muted_until?: number;
  reason?: string;
}

/** A message that is not stored yet. */
export interface Entry {
  /** its message_id */
  id: string;
  content: string;
  replyTo?: number;
  metadata?: object;
  state: "waiting" | "sending" | "failed";
  /** why it was refused; null unless it failed */
  error: ChatError | null;
}

/** An error of the chat, with its code, or of the client: see client.js for the client's own codes. */
export class ChatError extends Error {
  constructor(code: string, message: string, options?: { cause?: unknown; status?: number; current?: Message });
  code: string;
  /** the HTTP status of a handshake that failed */
  status?: number;
  /** with the code "conflict": the message as it is now */
  current?: Message;
}

/** Spells the name of a room or a user as the chat does, as far as a client can. */
export function spelled(name: string): string;

export interface ChatClientEvents {
  state: CustomEvent<ChatClient["state"]>;
  /** the user's name: the chat has said a name or an id that the client did not have */
  user: CustomEvent<string>;
  /** after `list`: the user was added to a room, or somebody opened a direct room */
  room: CustomEvent<Rules>;
  /** after `list`: the user may no longer be in a room */
  removed: CustomEvent<{ room_name: string; removed: Standing }>;
  /** an attempt to connect failed; the client tries again, unless `signedout` follows */
  failed: CustomEvent<ChatError>;
  /** another attempt cannot help; the client is closed */
  signedout: CustomEvent<ChatError>;
}

export interface RoomEvents {
  /** each message once, in the order of the index */
  message: CustomEvent<Message>;
  /** what a message is now that was edited, deleted, or reacted to */
  change: CustomEvent<Message>;
  /** the messages that were in the room at first are delivered */
  ready: CustomEvent<null>;
  outbox: CustomEvent<null>;
  members: CustomEvent<null>;
  presence: CustomEvent<Person & { event: "joined" | "left" }>;
  typing: CustomEvent<null>;
  rules: CustomEvent<null>;
  /** this user may no longer be in the room, which has left the client's `rooms` */
  removed: CustomEvent<Standing>;
  read: CustomEvent<Person & { index: number }>;
  signal: CustomEvent<Person & { name: string; data?: unknown }>;
  /** null: the room can be entered and read again */
  trouble: CustomEvent<ChatError | null>;
  refused: CustomEvent<ChatError>;
  /** the messages from the one index to the other expired before they could be delivered */
  expired: CustomEvent<{ from: number; to: number }>;
  /** the log went back: what was delivered up to `last` is void */
  reset: CustomEvent<{ last: number }>;
}

/** An EventTarget that has these events, and perhaps others in a later version. */
declare class Emitter<Events> extends EventTarget {
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: (this: this, event: Events[Type]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof Events>(
    type: Type,
    listener: (this: this, event: Events[Type]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** Time limits in milliseconds: see TIMING in client.js. */
export interface Timing {
  handshake: number;
  answer: number;
  pong: number;
  heartbeat: number;
  patience: number;
  sync: number;
  members: number;
  grace: number;
  mark: number;
  typing: number;
  typed: number;
  silence: number;
  swap: number;
  renew: number;
  gap: number;
  late: number;
  firstPause: number;
  longestPause: number;
  stable: number;
}

type Token = string | null | undefined;

export interface ChatClientOptions {
  /** the user's name, if the chat is open */
  user?: string;
  /** the token of an OpenID Connect provider, if users must sign in; a function is called before each connection */
  token?: string | (() => Token | Promise<Token>);
  timing?: Partial<Timing>;
  /** a class with the standard interface, such as that of npm's ws; without it, the platform's own */
  WebSocket?: new (url: string, protocols?: string | string[]) => unknown;
}

/** One user's client of the chat. It connects at once, and connects again until it is closed. */
export class ChatClient extends Emitter<ChatClientEvents> {
  constructor(url: string, options?: ChatClientOptions);
  readonly state: "connecting" | "online" | "offline" | "closed";
  /** with a token, "" until the chat has said it */
  readonly user: string;
  /** undefined in an open chat, and until the chat has said it */
  readonly userId: string | undefined;
  /** the rooms that were joined and not left, by name, in a new map */
  readonly rooms: Map<string, Room>;
  isMe(whose: Person): boolean;
  join(name: string): Room;
  leave(name: string, options?: { forget?: boolean }): void;
  list(): Promise<ListedRoom[]>;
  createRoom(name: string, options?: { private?: boolean; title?: string; members?: string[] }): Promise<Rules>;
  openDirect(userId: string, options?: { name?: string }): Promise<Rules>;
  sync(): void;
  retryNow(): void;
  close(): void;
}

/** A room that the client has joined. `client.join(name)` makes it. */
export class Room extends Emitter<RoomEvents> {
  private constructor();
  /** as the chat spells it */
  readonly name: string;
  /** null until the room was entered, and 0 in an empty room */
  readonly last: number | null;
  readonly ready: boolean;
  readonly outbox: readonly Entry[];
  readonly users: readonly User[];
  /** the number of connections under each name */
  readonly members: ReadonlyMap<string, number>;
  /** up to which index this user has read the room, on any device */
  readonly read: number;
  readonly typing: readonly Person[];
  /** null until the room was entered, and in an open chat */
  readonly rules: Rules | null;
  /** what the rules say of this user; null with `rules` */
  readonly you: Standing | null;
  /** from when on this user may write again, in milliseconds since the epoch; 0 for now */
  readonly writable: number;
  readonly trouble: ChatError | null;
  watchMembers: boolean;
  isMe(whose: Person): boolean;
  send(content: string, options?: { id?: string; replyTo?: number; metadata?: object }): Promise<number>;
  retry(id: string): Promise<number>;
  discard(id: string): boolean;
  /** by how many bytes a content is too long; 0 if it fits */
  excess(content: string, options?: { replyTo?: number; metadata?: object }): number;
  edit(index: number, content: string, options?: { version?: number }): Promise<Message>;
  remove(index: number): Promise<Message>;
  react(index: number, reaction: string): Promise<Message>;
  unreact(index: number, reaction: string): Promise<Message>;
  history(span: { before?: number; after?: number; limit?: number }): Promise<{
    messages: Message[];
    more: boolean;
    expired: boolean;
  }>;
  markRead(index: number): void;
  sendTyping(): void;
  signal(name: string, data?: unknown): Promise<void>;
  setRules(rules: { title?: string; topic?: string; slowMode?: number; readOnly?: boolean }): Promise<Rules>;
  addMember(userId: string, options?: { name?: string }): Promise<Rules>;
  removeMember(userId: string): Promise<Rules>;
  setRole(userId: string, role: Role, options?: { name?: string }): Promise<Rules>;
  ban(userId: string, options?: { seconds?: number; reason?: string; name?: string }): Promise<Rules>;
  unban(userId: string): Promise<Rules>;
  mute(userId: string, options?: { seconds?: number; reason?: string; name?: string }): Promise<Rules>;
  unmute(userId: string): Promise<Rules>;
  people(): Promise<Standing[]>;
}

export {}; // nothing but what says so
