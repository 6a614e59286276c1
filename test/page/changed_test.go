package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/test/browser"
)

// The buttons in the dialog of a message of one's own.
const (
	menuAnswer = "dialog.menu > button:nth-of-type(1)"
	menuEdit   = "dialog.menu > button:nth-of-type(2)"
	menuDelete = "dialog.menu > button:nth-of-type(3)"
)

// menu opens the dialog of the message at an index, with the mouse.
func (p person) menu(t *testing.T, index int) {
	t.Helper()
	p.Click(t, fmt.Sprintf("[data-index='%d'] .more", index))
	p.WaitFor(t, `document.querySelector("dialog.menu[open]")`, 5*time.Second)
}

// sees waits until the message at an index has this content, and this beside its time.
func (p person) sees(t *testing.T, index int, content, beside string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`((m) => m?.querySelector(".content").textContent === %q &&
	  (m.querySelector(".edited")?.textContent ?? "") === %q)(document.querySelector("[data-index='%d']"))`,
		content, beside, index), 10*time.Second)
}

const deleted = "This message was deleted."

// A message is edited with the mouse and with the keyboard, and what was being written comes back. It is deleted after
// a question. Others see it at once, and who comes later sees it as it is then.
func TestBrowserEditAndDelete(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby", browser.Viewport(390, 780))
	for _, text := range []string{"one", "two", "three"} {
		ann.say(t, text)
	}
	bob.shows(t, 1, 3)
	ann.Type(t, "#draft", "half a sentence")

	ann.menu(t, 2)
	ann.Click(t, menuEdit)
	ann.drafts(t, "two")
	ann.Type(t, "#draft", " and a half")
	ann.Press(t, "Enter")
	ann.sees(t, 2, "two and a half", "Edited")
	bob.sees(t, 2, "two and a half", "Edited")
	ann.drafts(t, "half a sentence")

	// With the keyboard: up, Escape, up, another text. An edit survives a reload.
	ann.Eval(t, `document.querySelector("#draft").select()`, nil)
	ann.Press(t, "Delete")
	ann.Press(t, "ArrowUp")
	ann.drafts(t, "three")
	ann.Press(t, "Escape")
	ann.drafts(t, "")
	ann.Press(t, "ArrowUp")
	ann.Type(t, "#draft", "!")
	ann.Reload(t)
	ann.WaitFor(t, online, 10*time.Second)
	ann.drafts(t, "three!")
	ann.WaitFor(t, `!document.querySelector("#context").hidden`, 5*time.Second)
	ann.Type(t, "#draft", "!")
	ann.Press(t, "Enter")
	bob.sees(t, 3, "three!!", "Edited")

	// An edit without text asks whether to delete the message.
	ann.Press(t, "ArrowUp")
	ann.Eval(t, `document.querySelector("#draft").select()`, nil)
	ann.Press(t, "Delete")
	ann.Press(t, "Enter")
	ann.Click(t, "dialog[open] .answers button:last-child") // no
	ann.sees(t, 3, "three!!", "Edited")
	ann.Press(t, "Escape")
	ann.menu(t, 1)
	ann.Click(t, menuDelete)
	ann.Click(t, "dialog[open] .answers button:first-child") // yes
	ann.sees(t, 1, deleted, "")
	bob.sees(t, 1, deleted, "")

	// Nobody is offered what the chat would refuse.
	var offered []string
	bob.menu(t, 2)
	bob.Eval(t, `[...document.querySelectorAll("dialog.menu > button")].map((e) => e.textContent)`, &offered)
	if got := strings.Join(offered, " "); got != "Answer Cancel" {
		t.Errorf("bob is offered %s", got)
	}
	bob.WaitFor(t, `!document.querySelector("[data-index='1'] .more")`, 5*time.Second)
	carol := b.enter(t, "carol", "lobby")
	carol.sees(t, 1, deleted, "")
	carol.sees(t, 2, "two and a half", "Edited")
	carol.sees(t, 3, "three!!", "Edited")
}

// reactions waits until the message at an index has these reactions, "" for none: each with its number, and with a * if
// it is the reader's own.
func (p person) reactions(t *testing.T, index int, want string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`[...document.querySelectorAll("[data-index='%d'] .reaction")].map((r) =>
	  r.textContent + (r.ariaPressed === "true" ? "*" : "")).join(", ") === %q`, index, want), 10*time.Second)
}

// People react with the dialog, with what is there already, and with any emoji. Everybody sees who has reacted.
func TestBrowserReactions(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby", browser.Viewport(390, 780))
	ann.say(t, "hello")
	bob.shows(t, 1, 1)
	bob.menu(t, 1)
	bob.Click(t, "dialog.menu .often button:first-child")
	bob.reactions(t, 1, "👍 1*")
	ann.reactions(t, 1, "👍 1")
	ann.Click(t, ".reaction")
	ann.reactions(t, 1, "👍 2*")
	bob.reactions(t, 1, "👍 2*")
	bob.WaitFor(t, `document.querySelector(".reaction").title === "you, ann"`, 5*time.Second)

	ann.menu(t, 1)
	ann.Type(t, "dialog.menu .other input", "🦩")
	ann.Press(t, "Enter")
	ann.reactions(t, 1, "👍 2*, 🦩 1*")
	bob.reactions(t, 1, "👍 2*, 🦩 1")
	bob.Click(t, ".reaction")
	ann.reactions(t, 1, "👍 1*, 🦩 1*")
	bob.WaitFor(t, `!document.querySelector('.reaction[aria-busy="true"]')`, 5*time.Second) // the message is drawn anew
	bob.menu(t, 1)
	bob.WaitFor(t, `document.querySelector("dialog.menu .reactors").textContent === "👍 ann🦩 ann"`, 5*time.Second)
	if violations := bob.Axe(t); len(violations) > 0 {
		t.Errorf("with the dialog open: %s", strings.Join(violations, "\n"))
	}
	// It shows a change at once, and closes with the message.
	ann.Click(t, ".reaction")
	bob.WaitFor(t, `document.querySelector("dialog.menu .reactors").textContent === "🦩 ann"`, 5*time.Second)
	ann.menu(t, 1)
	ann.Click(t, menuDelete)
	ann.Click(t, "dialog[open] .answers button:first-child")
	bob.sees(t, 1, deleted, "")
	bob.WaitFor(t, `!document.querySelector("dialog.menu")`, 5*time.Second)
	bob.reactions(t, 1, "")
}

// An answer shows what it answers, as that is now, and leads there, also if it is far away.
func TestBrowserAnswers(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	ann.say(t, "where?")
	bob.shows(t, 1, 1)
	bob.menu(t, 1)
	bob.Click(t, menuAnswer)
	bob.WaitFor(t, `document.querySelector("#context").textContent.includes("Answering ann")`, 5*time.Second)
	bob.say(t, "here")
	quotes := func(p person, index int, want string) {
		t.Helper()
		p.WaitFor(t, fmt.Sprintf(`document.querySelector("[data-index='%d'] .quote")?.textContent === %q`, index, want),
			10*time.Second)
	}
	quotes(ann, 2, "In answer to ↩ ann: where?")
	bob.WaitFor(t, `document.querySelector("#context").hidden`, 5*time.Second)
	ann.Press(t, "ArrowUp")
	ann.Type(t, "#draft", "?")
	ann.Press(t, "Enter")
	quotes(bob, 2, "In answer to ↩ ann: where??")

	bob.menu(t, 1)
	bob.Click(t, menuAnswer)
	for i := range 450 {
		say(t, b.server, "lobby", "carol", fmt.Sprint("message ", i))
	}
	bob.say(t, "late")
	quotes(ann, 453, "In answer to ↩ an earlier message")
	ann.Click(t, "[data-index='453'] .quote")
	ann.WaitFor(t, `(() => {
	  const message = document.querySelector("[data-index='1']");
	  const { top, bottom } = message?.getBoundingClientRect() ?? {};
	  return top >= 0 && bottom <= innerHeight && message.contains(document.activeElement);
	})()`, 10*time.Second)
}

// An edit that is not stored is kept: without a connection, and when the page is closed. One that is refused stays with
// its reason until the person decides.
func TestBrowserAnEditIsNotLost(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	ann.say(t, "one")
	ann.shows(t, 1, 1)
	other := ann.openTab(t, b)
	other.WaitFor(t, online, 10*time.Second)
	other.sees(t, 1, "one", "")

	ann.Offline(t, true)
	ann.Press(t, "ArrowUp")
	ann.Type(t, "#draft", " more")
	ann.Press(t, "Enter")
	ann.sees(t, 1, "one more", "Saving…")
	ann.Close()
	third := other.openTab(t, b)
	third.sees(t, 1, "one more", "Edited")
	other.sees(t, 1, "one more", "Edited")

	// Two tabs edit one message.
	third.Eval(t, `document.querySelector("#draft").focus()`, nil)
	third.Press(t, "ArrowUp")
	third.drafts(t, "one more")
	other.Eval(t, `document.querySelector("#draft").focus()`, nil)
	other.Press(t, "ArrowUp")
	other.Type(t, "#draft", " of the other")
	other.Press(t, "Enter")
	third.sees(t, 1, "one more of the other", "Edited")
	third.Type(t, "#draft", " of the third")
	third.Press(t, "Enter")
	third.WaitFor(t, `document.querySelector(".refused-edit .sent")?.textContent === `+
		`"Your edit was not saved. The message was changed meanwhile."`, 10*time.Second)
	third.Reload(t)
	third.WaitFor(t, `document.querySelector(".refused-edit .edit-text")?.textContent === "one more of the third"`,
		10*time.Second)
	third.sees(t, 1, "one more of the other", "Edited")
	third.Click(t, ".refused-edit button:first-child")
	third.drafts(t, "one more of the third")
	third.Press(t, "Enter")
	other.sees(t, 1, "one more of the third", "Edited")
	third.WaitFor(t, `!document.querySelector(".refused-edit")`, 5*time.Second)
}

// Everything that one can do with a message is done with the keyboard. The Tab key passes one message, whatever their
// number is.
func TestBrowserMessagesByKeyboard(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	for _, text := range []string{"one", "two", "three"} {
		ann.say(t, text)
	}
	ann.shows(t, 1, 3)
	ann.Press(t, "Shift+Tab")
	focusIn := func(index int) {
		t.Helper()
		ann.WaitFor(t, fmt.Sprintf(`document.activeElement.closest("[data-index='%d']")`, index), 5*time.Second)
	}
	focusIn(3)
	ann.Press(t, "ArrowUp")
	ann.Press(t, "ArrowUp")
	focusIn(1)
	ann.Press(t, "Enter")
	ann.WaitFor(t, `document.querySelector("dialog.menu").contains(document.activeElement)`, 5*time.Second)
	ann.Press(t, "Enter") // the first is a thumb
	ann.reactions(t, 1, "👍 1*")
	focusIn(1)
	ann.Press(t, "ArrowDown")
	focusIn(2)
	ann.Press(t, "Enter")
	ann.Press(t, "Escape")
	focusIn(2)
	ann.Press(t, "Tab")
	ann.WaitFor(t, `!document.activeElement.closest("#messages")`, 5*time.Second)
}

// A message that was deleted before it was read is not unread.
func TestBrowserADeletedMessageIsNotUnread(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	ann.joins(t, "attic")
	ann.WaitFor(t, `document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
	bob.say(t, "one")
	bob.say(t, "two")
	unread := func(want string) {
		t.Helper()
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("[data-room=lobby] .badge").textContent === %q &&
		  document.title === "(%s) Chat"`, want, want), 10*time.Second)
	}
	unread("2")
	bob.shows(t, 1, 2)
	bob.menu(t, 1)
	bob.Click(t, menuDelete)
	bob.Click(t, "dialog[open] .answers button:first-child")
	unread("1")
}
