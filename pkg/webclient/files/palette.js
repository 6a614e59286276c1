// A dialog in which a person types where to go: to a room, or to another person.

import { popUp } from "./dialog.js";
import { bdi, element } from "./dom.js";
import { folded } from "./fold.js";
import { say } from "./texts.js";

const MOST = 12; // places that are shown

/**
 * Opens the dialog.
 * @param {{words: string, go: () => void, hint?: string}[]} places in the order in which they are offered
 * @param {(typed: string) => {words: string, go: () => void} | null} other a place that is none of them
 */
export function openPalette(places, other) {
  const list = element("ul", { id: "places", role: "listbox", "aria-label": say("places") });
  const field = element("input", { role: "combobox", "aria-label": say("goToPlace"), autocomplete: "off",
    placeholder: say("goToPlace"), spellcheck: false, "aria-expanded": "true", "aria-controls": "places" });
  const dialog = element("dialog", { className: "card of-room palette", "aria-label": say("goTo") }, field, list);
  let offered = [];
  let chosen = 0;

  field.oninput = () => draw(0);
  field.onkeydown = (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.isComposing || (!step && event.key !== "Enter")) return;
    event.preventDefault();
    if (step) draw((chosen + step + offered.length) % Math.max(1, offered.length));
    else go(offered[chosen]);
  };
  draw(0);
  popUp(dialog);

  function go(place) {
    if (!place) return;
    dialog.close();
    place.go();
  }

  function draw(choice) {
    chosen = choice;
    const typed = field.value.trim();
    const [sought, isSame] = [folded(typed), (place) => folded(place.words) === folded(typed)];
    const begins = (place) => folded(place.words).startsWith(sought);
    const found = places.filter((place) => folded(place.words).includes(sought));
    const sorted = [...found.filter(begins), ...found.filter((place) => !begins(place))].slice(0, MOST);
    const more = typed === "" || found.some(isSame) ? null : other(typed);
    offered = more ? [...sorted, more] : sorted;
    list.replaceChildren(...offered.map((place, i) => element("li", { id: `place-${i}`, role: "option",
      "aria-selected": String(i === chosen), onclick: () => go(place) },
      bdi(place.words), ...(place.hint ? [" ", element("small", {}, place.hint)] : []))));
    if (offered.length > 0) field.setAttribute("aria-activedescendant", `place-${chosen}`);
    else field.removeAttribute("aria-activedescendant");
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
  }
}
