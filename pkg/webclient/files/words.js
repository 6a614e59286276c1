// What the page says in words: what went wrong, and names that cannot be seen.

const REFUSALS = {
  too_large: "This message is too long. Send it in two parts.",
  invalid_field: "The chat does not take this.",
  missing_field: "The chat does not take this.",
  forbidden: "You are not allowed in this room.",
  token_expired: "Your sign-in has ended.",
  too_many_rooms: "You are in as many rooms as one may be. Leave one first.",
  closed: "The room was left before this was sent.",
};

/** What went wrong, for the person who did it. */
export function refusal(error) {
  const plain = REFUSALS[error.code] ?? "The chat did not take this.";
  return error.code === "invalid_field" ? `${plain} (${error.message})` : plain;
}

const ENDS = {
  token_expired: "Your sign-in has ended. Please sign in again.",
  handshake_refused: "The chat did not accept your token. Please sign in again.",
  handshake_failed: "The chat did not accept your token, or cannot check it now.",
  token_failed: "There is no token. Please sign in again.",
  signed_out: "You are signed out. Please sign in again.",
};

/** Why a person is at the first page again. */
export function endInWords(error) {
  return ENDS[error.code] ?? error.message ?? "The chat has ended. Please join again.";
}

const TROUBLES = {
  rate_limited: "The chat is busy, and does not open this room yet.",
  room_busy: "The chat is busy, and does not open this room yet.",
};

/** Why a room cannot be had at the moment, although there is a connection. */
export function troubleInWords(error) {
  return `${TROUBLES[error.code] ?? "The chat cannot open this room at the moment."} It is tried again until it works; what you write is kept.`;
}

const NAME_BYTES = 128; // the chat's limit for names, in UTF-8

/** What is wrong with a name that somebody chose, or "". `what` says of what: a name, a room. */
export function nameProblem(name, what) {
  if (!visible(name)) return `Please give ${what}.`;
  if (new TextEncoder().encode(name).length > NAME_BYTES) return `${what[0].toUpperCase()}${what.slice(1)} can have at most ${NAME_BYTES} letters, fewer outside English.`;
  if (/\p{Cc}/u.test(name)) return "Control characters are not allowed.";
  if (!name.isWellFormed()) return "This has characters that are broken.";
  if (what === "a room" && name.startsWith("#")) return "A room's name must not begin with #.";
  return "";
}

/** A name to be shown: something, also where it has nothing to be seen. */
export function shownName(name) {
  return visible(name) ? name : "(no name)";
}

// Separators, controls, formatting characters and the blanks among the letters show nothing.
const BLANK = /[\p{Z}\p{C}\u115f\u1160\u3164\uffa0\u2800\p{Mn}]/gu;

function visible(text) {
  return text.replace(BLANK, "") !== "";
}

/** How many of something: 1 person, 2 people. */
export const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;

/** That some messages are not sent. */
export const unsentInWords = (n) => `${count(n, "message is", "messages are")} not sent yet.`;
