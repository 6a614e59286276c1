// The field in which a person writes. It grows with the text, keeps it in this browser, and says if it is too long.

import { $ } from "./dom.js";

const NEAR = 1000; // if fewer characters are left, their number is shown

export class Composer {
  #target = null; // the room to which the person writes
  #send;
  #announce;

  /**
   * @param {{send: (content: string) => void, announce: (text: string) => void, signal: AbortSignal}} page `send` sends
   *   a message; `announce` makes a screen reader say something; `signal` ends the composer
   */
  constructor({ send, announce, signal }) {
    this.#send = send;
    this.#announce = announce;
    const on = (target, type, f) => target.addEventListener(type, f, { signal });
    on($("draft"), "input", () => this.#changed());
    on($("draft"), "keydown", (event) => {
      const isComposing = event.isComposing || event.keyCode === 229; // 229: Enter ends a composition, in Safari
      if (event.key === "Enter" && !event.shiftKey && !isComposing) {
        event.preventDefault();
        this.#submit();
      }
    });
    on($("composer"), "submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    on(window, "resize", () => this.#fit());
  }

  /** Writes to a room from now on. The memory keeps the text until it is sent. */
  async open(room, name, memory) {
    const target = (this.#target = { room, name, memory });
    this.#set(memory.draft(name));
    if ($("draft").value !== "") return;
    await memory.adoptDraft(name).catch(() => {});
    const found = memory.draft(name);
    if (this.#target === target && $("draft").value === "" && found !== "") this.#set(found);
    else if (this.#target === target) memory.setDraft(name, $("draft").value);
  }

  /** Puts a text that was not sent back into the field, before the text that is there. */
  put(text) {
    const written = $("draft").value;
    $("draft").value = written === "" ? text : `${text}\n${written}`;
    this.#changed();
    $("draft").focus();
    $("draft").setSelectionRange(text.length, text.length);
  }

  #set(text) {
    $("draft").value = text;
    this.#fit();
    this.#drawLength();
  }

  #changed() {
    const { name, memory } = this.#target;
    memory.setDraft(name, $("draft").value);
    this.#fit();
    this.#drawLength();
  }

  #submit() {
    const content = $("draft").value;
    if (content.trim() === "") return;
    if (this.#target.room.excess(content) > 0) {
      this.#drawLength();
      this.#announce($("length").textContent);
      return;
    }
    this.#send(content); // before the draft is deleted
    $("draft").value = "";
    this.#changed();
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
    const excess = this.#target.room.excess(content);
    const left = excess > 0 ? 0 : NEAR - this.#target.room.excess(content + "x".repeat(NEAR));
    const over = excess > 0 ? lettersOf(content, excess) : "";
    const says = over ? `Too long. Please shorten it by about ${over}, or send it in two parts.`
      : left < NEAR ? `${letters(left)} left` : "";
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
  return letters(count);
}

const letters = (n) => `${n.toLocaleString()} ${n === 1 ? "character" : "characters"}`;
