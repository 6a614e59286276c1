package page_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wschat/test/browser"
	"wschat/test/installed"
	"wschat/test/issuer"
)

// opensRooms opens the drawer with the rooms, on a screen that has one.
func (p person) opensRooms(t *testing.T) {
	t.Helper()
	p.Eval(t, `{ const button = document.querySelector("#show-rooms"); if (button.checkVisibility()) button.click() }`,
		nil)
}

// joins joins a room by its name.
func (p person) joins(t *testing.T, room string) {
	t.Helper()
	p.opensRooms(t)
	p.Type(t, "#add-room-name", room)
	p.Press(t, "Enter")
}

// chooses opens the menu of the room, and chooses from it.
func (p person) chooses(t *testing.T, item string) {
	t.Helper()
	p.Click(t, "#room-menu")
	p.Click(t, item)
}

// renames changes the name of a person in the open chat.
func (p person) renames(t *testing.T, name string) {
	t.Helper()
	p.opensRooms(t)
	p.Click(t, "#rename")
	p.Eval(t, `{ document.querySelector("dialog:last-of-type input").value = "" }`, nil)
	p.Type(t, "dialog:last-of-type input", name)
	p.Press(t, "Enter")
	p.WaitFor(t, fmt.Sprintf(`!document.querySelector("dialog") &&
	  document.querySelector("#my-name").textContent === %q`, name), 5*time.Second)
}

// taps touches the middle of an element.
func (p person) taps(t *testing.T, selector string) {
	t.Helper()
	var at struct{ X, Y float64 }
	p.Eval(t, fmt.Sprintf(`(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))(
	  document.querySelector(%q).getBoundingClientRect())`, selector), &at)
	p.Tap(t, at.X, at.Y)
}

// has waits for the focus to be in the element that a selector finds.
func (p person) hasFocus(t *testing.T, selector string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`document.activeElement.matches(%q)`, selector), 5*time.Second)
}

const (
	drawerIsOpen = `Boolean(document.querySelector("dialog.drawer[open] #rooms")?.checkVisibility())`
	drawerIsShut = `!document.querySelector("dialog") && document.querySelector("#chat > #sidebar")`
)

// On a phone there is one bar. The rooms are in a drawer, for a finger and for the keyboard.
func TestBrowserTheDrawer(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann, bob := b.enter(t, "ann", "lobby", browser.Viewport(390, 780)), b.enter(t, "bob", "lobby")
	ann.joins(t, "attic")
	ann.WaitFor(t, drawerIsShut+` && document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
	ann.hasFocus(t, "#scroller")
	var bar struct {
		Top, Targets float64
		Around       bool
	}
	ann.Eval(t, `(() => {
	  const header = document.querySelector("#conversation > header");
	  const parts = [...header.querySelectorAll("button")].filter((b) => b.checkVisibility())
	    .map((b) => b.getBoundingClientRect());
	  return { top: document.querySelector("#scroller").getBoundingClientRect().top,
	    around: parts.every(({ top, bottom }) => top >= 0 && bottom <= header.getBoundingClientRect().bottom),
	    targets: Math.min(...parts.flatMap(({ width, height }) => [width, height])) };
	})()`, &bar)
	if bar.Top > 56 || bar.Targets < 44 || !bar.Around {
		t.Errorf("above the messages are %v pixels, with buttons of %v", bar.Top, bar.Targets)
	}

	bob.say(t, "one")
	bob.say(t, "two")
	ann.WaitFor(t, `((badge) => badge.checkVisibility() && badge.textContent === "2" &&
	  badge.ariaLabel === "2 unread messages in other rooms")(document.querySelector("#show-rooms .badge"))`,
		5*time.Second)
	ann.taps(t, "#show-rooms")
	ann.WaitFor(t, drawerIsOpen, 5*time.Second)
	ann.hasFocus(t, "[data-room=attic] button")
	for _, part := range []string{"#rooms", "#add-room-name", "#rename", "#state", "#my-name"} {
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("dialog.drawer %s").checkVisibility()`, part), time.Second)
	}
	ann.taps(t, "[data-room=lobby] button")
	ann.WaitFor(t, drawerIsShut+` && document.querySelector("#room-name").textContent === "lobby" &&
	  document.querySelector("#elsewhere").hidden`, 5*time.Second)
	ann.hasFocus(t, "#scroller")
	ann.taps(t, "#show-rooms")
	ann.WaitFor(t, drawerIsOpen, 5*time.Second)
	ann.Tap(t, 380, 400) // beside it
	ann.WaitFor(t, drawerIsShut, 5*time.Second)
	ann.hasFocus(t, "#show-rooms")

	ann.Press(t, "Enter")
	ann.WaitFor(t, drawerIsOpen, 5*time.Second)
	for range 12 { // the focus leaves it for the browser at most
		ann.Press(t, "Tab")
		ann.WaitFor(t, `document.activeElement === document.body || document.activeElement.closest("dialog.drawer")`,
			time.Second)
	}
	ann.Press(t, "Escape")
	ann.WaitFor(t, drawerIsShut, 5*time.Second)
	ann.hasFocus(t, "#show-rooms")
	ann.taps(t, "#show-rooms")
	ann.taps(t, "#close-rooms")
	ann.WaitFor(t, drawerIsShut, 5*time.Second)

	// What is muted does not count, and a wide window has no drawer.
	ann.chooses(t, "#mute")
	ann.joins(t, "attic")
	bob.say(t, "three")
	ann.unread(t, "lobby", 1)
	ann.WaitFor(t, `document.querySelector("#elsewhere").hidden`, time.Second)
	ann.taps(t, "#show-rooms")
	ann.WaitFor(t, drawerIsOpen, 5*time.Second)
	ann.Resize(t, 1200, 760)
	ann.WaitFor(t, drawerIsShut+` && document.querySelector("#rooms").checkVisibility() &&
	  !document.querySelector("#show-rooms").checkVisibility()`, 5*time.Second)
}

// A small window, or a large zoom (WCAG 1.4.10): two thirds of the height are for the messages, nothing is cut off, and
// what can be touched is not too small.
func TestBrowserASmallWindow(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	bob := b.enter(t, "bob", "lobby")
	for i := range 12 {
		bob.say(t, fmt.Sprint("message ", i))
	}
	for _, size := range [][2]int{{320, 256}, {667, 375}, {844, 390}, {360, 640}} {
		ann := b.enter(t, "ann", "lobby", browser.Viewport(size[0], size[1]))
		ann.shows(t, 1, 12)
		ann.Eval(t, `{ document.querySelector("#typing").textContent = "bob is typing…" }`, nil)
		var got struct {
			Part     float64
			Sideways bool
			Small    []string
		}
		ann.Eval(t, `({
		  part: document.querySelector("#scroller").clientHeight / innerHeight,
		  sideways: document.documentElement.scrollWidth > innerWidth ||
		    document.documentElement.scrollHeight > innerHeight,
		  small: [...document.querySelectorAll("#chat button")].filter((b) => b.checkVisibility() &&
		    Math.min(b.offsetWidth, b.offsetHeight) < 24).map((b) => b.id || b.className || b.textContent),
		})`, &got)
		if got.Part < 2.0/3 || got.Sideways || len(got.Small) > 0 {
			t.Errorf("at %v: %+v", size, got)
		}
		// All of the drawer can be reached.
		ann.opensRooms(t)
		ann.Click(t, "#rename")
		ann.dialogButton(t, "Close")
		for _, violation := range ann.Axe(t) {
			t.Errorf("at %v: %s", size, violation)
		}
		ann.Close()
	}
}

// In a wide window, messages and the field have one readable column in the middle, also beside the list of people.
func TestBrowserAWideWindow(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for _, width := range []int{1200, 1920, 2560} {
		room := fmt.Sprint("room", width)
		say(t, b.server, room, "bob", strings.Repeat("a long message ", 80)) // typing it would take a while
		ann := b.enter(t, "ann", room, browser.Viewport(width, 1080))
		ann.say(t, "Mine")
		ann.shows(t, 1, 2)
		for _, people := range []bool{false, true} {
			var got struct{ Column, Mine, Theirs, Left, Right, Middle float64 }
			ann.Eval(t, `(() => {
			  const box = (selector) => document.querySelector(selector).getBoundingClientRect();
			  const messages = box("#messages"), room = box("#scroller");
			  return { column: messages.width, mine: messages.right - box(".mine .bubble").right,
			    theirs: box(".message:not(.mine)").left - messages.left,
			    left: box("#draft").left - messages.left, right: box("#send").right - messages.right,
			    middle: (messages.left + messages.right - room.left - room.right) / 2 };
			})()`, &got)
			if got.Column < 640 || got.Column > 800 || got.Mine+got.Theirs > 2 || got.Middle > 1 || got.Middle < -1 ||
				got.Left > 1 || got.Left < -1 || got.Right > 1 || got.Right < -1 {
				t.Errorf("at %d, with the list of people: %v: %+v", width, people, got)
			}
			ann.Click(t, "#show-people")
		}
		ann.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", fmt.Sprintf("wide-%d.png", width)))
		ann.Close()
	}
}

// weakEdges finds fields and buttons on the screen whose edge cannot be told from what is beside it, on the outside,
// and on the inside unless the edge has the colour of the inside (WCAG 1.4.11).
const weakEdges = `(() => {
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const isClear = (text) => rgb(text)[3] === 0;
  const back = (e) => (!e ? "rgb(255, 255, 255)" : isClear(getComputedStyle(e).backgroundColor) ? back(e.parentElement)
    : getComputedStyle(e).backgroundColor);
  const light = (text) => rgb(text).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const found = [...document.querySelectorAll("input:not([type=checkbox]), textarea, select, button")].filter((e) => {
    const { borderTopColor: edge, borderTopWidth: width } = getComputedStyle(e);
    if (!e.checkVisibility() || e.disabled || width === "0px" || isClear(edge)) return false;
    const inside = back(e);
    return contrast(edge, back(e.parentElement)) < 3 || (edge !== inside && contrast(edge, inside) < 3);
  });
  return found.map((e) => e.id || e.outerHTML);
})()`

func (p person) hasEdges(t *testing.T, where string) {
	t.Helper()
	var weak []string
	if p.Eval(t, weakEdges, &weak); len(weak) > 0 {
		t.Errorf("%s: the edges of these are not seen: %q", where, weak)
	}
}

// The edges of fields and buttons are seen, in both themes. TestBrowserModeratorsLook looks at more dialogs.
func TestBrowserEdgesAreSeen(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for theme, opts := range map[string][]browser.Option{"light": nil, "dark": {browser.Dark()}} {
		visitor := person{b.Open(t, "http://"+b.server.Addr+"/", opts...)}
		visitor.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
		ann := b.enter(t, "ann", "lobby", opts...)
		check := func(p person, what string) {
			t.Helper()
			p.hasEdges(t, theme+", "+what)
		}
		check(visitor, "the first page")
		check(ann, "an empty room")
		ann.say(t, "hello")
		ann.WaitFor(t, `document.querySelector("#messages .more")`, 5*time.Second)
		check(ann, "the chat")
		ann.Eval(t, `document.querySelector("#messages .more").click()`, nil)
		check(ann, "the menu of a message")
		ann.dialogButton(t, "Cancel")
		ann.Click(t, "#room-menu")
		check(ann, "the menu of the room")
		ann.dialogButton(t, "Cancel")
		ann.Click(t, "#rename")
		check(ann, "another name")
		ann.Close()
	}
}

// What is wrong on the first page stands below the field that it is about.
func TestBrowserAProblemIsBesideItsField(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	p := person{b.Open(t, "http://"+b.server.Addr+"/")}
	p.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
	for _, row := range []struct{ name, room, field, says string }{
		{"", "lobby", "#enter-name", "Please give a name."},
		{"ann", "#attic", "#enter-room", "A room's name must not begin with #."},
		{"ann", "", "#enter-room", "Please give a room."},
	} {
		p.Eval(t, fmt.Sprintf(`{ document.querySelector("#enter-name").value = %q;
		  document.querySelector("#enter-room").value = %q; document.querySelector("#enter button.primary").click() }`,
			row.name, row.room), nil)
		p.hasProblem(t, row.field, row.says)
	}
	p.Type(t, "#enter-room", "lobby")
	p.Press(t, "Enter")
	p.WaitFor(t, online, 10*time.Second)

	d := startDoor(t, issuer.Start(t))
	q := person{browser.Start(t).Open(t, "http://"+d.Addr+"/")}
	q.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
	const refused = "The chat did not accept your token, or cannot check it now."
	for _, row := range [][2]string{{"", "Please give a token."}, {"hello", refused}} {
		q.signIn(t, row[0])
		q.hasProblem(t, "#enter-token", row[1])
	}
	q.follow(t, "#token=hello") // what is about no field stands beside none
	q.WaitFor(t, `document.querySelector("#enter-problem").textContent.includes("has no token that can be read") &&
	  document.querySelector("#enter-problem").previousElementSibling.id === "enter-people" &&
	  !document.querySelector("#enter [aria-invalid]")`, 5*time.Second)
}

// hasProblem waits for a problem to be shown beside the field that a selector finds, and for the focus there.
func (p person) hasProblem(t *testing.T, field, says string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`((field, problem) => problem.textContent === %q && document.activeElement === field &&
	  field.ariaInvalid === "true" && field.getAttribute("aria-describedby") === problem.id &&
	  field.closest("label").nextElementSibling === problem &&
	  document.querySelectorAll("#enter [aria-invalid]").length === 1)(
	  document.querySelector(%q), document.querySelector("#enter-problem"))`, says, field), 10*time.Second)
	for _, violation := range p.Axe(t) {
		t.Errorf("%s: %s", field, violation)
	}
}
