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

/**
 * Asks a question, and gives the answer that was chosen, one of the names of `answers`, which are in words; or null,
 * where the question was closed. Words are a text, or a list of texts and elements.
 */
export function ask(title, text, answers) {
  return new Promise((resolve) => {
    const answer = ([name, says], i) => element("button",
      { className: i === 0 ? "primary" : "", onclick: () => dialog.close(name) }, ...[says].flat());
    const dialog = element("dialog", { className: "card", "aria-labelledby": "question", "aria-describedby": "question-text" },
      element("h2", { id: "question" }, ...[title].flat()), element("p", { id: "question-text" }, ...[text].flat()),
      element("div", { className: "answers" }, ...Object.entries(answers).map(answer)));
    dialog.onclose = () => {
      dialog.remove();
      resolve(dialog.returnValue || null);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
