// This browser and this tab: the name that is used here, and the person that is signed in.
//
// The browser's storage has these keys, beside those of each person (memory.js):
//
//   name                   the name that was used last, if the chat is open
//   name of, subject       the name of the person whose tokens have this subject
//   signed in, subject     the person is signed in in some tab; the value is an id of the session, until the sign-out
//   grant, subject         what the provider gave the page for the person (provider.js)
//
// The tab's storage has: tab (its id), name, token, was accepted (the chat has accepted the token), signed in (the
// session's id, as above), granted (the token is of a grant, and not of a link), attempt (to sign in at the provider),
// left (the person has just signed out, and the tab is at the provider).

import { Memory } from "./memory.js";
import { subjectOf } from "./signin.js";
import { keyOf, Store } from "./store.js";
import { newID } from "./tabs.js";

/** Event: `signedout`. Its detail is the subject of a person who has signed out in another tab. */
export class Browser extends EventTarget {
  kept = new Store(() => localStorage);
  #tabs = new Store(() => sessionStorage);

  /** The tab's id before it was loaded again; undefined in a new tab. */
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

  /** From now on, a reload of the tab finds what the tab has written. */
  enter() {
    this.#tabs.set(["tab"], this.tab.id);
  }

  /** The name that is used in this tab, or else the last one in this browser, or else "". */
  get name() {
    return [this.#tabs.get(["name"]), this.kept.get(["name"])].find((name) => typeof name === "string") ?? "";
  }

  set name(name) {
    this.#tabs.set(["name"], name);
    this.kept.set(["name"], name);
  }

  /** The token with which this tab is signed in, or "". */
  get token() {
    const token = this.#tabs.get(["token"]);
    return typeof token === "string" ? token : "";
  }

  /** The person that is signed in in this tab; "" for nobody. */
  get subject() {
    return subjectOf(this.token);
  }

  /** Signs in in this tab. The chat may still refuse the token. `isGranted` says that it is of a grant. */
  signIn(token, isGranted = false) {
    this.endSession();
    this.endAttempt();
    this.#tabs.set(["token"], token);
    if (isGranted) this.#tabs.set(["granted"], true);
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

  /** Whether this tab's token is of a grant. */
  get isGranted() {
    return this.#tabs.get(["granted"]) === true;
  }

  /** What the provider gave the page for a person; undefined if there is nothing. */
  grantOf(subject) {
    const grant = this.kept.get(["grant", subject]);
    return typeof grant?.token === "string" && subjectOf(grant.token) === subject ? grant : undefined;
  }

  /** Keeps a grant, or forgets it if it is null. */
  setGrant(subject, grant) {
    if (grant) this.kept.set(["grant", subject], grant);
    else this.kept.remove(["grant", subject]);
  }

  /** The grants of people in this browser. */
  get grants() {
    return this.kept.keys("grant").map(([, subject]) => this.grantOf(subject)).filter(Boolean);
  }

  /** This tab's attempt to sign in at the provider; undefined if there is none. */
  get attempt() {
    return this.#tabs.get(["attempt"]);
  }

  /** Keeps the attempt while the tab is at the provider. It tells whether that is possible. */
  keepAttempt(attempt) {
    return this.#tabs.set(["attempt"], attempt);
  }

  /** Keeps that the person has just signed out: nobody else of this browser is to be signed in instead. */
  keepLeft() {
    this.#tabs.set(["left"], true);
  }

  /** Whether keepLeft was called before. */
  takeLeft() {
    const hasLeft = this.#tabs.get(["left"]) === true;
    this.#tabs.remove(["left"]);
    return hasLeft;
  }

  endAttempt() {
    this.#tabs.remove(["attempt"]);
  }

  /** Takes the name that the chat has for this tab's person. It tells whether the person is new in this browser. */
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

  /** The subjects of the people that are signed in in any tab, or whose sign-in ended without a sign-out. */
  get people() {
    return this.kept.keys("signed in").map(([, subject]) => subject);
  }

  /** Whether this tab's person has signed out in another tab, even if the person has signed in again. */
  get isSignedOut() {
    const session = this.#tabs.get(["signed in"]);
    return session !== undefined && session !== this.kept.get(["signed in", this.subject]);
  }

  /** Ends the sign-in of this tab. What is kept of the person stays for the next sign-in. */
  endSession() {
    for (const key of ["token", "was accepted", "signed in", "granted"]) this.#tabs.remove([key]);
  }

  /** Tells the other tabs that a person has signed out. */
  tellSignOut(subject) {
    this.kept.set(["signed in", subject], ""); // the removal of a key that is not there would fire no event
    this.kept.remove(["signed in", subject]);
  }

  /**
   * Deletes everything of a person. If somebody is in this tab, it must be this person.
   * @param {Memory} memory the person's. Nothing is written to it after this
   */
  erase(subject, memory) {
    const name = this.nameOf(subject);
    memory.erase();
    if (name !== undefined) new Memory(this, name).erase(); // an older version of the page kept it by name
    for (const kind of ["name of", "grant"]) this.kept.remove([kind, subject]);
    this.kept.remove(["name"]);
    this.forgetTab();
  }

  /** Makes the tab like a new one. */
  forgetTab() {
    this.endSession();
    for (const key of ["tab", "name"]) this.#tabs.remove([key]);
  }

  /** Takes over what an older version of the page kept under one key. */
  #takeOld() {
    const old = this.kept.takeOld("chat");
    if (typeof old?.name !== "string") return;
    if (this.kept.get(["name"]) === undefined) this.kept.set(["name"], old.name);
    const person = new Memory(this, old.name);
    const rooms = Array.isArray(old.rooms) ? old.rooms : [];
    for (const room of rooms) if (typeof room === "string") person.addRoom(room);
    if (typeof old.active === "string") person.active = old.active;
  }
}
