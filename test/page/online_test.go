package page_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"wschat/test/proxy"
)

// The page says that it is offline, within a minute, and at once when the browser knows.
func TestBrowserADeadNetwork(t *testing.T) {
	mostlyWaits(t)
	b := startBrowsers(t, nil)
	p := proxy.Start(t, b.server.Addr)
	direct := b.server.Addr
	b.server.Addr = p.Addr // for enter
	ann := b.enter(t, "ann", "lobby")
	b.server.Addr = direct
	ann.Eval(t, watchState, nil)
	p.Swallow()
	say(t, b.server, "lobby", "bob", "while ann was away")
	ann.WaitFor(t, `states.includes("offline")`, time.Minute)
	ann.WaitFor(t, online+` && document.querySelector("#messages").textContent.includes("while ann was away")`,
		20*time.Second)
	ann.Eval(t, `states.length = 0`, nil)
	ann.Offline(t, true)
	ann.WaitFor(t, `states.includes("offline")`, 2*time.Second)
	ann.Offline(t, false)
	ann.WaitFor(t, online, 20*time.Second)
}

// An older store takes the place of the one that clients know, as when a backup is restored. They notice, and show
// what is there now.
func TestBrowserALogThatWentBack(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	for i := range 2 {
		ann.say(t, fmt.Sprint("kept ", i))
	}
	ann.shows(t, 1, 2)
	copied := filepath.Join(t.TempDir(), "older.db")
	b.stop(t)
	copyFile(t, b.options.Data, copied)
	b.start(t)
	ann.WaitFor(t, online, 60*time.Second)
	for i := range 3 {
		ann.say(t, fmt.Sprint("lost ", i))
	}
	ann.shows(t, 1, 5)
	b.stop(t)
	copyFile(t, copied, b.options.Data)
	b.start(t)
	for i := range 3 { // as many as were lost: the tail alone tells nothing
		say(t, b.server, "lobby", "bob", fmt.Sprint("new ", i))
	}
	ann.WaitFor(t, `[...document.querySelectorAll("#messages .content")].map((m) => m.textContent).join() === "kept `+
		`0,kept 1,new 0,new 1,new 2"`, 60*time.Second)
	ann.WaitFor(t, online, 5*time.Second)
	ann.say(t, "and mine")
	ann.WaitFor(t, `document.querySelector("#messages [data-index='6']")?.textContent.includes("and mine")`,
		10*time.Second)
}
