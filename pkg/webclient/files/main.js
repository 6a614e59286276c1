// The way into the chat and out of it. A person that this browser knows enters at once. Others enter by a link with a
// token, with the answer of the provider, or by the first page, which asks.

import { isRoomVisited, roomInAddress } from "./address.js";
import { Browser } from "./browser.js";
import { ChatClient } from "./client.js";
import { Clock } from "./clock.js";
import { ask } from "./dialog.js";
import { $, bdi } from "./dom.js";
import { Memory, ownerOf } from "./memory.js";
import { Page } from "./page.js";
import {
  attemptOf, goToProvider, isUsable, leaveProvider, PROVIDER, redeem, revoke, takeAnswer, tokensOf,
} from "./provider.js";
import { idIn, isAccepted, isLater, nameIn, SIGN_IN, SOCKETS, subjectOf, takeToken } from "./signin.js";
import { Tab } from "./tabs.js";
import { nodes, say, sayEverything } from "./texts.js";
import { complain, drawPeopleKept, isSureToSignOut, welcome } from "./welcome.js";
import { endInWords, nameProblem, shownName } from "./words.js";

class Door {
  #browser = new Browser(new Tab());
  #clock = new Clock();
  #page = null; // while somebody is in the chat
  #links = Promise.resolve(); // settles when every opened link is handled
  #link = null; // the token of the last link
  #mayResume = true; // as the person of another tab, without a question

  constructor() {
    // This listener comes before the page's own, which reads the address as a room's name.
    addEventListener("hashchange", () => this.#takeLink());
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted && this.#browser.isSignedOut) this.#signedOut(this.#browser.subject);
    });
    // Back, on the first page: the rooms of the person that has left are nobody's business.
    addEventListener("popstate", () => this.#page || !isRoomVisited() || this.#clearAddress());
    this.#browser.addEventListener("signedout", (event) => this.#signedOut(event.detail));
  }

  /** Enters the chat at once if this browser knows the person, and asks otherwise. */
  open() {
    const browser = this.#browser;
    const answer = takeAnswer();
    const attempt = answer && attemptOf(answer, browser);
    const wasSignedOut = browser.isSignedOut; // while this tab was closed
    if (wasSignedOut) browser.forgetTab();
    const token = takeToken();
    this.#mayResume = !browser.takeLeft() && !wasSignedOut;
    if (attempt) return void (this.#links = this.#finish(answer, attempt)); // links wait for it
    const hasEnded = browser.isGranted && !isUsable(browser.grantOf(browser.subject)); // as another tab was told
    if (hasEnded) browser.endSession();
    else if (token === null) this.#resume();
    const name = SIGN_IN ? browser.token && ownerOf(browser.subject) : browser.name;
    const { rooms, active } = new Memory(browser, name);
    const there = roomInAddress();
    const isLeft = isRoomVisited() && !rooms.includes(there); // Back from another site into a room that was left
    const room = (isLeft ? "" : there) || active || rooms[0] || (SIGN_IN ? "lobby" : "");
    const isKnown = SIGN_IN ? name !== "" : nameProblem(name, "name") === "";
    if (isKnown && nameProblem(room, "room") === "") this.#enter({ name: browser.name, room, token: browser.token });
    else this.#askWho({ problem: hasEnded ? endInWords({ code: "signed_out" }) : answer ? say("strangeAnswer")
      : wasSignedOut ? say("outElsewhere") : "" });
    this.#follow(token);
  }

  /** Signs in the one person that another tab has signed in at the provider. It tells whether this tab has a person. */
  #resume() {
    const browser = this.#browser;
    const [grant, ...others] = PROVIDER && this.#mayResume ? browser.grants.filter(isUsable) : [];
    if (!browser.token && grant && others.length === 0) browser.signIn(grant.token, true);
    return browser.token !== "";
  }

  /** Ends what goToProvider began. */
  async #finish(answer, attempt) {
    const { room } = attempt;
    this.#askWho({ room });
    $("enter-button").textContent = say("signingIn");
    $("enter-button").disabled = true;
    try {
      const grant = await redeem(answer, attempt);
      this.#browser.setGrant(subjectOf(grant.token), grant);
      this.#signIn({ token: grant.token, room, isGranted: true });
    } catch ({ message }) {
      this.#askWho({ problem: message, room });
    }
  }

  /** Signs in with what another tab has, or at the provider. */
  async #signInAtProvider(room) {
    if (this.#resume()) return this.#signIn({ token: this.#browser.token, room, isGranted: true });
    complain(await goToProvider(this.#browser, room));
  }

  /** Asks for a name or a token, and for a room. `rooms` are joined as well, under any name. */
  #askWho({ problem = "", field, room = "", rooms = [] } = {}) {
    const { name } = this.#browser;
    const known = new Memory(this.#browser, name);
    const ofTwo = (name) => SIGN_IN && name?.startsWith("@"); // its name means nothing to anybody
    const first = [roomInAddress(), room, known.active, rooms[0]].find((name) => name && !ofTwo(name)) ?? "lobby";
    $("enter-button").disabled = false;
    welcome({ name, room: first, problem, field, unsent: SIGN_IN ? new Map() : known.roomsWithUnsent },
      (given) => {
        if (PROVIDER) this.#signInAtProvider(given.room);
        else if (SIGN_IN) this.#signIn(given);
        else this.#enter({ ...given, rooms });
      });
    this.#mayResume &&= problem === ""; // otherwise only the provider can help
    this.#offerSignOut();
  }

  /** Offers to sign out the people of this browser, if nobody is in the chat in this tab. */
  #offerSignOut() {
    const { people } = this.#browser;
    const row = (subject) => ({ name: this.#browser.nameOf(subject) ?? "", signOut: () => this.#signOutHere(subject) });
    drawPeopleKept(SIGN_IN ? people.map(row) : []);
  }

  async #signOutHere(subject) {
    const unsent = new Memory(this.#browser, ownerOf(subject)).countUnsent;
    if (unsent > 0 && !(await isSureToSignOut(unsent))) return;
    const grant = this.#browser.grantOf(subject);
    this.#signOut(subject);
    this.#askWho();
    leaveProvider(grant, this.#browser);
  }

  #signIn({ token, room, isLinked, isGranted }) {
    this.#browser.signIn(token, isGranted);
    const { active, rooms } = new Memory(this.#browser, ownerOf(this.#browser.subject));
    this.#enter({ token, room: room ?? active ?? rooms[0] ?? "lobby", isLinked });
  }

  #enter({ name, room, token, rooms = [], isLinked = false }) {
    const browser = this.#browser;
    let client;
    try {
      client = new ChatClient(SOCKETS, SIGN_IN ? { token: this.#tokens ?? token } : { user: name });
    } catch (error) {
      browser.endSession();
      return this.#askWho({ problem: endInWords(error), field: SIGN_IN ? "enter-token" : "enter-name", rooms });
    }
    browser.enter();
    this.#mayResume = true;
    if (!SIGN_IN) browser.name = name;
    this.#page = new Page({
      client, browser, clock: this.#clock, room, rooms, isLinked,
      user: SIGN_IN ? ownerOf(browser.subject) : name,
      name: SIGN_IN ? browser.nameOf(browser.subject) ?? "" : name,
      ended: (how) => this.#leave(how),
    });
  }

  /** The token of this tab's grant, or what refreshes it; undefined without a grant. */
  get #tokens() {
    const browser = this.#browser;
    const grant = browser.isGranted ? browser.grantOf(browser.subject) : undefined;
    return grant?.refresh ? tokensOf(browser, browser.subject) : grant?.token;
  }

  /** Goes back to the first page. Unsent messages are kept, unless the person signs out. */
  #leave({ problem, field, signOut = false, rename }) {
    if (rename !== undefined) return this.#rename(rename);
    const { rooms, memory } = this.#page;
    const room = signOut ? "" : memory.active;
    const grant = signOut && this.#browser.grantOf(this.#browser.subject);
    const isNobody = SIGN_IN && !this.#browser.people.includes(this.#browser.subject); // the token was not accepted
    if (signOut) this.#signOut();
    else if (isNobody && !memory.hasWriting) this.#erase(this.#browser.subject);
    else this.#closePage();
    this.#firstPage({ problem, field, room, rooms: signOut ? [] : rooms });
    leaveProvider(grant, this.#browser);
  }

  /** Goes on in the same rooms under another name, with a client of its own: the chat knows people by their names. */
  #rename(name) {
    const { rooms, memory } = this.#page;
    const room = memory.active;
    this.#closePage(); // which gives up what is not sent: it stays with the old name
    memory.rename(name, { another: true });
    this.#enter({ name, room, rooms });
  }

  #firstPage(how) {
    this.#browser.endSession();
    this.#clearAddress();
    this.#askWho(how);
  }

  #clearAddress() {
    history.replaceState(null, "", location.pathname);
  }

  #closePage() {
    this.#page?.close();
    this.#page = null;
  }

  /** Signs a person out of this browser. */
  #signOut(subject = this.#browser.subject) {
    this.#mayResume = false;
    revoke(this.#browser.grantOf(subject));
    this.#browser.tellSignOut(subject);
    this.#erase(subject);
  }

  /** Deletes everything of a person. If somebody is in this tab, it must be this person. */
  #erase(subject) {
    const memory = this.#page?.memory ?? new Memory(this.#browser, ownerOf(subject));
    this.#closePage();
    this.#browser.erase(subject, memory);
  }

  /** A person has signed out in another tab. What this tab has written since then is deleted too. */
  #signedOut(subject) {
    if (!this.#page) return this.#offerSignOut();
    if (subject !== this.#browser.subject) return;
    if (this.#browser.people.includes(subject)) this.#closePage(); // the person has signed in again
    else this.#erase(subject);
    this.#firstPage({ problem: say("outElsewhere") });
  }

  #takeLink() {
    this.#follow(takeToken(this.#page?.address));
  }

  /** Handles the token of a link, or null, after those before it. If several wait, only the last one counts. */
  #follow(token) {
    if (token === null || !SIGN_IN) return;
    this.#link = token;
    this.#links = this.#links.catch(() => {}).then(() => token === this.#link && this.#signInByLink(token));
  }

  /**
   * Signs in by a link. Anybody can make such a link. So the page asks before it replaces a person, or lets a second
   * person in.
   */
  async #signInByLink(token) {
    const browser = this.#browser;
    const subject = subjectOf(token);
    if (token === "") return this.#say(say("badLink"));
    if (subject === browser.subject && !isLater(token, browser.token)) return;
    if (this.#page && !(await isAccepted(token))) return this.#say(say("refusedLink"));
    const others = this.#page ? [browser.subject] : browser.people;
    const isFirst = others.length === 0;
    const replaced = this.#page && !others.includes(subject) ? browser.subject : "";
    if (!isFirst && !others.includes(subject) && (await this.#ask(token, others)) !== "enter") return;
    if (replaced) this.#signOut(replaced);
    this.#closePage();
    this.#signIn({ token, isLinked: isFirst });
  }

  /** Asks whether to sign in the person of a token, although others are signed in. */
  #ask(token, others) {
    const [name, ...names] = this.#namesOf([subjectOf(token), ...others], token).map((text) => () => bdi(text));
    const title = nodes("signInAs", { name: name() });
    if (!this.#page) {
      const present = names.flatMap((n, i) => [i > 0 ? ", " : "", n()]);
      return ask(title, nodes("othersPresent", { n: names.length, names: present, name: name() }),
        { stay: say("notSignIn"), enter: nodes("signInHere", { name: name() }) });
    }
    const n = this.#page.memory.countUnsent;
    const lost = n > 0 ? ` ${say("unsentCount", { n })} ${say("signOutDeletes")}` : "";
    return ask(title, [...nodes("youAreOther", { name: names[0](), other: name() }), lost], {
      stay: nodes("stayAs", { name: names[0]() }), enter: nodes("switchTo", { name: names[0](), other: name() }),
    });
  }

  /** The names of people. The token is the first person's. Equal names get the subject behind them. */
  #namesOf(subjects, token) {
    const browser = this.#browser;
    const names = subjects.map((s, i) => shownName(browser.nameOf(s) ?? nameIn(i === 0 ? token : browser.token)));
    return names.map((n, i) => (names.indexOf(n) === names.lastIndexOf(n) ? n : `${n} (${idIn(subjects[i])})`));
  }

  #say(text) {
    if (this.#page) this.#page.say(text);
    else complain(text);
  }
}

sayEverything();
new Door().open();
