// The visible part of a list that scrolls. The item at its top says where it is, and not a number of pixels. So changes
// of the list above do not move it.

const AT_END = 40; // pixels from the end: within them, the list follows new messages
const ABOVE = 0.2; // the part of the height that stays above a line that is shown

export class View {
  /** Whether the list is scrolled to its end, and stays there. */
  following = true;

  #list;
  #scroller = null; // the element in which the list is shown; null if it is not shown
  #place = null; // {item, below}: the item at the top, and how far its lower edge is below the top

  /** @param {List} list the list that scrolls. The scroller may have more below it */
  constructor(list) {
    this.#list = list;
  }

  get isShown() {
    return this.#scroller !== null;
  }

  /** How many pixels are above the visible part. */
  get above() {
    return this.#scroller.scrollTop;
  }

  /** How many pixels are below the visible part. */
  get below() {
    return this.#scroller.scrollHeight - this.#scroller.scrollTop - this.#scroller.clientHeight;
  }

  /** The lower edge of the visible part, on the screen. */
  get bottom() {
    return this.#scroller.getBoundingClientRect().bottom;
  }

  /** Shows the list with other elements, scrolled to where it was. */
  mount(scroller, ...children) {
    this.#scroller = scroller;
    scroller.replaceChildren(...children);
    this.restore();
  }

  unmount() {
    this.#place = this.#top();
    this.#scroller = null;
  }

  /** Notes where the person has scrolled to. `attached` says that the list ends where the room ends. */
  scrolled(attached) {
    this.following = attached && this.below < AT_END;
    this.#place = this.#top();
  }

  /** Scrolls back to where the list was, after it or the scroller has changed its size. */
  restore() {
    if (this.following) this.toEnd();
    else this.#put(this.#place);
  }

  toEnd() {
    if (this.#scroller) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Changes the list without moving the visible part. */
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

  /** Scrolls up to a line, unless it is visible. */
  showLine(line) {
    const s = this.#scroller;
    const above = line.getBoundingClientRect().top - s.getBoundingClientRect().top;
    s.scrollTop += Math.min(0, above - ABOVE * s.clientHeight);
  }

  #top() {
    if (!this.#scroller) return this.#place;
    const top = this.#scroller.getBoundingClientRect().top;
    const item = this.#list.itemAt(top);
    // The lower edge counts: an item can lose its heading when another comes before it, and the rest must not move.
    return item ? { item, below: item.node.getBoundingClientRect().bottom - top } : null;
  }

  /** Scrolls an item, or the nearest one, to where the item was. */
  #put(place) {
    const s = this.#scroller;
    const item = s && place && this.#list.nearest(place.item);
    if (item) s.scrollTop += item.node.getBoundingClientRect().bottom - s.getBoundingClientRect().top - place.below;
  }
}
