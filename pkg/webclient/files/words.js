// What the page says in words: the chat's refusals, times, and names that cannot be seen.

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

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** The time of day of a message; its create_at is in seconds. */
export const timeOf = (seconds) => clock.format(seconds * 1000);

/** The day of a message, as a key that is the same all day. */
export const dayOf = (seconds) => new Date(seconds * 1000).toDateString();

/** The day of a message in words: today, yesterday, or its date. */
export function dayInWords(seconds) {
  for (const ago of [0, 1]) {
    const day = new Date();
    day.setDate(day.getDate() - ago);
    if (day.toDateString() === dayOf(seconds)) {
      const word = relative.format(-ago, "day");
      return word[0].toUpperCase() + word.slice(1);
    }
  }
  return date.format(seconds * 1000);
}

/** How many of something: 1 person, 2 people. */
export const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;
