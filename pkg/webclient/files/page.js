// The page: rooms at the side, one of them in the middle. What a room shows is in timeline.js, how it gets there in client.js.

import { ChatClient } from "./client.js";
import { $, bdi, element } from "./dom.js";
import { Timeline } from "./timeline.js";
import { count, nameProblem, refusal, shownName } from "./words.js";

const STORE = "chat";
const STATES = { connecting: "Connecting…", online: "Online", offline: "Offline", closed: "" };

/** What this browser remembers: the name, the rooms, and which one is shown. */
const memory = {
  read() {
    try {
      const { name, rooms, active } = JSON.parse(localStorage.getItem(STORE)) ?? {};
      return { name, rooms: Array.isArray(rooms) ? rooms.filter((r) => typeof r === "string") : [], active };
    } catch {
      return { rooms: [] };
    }
  },
  write(value) {
    try {
      localStorage.setItem(STORE, JSON.stringify(value));
    } catch {
      // a browser that remembers nothing still chats
    }
  },
};

/** Whether one must sign in to this chat. */
const SIGN_IN = document.querySelector("meta[name=auth]").content === "on";

/** The token, where one must sign in; kept until the browser's tab is closed. */
const token = {
  read: () => sessionStorage.getItem("token") ?? "",
  write: (value) => sessionStorage.setItem("token", value),
  forget: () => sessionStorage.removeItem("token"),
};

/** Takes a token out of the page's address, …/#token=…, where whoever signs people in may put it: no server is sent that part. */
function takeToken() {
  const found = /^#token=(.*)$/.exec(location.hash);
  if (!found) return;
  token.write(found[1]);
  history.replaceState(null, "", location.pathname);
}

/** Asks for a name, or a token, and a room. */
function welcome(problem = "") {
  const known = memory.read();
  $("chat").hidden = true;
  $("welcome").hidden = false;
  $("enter-name").value = known.name ?? "";
  $("enter-room").value = roomInAddress() || known.active || "lobby";
  $("enter-token").value = "";
  $("enter-problem").textContent = problem;
  $("ask-name").hidden = SIGN_IN;
  $("ask-token").hidden = !SIGN_IN;
  if (SIGN_IN) $("enter-intro").textContent = "This chat is for those who have signed in. Your name is in your token.";
  $(SIGN_IN ? "enter-token" : "enter-name").focus();
  $("enter").onsubmit = (event) => {
    event.preventDefault();
    const name = SIGN_IN ? "" : $("enter-name").value.trim();
    const room = $("enter-room").value.trim();
    const given = $("enter-token").value.trim();
    const problem = (SIGN_IN ? (given ? "" : "Please give a token.") : nameProblem(name, "a name")) || nameProblem(room, "a room");
    $("enter-problem").textContent = problem;
    if (problem) return;
    if (SIGN_IN) token.write(given);
    new Page(name, [...new Set([...known.rooms, room])], room);
  };
}

/** The room in the page's address, …/#lobby, so that a room can be passed on as a link. */
function roomInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

class Page {
  #name;
  #client;
  #timelines = new Map(); // by room
  #active = null;
  #news = []; // to be read aloud
  #newsTimer = null;
  #bannerTimer = null;
  #listeners = new AbortController();

  constructor(name, rooms, active) {
    this.#name = name;
    const url = document.querySelector("meta[name=websocket-url]").content;
    this.#client = new ChatClient(url, SIGN_IN ? { token: token.read() } : { user: name });
    this.#client.addEventListener("state", () => this.#drawState());
    this.#client.addEventListener("user", (e) => this.#named(e.detail));
    this.#client.addEventListener("signedout", () => this.#end("Your sign-in has ended. Please sign in again."));
    $("welcome").hidden = true;
    $("chat").hidden = false;
    $("my-name").textContent = SIGN_IN ? "…" : shownName(name);
    $("rename").textContent = SIGN_IN ? "Sign out" : "Change";
    this.#wire();
    for (const room of rooms) this.#join(room);
    this.#show(active);
    this.#drawState();
    $("draft").focus();
  }

  #join(name) {
    if (this.#timelines.has(name)) return;
    const room = this.#client.join(name);
    const timeline = new Timeline(room, () => this.#name);
    this.#timelines.set(name, timeline);
    timeline.addEventListener("change", () => this.#drawUnread());
    room.addEventListener("members", () => name === this.#active && this.#drawPeople());
    room.addEventListener("message", (e) => {
      if (name === this.#active && room.ready && e.detail.user_name !== this.#name) {
        this.#announce(`${shownName(e.detail.user_name)}: ${e.detail.content.slice(0, 300)}`);
      }
    });
    this.#drawRooms();
  }

  #show(name) {
    const before = this.#timelines.get(this.#active);
    if (before) {
      before.draft = $("draft").value;
      before.unmount();
    }
    this.#active = name;
    const timeline = this.#timelines.get(name);
    $("room-name").textContent = name;
    $("draft").value = timeline.draft;
    this.#fitDraft();
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    timeline.mount($("scroller"));
    this.#drawRooms();
    this.#drawPeople();
    this.#remember();
  }

  #leave() {
    const name = this.#active;
    this.#timelines.get(name).unmount();
    this.#timelines.delete(name);
    this.#client.leave(name);
    this.#active = null;
    this.#remember();
    const next = this.#timelines.keys().next().value;
    if (next !== undefined) this.#show(next);
    else this.#end();
  }

  /** Is told the name that the token says. */
  #named(name) {
    this.#name = name;
    $("my-name").textContent = shownName(name);
    this.#drawPeople();
  }

  /** Goes back to the first page. */
  #end(problem) {
    token.forget();
    this.#listeners.abort();
    this.#client.close();
    clearTimeout(this.#bannerTimer);
    history.replaceState(null, "", location.pathname);
    document.title = "Chat";
    welcome(problem);
  }

  #remember() {
    memory.write({ name: this.#name, rooms: [...this.#timelines.keys()], active: this.#active });
  }

  #wire() {
    const signal = this.#listeners.signal;
    const on = (target, type, f) => target.addEventListener(type, f, { signal });
    const timeline = () => this.#timelines.get(this.#active);
    on($("scroller"), "scroll", () => timeline()?.scrolled());
    const sizes = new ResizeObserver(() => timeline()?.resized());
    sizes.observe($("scroller"));
    signal.addEventListener("abort", () => sizes.disconnect());
    on(document, "visibilitychange", () => timeline()?.scrolled());
    on($("to-end"), "click", () => (timeline().toEnd(), $("draft").focus()));
    on($("leave"), "click", () => this.#leave());
    on($("rename"), "click", () => this.#end());
    on($("retry-now"), "click", () => this.#client.retryNow());
    on($("show-people"), "click", () => this.#togglePeople());
    on($("add-room"), "submit", (event) => {
      event.preventDefault();
      const name = $("add-room-name").value.trim();
      const problem = nameProblem(name, "a room");
      $("add-room-name").setCustomValidity(problem);
      if (problem) return $("add-room-name").reportValidity();
      $("add-room-name").value = "";
      this.#join(name);
      this.#show(name);
      $("draft").focus();
    });
    on($("add-room-name"), "input", () => $("add-room-name").setCustomValidity(""));
    on($("draft"), "input", () => this.#fitDraft());
    on($("draft"), "keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) { // 229: it ends a composition, in Safari
        event.preventDefault();
        this.#send();
      }
    });
    on($("composer"), "submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    on(document, "keydown", (event) => event.key === "Escape" && $("draft").focus());
    on(window, "hashchange", () => {
      const name = roomInAddress();
      if (!name || nameProblem(name, "a room") || name === this.#active) return;
      this.#join(name);
      this.#show(name);
    });
  }

  #send() {
    const content = $("draft").value;
    if (content.trim() === "") return;
    $("draft").value = "";
    this.#fitDraft();
    this.#client.join(this.#active).send(content).catch((error) => {
      if (error.code !== "closed") this.#announce(`Not sent. ${refusal(error)}`);
    });
    this.#timelines.get(this.#active).toEnd();
  }

  /** Makes the field as high as what is written in it. */
  #fitDraft() {
    const draft = $("draft");
    draft.style.height = "auto";
    draft.style.height = `${draft.scrollHeight + 2}px`;
  }

  #drawState() {
    const state = this.#client.state;
    $("state").textContent = STATES[state];
    $("state").dataset.state = state;
    clearTimeout(this.#bannerTimer);
    if (state !== "offline" && document.activeElement === $("retry-now")) $("draft").focus(); // it is about to be hidden
    if (state === "online") this.#timelines.get(this.#active)?.scrolled(); // what could not be fetched is fetched
    if (state === "online" || state === "closed") $("banner").hidden = true;
    else this.#bannerTimer = setTimeout(() => this.#drawBanner(), 1000); // a short interruption is nobody's business
  }

  #drawBanner() {
    const offline = SIGN_IN && this.#name === ""
      ? "The chat cannot be reached, or does not accept your token." : "There is no connection. What you write is sent as soon as it is back.";
    $("banner-text").textContent = this.#client.state === "offline" ? offline : "Connecting…";
    $("retry-now").hidden = this.#client.state !== "offline";
    $("banner").hidden = false;
  }

  #drawRooms() {
    $("rooms").replaceChildren(...[...this.#timelines.keys()].map((name) => {
      const button = element("button", { onclick: () => (this.#show(name), $("draft").focus()) }, bdi(name), element("span", { className: "badge", hidden: true }));
      if (name === this.#active) button.setAttribute("aria-current", "true");
      return element("li", { dataset: { room: name } }, button);
    }));
    $("rooms").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#drawUnread();
  }

  #drawUnread() {
    let total = 0;
    for (const row of $("rooms").children) {
      const { unread } = this.#timelines.get(row.dataset.room) ?? { unread: 0 };
      const badge = row.querySelector(".badge");
      total += unread;
      badge.hidden = unread === 0;
      badge.textContent = unread > 99 ? "99+" : unread;
      badge.title = count(unread, "unread message", "unread messages");
    }
    document.title = total > 0 ? `(${total}) Chat` : "Chat";
    const behind = this.#timelines.get(this.#active)?.behind ?? "";
    $("to-end").hidden = behind === "";
    $("to-end").textContent = behind;
  }

  #drawPeople() {
    const members = this.#client.rooms.get(this.#active)?.members ?? new Map();
    const names = [...members.keys()].filter((name) => name !== "").sort((a, b) => a.localeCompare(b));
    $("show-people").textContent = count(names.length, "person", "people");
    const nameless = members.get("") ?? 0;
    const row = (name) => {
      const notes = [name === this.#name && "you", members.get(name) > 1 && count(members.get(name), "device", "devices")].filter(Boolean);
      return element("li", {}, bdi(shownName(name)), notes.length ? element("small", {}, ` (${notes.join(", ")})`) : "");
    };
    $("people").replaceChildren(
      element("h3", {}, "Who is here"),
      element("ul", {}, ...names.map(row)),
      nameless ? element("p", {}, element("small", {}, `and ${count(nameless, "connection", "connections")} with no name`)) : "",
    );
  }

  #togglePeople() {
    const open = $("people").hidden;
    $("people").hidden = !open;
    $("show-people").setAttribute("aria-expanded", String(open));
  }

  /** Has a screen reader say something; of much at once, only how much it is. */
  #announce(text) {
    this.#news.push(text);
    this.#newsTimer ??= setTimeout(() => {
      $("announcer").textContent = this.#news.length > 3 ? count(this.#news.length, "new message", "new messages") : this.#news.join("\n");
      this.#news = [];
      this.#newsTimer = null;
    }, 500);
  }
}

takeToken();
const known = memory.read();
const start = roomInAddress() || known.active || known.rooms[0] || (SIGN_IN ? "lobby" : undefined);
if (SIGN_IN) {
  if (token.read() && !nameProblem(start, "a room")) new Page("", [...new Set([...known.rooms, start])], start);
  else welcome();
} else if (known.name && start && !nameProblem(known.name, "a name") && !nameProblem(start, "a room")) {
  new Page(known.name, [...new Set([...known.rooms, start])], start);
} else {
  welcome();
}
