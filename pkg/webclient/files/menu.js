// What a person can do with a stored message: the buttons of the message, and a dialog in which one reacts, answers,
// edits and deletes. The browser keeps the focus in a dialog, and a screen reader announces it.

import { ask, popUp } from "./dialog.js";
import { $, element } from "./dom.js";
import { say } from "./texts.js";
import { changeRefusal, reactorsInWords, shownName } from "./words.js";

const OFTEN = ["👍", "❤️", "😂", "🎉", "😮", "😢"];
const REACTION_BYTES = 32; // the chat's limit, in UTF-8

/** The buttons of the messages of a room, and the dialog for one of them at a time. */
export class Menu {
  #acts;
  #composer;
  #isMe;
  #me;
  #jump;
  #warn;
  #moderates;
  #about;
  #clock;
  #dialog = null; // while it is open
  #message = null; // the one that the dialog is for

  /**
   * @param {{acts: Acts, composer: Composer, isMe: (user) => boolean, me: () => string, jump: (index: number) => void,
   *   warn: (text: string) => void, moderates: () => boolean, about: (user) => void, clock: Clock}} parts `isMe` tells
   *   whether the person wrote a message, or is a user; `me` returns the person's name; `jump` goes to a message;
   *   `warn` tells the person of a problem; `moderates` tells whether the person moderates the room; `about` shows one
   */
  constructor({ acts, composer, isMe, me, jump, warn, moderates, about, clock }) {
    this.#acts = acts;
    this.#composer = composer;
    this.#isMe = isMe;
    this.#me = me;
    this.#jump = jump;
    this.#warn = warn;
    this.#moderates = moderates;
    this.#about = about;
    this.#clock = clock;
  }

  /** What messageNode needs to know of a message, beside the message itself. */
  looks(message) {
    return {
      isMe: this.#isMe,
      mine: this.#isMe(message),
      me: this.#me(),
      doing: this.#acts.doing(message.index),
      hasReacted: (reaction) => this.#hasReacted(message, reaction),
      on: {
        open: (button) => this.#open(button, message),
        jump: () => this.#jump(message.reply_to),
        react: (reaction) => this.#toggle(message, reaction),
        editAgain: () => this.#editAgain(message),
        giveUp: () => (this.#acts.giveUp(message.index), $("draft").focus()),
      },
    };
  }

  #hasReacted(message, reaction) {
    return this.#acts.hasReacted(message, reaction, this.#isMe);
  }

  /** Edits a message: {index, version, content}. */
  async edit(edit) {
    const error = await this.#acts.edit(edit);
    if (error) this.#warn(say("editNotSaved", { why: changeRefusal(error) }));
  }

  /** Lets the person go on with an edit that was refused. It is of the message as it is now. */
  #editAgain(message) {
    const { content } = this.#acts.doing(message.index).edit;
    this.#acts.giveUp(message.index);
    this.#composer.edit({ ...message, content });
  }

  /** Deletes a message, after a question. */
  async remove(index) {
    const answer = await ask(say("removeAsk"), say("removeSays"), { remove: say("remove"), keep: say("keepIt") });
    if (answer !== "remove") return;
    this.#composer.stopEditing(index);
    const error = await this.#acts.remove(index);
    if (error && error.code !== "closed") this.#warn(say("notDeleted", { why: changeRefusal(error) }));
  }

  #toggle(message, reaction) {
    return this.#react(message, reaction, !this.#hasReacted(message, reaction));
  }

  async #react({ index }, reaction, isOn) {
    const error = await this.#acts.react(index, reaction, isOn);
    if (error && error.code !== "closed") this.#warn(say("notReacted", { why: changeRefusal(error) }));
  }

  /** Opens the dialog beside the button that was used. */
  #open(button, message) {
    const mine = this.#isMe(message);
    const name = shownName(String(message.user_name));
    const choice = (says, f, className = "") =>
      element("button", { className, onclick: () => (this.close(), f(this.#message)) }, says);
    this.#message = message;
    this.#dialog = element("dialog",
      { className: "card menu", "aria-label": say("messageOf", { name }) },
      element("small", { className: "when" }, this.#clock.inFull(message.create_at * 1000)),
      element("div", { className: "often" }),
      this.#otherReaction(),
      element("ul", { className: "reactors" }),
      choice(say("answer"), (m) => this.#composer.reply(m)),
      ...(mine ? [choice(say("edit"), (m) => this.#composer.edit({ ...m, content: this.#acts.textOf(m) }))] : []),
      ...(mine || this.#moderates() ? [choice(say("remove"), (m) => this.remove(m.index), "danger")] : []),
      ...(mine || message.user_id === undefined ? []
        : [choice(say("aboutPerson", { name }), (m) => this.#about(m))]),
      element("button", { onclick: () => this.close() }, say("cancel")));
    this.#dialog.onclose = ({ target }) => {
      target.remove();
      if (this.#dialog === target) this.#dialog = null;
      // The button may have been drawn anew meanwhile; then the browser has nothing to give the focus to.
      if (button.isConnected || document.activeElement !== document.body) return;
      (document.querySelector(`#messages [data-index="${message.index}"] .more`) ?? $("draft")).focus();
    };
    this.#draw();
    popUp(this.#dialog);
    this.#place(button.getBoundingClientRect(), mine);
  }

  /** Puts the dialog where the button is, as far as it fits there. A narrow window has it at its lower edge. */
  #place({ top, left, right }, mine) {
    const { offsetWidth: width, offsetHeight: height, style } = this.#dialog;
    const within = (x, most) => `${Math.max(8, Math.min(x, most - 8))}px`;
    style.setProperty("--x", within(mine ? right - width : left, innerWidth - width));
    style.setProperty("--y", within(top, innerHeight - height));
  }

  /** Closes the dialog, if it is open. */
  close() {
    this.#dialog?.close();
  }

  /** Shows a message as it is now, if the dialog is open for it. */
  update(message) {
    if (!this.#dialog || message.index !== this.#message.index) return;
    this.#message = message;
    if (message.deleted_at) this.close();
    else this.#draw();
  }

  #draw() {
    const [dialog, message] = [this.#dialog, this.#message];
    const focused = [...dialog.querySelectorAll(".often button")].indexOf(document.activeElement);
    const often = OFTEN.map((reaction) => element("button", {
      "aria-pressed": String(this.#hasReacted(message, reaction)), "aria-label": say("reactWith", { reaction }),
      onclick: () => (this.close(), this.#toggle(this.#message, reaction)),
    }, reaction));
    dialog.querySelector(".often").replaceChildren(...often);
    if (focused >= 0) often[focused].focus();
    const reactors = (r) => element("li", {}, `${r.reaction} `, reactorsInWords(r, this.#isMe));
    dialog.querySelector(".reactors").replaceChildren(...(message.reactions ?? []).map(reactors));
  }

  /** A field for any other reaction. */
  #otherReaction() {
    const says = say("anotherEmoji");
    const input = element("input", { "aria-label": says, placeholder: says, autocomplete: "off" });
    input.oninput = () => input.setCustomValidity("");
    const form = element("form", { className: "other" }, input, element("button", {}, say("react")));
    form.onsubmit = (event) => {
      event.preventDefault();
      const reaction = input.value.trim();
      if (reaction === "" || new TextEncoder().encode(reaction).length > REACTION_BYTES) {
        input.setCustomValidity(say("oneEmoji"));
        return input.reportValidity();
      }
      this.close();
      this.#react(this.#message, reaction, true);
    };
    return form;
  }
}
