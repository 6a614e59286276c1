// One message on the page: its content, its time, its state and its reactions.

import { hueOf, initialsOf } from "./avatar.js";
import { bdi, element } from "./dom.js";
import { textNodes } from "./text.js";
import { presenceInWords } from "./people.js";
import { say } from "./texts.js";
import { changeRefusal, reactorsInWords, refusal, shownName } from "./words.js";

/** The content of a message, for a reader with a name, and a line for its time and its state. */
function bubble(content, me, ...meta) {
  return element("div", { className: "bubble" },
    element("div", { className: "content", dir: "auto" }, ...textNodes(content, me)),
    element("div", { className: "meta" }, ...meta));
}

/**
 * A stored message.
 * @param {object} shown
 * @param {boolean} shown.mine whether the reader wrote it
 * @param {string} shown.me the reader's name
 * @param {object} shown.doing what the reader is doing to it, as in Acts
 * @param {(user) => boolean} shown.isMe whether a user is the reader
 * @param {(reaction: string) => boolean} shown.hasReacted whether the reader has a reaction to it
 * @param {object} shown.on the functions behind its buttons
 */
export function messageNode(message, { mine, me, doing, isMe, hasReacted, on }) {
  const { index, edited_at, deleted_at, reply_to } = message;
  const edit = deleted_at ? undefined : doing.edit;
  const isSaving = edit !== undefined && !edit.error;
  const content = deleted_at ? say("deletedMessage") : isSaving ? edit.content : String(message.content ?? "");
  const says = doing.deleting ? say("deleting") : isSaving ? say("saving") : edited_at ? say("edited") : "";
  const node = element("li", { className: "message", dataset: { index } },
    element("div", { className: "row" }, bubble(content, mine ? "" : me, element("time"))));
  const classes = { mine, deleted: Boolean(deleted_at), changing: Boolean(doing.deleting || isSaving) };
  for (const [name, is] of Object.entries(classes)) node.classList.toggle(name, is);
  const meta = node.querySelector(".meta");
  if (says) meta.append(element("span", { className: "edited" }, says));
  if (mine) meta.append(element("span", { className: "sent", title: say("storedAs", { index }) }, say("sent")));
  if (reply_to) {
    const quote = element("button", { className: "act quote", title: say("goToMessage"), onclick: on.jump });
    node.querySelector(".bubble").prepend(quote);
  }
  if (doing.edit?.error) node.append(refusedEdit(doing.edit, Boolean(deleted_at), on));
  if (deleted_at) return node;
  const label = say(mine ? "moreOwn" : "moreOther");
  const more = element("button", { className: "act more", "aria-label": label, title: label, "aria-haspopup": "dialog",
    onclick: () => on.open(more) }, "⋯");
  node.querySelector(".row").append(more);
  if (message.reactions?.length) node.append(reactionsOf(message, { doing, isMe, hasReacted, on }));
  return node;
}

/** Shows, on the button that leads there, what a message answers; undefined if that is not in the list. */
export function showQuote(node, answered) {
  const says = answered?.deleted_at ? say("aDeleted") : (answered?.content ?? say("anEarlier")).slice(0, 200);
  const name = answered && !answered.deleted_at ? [bdi(shownName(String(answered.user_name))), ": "] : [];
  const spoken = element("span", { className: "hidden-label" }, `${say("inAnswerTo")} `);
  node.querySelector(".quote").replaceChildren(spoken, "↩ ", ...name, bdi(says));
}

function reactionsOf(message, { doing, isMe, hasReacted, on }) {
  const chip = (r) => {
    const isOn = hasReacted(r.reaction);
    const names = reactorsInWords(r, isMe);
    const busy = doing.reactions?.includes(r.reaction) ?? false;
    return element("li", {}, element("button", { className: "act reaction", title: names, "aria-pressed": String(isOn),
      "aria-label": `${r.reaction} ${r.count}: ${names}`, "aria-busy": String(busy), dataset: { reaction: r.reaction },
      onclick: () => busy || on.react(r.reaction) }, `${r.reaction} ${r.count}`));
  };
  return element("ul", { className: "reactions", "aria-label": say("reactions") }, ...message.reactions.map(chip));
}

/** An edit that was refused, with the buttons for it. What was deleted cannot be edited again. */
function refusedEdit({ content, error }, isDeleted, { editAgain, giveUp }) {
  const action = (says, f) => element("button", { className: "link", onclick: f }, says);
  return element("div", { className: "refused-edit" },
    element("div", { className: "sent" }, say("editNotSaved", { why: changeRefusal(error) })),
    element("div", { className: "edit-text", dir: "auto" }, content),
    element("div", {}, ...(isDeleted ? [] : [action(say("editAgain"), editAgain), " "]),
      action(say("giveUp"), giveUp)));
}

const NOTES = {
  presence: presenceInWords,
  expired: () => [say("someExpired")],
  restored: () => [say("restored")],
  barred: ({ error }) => [say("cannotJoin", { why: refusal(error) })],
};

/** An item of a conversation that is no message. */
export const noteNode = (item) => element("li", { className: "event" }, ...NOTES[item.kind](item));

/** Shows the time of a message, in milliseconds since the epoch. */
export function showTime(node, ms, clock) {
  const time = node.querySelector("time");
  time.textContent = clock.timeOf(ms);
  time.title = clock.inFull(ms);
  if (time.textContent) time.dateTime = new Date(ms).toISOString();
}

/** Shows or hides the sender of a message above it. */
export function showSender(node, { user_name, user_id }, shown) {
  const head = node.querySelector(".who");
  node.classList.toggle("first", shown);
  if (!shown) head?.remove();
  if (!shown || head) return;
  const name = String(user_name ?? "");
  const looks = { className: `who hue${hueOf({ user_name: name, user_id })}`, dataset: { initials: initialsOf(name) } };
  node.prepend(element("div", looks, bdi(shownName(name))));
}

/** A message that is not stored yet. */
export function waitingNode({ id, content, state, replyTo }, { discard }) {
  const meta = [element("span", { className: "sent" }, say(state === "sending" ? "sending" : "waiting"))];
  if (state === "waiting") {
    meta.push(element("button", { className: "link give-up", onclick: () => discard(id) }, say("remove")));
  }
  const node = element("li", { className: `message mine ${state}`, dataset: { id } }, bubble(content, "", ...meta));
  if (replyTo) node.querySelector(".bubble").prepend(element("div", { className: "quote" }, `↩ ${say("anEarlier")}`));
  return node;
}

/** A message that was refused, with the buttons for it. */
export function refusedNode({ id, content, error }, { edit, retry, discard }) {
  const action = (says, f) => element("button", { className: "link", onclick: () => f(id) }, says);
  return element("li", { className: "message mine failed", dataset: { id } },
    bubble(content, "", element("time")),
    element("div", { className: "sent" }, say("notSent", { why: refusal(error) })),
    element("div", {}, action(say("edit"), edit), " ", action(say("tryAgain"), retry), " ",
      action(say("remove"), discard)));
}

/**
 * Folds long messages: it shows the first lines, and a button for the rest. The style sheet has the height of a folded
 * message. Whether a message is higher than that depends on the size of the window, which may change.
 */
export class Folds {
  #observer;

  /**
   * @param {{hold: (change) => void, holdAt: (element, change) => void, toggled: () => void}} view `hold` makes a
   *   change without moving what is on the screen; `holdAt` makes one without moving the element; `toggled` is called
   *   when a person has used a button
   */
  constructor(view) {
    this.#observer = new ResizeObserver((entries) => {
      const contents = entries.map((e) => e.target).filter((content) => content.isConnected);
      const wrong = contents.filter((content) => isCut(content) !== hasButton(content));
      if (wrong.length > 0) view.hold(() => wrong.forEach((content) => toggleButton(content, view)));
    });
  }

  /** Folds what is long in an element, which may have nothing to fold. */
  watch(node) {
    const content = node.querySelector(".content");
    if (content) this.#observer.observe(content);
  }

  unwatch(node) {
    const content = node.querySelector(".content");
    if (content) this.#observer.unobserve(content);
  }
}

function toggleButton(content, view) {
  const meta = content.nextSibling;
  content.parentNode.classList.toggle("tall", !hasButton(content));
  if (hasButton(content)) return meta.querySelector(".fold").remove();
  const button = element("button", { className: "link fold" });
  const draw = (open) => {
    button.textContent = say(open ? "showLess" : "showAll");
    button.setAttribute("aria-expanded", String(open));
  };
  draw(content.classList.contains("open"));
  button.onclick = () => {
    const open = !content.classList.contains("open");
    const change = () => content.classList.toggle("open", open);
    if (open) change(); // it grows downwards
    else view.holdAt(button, change); // it stays under the pointer
    draw(open);
    view.toggled();
  };
  meta.prepend(button);
}

const hasButton = (content) => content.nextSibling.querySelector(".fold") !== null;
const isCut = (content) => content.classList.contains("open") || content.scrollHeight > content.clientHeight + 1;
