// The page's sentences about problems, and names that cannot be seen.

const REFUSALS = {
  too_large: "This message is too long. Send it in two parts.",
  invalid_field: "The chat does not take this.",
  missing_field: "The chat does not take this.",
  forbidden: "You are not allowed in this room.",
  token_expired: "Your sign-in has ended.",
  too_many_rooms: "You are in too many rooms. Please leave one first.",
  closed: "The room was left before this was sent.",
};

/** Codes of which the chat's own sentence tells a person more: who is banned or muted, or what a review found. */
const TOLD = /^(you are (banned|muted)|this room is|the message was not accepted|you may read)/;

/** Why a message was refused, for its sender. */
export function refusal(error) {
  if (TOLD.test(error.message)) return `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
  const plain = REFUSALS[error.code] ?? "The chat did not take this.";
  return error.code === "invalid_field" ? `${plain} (${error.message})` : plain;
}

const CHANGE_REFUSALS = {
  conflict: "The message was changed meanwhile.",
  forbidden: "You may not change this message.",
  invalid_field: "The chat does not keep this message any more.",
  unknown_action: "The chat cannot do this yet.",
  too_large: "The message has no room for it.",
};

/** Why a message could not be changed, for the person who wanted to. */
export function changeRefusal(error) {
  return CHANGE_REFUSALS[error.code] ?? REFUSALS[error.code] ?? "The chat did not take this.";
}

/** Why the rules of a room were not changed, for the person who wanted to. */
export function moderationRefusal(error) {
  if (error.code === "forbidden" || error.code === "invalid_field" || error.code === "too_large") {
    return `This was not done: ${error.message}.`;
  }
  return error.code === "unavailable" ? "This was not done: there is no connection." : "This was not done.";
}

const ENDS = {
  token_expired: "Your sign-in has ended. Please sign in again.",
  handshake_refused: "The chat did not accept your token. Please sign in again.",
  handshake_failed: "The chat did not accept your token, or cannot check it now.",
  token_failed: "There is no token. Please sign in again.",
  signed_out: "Your sign-in has ended. Please sign in again.",
};

/** Why a person is on the first page again. */
export function endInWords(error) {
  return ENDS[error.code] ?? error.message ?? "The chat has ended. Please join again.";
}

const TROUBLES = {
  rate_limited: "The chat is busy and cannot open this room yet.",
  room_busy: "The chat is busy and cannot open this room yet.",
};

/** Why a room cannot be opened at the moment, although there is a connection. */
export function troubleInWords(error) {
  const why = TROUBLES[error.code] ?? "The chat cannot open this room at the moment.";
  return `${why} It tries again by itself. What you write is kept.`;
}

const NAME_BYTES = 128; // the chat's limit for names, in UTF-8

/** What is wrong with a name that somebody chose, or "". `what` is "a name" or "a room". */
export function nameProblem(name, what) {
  if (!visible(name)) return `Please give ${what}.`;
  if (new TextEncoder().encode(name).length > NAME_BYTES) {
    const subject = what[0].toUpperCase() + what.slice(1);
    return `${subject} can have at most ${NAME_BYTES} English letters, or fewer other letters.`;
  }
  if (/\p{Cc}/u.test(name)) return "Control characters are not allowed.";
  if (!name.isWellFormed()) return "This has broken characters.";
  if (what === "a room" && name.startsWith("#")) return "A room's name must not begin with #.";
  return "";
}

/** A name as it is shown: if nothing in it can be seen, it gets a replacement. */
export function shownName(name) {
  return visible(name) ? name : "(no name)";
}

// These show nothing: separators, controls, formatting characters, marks, and letters that are blank.
const BLANK = /[\p{Z}\p{C}\u115f\u1160\u3164\uffa0\u2800\p{Mn}]/gu;

function visible(text) {
  return text.replace(BLANK, "") !== "";
}

/** Who has a reaction to a message. A frame names the first of them. */
export function reactorsInWords({ count: all, users }, isMe) {
  const names = users.map((user) => (isMe(user) ? "you" : shownName(String(user.user_name))));
  const more = all - users.length;
  return [...names, ...(more > 0 ? [count(more, "other", "others")] : [])].join(", ");
}

/** How many of something: 1 person, 2 people. */
export const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;

/** Says how many messages are not sent. */
export const unsentInWords = (n) => `${count(n, "message is", "messages are")} not sent yet.`;
