// The first page. It asks for a name or a token, and for a room; or it has a button to sign in at the provider.

import { spelled } from "./client.js";
import { ask, openDialog } from "./dialog.js";
import { $, bdi, element, labelled } from "./dom.js";
import { obstacle, PROVIDER } from "./provider.js";
import { SIGN_IN } from "./signin.js";
import { nodes, say } from "./texts.js";
import { nameProblem, shownName } from "./words.js";

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
  const why = PROVIDER ? obstacle() : "";
  $("enter-unsent").textContent = inWords(name, unsent);
  $("enter-unsent").hidden = unsent.size === 0;
  $("ask-name").hidden = SIGN_IN;
  $("ask-token").hidden = !SIGN_IN || PROVIDER !== null;
  if (SIGN_IN) $("enter-intro").textContent = say(PROVIDER ? "introProvider" : "introToken");
  if (PROVIDER) $("enter-button").textContent = say(why ? "tryAgain" : "signIn");
  $(PROVIDER ? "enter-button" : SIGN_IN ? "enter-token" : "enter-name").focus();
  complain([problem, why].filter(Boolean).join(" "), PROVIDER ? undefined : field);
  $("enter").onsubmit = (event) => {
    event.preventDefault();
    if (why) return location.reload();
    const given = { name: clean("enter-name"), room: clean("enter-room"), token: $("enter-token").value.trim() };
    const [first, wrong] = problemOf(given);
    const problem = wrong || nameProblem(given.room, "room");
    complain(problem, wrong ? first : "enter-room");
    if (problem === "") enter(given);
  };
}

/** The first field, and what is wrong with it, if anything. */
function problemOf({ name, token }) {
  if (PROVIDER) return ["", ""];
  return SIGN_IN ? ["enter-token", token ? "" : say("giveToken")] : ["enter-name", nameProblem(name, "name")];
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
  const form = element("form", { className: "rows" }, labelled(say("yourName"), field), problem,
    ...(unsent > 0 ? [element("p", {}, say("unsentCount", { n: unsent }), " ", say("oldName"))] : []),
    element("button", { className: "primary" }, say("changeName")));
  const dialog = openDialog(say("anotherName"), form);
  field.select();
  form.onsubmit = (event) => {
    event.preventDefault();
    const given = spelled(field.value.trim());
    problem.textContent = nameProblem(given, "name");
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
  return say("unsentOf", { n: total, name, rooms: [...unsent.keys()].join(", ") });
}

/**
 * Shows the people about whom this browser keeps something.
 * @param {{name: string, signOut: () => void}[]} people
 */
export function drawPeopleKept(people) {
  const says = (key, name) => nodes(key, { name: bdi(shownName(name)) });
  const row = ({ name, signOut }) => element("p", {}, ...says("keptHere", name), " ",
    element("button", { type: "button", className: "link", onclick: signOut }, ...says("signOutPerson", name)));
  $("enter-people").replaceChildren(...people.map(row));
}

/** Asks a person with so many unsent messages whether to sign out. */
export async function isSureToSignOut(unsent) {
  return (await ask(say("signOutAsk"), `${say("unsentCount", { n: unsent })} ${say("signOutLoses")}`,
    { stay: say("staySignedIn"), discard: say("signOutDelete") })) === "discard";
}
