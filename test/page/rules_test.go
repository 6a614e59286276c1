package page_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"wschat/test/browser"
	"wschat/test/installed"
	"wschat/test/issuer"
)

// signedIn opens the page for somebody who has signed in.
func (d *door) signedIn(t *testing.T, p *issuer.Provider, name string, opts ...browser.Option) person {
	t.Helper()
	claims := map[string]any{"name": name, "sub": "id-" + name, "rooms": []string{"*"}}
	opts = append(opts, browser.Before(recorder))
	own := person{browser.Start(t).Open(t, "http://"+d.Addr+"/#token="+p.Token(claims), opts...)}
	own.isIn(t, name)
	own.WaitFor(t, `document.querySelector("#state").dataset.state === "online"`, 10*time.Second)
	return own
}

// dialogButton presses a button of the open dialog, which has these words.
func (p person) dialogButton(t *testing.T, words string) {
	t.Helper()
	const buttons = `[...document.querySelectorAll("dialog button")]`
	p.WaitFor(t, fmt.Sprintf(`%s.some((b) => b.textContent === %q)`, buttons, words), 5*time.Second)
	p.Eval(t, fmt.Sprintf(`%s.find((b) => b.textContent === %q).click()`, buttons, words), nil)
}

func (p person) seesRoom(t *testing.T, title string, want bool) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`[...document.querySelectorAll("#rooms bdi")].some((b) => b.textContent === %q) === %v`,
		title, want), 10*time.Second)
}

// enters opens a room that the page lists under a title.
func (p person) enters(t *testing.T, title string) {
	t.Helper()
	p.seesRoom(t, title, true)
	p.Eval(t, fmt.Sprintf(`[...document.querySelectorAll("#rooms button")]
	  .find((b) => b.querySelector("bdi").textContent === %q).click()`, title), nil)
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent.endsWith(%q)`, title), 5*time.Second)
}

// opensPerson opens the dialog about somebody who is in the room.
func (p person) opensPerson(t *testing.T, name string) {
	t.Helper()
	const people = `[...document.querySelectorAll("#people button")]`
	p.WaitFor(t, fmt.Sprintf(`%s.some((b) => b.textContent === %q)`, people, name), 10*time.Second)
	p.Eval(t, fmt.Sprintf(`%s.find((b) => b.textContent === %q).click()`, people, name), nil)
}

// People make a private room, add somebody whom they have seen, moderate, and talk alone.
func TestBrowserRoomsWithRules(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	ann, bob := d.signedIn(t, p, "Ann"), d.signedIn(t, p, "Bob")
	ann.WaitFor(t, `document.querySelector("#show-people").textContent === "2 people"`, 10*time.Second)

	ann.Click(t, "#new-room")
	ann.WaitFor(t, `document.querySelector("dialog h2").textContent === "New room"`, 5*time.Second)
	ann.Type(t, "dialog form input", "plans")
	ann.Eval(t, `[...document.querySelectorAll("dialog label")].find((l) => l.textContent.includes("Bob"))
	  .querySelector("input").click()`, nil)
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", "rules-new-room.png"))
	ann.dialogButton(t, "Make the room")
	ann.seesRoom(t, "plans", true)
	ann.WaitFor(t, `document.querySelector("#room-name").textContent === "🔒 plans"`, 5*time.Second)
	bob.seesRoom(t, "plans", true)
	bob.enters(t, "plans")
	ann.say(t, "just the two of us")
	bob.shows(t, 1, 1)

	ann.chooses(t, "#about")
	ann.WaitFor(t, `document.querySelectorAll("dialog .standings li").length === 2`, 5*time.Second)
	ann.Eval(t, `document.querySelector("dialog select").value = "30"`, nil)
	ann.Eval(t, `document.querySelector("dialog form input").value = "Plans of ours"`, nil)
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", "rules-about-room.png"))
	ann.dialogButton(t, "Save")
	bob.seesRoom(t, "Plans of ours", true)
	bob.WaitFor(t, `document.querySelector("#rules").textContent === "Slow mode: one message every 30 seconds."`,
		5*time.Second)
	bob.say(t, "slowly")
	bob.WaitFor(t, `/^Slow mode: (30|2\d) seconds/.test(document.querySelector("#rules").textContent)`,
		5*time.Second)
	bob.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", "rules-slow-mode.png"))

	ann.Eval(t, `[...document.querySelectorAll("#messages .message")].at(-1).querySelector(".more").click()`, nil)
	ann.dialogButton(t, "About Bob")
	ann.dialogButton(t, "Mute")
	bob.WaitFor(t, `document.querySelector("#draft").disabled &&
	  document.querySelector("#rules").textContent.startsWith("You are muted until")`, 5*time.Second)
	bob.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", "rules-muted.png"))
	ann.Click(t, "#show-people")
	ann.opensPerson(t, "Bob")
	ann.WaitFor(t, `[...document.querySelectorAll("dialog button")].some((b) => b.textContent === "End the mute")`,
		5*time.Second)
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", "rules-person.png"))
	ann.dialogButton(t, "End the mute")
	bob.WaitFor(t, `!document.querySelector("#draft").disabled`, 5*time.Second)

	ann.opensPerson(t, "Bob")
	ann.WaitFor(t, `document.querySelectorAll("dialog input").length > 0`, 5*time.Second)
	ann.Type(t, "dialog input", "too loud")
	ann.dialogButton(t, "Ban from the room")
	bob.seesRoom(t, "Plans of ours", false)
	bob.WaitFor(t, `/^You are banned from Plans of ours until .*: too loud\.$/.test(
	  document.querySelector("#notice-text").textContent)`, 5*time.Second)

	ann.goTo(t, "lobby")
	ann.opensPerson(t, "Bob")
	ann.dialogButton(t, "Write to Bob alone")
	ann.WaitFor(t, `document.querySelector("#room-name").textContent === "🔒 Bob"`, 5*time.Second)
	ann.say(t, "sorry")
	bob.enters(t, "Ann")
	bob.WaitFor(t, `document.querySelector("#messages").textContent.includes("sorry")`, 5*time.Second)
	ann.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", "rules-direct.png"))
}

// A moderator's dialogs, in both themes and both sizes: no rule of axe-core is broken.
func TestBrowserModeratorsLook(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	bob := d.signedIn(t, p, "Bob")
	for name, opts := range map[string][]browser.Option{
		"desktop-dark": {browser.Viewport(1200, 760), browser.Dark()},
		"phone-light":  {browser.Viewport(390, 780)},
		"phone-dark":   {browser.Viewport(390, 780), browser.Dark()},
	} {
		ann := d.signedIn(t, p, "Ann", opts...)
		check := func(what string) {
			t.Helper()
			ann.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", "rules-"+what+"-"+name+".png"))
			for _, violation := range ann.Axe(t) {
				t.Errorf("%s %s: %s", name, what, violation)
			}
			ann.hasEdges(t, name+" "+what)
		}
		ann.WaitFor(t, `document.querySelector("#show-people").textContent === "2 people"`, 10*time.Second)
		ann.opensRooms(t)
		ann.Click(t, "#new-room")
		ann.Type(t, "dialog:last-of-type form input", name)
		ann.Eval(t, `document.querySelector("dialog fieldset input").click()`, nil)
		check("new-room")
		ann.dialogButton(t, "Make the room")
		ann.seesRoom(t, name, true)
		bob.enters(t, name)
		bob.say(t, "May I write this?")
		ann.WaitFor(t, `document.querySelectorAll("#messages .message .more").length === 1`, 10*time.Second)
		ann.chooses(t, "#about")
		ann.WaitFor(t, `document.querySelectorAll("dialog .standings li").length === 2`, 5*time.Second)
		check("about")
		ann.dialogButton(t, "Close")
		ann.Eval(t, `document.querySelector("#messages .message .more").click()`, nil)
		ann.WaitFor(t, `document.querySelector("dialog.menu") !== null`, 5*time.Second)
		check("menu")
		ann.dialogButton(t, "About Bob")
		ann.WaitFor(t, `document.querySelectorAll("dialog select").length === 2`, 5*time.Second)
		check("person")
		ann.dialogButton(t, "Mute")
		bob.WaitFor(t, `document.querySelector("#draft").disabled`, 5*time.Second)
		ann.Close()
	}
}
