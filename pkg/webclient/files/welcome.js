// The first page. It asks for a name or a token, and for a room; or it has a button to sign in at the provider.

import { spelled } from "./client.js";
import { $, ask, bdi, element } from "./dom.js";
import { obstacle, PROVIDER } from "./provider.js";
import { SIGN_IN } from "./signin.js";
import { nameProblem, shownName, unsentInWords } from "./words.js";

const MEMBERS = "This chat is for people who are signed in.";

/**
 * Shows the first page. It calls `enter` with {name, room, token}, which are valid as far as a page can tell.
 * @param {{name: string, room: string, problem: string, unsent: Map<string, number>}} known `problem` says why the
 *   person is here again; `unsent` is the number of messages of this name that are not sent yet, by room
 */
export function welcome({ name, room, problem, unsent }, enter) {
  $("chat").hidden = true;
  $("welcome").hidden = false;
  $("enter-name").value = name;
  $("enter-room").value = room;
  $("enter-token").value = "";
  const why = PROVIDER ? obstacle() : "";
  $("enter-problem").textContent = [problem, why].filter(Boolean).join(" ");
  $("enter-unsent").textContent = inWords(name, unsent);
  $("enter-unsent").hidden = unsent.size === 0;
  $("ask-name").hidden = SIGN_IN;
  $("ask-token").hidden = !SIGN_IN || PROVIDER !== null;
  if (SIGN_IN) $("enter-intro").textContent = PROVIDER ? MEMBERS : `${MEMBERS} Your name is in your token.`;
  if (PROVIDER) $("enter-button").textContent = why ? "Try again" : "Sign in";
  $(PROVIDER ? "enter-button" : SIGN_IN ? "enter-token" : "enter-name").focus();
  $("enter").onsubmit = (event) => {
    event.preventDefault();
    if (why) return location.reload();
    const given = { name: clean("enter-name"), room: clean("enter-room"), token: $("enter-token").value.trim() };
    $("enter-problem").textContent = problemOf(given) || nameProblem(given.room, "a room");
    if ($("enter-problem").textContent === "") enter(given);
  };
}

function problemOf({ name, token }) {
  if (PROVIDER) return "";
  return SIGN_IN ? (token ? "" : "Please give a token.") : nameProblem(name, "a name");
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
