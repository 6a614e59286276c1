package page_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/test/browser"
)

// write has a person write a text, which may be long, and does not send it.
func (p person) write(t *testing.T, text string) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`{
	  const draft = document.querySelector("#draft");
	  draft.focus();
	  draft.value = %q;
	  draft.dispatchEvent(new Event("input", { bubbles: true }));
	}`, text), nil)
}

// A text that is too long is not sent. It stays where it can be shortened, and the page says by how much.
func TestBrowserATextThatIsTooLong(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	p := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	const most = 16 << 10 // bytes
	for i, test := range []struct{ text, says string }{
		{strings.Repeat("x", most-1100), ""},
		{strings.Repeat("x", most-999), "999 characters left"},
		{strings.Repeat("x", most-1), "1 character left"},
		{strings.Repeat("x", most), "0 characters left"},
		{strings.Repeat("x", most+1), "Too long. Please shorten it by about 1 character, or send it in two parts."},
		{strings.Repeat("x", 100_000), "Too long. Please shorten it by about 83,616 characters, or send it in two " +
			"parts."},
		{strings.Repeat("é", most/2+100), "Too long. Please shorten it by about 100 characters, or send it in two " +
			"parts."},
		{strings.Repeat("👩", most/4+7), "Too long. Please shorten it by about 7 characters, or send it in two parts."},
		{strings.Repeat("\x01", 6000), "Too long."}, // six bytes each in a frame
	} {
		p.write(t, test.text)
		tooLong := strings.HasPrefix(test.says, "Too long")
		p.WaitFor(t, fmt.Sprintf(`(({ hidden, textContent: says }) => hidden === %v && `+
			`says.startsWith(%q))(document.querySelector("#length"))`,
			test.says == "", test.says), 5*time.Second)
		if !tooLong {
			continue
		}
		if violations := p.Axe(t); i == 4 && len(violations) > 0 {
			t.Errorf("axe finds %q", violations)
		}
		p.Press(t, "Enter")
		p.Click(t, "#send")
		p.WaitFor(t, fmt.Sprintf(`document.querySelector("#draft").value.length === %d && `+
			`document.querySelectorAll("li.message").length === 0`,
			len([]uint16(utf16(test.text)))), 5*time.Second)
	}
	p.WaitFor(t, `document.querySelector("#announcer").textContent.includes("Too long.")`, 5*time.Second)
	p.write(t, strings.Repeat("x", most))
	p.Press(t, "Enter")
	p.shows(t, 1, 1)
	bob.shows(t, 1, 1)
	p.WaitFor(t, `document.querySelector("#length").hidden && document.querySelector("#draft").value === ""`,
		5*time.Second)
}

func utf16(s string) (units []uint16) {
	for _, r := range s {
		if units = append(units, 0); r > 0xffff {
			units = append(units, 0)
		}
	}
	return units
}

// broken is a text that the chat refuses: it has half a letter.
const broken = `"broken \ud800 text"`

// refuse has a person send a text that is refused, and waits until it is.
func (p person) refuse(t *testing.T, script string) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`{ document.querySelector("#draft").value = %s; `+
		`document.querySelector("#composer").requestSubmit() }`, script), nil)
	p.WaitFor(t, `document.querySelector(".failed") && document.querySelector("#outbox").children.length === 0`,
		10*time.Second)
}

// lines are what stands in the list, in order.
func (p person) lines(t *testing.T) (lines []string) {
	t.Helper()
	p.Eval(t, `[...document.querySelectorAll("#messages .content")].map((m) => m.closest(".failed") ? "refused" : `+
		`m.textContent)`, &lines)
	return lines
}

// What was refused stands where it was refused, and what comes later below it; it is not lost when the window moves
// or the page is loaded again; and it can be edited, sent again and deleted.
func TestBrowserARefusedMessage(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	p := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	p.say(t, "one")
	p.shows(t, 1, 1)
	p.refuse(t, broken)
	bob.say(t, "two")
	p.say(t, "three")
	p.shows(t, 1, 3)
	want := []string{"one", "refused", "two", "three"}
	if got := p.lines(t); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the list has %q, want %q", got, want)
	}
	p.Reload(t)
	p.WaitFor(t, online+` && document.querySelector(".failed .sent").textContent.startsWith("Not sent. The chat `+
		`does not take this.")`, 10*time.Second)
	if got := p.lines(t); !slices.Equal(got, want) {
		t.Errorf("after a reload, the list has %q, want %q", got, want)
	}

	// Far up: it is out of the window, and the page leads there.
	for i := range 449 {
		say(t, b.server, "lobby", "bob", fmt.Sprint("message ", i))
	}
	bob.say(t, "the last")
	p.WaitFor(t, `document.querySelector("[data-index='453']") && !document.querySelector(".failed")`, 30*time.Second)
	p.WaitFor(t, `document.querySelector("#refused").textContent.includes("1 message was not sent.") && `+
		`!document.querySelector("#refused").hidden`, 5*time.Second)
	p.Click(t, "#show-refused")
	p.WaitFor(t, `(() => {
	  const { top, bottom } = document.querySelector(".failed").getBoundingClientRect();
	  return top > 0 && bottom < innerHeight && document.querySelector("#refused").hidden;
	})()`, 10*time.Second)
	if got := p.lines(t); strings.Join(got[:5], " ") != strings.Join(append(want, "message 0"), " ") {
		t.Errorf("far up, the list has %q, want %q", got[:5], want)
	}
	p.Click(t, "#to-end")
	p.WaitFor(t, `document.querySelector("[data-index='453']")?.getBoundingClientRect().bottom <= innerHeight`,
		10*time.Second)
	// And scrolling there, as people do.
	p.Eval(t, `(async () => {
	  while (!document.querySelector(".failed")) {
	    document.querySelector("#scroller").scrollTop = 0;
	    await new Promise((done) => setTimeout(done, 50));
	  }
	})()`, nil)
	p.WaitFor(t, `document.querySelector("#refused").hidden`, 5*time.Second)

	// Try again: it is refused again, at the end now.
	p.Click(t, "#to-end")
	p.WaitFor(t, `!document.querySelector("#refused").hidden`, 10*time.Second)
	p.Click(t, "#show-refused")
	p.Click(t, ".failed button:nth-of-type(2)")
	p.WaitFor(t, `!document.querySelector("#refused").hidden`, 10*time.Second)
	p.Click(t, "#show-refused")
	p.WaitFor(t, `document.querySelector("[data-index='453']").nextElementSibling.classList.contains("failed")`,
		5*time.Second)

	// Edit: nothing of what is written is lost.
	p.write(t, "and the next one")
	p.Click(t, ".failed button:nth-of-type(1)")
	p.WaitFor(t, `document.querySelector("#draft").value === "broken \ud800 text\nand the next one" &&
	  document.activeElement.id === "draft" &&
	  !document.querySelector(".failed")`, 5*time.Second)
	p.Reload(t)
	p.WaitFor(t, online+` && document.querySelector("#draft").value.endsWith("text\nand the next one")`, 10*time.Second)
	p.write(t, "repaired")
	p.Press(t, "Enter")
	bob.WaitFor(t, `document.querySelector("[data-index='454']")?.textContent.includes("repaired")`, 10*time.Second)
	p.refuse(t, broken)
	p.Click(t, ".failed button:nth-of-type(3)")
	p.WaitFor(t, `!document.querySelector(".failed")`, 5*time.Second)
	p.Reload(t)
	p.WaitFor(t, online+` && document.querySelector("[data-index='454']") && !document.querySelector(".failed")`,
		10*time.Second)
}

// What waits for a connection can be given up.
func TestBrowserGivesUpWhatWaits(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	ann := b.enter(t, "ann", "lobby", browser.Viewport(390, 780))
	g.shut()
	ann.WaitFor(t, `document.querySelector("#state").dataset.state === "offline"`, 20*time.Second)
	for i := range 30 { // more than fit on the screen
		ann.say(t, fmt.Sprint("written ", i))
	}
	ann.WaitFor(t, `document.querySelector("#chat").dataset.state === "offline"`, 30*time.Second)
	ann.Click(t, "#outbox li:nth-child(29) .give-up")
	ann.WaitFor(t, `document.querySelectorAll("#outbox li").length === 29 && document.activeElement.id === "draft"`,
		5*time.Second)
	g.open()
	ann.WaitFor(t, online+` && document.querySelectorAll("#outbox li").length === 0`, 60*time.Second)
	if n := tailOf(t, b, "lobby"); n != 29 || g.timesSent("written 28") != 0 {
		t.Errorf("%d messages are stored", n)
	}
	// The list is at its end, as before.
	ann.WaitFor(t, `document.querySelector("#to-end").hidden && `+
		`document.querySelector("[data-index='29']").getBoundingClientRect().bottom < innerHeight`, 5*time.Second)
}
