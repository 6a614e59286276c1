package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/test/browser"
	"wschat/test/issuer"
)

// isInRoom waits until a room is shown, and is in the address.
func (p person) isInRoom(t *testing.T, room string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === %q && location.hash === "#" +
	  encodeURIComponent(%q)`, room, room), 5*time.Second)
}

// goes goes back or forward in the history.
func (p person) goes(t *testing.T, steps int) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`void history.go(%d)`, steps), nil)
}

// tells waits for a text that is shown for a moment, and is said by a screen reader.
func (p person) tells(t *testing.T, text string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`((toast) => toast.textContent === %q && toast.role === "status" && toast.checkVisibility(
	  { visibilityProperty: true }))(document.querySelector("#toast"))`, text), 5*time.Second)
}

// Back and Forward lead through the rooms that a person went to, and never into one that was left.
func TestBrowserBackAndForward(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	ann.joins(t, "attic")
	ann.isInRoom(t, "attic")
	ann.joins(t, "cellar")
	ann.isInRoom(t, "cellar")
	ann.goTo(t, "cellar") // it is there already: no step
	ann.goes(t, -1)
	ann.isInRoom(t, "attic")
	ann.Type(t, "#draft", "half a sent")
	ann.goes(t, -1)
	ann.isInRoom(t, "lobby")
	ann.drafts(t, "")
	ann.goes(t, 1)
	ann.isInRoom(t, "attic")
	ann.drafts(t, "half a sent")
	ann.goes(t, 1)
	ann.isInRoom(t, "cellar")
	ann.Press(t, "Alt+ArrowUp")
	ann.isInRoom(t, "attic")
	ann.goes(t, -1)
	ann.isInRoom(t, "cellar")

	// A link leads into a room that is new, and Back out of it. A reload changes nothing.
	ann.follow(t, "#a new room")
	ann.isInRoom(t, "a new room")
	ann.Reload(t)
	ann.WaitFor(t, online, 10*time.Second)
	ann.goes(t, -1)
	ann.isInRoom(t, "cellar")

	// The room that is left is not joined again.
	ann.chooses(t, "#leave")
	ann.isInRoom(t, "lobby") // the first one
	ann.goTo(t, "attic")
	ann.joins(t, "porch")
	ann.goTo(t, "attic")
	ann.goTo(t, "porch")
	ann.chooses(t, "#leave") // of its two entries, the last one is of the lobby now
	ann.isInRoom(t, "lobby")
	isGone := func() {
		t.Helper()
		ann.WaitFor(t, `!document.querySelector("[data-room=porch]")`, time.Second)
	}
	ann.goes(t, -1)
	ann.isInRoom(t, "attic")
	ann.goes(t, -1)
	ann.tells(t, "You are not in that room any more.")
	ann.isInRoom(t, "attic")
	isGone()
	ann.goes(t, 2)
	ann.isInRoom(t, "lobby")
	isGone()
	ann.follow(t, "#porch") // a link does
	ann.isInRoom(t, "porch")
	ann.chooses(t, "#leave")
	ann.isInRoom(t, "lobby")
	// Also not if the page is loaded for it.
	ann.Eval(t, `history.pushState({ isVisited: true }, "", "#porch")`, nil)
	ann.Reload(t)
	ann.WaitFor(t, online, 10*time.Second)
	ann.isInRoom(t, "lobby")
	isGone()
}

// After a sign-out, Back shows no room of the person, and the next one joins none of them.
func TestBrowserBackAfterASignOut(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	ann := d.signedIn(t, p, "Ann")
	ann.joins(t, "plans of ann")
	ann.isInRoom(t, "plans of ann")
	ann.goTo(t, "lobby")
	ann.Click(t, "#rename")
	ann.leftNothing(t)
	ann.goes(t, -1)
	ann.WaitFor(t, `location.hash === "" && !document.querySelector("#welcome").hidden`, 5*time.Second)
	ann.signIn(t, p.Token(map[string]any{"name": "Bob", "sub": "bob", "rooms": []string{"*"}}))
	ann.isIn(t, "Bob")
	ann.isInRoom(t, "lobby")
	ann.goes(t, -1)
	time.Sleep(500 * time.Millisecond)
	ann.isInRoom(t, "lobby")
	ann.WaitFor(t, `document.querySelectorAll("#rooms li").length === 1`, time.Second)
}

// Leaving asks if the person would miss something, and says what becomes of it.
func TestBrowserLeavingAsks(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	ann := b.enter(t, "ann", "lobby")
	ann.joins(t, "attic")
	ann.isInRoom(t, "attic")
	ann.chooses(t, "#leave") // nothing is lost
	ann.isInRoom(t, "lobby")
	ann.isNotAsked(t)
	ann.joins(t, "attic")
	ann.Type(t, "#draft", "half a sent")
	ann.chooses(t, "#leave")
	const kept = "What is not sent is kept in this browser until you come back."
	ann.asks(t, 1, "Leave attic?", "What you are writing is not sent yet.", kept)
	ann.isInRoom(t, "attic")
	ann.drafts(t, "half a sent")
	ann.chooses(t, "#leave")
	ann.asks(t, 2, kept)
	ann.isInRoom(t, "lobby")
	ann.joins(t, "attic")
	ann.drafts(t, "half a sent")

	g.shut()
	ann.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 10*time.Second)
	ann.Press(t, "Enter")
	ann.waits(t, "half a sent")
	ann.chooses(t, "#leave")
	ann.WaitFor(t, `document.querySelector("dialog[open] #question")`, 5*time.Second)
	for _, violation := range ann.Axe(t) {
		t.Error(violation)
	}
	ann.asks(t, 2, "1 message is not sent yet.", kept)
	ann.isInRoom(t, "lobby")
	g.open()
	ann.WaitFor(t, online, 60*time.Second)
	ann.joins(t, "attic")
	b.stored(t, "attic", "half a sent")
}

// Who leaves a private room stays a member, and is told how to come back.
func TestBrowserLeavingAPrivateRoom(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	ann := d.signedIn(t, p, "Ann")
	ann.Click(t, "#new-room")
	ann.Type(t, "dialog form input", "plans")
	ann.dialogButton(t, "Make the room")
	ann.isInPrivateRoom(t, "plans")
	ann.chooses(t, "#leave")
	ann.asks(t, 2, "Leave plans?", "You stay a member of this private room. You can come back by its name: plans.")
	ann.isInRoom(t, "lobby")
	ann.Reload(t)
	ann.isIn(t, "Ann")
	ann.seesRoom(t, "plans", false)
	ann.joins(t, "plans")
	ann.isInPrivateRoom(t, "plans")
	ann.say(t, "I am back")
	ann.shows(t, 1, 1)
}

// isInPrivateRoom waits until the page shows a private room.
func (p person) isInPrivateRoom(t *testing.T, title string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === "🔒 " + %q`, title), 10*time.Second)
}

// copies notes what the page copies.
const copies = `{
  const write = Clipboard.prototype.writeText;
  Clipboard.prototype.writeText = function (text) {
    return write.call(this, text).then(() => void (window.copied = text));
  };
}`

// The link to a room is copied from the menu, and in an empty room. If the browser forbids that, it is shown.
func TestBrowserTheLinkToARoom(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	const room = "Käse & Brot / 50%"
	link := "http://" + b.server.Addr + "/#K%C3%A4se%20%26%20Brot%20%2F%2050%25"
	ann := b.enter(t, "ann", room, browser.Before(copies))
	ann.LetCopy(t)
	ann.chooses(t, "#copy-link")
	ann.tells(t, "The link is copied.")
	ann.WaitFor(t, fmt.Sprintf(`window.copied === %q`, link), 5*time.Second)
	ann.hasFocus(t, "#room-menu")

	// An empty room says what to do, until somebody writes.
	ann.WaitFor(t, `((empty) => empty.checkVisibility() &&
	  empty.textContent.startsWith("Nobody has written anything yet.") &&
	  !document.querySelector("#beginning").checkVisibility())(document.querySelector("#empty"))`, 5*time.Second)
	ann.Eval(t, `{ window.copied = "" }`, nil)
	ann.Click(t, "#empty button")
	ann.WaitFor(t, fmt.Sprintf(`window.copied === %q`, link), 5*time.Second)
	ann.joins(t, "attic")
	ann.isInRoom(t, "attic")
	ann.Click(t, "#empty button")
	ann.WaitFor(t, `window.copied.endsWith("/#attic")`, 5*time.Second)
	ann.say(t, "hello")
	ann.WaitFor(t, `!document.querySelector("#empty")`, 5*time.Second)
	ann.shows(t, 1, 1)
	ann.WaitFor(t, `document.querySelector("#toast").textContent === ""`, 10*time.Second)

	bob := b.enter(t, "bob", "lobby", browser.Before(`Object.defineProperty(navigator, "clipboard", {})`))
	bob.chooses(t, "#copy-link")
	bob.WaitFor(t, fmt.Sprintf(`((field) => field.value === "http://%s/#lobby" && field === document.activeElement &&
	  field.selectionStart === 0 && field.selectionEnd === field.value.length)(document.querySelector("dialog input"))`,
		b.server.Addr), 5*time.Second)
	for _, violation := range bob.Axe(t) {
		t.Error(violation)
	}
	bob.Press(t, "Escape")
	bob.WaitFor(t, `!document.querySelector("dialog")`, 5*time.Second)

	// The link leads there.
	cy := person{b.Open(t, link)}
	cy.Type(t, "#enter-name", "cy")
	cy.Press(t, "Enter")
	cy.isInRoom(t, room)
}

// A direct room has no link: its name means nothing to others.
func TestBrowserADirectRoomHasNoLink(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	ann, _ := d.signedIn(t, p, "Ann"), d.signedIn(t, p, "Bob")
	ann.opensPerson(t, "Bob")
	ann.dialogButton(t, "Write to Bob alone")
	ann.isInPrivateRoom(t, "Bob")
	ann.WaitFor(t, `document.querySelector("#empty p")?.textContent === "Write the first message." &&
	  !document.querySelector("#empty button")`, 5*time.Second)
	ann.Click(t, "#room-menu")
	ann.WaitFor(t, `document.querySelector("dialog #leave") && !document.querySelector("#copy-link")`, 5*time.Second)
	ann.Click(t, "#leave") // at once: the other one can write again
	ann.isInRoom(t, "lobby")
}

// Another name changes nothing but the name. What is not sent stays with the old one.
func TestBrowserAnotherName(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	ann := b.enter(t, "ann", "lobby", browser.Viewport(390, 780))
	bob := b.enter(t, "bob", "lobby")
	bob.say(t, "one")
	ann.shows(t, 1, 1)
	ann.joins(t, "attic")
	ann.isInRoom(t, "attic")
	ann.Type(t, "#draft", "half a sent")
	bob.say(t, "two")
	ann.unread(t, "lobby", 1)
	ann.opensRooms(t)
	ann.Click(t, "#rename")
	ann.WaitFor(t, `document.activeElement.value === "ann" && document.activeElement.closest("dialog")`, 5*time.Second)
	for _, violation := range ann.Axe(t) {
		t.Error(violation)
	}
	ann.Eval(t, `document.activeElement.value = " "`, nil)
	ann.Press(t, "Enter")
	ann.WaitFor(t, `((field) => field.ariaInvalid === "true" && document.querySelector("#" +
	  field.getAttribute("aria-describedby")).textContent === "Please give a name.")(document.activeElement)`,
		5*time.Second)
	ann.Press(t, "Escape")
	ann.WaitFor(t, `document.querySelectorAll("dialog").length === 1`, 5*time.Second) // the drawer
	ann.hasFocus(t, "#rename")
	ann.Click(t, "#close-rooms")

	ann.renames(t, "eve")
	ann.isInRoom(t, "attic")
	ann.drafts(t, "half a sent")
	ann.WaitFor(t, online, 10*time.Second)
	ann.unread(t, "lobby", 1)
	ann.Press(t, "Enter")
	ann.hasFocus(t, "#draft")
	ann.Press(t, "Enter")
	b.stored(t, "attic", "half a sent")
	ann.WaitFor(t, `document.querySelector("#messages .mine .who")?.textContent === "eve"`, 5*time.Second)

	g.shut()
	ann.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 10*time.Second)
	ann.say(t, "from eve")
	ann.waits(t, "from eve")
	ann.opensRooms(t)
	ann.Click(t, "#rename")
	ann.WaitFor(t, `document.querySelector("dialog:last-of-type").textContent.includes("1 message is not sent yet. `+
		`What is not sent is kept in this browser. It is sent only if you take the old name again.")`, 5*time.Second)
	ann.dialogButton(t, "Close")
	ann.Click(t, "#close-rooms")
	ann.renames(t, "ann")
	ann.waits(t)
	g.open()
	ann.WaitFor(t, online, 60*time.Second)
	time.Sleep(time.Second)
	b.stored(t, "attic", "half a sent")
	ann.renames(t, "eve")
	b.stored(t, "attic", "half a sent", "from eve")
	ann.Reload(t)
	ann.WaitFor(t, online+` && document.querySelector("#my-name").textContent === "eve"`, 10*time.Second)
}

// A screen reader says what badges count, and that there is news in other rooms: once for many, and not of muted ones.
func TestBrowserNewsOfOtherRoomsIsSaid(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby", browser.Before(`window.said = [];
	  addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
	    said.push(document.querySelector("#announcer").textContent);
	  }).observe(document.querySelector("#announcer"), { childList: true }));`))
	bob := b.enter(t, "bob", "lobby")
	ann.joins(t, "attic")
	ann.isInRoom(t, "attic")
	for i := range 5 {
		bob.say(t, fmt.Sprint("news ", i))
	}
	ann.WaitFor(t, `document.querySelector("[data-room=lobby] .badge").matches("[role=img]") &&
	  document.querySelector("[data-room=lobby] .badge").ariaLabel === "5 unread messages"`, 5*time.Second)
	ann.WaitFor(t, `said.includes("5 new messages in other rooms")`, 10*time.Second)
	bob.say(t, "one more")
	ann.WaitFor(t, `said.includes("1 new message in another room")`, 10*time.Second)
	bob.say(t, "which ann sees")
	ann.unread(t, "lobby", 7)
	ann.goTo(t, "lobby")
	ann.chooses(t, "#mute")
	ann.goTo(t, "attic")
	bob.say(t, "to nobody")
	ann.unread(t, "lobby", 1)
	time.Sleep(6 * time.Second)
	var said []string
	ann.Eval(t, `said`, &said)
	if all := strings.Join(said, "\n"); strings.Count(all, "other room") != 2 {
		t.Errorf("the page said %q", said)
	}
}
