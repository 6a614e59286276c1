package page_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"wschat/pkg/chat"
)

// A person goes to a room by typing a part of its name, and to one that is not joined yet.
func TestBrowserGoToARoom(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	for _, room := range []string{"Küche", "kitchen", "attic"} {
		ann.Type(t, "#add-room-name", room)
		ann.Press(t, "Enter")
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === %q`, room), 5*time.Second)
	}
	offers := func() (words []string) {
		ann.Eval(t, `[...document.querySelectorAll("#places li")].map((li) => li.textContent)`, &words)
		return words
	}
	at := func(room string) {
		t.Helper()
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === %q && `+
			`document.activeElement.id === "draft" && !document.querySelector("dialog")`, room), 5*time.Second)
	}
	ann.Press(t, "Control+k")
	if got := offers(); len(got) != 3 || slices.Contains(got, "attic") {
		t.Errorf("it offers %q", got)
	}
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.Type(t, ".palette input", "kuch")
	if got := offers(); !slices.Equal(got, []string{"Küche", "kuch join this room"}) {
		t.Errorf("it offers %q", got)
	}
	ann.Press(t, "Enter")
	at("Küche")
	ann.Press(t, "Control+k")
	ann.Type(t, ".palette input", "i")
	if got := offers(); !slices.Equal(got, []string{"kitchen", "attic", "i join this room"}) &&
		!slices.Equal(got, []string{"attic", "kitchen", "i join this room"}) {
		t.Errorf("it offers %q", got)
	}
	ann.Press(t, "ArrowUp") // from the first to the last
	ann.Press(t, "Enter")
	at("i")
	ann.Press(t, "Control+k")
	ann.Press(t, "Escape")
	at("i")
	ann.Press(t, "Control+k")
	ann.Type(t, ".palette input", "#no")
	if got := offers(); len(got) != 0 {
		t.Errorf("it offers %q", got)
	}
	ann.Press(t, "Enter") // there is nothing to go to
	ann.Press(t, "Escape")
	at("i")
}

// The keys are listed, and Escape closes what is open, one thing after the other.
func TestBrowserKeys(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	ann.Press(t, "Control+/")
	ann.WaitFor(t, `document.querySelector("dialog .keys").textContent.includes("Go to a room or a person")`,
		5*time.Second)
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.Press(t, "Control+k") // one dialog at a time
	ann.WaitFor(t, `document.querySelectorAll("dialog").length === 1`, 5*time.Second)
	ann.Press(t, "Escape")
	ann.WaitFor(t, `!document.querySelector("dialog")`, 5*time.Second)
	ann.say(t, "first")
	ann.shows(t, 1, 1)
	ann.Click(t, "#show-people")
	ann.WaitFor(t, `!document.querySelector("#people").hidden`, 5*time.Second)
	ann.Click(t, "#draft")
	ann.Press(t, "ArrowUp")
	ann.WaitFor(t, `document.querySelector("#draft").value === "first"`, 5*time.Second)
	ann.Press(t, "Escape")
	ann.WaitFor(t, `document.querySelector("#draft").value === "" && !document.querySelector("#people").hidden`,
		5*time.Second)
	ann.Press(t, "Escape")
	ann.WaitFor(t, `document.querySelector("#people").hidden && document.activeElement.id === "draft"`, 5*time.Second)
}

// A search finds a text in what is loaded, and further back as far as the person wants, to the beginning.
func TestBrowserSearch(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i := range 800 {
		content := fmt.Sprint("message ", i+1)
		if i == 2 || i == 400 || i == 780 {
			content += " about the Straße"
		}
		_, _, err := b.server.Log.Append(t.Context(), chat.Message{Room: "lobby", User: "bob", Content: content,
			CreateAt: time.Now().Unix()})
		if err != nil {
			t.Fatal(err)
		}
	}
	ann := b.enter(t, "ann", "lobby")
	ann.WaitFor(t, `recorded.shown.has(800)`, 10*time.Second)
	ann.Press(t, "Control+Shift+F")
	status := func(want string) {
		t.Helper()
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("dialog [role=status]").textContent.startsWith(%q)`, want),
			10*time.Second)
	}
	ann.Type(t, "dialog input", "STRASSE")
	status("1 found in the last ")
	var marked string
	ann.Eval(t, `document.querySelector("dialog mark").textContent`, &marked)
	if marked != "Straße" {
		t.Errorf("%q is marked", marked)
	}
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	const further = `document.querySelector("dialog > button:not([hidden])")`
	ann.Eval(t, further+`.click()`, nil)
	status("2 found in the last ")
	bob := b.enter(t, "bob", "lobby")
	bob.say(t, "the straße again")
	ann.WaitFor(t, `recorded.shown.has(801)`, 10*time.Second)
	ann.Eval(t, further+`.click()`, nil)
	status("4 found in all 801 messages")
	ann.Eval(t, `document.querySelector(".found-list li:last-child button").click()`, nil)
	ann.WaitFor(t, `document.querySelector('#messages [data-index="3"]').matches(".found") && `+
		`!document.querySelector("dialog")`, 10*time.Second)
	ann.Click(t, "#search") // as it was left
	status("4 found in all 801 messages")
	ann.Eval(t, `{ const field = document.querySelector("dialog input"); field.value = ""; `+
		`field.dispatchEvent(new Event("input")) }`, nil)
	status("0 found")
}
