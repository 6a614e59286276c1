package page_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"wschat/test/browser"
)

// unread waits until so many messages of a room are shown as not read.
func (p person) unread(t *testing.T, room string, n int) {
	t.Helper()
	text := ""
	if n > 0 {
		text = fmt.Sprint(n)
	}
	p.WaitFor(t, fmt.Sprintf(`(({ hidden, textContent }) => (hidden ? "" : textContent) === `+
		`%q)(document.querySelector("[data-room=%s] .badge"))`, text, room),
		10*time.Second)
}

// goTo has a person look at another room.
func (p person) goTo(t *testing.T, room string) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`document.querySelector("[data-room=%s] button").click()`, room), nil)
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === %q`, room), 5*time.Second)
}

// newAfter waits until the line that says what is new stands between a message and the one after it, and is on the
// screen.
func (p person) newAfter(t *testing.T, index int) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`(() => {
	  const line = document.querySelector("#messages .new");
	  if (!line) return false;
	  const { top, bottom } = line.getBoundingClientRect(),
	    s = document.querySelector("#scroller").getBoundingClientRect();
	  const messages = [...document.querySelectorAll("#messages [data-index]")];
	  const before = messages.findLast((m) => m.compareDocumentPosition(line) & Node.DOCUMENT_POSITION_FOLLOWING);
	  return Number(before?.dataset.index ?? 0) === %d && top >= s.top && bottom <= s.bottom;
	})()`, index), 5*time.Second)
}

// What is not read is known after a reload and a closed tab, with what came meanwhile. A line marks where reading
// stopped.
func TestBrowserUnreadMessages(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i := range 40 {
		say(t, b.server, "lobby", "bob", fmt.Sprint("before ", i))
	}
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	ann.unread(t, "lobby", 0) // what was said before somebody came is not news
	ann.joins(t, "attic")
	for i := range 3 {
		bob.say(t, fmt.Sprint("news ", i))
	}
	ann.unread(t, "lobby", 3)
	ann.Reload(t)
	ann.unread(t, "lobby", 3)

	ann.Close()
	for i := range 57 { // more than a page loads at first
		say(t, b.server, "lobby", "bob", fmt.Sprint("while ann was away ", i))
	}
	elsewhere := b.enter(t, "ann", "lobby")
	elsewhere.say(t, "mine, from elsewhere")
	elsewhere.say(t, "mine, too")
	bob.shows(t, 1, 102)
	elsewhere.Close()
	ann = ann.openTab(t, b)
	ann.unread(t, "lobby", 60)
	ann.WaitFor(t, `document.title === "(60) Chat"`, 5*time.Second)

	ann.goTo(t, "lobby") // of what is loaded at first, all is new
	ann.newAfter(t, 40)
	ann.Click(t, "#to-end")
	ann.unread(t, "lobby", 0)

	ann.goTo(t, "attic")
	for i := range 30 {
		bob.say(t, fmt.Sprint("more news ", i))
	}
	ann.unread(t, "lobby", 30)
	ann.goTo(t, "lobby")
	ann.newAfter(t, 102)
	var unread int
	ann.Eval(t, `Number(document.querySelector("[data-room=lobby] .badge").textContent)`, &unread)
	if unread == 0 || unread >= 30 {
		t.Errorf("with the first of 30 new messages on the screen, %d are not read", unread)
	}
	ann.Reload(t) // what was on the screen is read
	ann.newAfter(t, 132-unread)
	ann.unread(t, "lobby", unread-(30-unread)) // a screen further, about
	ann.Click(t, "#to-end")
	ann.unread(t, "lobby", 0)
	ann.WaitFor(t, `document.querySelector("#messages .new")`, 5*time.Second)
	ann.say(t, "answer")
	ann.WaitFor(t, `!document.querySelector("#messages .new") && document.querySelector("[data-index='133']")`,
		5*time.Second)

	// Somebody reads far up, or not at all.
	ann.Eval(t, `{ document.querySelector("#scroller").scrollTop = 0 }`, nil)
	ann.WaitFor(t, `!document.querySelector("#to-end").hidden`, 5*time.Second) // the page has seen that
	bob.say(t, "unseen")
	ann.WaitFor(t, `document.querySelector("#to-end").textContent.startsWith("1 new") && `+
		`document.querySelector("[data-index='134']")`, 5*time.Second)
	ann.Click(t, "#to-end")
	ann.newAfter(t, 133)
	ann.goTo(t, "attic")
	ann.goTo(t, "lobby")
	ann.WaitFor(t, `!document.querySelector("#messages .new")`, 5*time.Second)
	ann.Eval(t, `{
	  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
	  document.dispatchEvent(new Event("visibilitychange"));
	}`, nil)
	bob.say(t, "behind another tab")
	ann.unread(t, "lobby", 1)
	ann.Eval(t, `{ delete document.visibilityState; document.dispatchEvent(new Event("visibilitychange")) }`, nil)
	ann.unread(t, "lobby", 0)
	ann.newAfter(t, 134)
}

// After a long time away, the end of the room is shown, and the line is where it belongs, far up.
func TestBrowserManyUnreadMessages(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	say(t, b.server, "lobby", "bob", "before")
	ann := b.enter(t, "ann", "lobby")
	ann.shows(t, 1, 1)
	ann.Close()
	for i := range 350 {
		say(t, b.server, "lobby", "bob", fmt.Sprint("while ann was away ", i))
	}
	ann = ann.openTab(t, b)
	ann.WaitFor(t, `document.querySelector("[data-index='351']")?.getBoundingClientRect().bottom < innerHeight`,
		10*time.Second)
	ann.Eval(t, `(async () => {
	  while (!document.querySelector("#messages .new")) {
	    document.querySelector("#scroller").scrollTop = 0;
	    await new Promise((done) => setTimeout(done, 50));
	  }
	  document.querySelector("#messages .new").scrollIntoView();
	})()`, nil)
	ann.newAfter(t, 1)
}

// What is read in one tab is read in the other one.
func TestBrowserTwoTabsReadTogether(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	first := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	first.joins(t, "attic")
	second := first.openTab(t, b)
	second.WaitFor(t, online+` && document.querySelector("#room-name").textContent === "attic"`, 10*time.Second)
	for i := range 5 {
		bob.say(t, fmt.Sprint("news ", i))
	}
	first.unread(t, "lobby", 5)
	second.unread(t, "lobby", 5)
	second.goTo(t, "lobby")
	second.unread(t, "lobby", 0)
	first.unread(t, "lobby", 0)
	bob.say(t, "seen in one of them")
	second.WaitFor(t, `document.querySelector("[data-index='6']")`, 5*time.Second)
	first.Reload(t)
	first.WaitFor(t, online, 10*time.Second)
	first.unread(t, "lobby", 0)
}

// The room's log goes back: how far it was read goes back with it.
func TestBrowserUnreadInALogThatWentBack(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby", browser.Viewport(390, 780))
	ann.say(t, "kept")
	ann.refuse(t, broken)
	ann.shows(t, 1, 1)
	copied := filepath.Join(t.TempDir(), "older.db")
	b.stop(t)
	copyFile(t, b.options.Data, copied)
	b.start(t)
	for i := range 6 {
		say(t, b.server, "lobby", "bob", fmt.Sprint("lost ", i))
	}
	ann.WaitFor(t, online+` && document.querySelector("[data-index='7']")`, 60*time.Second)
	ann.joins(t, "attic")
	b.stop(t)
	copyFile(t, copied, b.options.Data)
	b.start(t)
	ann.WaitFor(t, online, 60*time.Second)
	bob := b.enter(t, "bob", "lobby")
	bob.say(t, "new")
	ann.unread(t, "lobby", 1)
	ann.goTo(t, "lobby")
	ann.newAfter(t, 1)
	const restored = "This room was restored to an earlier state."
	ann.WaitFor(t, `((shown) => shown.includes("`+restored+`") && !shown.includes("lost"))(
	  document.querySelector("#messages").textContent) && document.querySelector(".failed")`, 5*time.Second)
	ann.say(t, "hello")
	ann.WaitFor(t, `document.querySelector("[data-index='3'].mine")`, 10*time.Second)
	ann.Reload(t)
	ann.WaitFor(t, online, 10*time.Second)
	ann.unread(t, "lobby", 0)
}
