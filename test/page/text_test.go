package page_test

import (
	"slices"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/browser"
)

// Addresses become links that tell their pages nothing of this one, and code has a font of its own. What is copied is
// what was written.
func TestBrowserLinksAndCode(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	texts := []string{
		"see https://example.com/a?b=(c), and (http://example.com).", "javascript:alert(1) `go test`",
		"```go\nfunc main() {}\nhttps://example.com\n```", "https://bank.example@evil.example",
	}
	for _, text := range texts {
		_, _, err := b.server.Log.Append(t.Context(), chat.Message{Room: "lobby", User: "bob", Content: text,
			CreateAt: 1})
		if err != nil {
			t.Fatal(err)
		}
	}
	ann := b.enter(t, "ann", "lobby")
	ann.shows(t, 1, len(texts))
	if got := ann.contents(t); !slices.Equal(got, texts) {
		t.Errorf("the page shows %q", got)
	}
	var links []struct{ Href, Target, Rel, Policy, Text string }
	ann.Eval(t, `[...document.querySelectorAll("#messages .content a")].map((a) => ({ href: a.href, target: a.target,
		rel: a.rel, policy: a.referrerPolicy, text: a.textContent }))`, &links)
	if len(links) != 2 || links[0].Href != "https://example.com/a?b=(c)" || links[1].Href != "http://example.com/" {
		t.Fatalf("the links are %+v", links)
	}
	for _, l := range links {
		if l.Target != "_blank" || l.Rel != "noopener noreferrer nofollow" || l.Policy != "no-referrer" {
			t.Errorf("a link is %+v", l)
		}
	}
	var reached int // by the Tab key: one message's, as with its buttons
	ann.Eval(t, `[...document.querySelectorAll("#messages .content a")].filter((a) => a.tabIndex === 0).length`,
		&reached)
	if reached != 0 {
		t.Errorf("%d links of earlier messages are in the order of the Tab key", reached)
	}
	var code []string
	ann.Eval(t, `[...document.querySelectorAll("#messages .content code")].map((c) => c.textContent)`, &code)
	if want := []string{"`go test`", texts[2]}; !slices.Equal(code, want) {
		t.Errorf("the code is %q, want %q", code, want)
	}
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
}

// That a message is sent is said under the last one: all before it are sent, too.
func TestBrowserSentIsSaidOnce(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	for _, text := range []string{"one", "two", "three"} {
		ann.say(t, text)
	}
	ann.shows(t, 1, 3)
	ann.WaitFor(t, `[...document.querySelectorAll("#messages .meta .sent")].filter((s) => s.offsetParent)
		.map((s) => s.closest("[data-index]").dataset.index).join() === "3"`, 5*time.Second)
	ann.Eval(t, `document.querySelector("[data-index='3'] .more").click()`, nil)
	ann.Click(t, "dialog.menu .danger")
	ann.Click(t, "dialog .answers .primary")
	ann.WaitFor(t, `[...document.querySelectorAll("#messages .meta .sent")].filter((s) => s.offsetParent)
		.map((s) => s.closest("[data-index]").dataset.index).join() === "2"`, 10*time.Second)
}

// Each person has initials in a colour of the person's own, which is the same after a reload. They are no text of the
// page, and readable in both themes.
func TestBrowserInitials(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i, user := range []string{"Ann Lee", "bob", "김민수", "Ann Lee", "👍"} {
		_, _, err := b.server.Log.Append(t.Context(), chat.Message{Room: "lobby", User: user, Content: "hi",
			CreateAt: int64(i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, options := range [][]browser.Option{nil, {browser.Dark()}, {browser.Viewport(390, 780)}} {
		p := b.enter(t, "bob", "lobby", options...)
		p.shows(t, 1, 5)
		var got []string
		p.Eval(t, `[...document.querySelectorAll("#messages .who")].map((w) => [w.dataset.initials, w.className,
			w.textContent].join("/"))`, &got)
		want := []string{"AL/who hue1/Ann Lee", "B/who hue6/bob", "김/who hue2/김민수", "AL/who hue1/Ann Lee",
			"?/who hue3/👍"}
		if !slices.Equal(got, want) {
			t.Errorf("the senders are %q", got)
		}
		if violations := p.Axe(t); len(violations) > 0 {
			t.Errorf("axe finds %q", violations)
		}
	}
}

// A name after an @ stands out, and a call of the reader in another room is marked there, until it is read.
func TestBrowserSomebodyIsCalled(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann, bob := b.enter(t, "ann", "lobby"), b.enter(t, "bob", "lobby")
	ann.Type(t, "#add-room-name", "kitchen")
	ann.Press(t, "Enter")
	ann.WaitFor(t, `document.querySelector("#room-name").textContent === "kitchen"`, 5*time.Second)
	const badge = `document.querySelector("#rooms [data-room=lobby] .badge")`
	bob.say(t, "hello @bob and @annabel")
	ann.WaitFor(t, badge+`.textContent === "1" && !`+badge+`.matches(".calling")`, 10*time.Second)
	bob.say(t, "are you there, @Ann?")
	ann.WaitFor(t, badge+`.textContent === "@ 2" && `+badge+`.matches(".calling")`, 10*time.Second)
	ann.Click(t, "#rooms [data-room=lobby] button")
	ann.WaitFor(t, badge+`.hidden`, 10*time.Second)
	var names, mine []string
	ann.Eval(t, `[...document.querySelectorAll(".mention")].map((m) => m.textContent)`, &names)
	ann.Eval(t, `[...document.querySelectorAll(".mention.me")].map((m) => m.textContent)`, &mine)
	if !slices.Equal(names, []string{"@bob", "@annabel", "@Ann"}) || !slices.Equal(mine, []string{"@Ann"}) {
		t.Errorf("the names are %q, the reader's %q", names, mine)
	}
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
}
