// Dialogs about rooms: a new one, and the rules of one.

import { ask, openDialog } from "./dialog.js";
import { bdi, element, labelled, select } from "./dom.js";
import { duration, isModerator, standingInWords, titleOf } from "./rules.js";
import { say } from "./texts.js";
import { moderationRefusal, nameProblem, shownName } from "./words.js";

const PACES = [0, 5, 10, 30, 60, 300, 3600].map((s) => [String(s), s ? duration(s) : say("off")]);

/**
 * Asks for a new room.
 * @param {{known: Map<string, string>, create: (name: string, options: object) => Promise<void>}} parts `known` are
 *   people whom the person has seen: names by id
 */
export function askForRoom({ known, create }) {
  const name = element("input", { required: true, autocomplete: "off", spellcheck: false });
  const isPrivate = element("input", { type: "checkbox", checked: true });
  const people = peopleToAdd(known);
  const problem = element("p", { className: "problem", role: "alert" });
  const form = element("form", { className: "rows" },
    labelled(say("name"), name),
    element("label", { className: "check" }, isPrivate, " ", say("onlyAdded")),
    people.element, problem, element("button", { className: "primary" }, say("makeRoom")));
  const dialog = openDialog(say("newRoom"), form);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const given = name.value.trim();
    problem.textContent = given.startsWith("@") ? say("noAt") : nameProblem(given, "room");
    if (problem.textContent) return name.focus();
    try {
      await create(given, { private: isPrivate.checked || undefined, members: people.ids });
      dialog.close();
    } catch (error) {
      problem.textContent = error.code === "forbidden" ? say("cannotMake")
        : moderationRefusal(error);
    }
  };
}

/**
 * Shows the rules of a room, which moderators can change, and its people.
 * @param {{listed: object, known: Map<string, string>, me: string, show: (person) => void,
 *   warn: (text: string) => void}} parts `listed` is what the list of rooms says of it; `me` is the person's id; `show`
 *   shows a person
 */
export function showRoom(room, { listed, known, me, show, warn }) {
  const [list, adding] = [element("ul", { className: "standings" }), element("div")];
  const moderates = isModerator(room);
  const { topic, direct, private: isPrivate } = room.rules ?? listed ?? {};
  const failed = (error) => warn(moderationRefusal(error));
  const dialog = openDialog(titleOf(room, listed),
    ...(topic ? [element("p", { dir: "auto" }, topic)] : []),
    element("p", {}, direct ? say("twoOnly")
      : isPrivate ? say("addedOnly") : room.rules ? say("anybody") : ""),
    ...(moderates ? [rulesForm()] : []), list, adding,
    ...(isPrivate && !direct && room.you?.role ? [element("button", { className: "danger", onclick: giveUp },
      say("leaveForGood"))] : []));
  drawPeople();

  async function drawPeople() {
    let people = [];
    try {
      people = await room.people();
    } catch (error) {
      if (error.code !== "forbidden") failed(error);
    }
    list.replaceChildren(...people.map((person) => element("li", {},
      element("button", { className: "link", onclick: () => (dialog.close(), show(person)) },
        bdi(shownName(person.user_name || known.get(person.user_id) || person.user_id))),
      " ", element("small", {}, standingInWords(person)))));
    const members = new Set(people.filter(({ role }) => role).map((person) => person.user_id));
    if (moderates) adding.replaceChildren(addForm(new Map([...known].filter(([id]) => !members.has(id)))));
  }

  function rulesForm() {
    const { title = "", slow_mode: slow = 0, read_only: readOnly = false } = room.rules;
    const paces = PACES.some(([value]) => value === String(slow)) ? PACES : [...PACES, [String(slow), duration(slow)]];
    const fields = { title: element("input", { value: title, maxLength: 128 }),
      topic: element("input", { value: topic ?? "", maxLength: 1024 }),
      pace: select(say("slowMode"), paces, String(slow)),
      readOnly: element("input", { type: "checkbox", checked: readOnly }) };
    const form = element("form", { className: "rows" },
      labelled(say("title"), fields.title), labelled(say("topic"), fields.topic),
      labelled(say("slowMode"), fields.pace),
      element("label", { className: "check" }, fields.readOnly, " ", say("onlyModerators")),
      element("button", { className: "primary" }, say("save")));
    form.onsubmit = (event) => {
      event.preventDefault();
      dialog.close();
      room.setRules({ title: fields.title.value.trim(), topic: fields.topic.value.trim(),
        slowMode: Number(fields.pace.value), readOnly: fields.readOnly.checked }).catch(failed);
    };
    return form;
  }

  function addForm(others) {
    const people = peopleToAdd(others);
    const form = element("form", { className: "rows" }, people.element, element("button", {}, say("addPeople")));
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (people.ids.length === 0) return;
      try {
        for (const id of people.ids) await room.addMember(id, { name: known.get(id) });
      } catch (error) {
        failed(error);
      }
      drawPeople();
    };
    return form;
  }

  async function giveUp() {
    dialog.close();
    const answer = await ask(say("leaveForGoodAsk"), say("backIfAdded"),
      { leave: say("leaveForGood"), stay: say("stay") });
    if (answer === "leave") room.removeMember(me).catch(failed);
  }
}

/** Choices of people whom the person knows, and a field for another one's id. */
function peopleToAdd(known) {
  const byName = [...known].sort(([, a], [, b]) => a.localeCompare(b));
  const boxes = byName.map(([id, name]) => {
    const box = element("input", { type: "checkbox", value: id });
    return element("label", { className: "check" }, box, " ", bdi(shownName(name)));
  });
  const other = element("input", { autocomplete: "off", spellcheck: false });
  const checked = () => boxes.map((label) => label.querySelector("input")).filter((box) => box.checked);
  return {
    element: element("fieldset", {}, element("legend", {}, say("peopleToAdd")), ...boxes,
      labelled(say("someoneElse"), other)),
    get ids() {
      const id = other.value.trim();
      return [...checked().map((box) => box.value), ...(id ? [id] : [])];
    },
  };
}
