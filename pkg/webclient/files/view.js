// The visible part of a list that scrolls. The row at its top says where it is, and not a number of pixels. So changes
// of the list above do not move it.

const AT_END = 40; // pixels from the end: within them, the list follows new messages
const ABOVE = 0.2; // the part of the height that stays above a line that is shown

export class View {
  #list;
  #conversation;
  #scroller = null; // the element in which the list is shown; null if it is not shown
  #place = null; // {row, below}: the row at the top, and how far its lower edge is below the top

  /**
   * @param {List} list the list that scrolls. The scroller may have more below it
   * @param {Conversation} conversation what it shows
   */
  constructor(list, conversation) {
    this.#list = list;
    this.#conversation = conversation;
  }

  /** Whether the list is scrolled to its end, and stays there. */
  get following() {
    return this.#conversation.following;
  }

  set following(isFollowing) {
    this.#conversation.following = isFollowing;
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

  /** Notes where the person has scrolled to. `ends` says that the list ends where the room ends. */
  scrolled(ends) {
    this.following = ends && this.below < AT_END;
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
    const row = this.#list.rowAt(top);
    // The lower edge counts: a row can lose its heading when another comes before it, and the rest must not move.
    return row ? { row, below: row.node.getBoundingClientRect().bottom - top } : null;
  }

  /** Scrolls a row, or the nearest one, to where the row was. */
  #put(place) {
    const s = this.#scroller;
    const row = s && place && this.#list.nearest(place.row);
    if (row) s.scrollTop += row.node.getBoundingClientRect().bottom - s.getBoundingClientRect().top - place.below;
  }
}
