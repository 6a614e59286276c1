// The page's sentences about problems, and names that cannot be seen.

import { LANGUAGE, say } from "./texts.js";

/** The text for each code of an error. */
const REFUSALS = {
  too_large: "tooLarge",
  invalid_field: "notTaken",
  missing_field: "notTaken",
  forbidden: "notAllowed",
  token_expired: "signInEnded",
  too_many_rooms: "tooManyRooms",
  closed: "leftBefore",
};

/** Codes of which the chat's own sentence tells a person more: who is banned or muted, or what a review found. */
const TOLD = /^(you are (banned|muted)|this room is|the message was not accepted|you may read)/;

/** Why a message was refused, for its sender. The chat's own sentences are in English. */
export function refusal(error) {
  const isTold = TOLD.test(error.message);
  if (isTold && LANGUAGE === "en") return `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
  const plain = say(isTold ? "notAccepted" : REFUSALS[error.code] ?? "wasNotTaken");
  return isTold || error.code === "invalid_field" ? `${plain} (${error.message})` : plain;
}

const CHANGE_REFUSALS = {
  conflict: "changedMeanwhile",
  forbidden: "mayNotChange",
  invalid_field: "keptNoMore",
  unknown_action: "cannotYet",
  too_large: "noRoomFor",
};

/** Why a message could not be changed, for the person who wanted to. */
export function changeRefusal(error) {
  return say(CHANGE_REFUSALS[error.code] ?? REFUSALS[error.code] ?? "wasNotTaken");
}

const UNDONE = { forbidden: "notDoneForbidden", unavailable: "notDoneOffline" };

/** Codes of which the chat's own sentence says what is to be done. */
const EXPLAINED = ["forbidden", "invalid_field", "too_large"];

/** Why the rules of a room were not changed, for the person who wanted to. */
export function moderationRefusal(error) {
  const plain = say(UNDONE[error.code] ?? "notDone");
  return EXPLAINED.includes(error.code) ? `${plain} (${error.message})` : plain;
}

const ENDS = {
  token_expired: "endedAgain",
  handshake_refused: "tokenRefused",
  handshake_failed: "tokenUnchecked",
  token_failed: "noToken",
  signed_out: "endedAgain",
};

/** Why a person is on the first page again. */
export function endInWords(error) {
  return ENDS[error.code] ? say(ENDS[error.code]) : error.message ?? say("chatEnded");
}

const TROUBLES = { rate_limited: "roomBusy", room_busy: "roomBusy" };

/** Why a room cannot be opened at the moment, although there is a connection. */
export function troubleInWords(error) {
  return say("triesItself", { why: say(TROUBLES[error.code] ?? "roomTrouble") });
}

const NAME_BYTES = 128; // the chat's limit for names, in UTF-8

/** What is wrong with a name that somebody chose, or "". `what` is "name" or "room". */
export function nameProblem(name, what) {
  const isRoom = what === "room";
  if (!visible(name)) return say(isRoom ? "giveRoom" : "giveName");
  if (new TextEncoder().encode(name).length > NAME_BYTES) {
    return say(isRoom ? "roomTooLong" : "nameTooLong", { n: NAME_BYTES });
  }
  if (/\p{Cc}/u.test(name)) return say("noControls");
  if (!name.isWellFormed()) return say("brokenCharacters");
  return isRoom && name.startsWith("#") ? say("noHash") : "";
}

/** A name as it is shown: if nothing in it can be seen, it gets a replacement. */
export function shownName(name) {
  return visible(name) ? name : say("noName");
}

// These show nothing: separators, controls, formatting characters, marks, and letters that are blank.
const BLANK = /[\p{Z}\p{C}\u115f\u1160\u3164\uffa0\u2800\p{Mn}]/gu;

function visible(text) {
  return text.replace(BLANK, "") !== "";
}

/** Who has a reaction to a message. A frame names the first of them. */
export function reactorsInWords({ count: all, users }, isMe) {
  const names = users.map((user) => (isMe(user) ? say("you") : shownName(String(user.user_name))));
  const more = all - users.length;
  return [...names, ...(more > 0 ? [say("others", { n: more })] : [])].join(", ");
}
