package page_test

import (
	"fmt"
	"testing"
	"time"

	"wschat/test/browser"
	"wschat/test/issuer"
)

// saysWhoTypes waits until the page says who is typing, "" for nobody.
func (p person) saysWhoTypes(t *testing.T, want string, within time.Duration) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("#typing").textContent === %q`, want), within)
}

// That somebody types is shown until the message comes, or until nothing more is typed. Nothing moves for it.
func TestBrowserSomebodyTypes(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	var before, after float64
	const top = `document.querySelector("#composer").getBoundingClientRect().top`
	ann.Eval(t, top, &before)
	bob.Type(t, "#draft", "h")
	ann.saysWhoTypes(t, "bob is typing…", 5*time.Second)
	ann.Eval(t, top, &after)
	if before != after {
		t.Errorf("the composer was at %v, and is at %v", before, after)
	}
	bob.saysWhoTypes(t, "", time.Second)
	bob.Press(t, "Enter")
	ann.saysWhoTypes(t, "", 5*time.Second)
	ann.shows(t, 1, 1)
	cy := b.enter(t, "cy", "lobby")
	cy.Type(t, "#draft", "i")
	ann.saysWhoTypes(t, "cy is typing…", 5*time.Second)
	bob.Type(t, "#draft", "i")
	ann.saysWhoTypes(t, "cy and bob are typing…", 5*time.Second)
	ann.saysWhoTypes(t, "", 15*time.Second)
}

// Where people sign in, two devices of a person agree on the rooms and on what is read, and small rooms show who has
// read the last message.
func TestBrowserTwoDevicesAgree(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	url := func(name string) string {
		claims := map[string]any{"name": name, "sub": name, "rooms": []string{"*"}}
		return "http://" + d.Addr + "/#token=" + p.Token(claims)
	}
	device := func(name string) person {
		own := person{browser.Start(t).Open(t, url(name), browser.Before(recorder))}
		own.isIn(t, name)
		return own
	}
	bob := device("Bob")
	laptop := device("Ann")
	bob.say(t, "one")
	laptop.shows(t, 1, 1)
	laptop.joins(t, "attic")
	laptop.WaitFor(t, `document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
	bob.WaitFor(t, `document.querySelector(".seen")?.textContent === "Seen by Ann"`, 10*time.Second)
	bob.say(t, "two")
	bob.say(t, "three")
	unread := func(p person, want string) {
		t.Helper()
		p.WaitFor(t, fmt.Sprintf(`((badge) => badge && (badge.hidden ? "" : badge.textContent) === %q)(
		  document.querySelector("[data-room=lobby] .badge"))`, want), 10*time.Second)
	}
	unread(laptop, "2")
	bob.WaitFor(t, `!document.querySelector(".seen")`, 5*time.Second)

	phone := device("Ann") // it has never seen this person
	phone.WaitFor(t, `document.querySelectorAll("#rooms li").length === 2`, 10*time.Second)
	phone.Eval(t, `document.querySelector("[data-room=attic] button").click()`, nil)
	laptop.Eval(t, `document.querySelector("[data-room=lobby] button").click()`, nil)
	unread(laptop, "")
	unread(phone, "")
	bob.say(t, "four")
	bob.WaitFor(t, `document.querySelector(".seen")?.textContent === "Seen by Ann"`, 10*time.Second)
	unread(phone, "")
	phone.chooses(t, "#leave")
	phone.Reload(t)
	phone.isIn(t, "Ann")
	phone.WaitFor(t, `document.querySelectorAll("#rooms li").length === 1`, 10*time.Second)
}
