// What is seen of a list that scrolls. It is told by an item at its top, and not by a number of pixels, so that it is the
// same after whatever happened to the list above.

const AT_END = 40; // pixels from the end, within which the list follows what is new
const ABOVE = 0.2; // of the height is above a line that is shown

export class View {
  /** Whether the list is scrolled to its end, and stays there. */
  following = true;

  #list;
  #scroller = null; // where the list is shown; null where it is not
  #place = null; // {item, below}: the item at the top, and how far its lower edge is below the top

  /** @param {List} list that is scrolled; there may be more in the scroller, below it */
  constructor(list) {
    this.#list = list;
  }

  get isShown() {
    return this.#scroller !== null;
  }

  /** How many pixels of what there is are above what is seen. */
  get above() {
    return this.#scroller.scrollTop;
  }

  /** How many are below. */
  get below() {
    return this.#scroller.scrollHeight - this.#scroller.scrollTop - this.#scroller.clientHeight;
  }

  /** The lower edge on the screen. */
  get bottom() {
    return this.#scroller.getBoundingClientRect().bottom;
  }

  /** Shows the list, with other elements, where it was. */
  mount(scroller, ...children) {
    this.#scroller = scroller;
    scroller.replaceChildren(...children);
    this.restore();
  }

  unmount() {
    this.#place = this.#top();
    this.#scroller = null;
  }

  /** Takes note of where the person has scrolled to. `attached` says that nothing is below the list. */
  scrolled(attached) {
    this.following = attached && this.below < AT_END;
    this.#place = this.#top();
  }

  /** Scrolls to where the list was, when it or the scroller has another size. */
  restore() {
    if (this.following) this.toEnd();
    else this.#put(this.#place);
  }

  toEnd() {
    if (this.#scroller) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Changes the list without moving what is seen. */
  hold(change) {
    const place = this.following ? null : this.#top();
    change();
    if (this.following) this.toEnd();
    else this.#put(place);
  }

  /** Changes an element without moving its upper edge. */
  holdAt(element, change) {
    const before = element.getBoundingClientRect().top;
    change();
    if (this.#scroller) this.#scroller.scrollTop += element.getBoundingClientRect().top - before;
  }

  /** Scrolls up to a line, unless it is seen. */
  showLine(line) {
    const s = this.#scroller;
    s.scrollTop += Math.min(0, line.getBoundingClientRect().top - s.getBoundingClientRect().top - ABOVE * s.clientHeight);
  }

  #top() {
    if (!this.#scroller) return this.#place;
    const top = this.#scroller.getBoundingClientRect().top;
    const item = this.#list.itemAt(top);
    // Its lower edge: an item that gets another one before it may lose its heading, and what is below it is to stand still.
    return item ? { item, below: item.node.getBoundingClientRect().bottom - top } : null;
  }

  /** Scrolls an item to where it was, or the one that stands in its place. */
  #put(place) {
    const s = this.#scroller;
    const item = s && place && this.#list.nearest(place.item);
    if (item) s.scrollTop += item.node.getBoundingClientRect().bottom - s.getBoundingClientRect().top - place.below;
  }
}
