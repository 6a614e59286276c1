// Elements of the page. Everything that people wrote goes in as text, never as markup.

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

/** What somebody wrote, kept apart so that its direction touches nothing around it. */
export const bdi = (text) => element("bdi", {}, text);
