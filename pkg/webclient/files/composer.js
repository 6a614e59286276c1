// The field in which a person writes: a message, an answer to one, or another text for one. It grows with the text,
// keeps it in this browser, and says if it is too long.

import { $, bdi } from "./dom.js";
import { nodes, say } from "./texts.js";
import { shownName } from "./words.js";

const NEAR = 1000; // if fewer characters are left, their number is shown

export class Composer {
  #target = null; // {timeline, name, memory}: the room to which the person writes
  #replyTo; // the index of the message that is being answered, if any
  #edit = null; // what is being edited: {index, version, before}, as in a draft
  #send;
  #announce;

  /**
   * @param {{send: (content: string, replyTo?: number) => void, announce: (text: string) => void,
   *   signal: AbortSignal}} page `send` sends a message; `announce` makes a screen reader say something; `signal` ends
   *   the composer
   */
  constructor({ send, announce, signal }) {
    this.#send = send;
    this.#announce = announce;
    const on = (target, type, f) => target.addEventListener(type, f, { signal });
    on($("draft"), "input", () => {
      this.#changed();
      if ($("draft").value.trim() !== "" && !this.#edit) this.#target.timeline.room.sendTyping();
    });
    on($("draft"), "keydown", (event) => {
      const isComposing = event.isComposing || event.keyCode === 229; // 229: Enter ends a composition, in Safari
      if (event.key === "Enter" && !event.shiftKey && !isComposing) {
        event.preventDefault();
        this.#submit();
      } else if (event.key === "ArrowUp" && !event.altKey && $("draft").value === "" && !this.#edit) {
        const last = this.#target.timeline.lastOwn;
        if (last) (event.preventDefault(), this.edit(last));
      } else if (event.key === "Escape" && (this.#edit || this.#replyTo)) (event.preventDefault(), this.#cancel());
    });
    on($("context-cancel"), "click", () => this.#cancel());
    on($("context-message"), "click", () => this.#target.timeline.toMessage(this.#edit?.index ?? this.#replyTo));
    on($("composer"), "submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    on(window, "resize", () => this.#fit());
  }

  /** Writes to a room from now on. The memory keeps the text until it is sent. */
  async open(timeline, name, memory) {
    const target = (this.#target = { timeline, name, memory });
    this.#set(memory.draft(name));
    if (this.#draft) return;
    await memory.adoptDraft(name).catch(() => {});
    const found = memory.draft(name);
    if (this.#target !== target) return;
    if (!this.#draft && found) this.#set(found);
    else memory.setDraft(name, this.#draft);
  }

  /** Puts a text that was not sent back into the field, before the text that is there. */
  put(text, replyTo) {
    if (this.#edit) this.#set(this.#edit.before);
    const written = $("draft").value;
    $("draft").value = written === "" ? text : `${text}\n${written}`;
    this.#replyTo ??= replyTo;
    this.#changed();
    $("draft").focus();
    $("draft").setSelectionRange(text.length, text.length);
  }

  /** Answers a message with what is being written. */
  reply({ index }) {
    if (this.#edit) this.#set(this.#edit.before);
    this.#replyTo = index;
    this.#changed();
    $("draft").focus();
  }

  /** Edits a message; with `content`, from that text on. What was being written comes back afterwards. */
  edit({ index, version = 0, content }) {
    const before = this.#edit ? this.#edit.before : this.#draft;
    this.#set({ text: content, edit: { index, version, before, begun: content } });
    this.#changed();
    $("draft").focus();
    $("draft").setSelectionRange(content.length, content.length);
  }

  /** Ends the edit of a message. */
  stopEditing(index) {
    if (this.#edit?.index === index) this.#cancel();
  }

  /** A message has changed, or has come into the list: it may be the one that is shown above the field. */
  messageChanged({ index, version = 0, content }) {
    // The message is what the edit began with, such as one's own edit from just before: that is no conflict.
    if (index === this.#edit?.index && content === this.#edit.begun) this.#edit.version = version;
    if (index === (this.#edit?.index ?? this.#replyTo)) this.#drawContext();
  }

  /** Gives up the edit, or the answer but not its text. */
  #cancel() {
    if (this.#edit) this.#set(this.#edit.before);
    else this.#replyTo = undefined;
    this.#changed();
    $("draft").focus();
  }

  /** What is written and not sent, as the memory keeps it; null if there is nothing. */
  get #draft() {
    const text = $("draft").value;
    if (text === "" && !this.#edit && !this.#replyTo) return null;
    return { text, ...(this.#replyTo && { replyTo: this.#replyTo }), ...(this.#edit && { edit: this.#edit }) };
  }

  #set(draft) {
    $("draft").value = draft?.text ?? "";
    this.#replyTo = draft?.replyTo;
    this.#edit = draft?.edit ?? null;
    this.#draw();
  }

  #changed() {
    const { name, memory } = this.#target;
    memory.setDraft(name, this.#draft);
    this.#draw();
  }

  #draw() {
    this.#drawContext();
    this.#fit();
    this.#drawLength();
  }

  #submit() {
    const content = $("draft").value;
    const { timeline } = this.#target;
    if (content.trim() === "") {
      if (this.#edit) timeline.remove(this.#edit.index); // it asks
      return;
    }
    if (timeline.room.excess(content) > 0) {
      this.#drawLength();
      this.#announce($("length").textContent);
      return;
    }
    if (this.#edit) {
      const { index, version, before } = this.#edit;
      if (content !== timeline.textAt(index)) timeline.edit({ index, version, content });
      this.#set(before);
    } else {
      this.#send(content, this.#replyTo); // before the draft is deleted
      this.#set(null);
    }
    this.#changed();
  }

  /** Says above the field which message is being answered or edited. */
  #drawContext() {
    const index = this.#edit?.index ?? this.#replyTo;
    $("context").hidden = index === undefined;
    $("composer").classList.toggle("editing", this.#edit !== null);
    $("send").textContent = say(this.#edit ? "save" : "send");
    if (index === undefined) return;
    const message = this.#target.timeline.messageAt(index);
    const name = message && bdi(shownName(String(message.user_name)));
    $("context-message").replaceChildren(...(this.#edit ? [say("editing")]
      : name ? nodes("answering", { name }) : [say("answeringEarlier")]));
    $("context-text").textContent = message?.deleted_at ? say("wasDeleted") : (message?.content ?? "").slice(0, 200);
    $("context-cancel").setAttribute("aria-label", say(this.#edit ? "stopEditing" : "stopAnswering"));
  }

  /** Makes the field as high as its text. */
  #fit() {
    const draft = $("draft");
    draft.style.height = "auto";
    draft.style.height = `${draft.scrollHeight + 2}px`;
  }

  /** Says how many characters are left, if they are few, or by how many the text is too long. */
  #drawLength() {
    const content = $("draft").value;
    const { room } = this.#target.timeline;
    const excess = room.excess(content);
    const left = excess > 0 ? 0 : NEAR - room.excess(content + "x".repeat(NEAR));
    const says = excess > 0 ? say("tooLong", { n: lettersOf(content, excess) })
      : left < NEAR ? say("charactersLeft", { n: left }) : "";
    $("length").hidden = says === "";
    $("length").textContent = says;
    $("length").classList.toggle("problem", excess > 0);
    if (excess > 0) $("draft").setAttribute("aria-invalid", "true");
    else $("draft").removeAttribute("aria-invalid");
  }
}

/** About how many characters at the end of a text make up so many bytes of UTF-8. */
function lettersOf(text, bytes) {
  let count = 0;
  for (let end = text.length; end > 0 && bytes > 0; count++) {
    const code = text.charCodeAt(--end);
    const isPair = code >= 0xdc00 && code <= 0xdfff && end > 0;
    if (isPair) end--;
    bytes -= isPair ? 4 : code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
  }
  return count;
}
