// Finding a text in another as people mean it: capital letters, accents and forms of a letter make no difference.

/** A text without such differences. */
export const folded = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toUpperCase().toLowerCase().replaceAll("ς", "σ");

/**
 * Finds a text in another.
 * @param {string} text
 * @param {string} sought
 * @returns {[number, number] | null} where the first place begins and ends in the text; null if it is not there
 */
export function placeOf(text, sought) {
  const wanted = folded(sought);
  if (wanted === "") return null;
  const found = folded(text).indexOf(wanted);
  if (found < 0) return null;
  const origins = []; // for each unit of the folded text, where the letter begins from which it comes
  let at = 0;
  for (const letter of text) {
    for (let i = folded(letter).length; i > 0; i--) origins.push(at);
    at += letter.length;
  }
  const last = origins[found + wanted.length - 1];
  return [origins[found], origins.find((origin) => origin > last) ?? text.length];
}
