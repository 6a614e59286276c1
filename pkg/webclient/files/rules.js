// The rules of a room, in words, and what a person may do by them.

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
  if (isMuted(you)) return `You are muted${until(you.muted_until)}${because(you.reason)}. You can still read.`;
  if (you.role === "reader") return "You can read in this room, and not write.";
  return rules?.read_only ? "Only moderators write in this room." : "";
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
  if (seconds > 0) return `Slow mode: ${duration(seconds)}. What you send before that is kept until then.`;
  if (!rules?.slow_mode || isModerator(room)) return "";
  return `Slow mode: one message every ${duration(rules.slow_mode)}.`;
}

/** Why a room is gone, for the person that it is not for any more. */
export function removalInWords(title, { banned, banned_until: end, reason }) {
  if (!banned) return `You were removed from ${title}.`;
  return `You are banned from ${title}${until(end)}${because(reason)}.`;
}

/** What the rules say of a person, in a few words. */
export function standingInWords({ role, banned, banned_until: bannedEnd, muted, muted_until: mutedEnd, reason }) {
  const parts = [role, muted && `muted${until(mutedEnd)}`, banned && `banned${until(bannedEnd)}`].filter(Boolean);
  return parts.join(", ") + because(reason);
}

const SHORT = { dateStyle: "medium", timeStyle: "short" };
const until = (end) => (end ? ` until ${new Date(end * 1000).toLocaleString(undefined, SHORT)}` : "");
const because = (reason) => (reason ? `: ${reason}` : "");

const UNITS = [[3600, "hour"], [60, "minute"], [1, "second"]];

/** A duration in the largest unit in which it is a whole number. */
export function duration(seconds) {
  const [length, unit] = UNITS.find(([length]) => seconds >= length && seconds % length === 0) ?? UNITS[2];
  const n = seconds / length;
  return `${n} ${unit}${n === 1 ? "" : "s"}`;
}
