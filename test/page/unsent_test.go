package page_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/browser"
)

// openTab opens another tab of a person. The browser knows the person.
func (p person) openTab(t *testing.T, b *browsers, opts ...browser.Option) person {
	t.Helper()
	return person{p.OpenTab(t, "http://"+b.server.Addr+"/", append(opts, browser.Before(recorder))...)}
}

// join gives a name and a room to the page that asks for them.
func (p person) join(t *testing.T, name, room string) {
	t.Helper()
	p.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
	p.Eval(t, fmt.Sprintf(`{ document.querySelector("#enter-name").value = ""; `+
		`document.querySelector("#enter-room").value = %q }`, room), nil)
	p.Type(t, "#enter-name", name)
	p.Press(t, "Enter")
	p.WaitFor(t, fmt.Sprintf(`!document.querySelector("#chat").hidden && `+
		`document.querySelector("#room-name").textContent === %q`, room), 5*time.Second)
}

// waits waits until these messages, and no others, are shown as not sent yet.
func (p person) waits(t *testing.T, contents ...string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`[...document.querySelectorAll("#outbox .content")].map((m) => `+
		`m.textContent).join("\n") === %q`, strings.Join(contents, "\n")), 10*time.Second)
}

// drafts waits until this, and no more, is written and not sent.
func (p person) drafts(t *testing.T, text string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("#draft").value === %q`, text), 5*time.Second)
}

// stored waits until a room has these messages, and checks that it has no others.
func (b *browsers) stored(t *testing.T, room string, contents ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		messages, err := b.server.Log.Read(t.Context(), room, chat.Span{Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, m := range messages {
			got = append(got, m.Content)
		}
		if len(got) >= len(contents) {
			break
		}
	}
	if !slices.Equal(got, contents) {
		t.Errorf("the %s has %q, want %q", room, got, contents)
	}
}

// What is written while there is no connection is still there after everything that people do to pages, in its order,
// and is stored once.
func TestBrowserUnsentMessagesAndDraftsAreKept(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*testing.T, *browsers, person) person{
		"reload": func(t *testing.T, _ *browsers, p person) person {
			p.Reload(t)
			return p
		},
		"closed tab": func(t *testing.T, b *browsers, p person) person {
			p.Close()
			return p.openTab(t, b)
		},
		"change": func(t *testing.T, _ *browsers, p person) person {
			p.renames(t, "bob")
			p.waits(t) // they are ann's
			p.drafts(t, "half a sent")
			p.renames(t, "ann")
			return p
		},
		"leave": func(t *testing.T, _ *browsers, p person) person {
			p.chooses(t, "#leave")
			p.asks(t, 2, "Leave lobby?", "13 messages are not sent yet.", "kept in this browser until you come back")
			p.join(t, "ann", "lobby")
			return p
		},
		"leave one of two": func(t *testing.T, _ *browsers, p person) person {
			p.joins(t, "attic")
			p.Click(t, "[data-room=lobby] button")
			p.chooses(t, "#leave")
			p.asks(t, 2, "Leave lobby?")
			p.WaitFor(t, `document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
			p.Reload(t)
			p.joins(t, "lobby")
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, g := startGated(t)
			ann := b.enter(t, "ann", "lobby")
			ann.say(t, "before")
			ann.shows(t, 1, 1)
			g.lose("told nobody") // is stored, and ann does not learn of it
			ann.say(t, "told nobody")
			ann.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 10*time.Second)
			var want []string
			for i := range 12 { // more than a digit counts
				ann.say(t, fmt.Sprint("written ", i))
				want = append(want, fmt.Sprint("written ", i))
			}
			want = append([]string{"told nobody"}, want...)
			ann.waits(t, want...)
			ann.Type(t, "#draft", "half a sent")

			ann = leave(t, b, ann)
			ann.waits(t, want...)
			ann.drafts(t, "half a sent")
			ann.Type(t, "#draft", "ence")
			ann.Press(t, "Enter")
			want = append(want, "half a sentence")
			ann.waits(t, want...)
			g.open()
			b.stored(t, "lobby", append([]string{"before"}, want...)...)
			ann.waits(t)
			ann.Reload(t) // and nothing of it comes again
			ann.WaitFor(t, online, 10*time.Second)
			ann.waits(t)
			ann.drafts(t, "")
			b.stored(t, "lobby", append([]string{"before"}, want...)...)
		})
	}
}

// Two tabs of one person: each sends what was written there, once; what a closed one did not send, the other does;
// and neither writes over what the other remembers.
func TestBrowserTwoTabs(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	first := b.enter(t, "ann", "lobby")
	second := first.openTab(t, b)
	second.WaitFor(t, online, 10*time.Second)
	g.shut()
	first.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 10*time.Second)
	second.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 10*time.Second)
	first.say(t, "first 1")
	second.say(t, "second 1")
	first.say(t, "first 2")
	second.Reload(t)
	second.waits(t, "second 1")
	first.waits(t, "first 1", "first 2")
	first.Type(t, "#draft", "draft of the first")
	second.Type(t, "#draft", "draft of the second")
	first.Reload(t)
	second.Reload(t)
	first.drafts(t, "draft of the first")
	second.drafts(t, "draft of the second")
	first.waits(t, "first 1", "first 2")

	first.Close()
	second.waits(t, "second 1", "first 1", "first 2")
	third := first.openTab(t, b)
	third.drafts(t, "draft of the first")
	third.waits(t)
	g.open()
	b.stored(t, "lobby", "second 1", "first 1", "first 2")
	for _, content := range []string{"second 1", "first 1", "first 2"} {
		if n := g.timesSent(content); n != 1 {
			t.Errorf("%q was sent %d times", content, n)
		}
	}

	// Rooms.
	third.WaitFor(t, online, 60*time.Second)
	second.WaitFor(t, online, 60*time.Second)
	rooms := func(p person, names ...string) {
		t.Helper()
		p.WaitFor(t, fmt.Sprintf(`[...document.querySelectorAll("#rooms li")].map((r) => r.dataset.room).join("\n") `+
			`=== %q`, strings.Join(names, "\n")), 5*time.Second)
	}
	for _, step := range []struct {
		p    person
		room string
	}{{second, "attic"}, {third, "cellar"}} {
		step.p.joins(t, step.room)
	}
	rooms(second, "lobby", "attic", "cellar")
	rooms(third, "lobby", "attic", "cellar")
	second.WaitFor(t, `document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
	second.Click(t, "[data-room=lobby] button")
	second.chooses(t, "#leave")
	second.asks(t, 2, "What you are writing is not sent yet.")
	rooms(second, "attic", "cellar")
	rooms(third, "attic", "cellar")
	third.Reload(t)
	rooms(third, "attic", "cellar")

	// Another name in another tab changes nothing here.
	fourth := first.openTab(t, b)
	fourth.WaitFor(t, online, 10*time.Second)
	fourth.renames(t, "bob")
	rooms(fourth, "attic", "cellar")
	fourth.chooses(t, "#leave")
	fourth.WaitFor(t, `document.querySelectorAll("#rooms li").length === 1`, 5*time.Second)
	third.Reload(t)
	rooms(third, "attic", "cellar")
	third.WaitFor(t, `document.querySelector("#my-name").textContent === "ann"`, 5*time.Second)
}

// What a browser does not let a page keep, it does not keep; the chat works all the same.
func TestBrowserThatRemembersNothing(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"forbidden": `for (const name of ["localStorage", "sessionStorage"]) {
		  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError") } });
		}`,
		"full":     `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError") }`,
		"no locks": `delete Navigator.prototype.locks`,
		"nonsense": `for (const storage of [localStorage, sessionStorage]) {
		  storage.setItem("chat", "{");
		  for (let i = 0; i < storage.length; i++) storage.setItem(storage.key(i), i % 2 ? "null" : "7");
		}`,
	} {
		t.Run(name, func(t *testing.T) {
			b, g := startGated(t)
			ann := b.enter(t, "ann", "lobby", browser.Before(script))
			ann.say(t, "hello")
			ann.shows(t, 1, 1)
			g.shut()
			ann.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 10*time.Second)
			ann.say(t, "later")
			var asks bool
			ann.Eval(t, `!dispatchEvent(new Event("beforeunload", { cancelable: true }))`, &asks)
			if kept := name == "no locks" || name == "nonsense"; asks == kept {
				t.Errorf("before it is closed, the page asks: %v", asks)
			} else if kept {
				ann.Reload(t)
				if name == "nonsense" {
					ann.join(t, "ann", "lobby")
				} else {
					ann.waits(t, "later")
				}
			}
			g.open()
			if name != "nonsense" {
				ann.WaitFor(t, online, 60*time.Second)
				b.stored(t, "lobby", "hello", "later")
			}
		})
	}
}

// What an earlier page remembered is still known.
func TestBrowserKnowsWhatAnEarlierPageRemembered(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	p := person{b.Open(t, "http://"+b.server.Addr+"/", browser.Before(`localStorage.getItem("was here") ??
	  (localStorage.setItem("was here", "yes"), localStorage.setItem("chat",
	    '{"name":"ann","rooms":["lobby","attic"],"active":"attic"}'))`))}
	for range 2 {
		p.WaitFor(t, online+` && document.querySelector("#my-name").textContent === "ann" &&
		  document.querySelector("#room-name").textContent === "attic" &&
		  document.querySelectorAll("#rooms li").length === 2 && localStorage.getItem("chat") === null`, 10*time.Second)
		p.Reload(t)
	}
}
