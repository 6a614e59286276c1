// The types of conversation.js, whose comments say more.

import type { ChatError, Entry, Message, Person, Room } from "./client.d.ts";

/** A message that is not stored yet, as the conversation shows it. */
export interface UnsentEntry extends Readonly<Entry> {
  /** the room's last index when it was refused, if the outbox keeps that */
  readonly after?: number;
  /** when it was written, in milliseconds since the epoch, if the outbox keeps that */
  readonly at?: number;
}

interface ItemOf<Kind extends string> {
  readonly kind: Kind;
  /** unique in the window; it stays the same when the item changes */
  readonly key: string;
  /** in milliseconds since the epoch */
  readonly at: number;
}

/** What stands in the window, oldest first. */
export type Item =
  | (ItemOf<"message"> & { readonly message: Message })
  | (ItemOf<"refused"> & { readonly entry: UnsentEntry })
  | (ItemOf<"presence"> & {
      readonly came: readonly Person[];
      readonly went: readonly Person[];
      /** those who came and went */
      readonly passed: readonly Person[];
    })
  | ItemOf<"expired">
  | ItemOf<"restored">
  | (ItemOf<"barred"> & { readonly error: ChatError });

export interface Snapshot {
  /** the room was entered, and it is known how far it is read */
  readonly ready: boolean;
  readonly items: readonly Item[];
  /** what is not stored, also what was refused */
  readonly unsent: readonly UnsentEntry[];
  /** nothing is before the first item */
  readonly begins: boolean;
  /** with `begins`: what was before it is no longer kept */
  readonly expired: boolean;
  /** the window ends where the room ends */
  readonly ends: boolean;
  /** after which index messages are new; null for no line */
  readonly mark: number | null;
  /** up to which index the room is read */
  readonly read: number;
  /** how many messages of others are not read */
  readonly unread: number;
  readonly typing: readonly Person[];
  /** messages before or after the window are being fetched */
  readonly loading: boolean;
}

/** How far the user has read a room: reading.js has one that a memory keeps. */
export interface Memory {
  position(room: string): { epoch: number; index: number } | null;
  setPosition(room: string, position: { epoch: number; index: number }): void;
}

/** A window of a room's log, which a reader moves, and the state around it. */
export class Conversation {
  constructor(
    room: Room,
    options?: {
      marker?: number | null | "later";
      outbox?: EventTarget & { readonly entries: readonly UnsentEntry[] };
      memory?: Memory;
    },
  );
  readonly room: Room;
  readonly lastAt: number;
  /** whether the reader is at the end of the room */
  following: boolean;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly subscribe: (listener: () => void) => () => void;
  readonly snapshot: () => Snapshot;
  messageAt(index: number): Message | undefined;
  loadOlder(): Promise<boolean>;
  loadNewer(): Promise<boolean>;
  toEnd(): Promise<boolean>;
  show(index: number): Promise<boolean>;
  markRead(index: number): void;
  markNew(): void;
  unmark(): void;
  adopt(marker: number | null): void;
  reloadReading(): void;
  close(): void;
}
