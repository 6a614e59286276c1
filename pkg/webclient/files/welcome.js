// The first page. It asks for a name or a token, and for a room.

import { spelled } from "./client.js";
import { $, ask, bdi, element, labelled, openDialog } from "./dom.js";
import { SIGN_IN } from "./signin.js";
import { nameProblem, shownName, unsentInWords } from "./words.js";

const OLD_NAME = "What is not sent is kept in this browser. It is sent only if you take the old name again.";

/**
 * Shows the first page. It calls `enter` with {name, room, token}, which are valid as far as a page can tell.
 * @param {{name: string, room: string, problem: string, field?: string, unsent: Map<string, number>}} known `problem`
 *   says why the person is here again, and `field` is the id of the field that it is about, if any; `unsent` is the
 *   number of messages of this name that are not sent yet, by room
 */
export function welcome({ name, room, problem, field, unsent }, enter) {
  $("chat").hidden = true;
  $("welcome").hidden = false;
  $("enter-name").value = name;
  $("enter-room").value = room;
  $("enter-token").value = "";
  $("enter-unsent").textContent = inWords(name, unsent);
  $("enter-unsent").hidden = unsent.size === 0;
  $("ask-name").hidden = SIGN_IN;
  $("ask-token").hidden = !SIGN_IN;
  if (SIGN_IN) $("enter-intro").textContent = "This chat is for people who are signed in. Your name is in your token.";
  $(SIGN_IN ? "enter-token" : "enter-name").focus();
  complain(problem, field);
  $("enter").onsubmit = (event) => {
    event.preventDefault();
    const given = { name: clean("enter-name"), room: clean("enter-room"), token: $("enter-token").value.trim() };
    const [first, wrong] = SIGN_IN ? ["enter-token", given.token ? "" : "Please give a token."]
      : ["enter-name", nameProblem(given.name, "a name")];
    const problem = wrong || nameProblem(given.room, "a room");
    complain(problem, wrong ? first : "enter-room");
    if (problem === "") enter(given);
  };
}

/** Says what is wrong, if anything: below the field that it is about, to which the person goes, or else at the end. */
export function complain(problem, field) {
  const says = $("enter-problem");
  for (const input of $("enter").querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
  says.textContent = problem;
  if (!problem || !field) return $("enter-people").after(says);
  $(field).closest("label").after(says);
  $(field).setAttribute("aria-invalid", "true");
  $(field).setAttribute("aria-describedby", says.id);
  $(field).focus();
}

/**
 * Asks a person in the open chat for another name, and calls `rename` with it. What is not sent belongs to the old one.
 * @param {number} unsent how many messages and edits of the old name are not sent
 */
export function askForName(name, unsent, rename) {
  const field = element("input", { value: name, autocomplete: "nickname", spellcheck: false,
    "aria-describedby": "name-problem" });
  const problem = element("p", { id: "name-problem", className: "problem", role: "alert" });
  const form = element("form", { className: "rows" }, labelled("Your name", field), problem,
    ...(unsent > 0 ? [element("p", {}, unsentInWords(unsent), " ", OLD_NAME)] : []),
    element("button", { className: "primary" }, "Change the name"));
  const dialog = openDialog("Another name", form);
  field.select();
  form.onsubmit = (event) => {
    event.preventDefault();
    const given = spelled(field.value.trim());
    problem.textContent = nameProblem(given, "a name");
    field.setAttribute("aria-invalid", String(problem.textContent !== ""));
    if (problem.textContent) return field.focus();
    dialog.close();
    if (given !== name) rename(given);
  };
}

/** The name in a field, in the chat's spelling. */
const clean = (id) => spelled($(id).value.trim());

function inWords(name, unsent) {
  const total = [...unsent.values()].reduce((sum, n) => sum + n, 0);
  const [what, are, they] = total === 1 ? ["message", "is", "It is"] : ["messages", "are", "They are"];
  const rooms = [...unsent.keys()].join(", ");
  return `${total} ${what} of ${name} in ${rooms} ${are} not sent yet. ${they} kept until you come back there.`;
}

/**
 * Shows the people about whom this browser keeps something.
 * @param {{name: string, signOut: () => void}[]} people
 */
export function drawPeopleKept(people) {
  const named = (name) => bdi(shownName(name));
  $("enter-people").replaceChildren(...people.map(({ name, signOut }) => element("p", {},
    "This browser still keeps the rooms of ", named(name), ", and what is not sent. ",
    element("button", { type: "button", className: "link", onclick: signOut }, "Sign ", named(name), " out"))));
}

/** Asks a person with so many unsent messages whether to sign out. */
export async function isSureToSignOut(unsent) {
  return (await ask("Sign out?", `${unsentInWords(unsent)} Signing out leaves nothing of you in this browser.`,
    { stay: "Stay signed in", discard: "Sign out, and delete what is not sent" })) === "discard";
}
