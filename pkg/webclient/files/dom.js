// Elements of the page. Everything that people write becomes text, never markup.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** Makes an element with properties and children, which are elements or text. */
export function element(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(e.dataset, value);
    else if (name.includes("-")) e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children);
  return e;
}

/** A text that somebody wrote, isolated: its direction must not affect the text around it. */
export const bdi = (text) => element("bdi", {}, text);

/** A field with its label above it. */
export const labelled = (says, field) => element("label", {}, says, field);

/** A choice of one of several values, each with its words. */
export function select(says, options, chosen) {
  const choices = options.map(([value, words]) => element("option", { value, selected: value === chosen }, words));
  return element("select", { "aria-label": says }, ...choices);
}
