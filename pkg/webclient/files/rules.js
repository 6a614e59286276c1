// The rules of a room, in words, and what a person may do by them.

import { LOCALE, say } from "./texts.js";
import { shownName } from "./words.js";

/** What a room is called: its title, in a direct room the other person, and otherwise its name. */
export function titleOf({ name, rules }, listed = {}) {
  const { title, direct, with: other } = rules ?? listed;
  if (direct && other) return shownName(other.user_name || other.user_id);
  return title || (direct ? "…" : name);
}

/** Whether only people with a role are in a room. */
export const isPrivate = ({ rules }, listed = {}) => Boolean((rules ?? listed).private);

/** Whether the person moderates a room. Nobody moderates a direct one. */
export const isModerator = ({ rules, you }) => !rules?.direct && ["owner", "moderator"].includes(you?.role);

export const isOwner = ({ rules, you }) => !rules?.direct && you?.role === "owner";

/** Whether the person, who moderates a room, may act on somebody with a role there. */
export const mayActOn = (room, role) =>
  isOwner(room) || (isModerator(room) && role !== "owner" && role !== "moderator");

/** Why the person cannot write in a room; "" if that is possible. */
export function silence(room) {
  const { rules, you } = room;
  if (!you || isModerator(room)) return "";
  if (isMuted(you)) return say("youAreMuted", since(you.muted_until, you.reason));
  if (you.role === "reader") return say("youRead");
  return rules?.read_only ? say("moderatorsWrite") : "";
}

export const isMuted = ({ muted, muted_until: end }) => Boolean(muted) && !(end * 1000 <= Date.now());

/** When what keeps the person from writing changes by itself, in milliseconds since the epoch; Infinity for never. */
export function nextChange({ writable, you }) {
  if (writable > Date.now()) return Date.now() + 1000;
  return you && isMuted(you) && you.muted_until ? you.muted_until * 1000 : Infinity;
}

/** Says in slow mode how long the person has to wait, or how often one can write. */
export function pace(room) {
  const { rules, writable } = room;
  const seconds = Math.ceil((writable - Date.now()) / 1000);
  if (seconds > 0) return say("slowWait", { time: duration(seconds) });
  if (!rules?.slow_mode || isModerator(room)) return "";
  return say("slowPace", { time: duration(rules.slow_mode) });
}

/** Why a room is gone, for the person that it is not for any more. */
export function removalInWords(title, { banned, banned_until: end, reason }) {
  if (!banned) return say("wasRemoved", { room: title });
  return say("wasBanned", { room: title, ...since(end, reason) });
}

/** What the rules say of a person, in a few words. */
export function standingInWords({ role, banned, banned_until: bannedEnd, muted, muted_until: mutedEnd, reason }) {
  const parts = [role && say(role), muted && say("isMutedPerson", since(mutedEnd)),
    banned && say("isBannedPerson", since(bannedEnd))];
  return parts.filter(Boolean).join(", ") + because(reason);
}

const SHORT = { dateStyle: "medium", timeStyle: "short" };
const until = (end) => (end ? say("until", { time: new Date(end * 1000).toLocaleString(LOCALE, SHORT) }) : "");
const since = (end, reason) => ({ until: until(end), because: because(reason) });
const because = (reason) => (reason ? `: ${reason}` : "");

const UNITS = [[604_800, "weeks"], [86_400, "days"], [3600, "hours"], [60, "minutes"], [1, "seconds"]];

/** A duration in the largest unit in which it is a whole number. */
export function duration(seconds) {
  const [length, unit] = UNITS.find(([length]) => seconds >= length && seconds % length === 0) ?? UNITS.at(-1);
  return say(unit, { n: seconds / length });
}
