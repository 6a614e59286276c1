// This browser and this tab: the name that is used here, and the person that is signed in.
//
// In the browser's storage, beside what is kept of each person:
//
//   name                   the name that was used last, where the chat is open to everybody
//   name of, subject       the name of the person who has tokens with this subject
//   signed in, subject     the person is signed in, in some tab: an id of the time from the sign-in to the sign-out
//
// In that of the tab: tab (its id), name, token, was accepted (the token, by the chat), signed in (the id as above).

import { Memory } from "./memory.js";
import { subjectOf } from "./signin.js";
import { keyOf, Store } from "./store.js";
import { newID } from "./tabs.js";

/** Events: `signedout`, whose detail is the subject of a person who has signed out in another tab. */
export class Browser extends EventTarget {
  kept = new Store(() => localStorage);
  #tabs = new Store(() => sessionStorage);

  /** The tab's id before it was loaded again; undefined where it is new. */
  before;

  constructor(tab) {
    super();
    this.tab = tab;
    this.before = this.#tabs.get(["tab"]);
    this.#takeOld();
    addEventListener("storage", ({ key, newValue }) => {
      const [kind, subject] = (key && newValue === null && keyOf(key)) || [];
      if (kind === "signed in") this.dispatchEvent(new CustomEvent("signedout", { detail: subject }));
    });
  }

  /** What the tab writes from here on is found again when it is loaded again. */
  enter() {
    this.#tabs.set(["tab"], this.tab.id);
  }

  /** The name that is used in this tab, or that was used last; "" where there is none. */
  get name() {
    return [this.#tabs.get(["name"]), this.kept.get(["name"])].find((name) => typeof name === "string") ?? "";
  }

  set name(name) {
    this.#tabs.set(["name"], name);
    this.kept.set(["name"], name);
  }

  /** The token with which this tab is signed in; "" where it is not. */
  get token() {
    const token = this.#tabs.get(["token"]);
    return typeof token === "string" ? token : "";
  }

  /** The person that is signed in in this tab; "" for nobody. */
  get subject() {
    return subjectOf(this.token);
  }

  /** Signs in in this tab, with a token that the chat may not accept. */
  signIn(token) {
    this.endSession();
    this.#tabs.set(["token"], token);
    const session = this.kept.get(["signed in", this.subject]);
    if (session) this.#tabs.set(["signed in"], session);
  }

  /** Whether the chat has accepted the token. */
  get tokenWasAccepted() {
    return this.#tabs.get(["was accepted"]) === true;
  }

  set tokenWasAccepted(accepted) {
    this.#tabs.set(["was accepted"], accepted);
  }

  /** The chat has said who is signed in in this tab. It tells whether the browser did not know the person yet. */
  named(name) {
    const key = ["signed in", this.subject];
    if (this.isSignedOut) return false;
    const known = this.kept.get(key);
    const session = known ?? newID();
    if (this.kept.set(key, session)) this.#tabs.set(["signed in"], session);
    this.kept.set(["name of", this.subject], name);
    return known === undefined;
  }

  nameOf(subject) {
    const name = this.kept.get(["name of", subject]);
    return typeof name === "string" ? name : undefined;
  }

  /** The subjects of the people that have signed in here and have not signed out, in whatever tab. */
  get people() {
    return this.kept.keys("signed in").map(([, subject]) => subject);
  }

  /** Whether the person of this tab has signed out in another one, and may have signed in again. */
  get isSignedOut() {
    const session = this.#tabs.get(["signed in"]);
    return session !== undefined && session !== this.kept.get(["signed in", this.subject]);
  }

  /** The tab is not signed in any more. What is kept of the person stays for the next sign-in. */
  endSession() {
    for (const key of ["token", "was accepted", "signed in"]) this.#tabs.remove([key]);
  }

  /** Tells the other tabs that a person has signed out. */
  tellSignOut(subject) {
    this.kept.set(["signed in", subject], ""); // what was never there cannot be removed, and tells nobody
    this.kept.remove(["signed in", subject]);
  }

  /**
   * Leaves nothing of a person, who is the one in this tab where there is one.
   * @param {Memory} memory of the person, into which nothing is written after that
   */
  erase(subject, memory) {
    const name = this.nameOf(subject);
    memory.erase();
    if (name !== undefined) new Memory(this, name).erase(); // an earlier page kept it by name
    this.kept.remove(["name of", subject]);
    this.kept.remove(["name"]);
    this.forgetTab();
  }

  /** Nobody has been in this tab. */
  forgetTab() {
    this.endSession();
    for (const key of ["tab", "name"]) this.#tabs.remove([key]);
  }

  /** Takes over what an earlier page kept in one piece. */
  #takeOld() {
    const old = this.kept.takeOld("chat");
    if (typeof old?.name !== "string") return;
    if (this.kept.get(["name"]) === undefined) this.kept.set(["name"], old.name);
    const person = new Memory(this, old.name);
    for (const room of Array.isArray(old.rooms) ? old.rooms : []) if (typeof room === "string") person.addRoom(room);
    if (typeof old.active === "string") person.active = old.active;
  }
}
