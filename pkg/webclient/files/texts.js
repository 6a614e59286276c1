// The words of the page, in the person's language. texts.json has all of them; the chat serves each language by itself.

const LANGUAGES = ["en", "ko", "de"]; // the first is for people of all others

const preferred = navigator.languages.map((tag) => tag.toLowerCase());
const languageOf = (tag) => tag.split("-")[0];

/** The language of the page: the first of the browser's that it has. */
export const LANGUAGE = languageOf(preferred.find((tag) => LANGUAGES.includes(languageOf(tag))) ?? LANGUAGES[0]);

/** How the page writes numbers and dates: as its language does, in the browser's region if that is known. */
export const LOCALE = preferred.find((tag) => languageOf(tag) === LANGUAGE) ?? LANGUAGE;

const module = `./texts.${LANGUAGE}.js`;

/** {x} stands for a value. If a text has two forms with | between them, the first is for one of something. */
const { default: TEXTS } = await import(module);

/** The form of a text for its values, of which `n` decides. */
function formOf(key, { n } = {}) {
  const forms = TEXTS[key].split("|");
  return n === 1 ? forms[0] : forms.at(-1);
}

const written = (value) => (typeof value === "number" ? value.toLocaleString(LOCALE) : value);

/** A text with values, which are texts or numbers, by name. */
export const say = (key, values) => formOf(key, values).replace(/\{(\w+)\}/g, (_, name) => written(values[name]));

/** A text with values that can also be elements, or lists of elements and texts: what stands in the page for it. */
export const nodes = (key, values) => formOf(key, values).split(/\{(\w+)\}/)
  .flatMap((part, i) => (i % 2 === 0 ? part : written(values[part]))).filter((part) => part !== "");

/** What says in the document which text an element gets, and where: data-says="send" is for what is in it. */
const PLACES = { says: "textContent", label: "ariaLabel", title: "title", placeholder: "placeholder" };

/** Puts the words into the document. */
export function sayEverything() {
  document.documentElement.lang = LANGUAGE;
  document.title = say("chat");
  for (const [name, property] of Object.entries(PLACES)) {
    for (const e of document.querySelectorAll(`[data-${name}]`)) e[property] = say(e.dataset[name]);
  }
}
