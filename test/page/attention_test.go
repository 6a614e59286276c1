package page_test

import (
	"fmt"
	"testing"
	"time"

	"wschat/test/browser"
)

// notifications stands in for the browser's own, which a test cannot see, and for a page that is hidden.
const notifications = `
window.shown = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (Notification.permission = "granted"); }
  constructor(title, { body }) { this.text = title + ": " + body; shown.push(this); }
  close() { this.isClosed = true; }
};
window.isAway = false;
Object.defineProperty(document, "hidden", { get: () => window.isAway });
Object.defineProperty(document, "visibilityState", { get: () => (window.isAway ? "hidden" : "visible") });`

// away has the person look at another page, or come back.
func (p person) away(t *testing.T, is bool) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`{ window.isAway = %v; document.dispatchEvent(new Event("visibilitychange")) }`, is), nil)
}

// A person who looks elsewhere is called: by the title, a dot on the icon, and a notification if the person asked for
// them. A muted room calls nobody.
func TestBrowserAPersonIsCalled(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby", browser.Before(notifications))
	bob := b.enter(t, "bob", "lobby")
	icon := func(dot bool) {
		t.Helper()
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("link[rel=icon]").href.includes("circle") === %v`, dot),
			5*time.Second)
	}
	ann.WaitFor(t, `!document.querySelector("#notify").hidden && Notification.permission === "default"`, 5*time.Second)
	ann.Click(t, "#notify")
	ann.WaitFor(t, `document.querySelector("#notify").hidden && Notification.permission === "granted"`, 5*time.Second)
	bob.say(t, "one")
	ann.shows(t, 1, 1)
	icon(false)

	ann.away(t, true)
	bob.say(t, "two")
	ann.WaitFor(t, `document.title === "(1) Chat" && shown.map((n) => n.text).join() === "bob in lobby: two"`,
		5*time.Second)
	icon(true)
	ann.Eval(t, `shown[0].onclick()`, nil)
	ann.away(t, false)
	ann.WaitFor(t, `document.title === "Chat" && shown[0].isClosed`, 5*time.Second)
	icon(false)

	ann.chooses(t, "#mute")
	ann.Reload(t) // it is remembered
	ann.WaitFor(t, online+` && !document.querySelector("#muted").hidden`, 10*time.Second)
	ann.away(t, true)
	bob.say(t, "three")
	ann.WaitFor(t, `document.querySelector("[data-room=lobby] .badge.muted").textContent === "1"`, 5*time.Second)
	ann.WaitFor(t, `document.title === "Chat" && shown.length === 0`, 5*time.Second)
	icon(false)
}
