// What a person is recognised by at a glance: initials in a colour of the person's own.

/** How many colours there are: the classes hue0, hue1, … in the style sheet. */
const HUES = 9;

/**
 * The first letters of the first and the last word of a name, as a reader sees letters.
 * @param {string} name
 * @returns {string} one or two of them; "?" for a name without letters and digits
 */
export function initialsOf(name) {
  const words = name.match(/[\p{L}\p{N}\p{M}]+/gu) ?? ["?"];
  const ends = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return ends.map((word) => firstOf(word)).join("");
}

const firstOf = (word) => [...new Intl.Segmenter().segment(word)][0].segment.toUpperCase();

/**
 * The number of a person's colour, always the same. People of one name who have ids can have different ones.
 * @param {{user_name: string, user_id?: string}} person
 * @returns {number}
 */
export function hueOf({ user_name, user_id }) {
  let hash = 0x811c9dc5; // FNV-1a
  for (const byte of new TextEncoder().encode(user_id ?? user_name)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35); // names that differ little get other colours
  return ((hash ^ (hash >>> 16)) >>> 0) % HUES;
}
