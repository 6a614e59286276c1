package page_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/browser"
	"wschat/test/installed"
	"wschat/test/issuer"
	"wschat/test/wscat"
)

// signIn gives a token to the page that asks for one.
func (p person) signIn(t *testing.T, token string) {
	t.Helper()
	p.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
	p.Eval(t, fmt.Sprintf(`{
	  document.querySelector("#enter-token").value = %q;
	  document.querySelector("#enter").requestSubmit();
	}`, token), nil)
}

// isIn waits until the page is online and says that it is the person of this name.
func (p person) isIn(t *testing.T, name string) {
	t.Helper()
	p.WaitFor(t, online+fmt.Sprintf(` && document.querySelector("#my-name").textContent === %q`, name), 60*time.Second)
}

// isTold waits until the first page is shown, and says this.
func (p person) isTold(t *testing.T, problem string) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`!document.querySelector("#welcome").hidden &&
	  document.querySelector("#enter-problem").textContent.includes(%q)`, problem), time.Minute)
}

// storedHere is all that the browser and the tab keep, but for what was there before the chat.
const storedHere = `[...Object.entries(localStorage), ...Object.entries(sessionStorage),
  ...(await indexedDB.databases()).map((d) => d.name), ...await caches.keys(), document.cookie].join("\n").trim()`

// leftNothing waits until the first page is shown and neither the browser nor the page have anything of anybody.
func (p person) leftNothing(t *testing.T) {
	t.Helper()
	p.WaitFor(t, `!document.querySelector("#welcome").hidden`, 10*time.Second)
	for range 2 {
		p.WaitFor(t, `(async () => `+storedHere+` === "")()`, 5*time.Second)
		p.WaitFor(t, `["rooms", "room-name", "i-am", "scroller", "people", "announcer", "notice-text"].every(
		  (id) => document.getElementById(id).textContent === "") && document.querySelector("#draft").value === ""`,
			5*time.Second)
		time.Sleep(300 * time.Millisecond) // what is written late is found the second time
	}
}

// With a token, at the page and at wscat: the name is the token's, and a room that it does not allow says so.
func TestBrowserTokensAtThePageAndWscat(t *testing.T) {
	t.Parallel()
	program := installed.Node(t, "wscat")
	p := issuer.Start(t)
	d := startDoor(t, p)
	b := browser.Start(t)
	token := p.Token(map[string]any{"name": "Ann", "rooms": []string{"lobby"}})
	ann := person{b.Open(t, "http://"+d.Addr+"/#token="+token, browser.Before(recorder))}
	ann.WaitFor(t, online+` && document.querySelector("#my-name").textContent === "Ann" && `+
		`!location.href.includes("token")`, 10*time.Second)

	bob, err := wscat.Start(program, "ws://"+d.Addr+"/dev?room_name=lobby", "-s", "chat", "-s",
		p.Token(map[string]any{"name": "Bob", "rooms": []string{"lobby"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	if err := bob.Send(`{"action":"sendMessage","room_name":"lobby","content":"hello from wscat"}`); err != nil {
		t.Fatal(err)
	}
	ann.WaitFor(t, `document.querySelector("[data-index='1']")?.textContent.includes("Bob")`, 5*time.Second)
	ann.say(t, "hello from the page")
	ann.WaitFor(t, `document.querySelector("[data-index='2'].mine")?.textContent.includes("Ann")`, 5*time.Second)

	ann.joins(t, "attic")
	ann.WaitFor(t, `document.querySelector("#messages").textContent.includes("This room cannot be joined. You are `+
		`not allowed in this room.")`, 5*time.Second)

	// Signing out forgets the token; one that is no good is not accepted, and the page says so if another can be
	// given.
	ann.Click(t, "#rename")
	for given, want := range map[string]string{
		"hello": "The chat did not accept your token, or cannot check it now.",
		"hello hello": "The token must be a text of letters, digits and . - _, without blanks: was all of it " +
			"copied, and no more?",
		"he\"l\"lo, \\you": "The token must be a text of letters, digits and . - _, without blanks: was all of it " +
			"copied, and no more?",
	} {
		ann.WaitFor(t, `!document.querySelector("#welcome").hidden && document.activeElement.id === "enter-token"`,
			5*time.Second)
		ann.Type(t, "#enter-token", given)
		ann.Press(t, "Enter")
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#enter-problem").textContent === %q`, want), 10*time.Second)
	}
	ann.Reload(t) // the token is forgotten
	ann.WaitFor(t, `!document.querySelector("#welcome").hidden && `+
		`document.querySelector("#enter-problem").textContent === ""`, 5*time.Second)
	if log := d.log.String(); strings.Contains(log, token) || regexp.MustCompile(`eyJ[\w-]{16}`).MatchString(log) {
		t.Error("the log has a token")
	}
}

// Signing out leaves nothing of the person in the browser: not in the storage of the tab, not in that of the others,
// and not in what another tab writes meanwhile. What is not sent would be lost, so the page asks.
func TestBrowserSigningOutLeavesNothing(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	b := browser.Start(t)
	url := "http://" + d.Addr + "/"
	token := func(name string) string {
		return p.Token(map[string]any{"name": name, "sub": name, "rooms": []string{"*"}})
	}
	ann := person{b.Open(t, url+"#token="+token("Ann"), browser.Before(recorder))}
	ann.isIn(t, "Ann")
	ann.say(t, "hello")
	ann.shows(t, 1, 1)
	// The second tab, once it is told to, writes again whenever another one writes or erases.
	second := person{ann.OpenTab(t, url+"#token="+token("Ann"), browser.Before(`addEventListener("storage", () => {
	  if (!window.isLate) return;
	  const draft = document.querySelector("#draft");
	  draft.value = "late words";
	  draft.dispatchEvent(new Event("input"));
	  draft.value = "";
	})`))}
	second.isIn(t, "Ann")
	away := person{ann.OpenTab(t, url+"#token="+token("Ann"))} // is left, and returned to after the sign-out
	away.isIn(t, "Ann")
	away.Eval(t, `void setTimeout(() => (location.href = "/ping"))`, nil)
	away.WaitFor(t, `location.pathname === "/ping"`, 10*time.Second)
	for _, tab := range []person{ann, second} {
		tab.Offline(t, true)
		tab.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 30*time.Second)
		tab.say(t, "later")
		tab.waits(t, "later")
	}
	ann.Type(t, "#draft", "half a sent")

	asked := func() {
		t.Helper()
		ann.Click(t, "#rename")
		ann.WaitFor(t, `document.querySelector("dialog").open &&
		  document.querySelector("dialog").textContent.includes("2 messages are not sent yet.")`, 5*time.Second)
	}
	asked()
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.Press(t, "Escape")
	ann.WaitFor(t, `!document.querySelector("dialog") && document.querySelector("#welcome").hidden`, 5*time.Second)
	ann.waits(t, "later")
	ann.drafts(t, "half a sent")
	asked()
	second.Eval(t, `void (window.isLate = true)`, nil)
	ann.Press(t, "Tab")
	ann.Press(t, "Enter") // to sign out and delete them
	ann.leftNothing(t)
	second.leftNothing(t)
	second.isTold(t, "You signed out in another tab.")
	away.Eval(t, `void setTimeout(() => history.back())`, nil) // once the call is answered
	away.leftNothing(t)
	for _, tab := range []person{ann, second} {
		tab.Offline(t, false)
		tab.Reload(t)
		tab.leftNothing(t)
	}

	// The next person finds nothing, and does not sign out anybody else.
	ann.signIn(t, token("Bob"))
	ann.isIn(t, "Bob")
	ann.waits(t)
	ann.drafts(t, "")
	second.signIn(t, token("Ann"))
	second.isIn(t, "Ann")
	second.Click(t, "#rename")
	second.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
	var left string
	second.Eval(t, `(async () => `+storedHere+`)()`, &left)
	if strings.Contains(left, "Ann") || !strings.Contains(left, "Bob") {
		t.Errorf("Ann has signed out, and Bob has not; what is kept is %q", left)
	}
	ann.say(t, "from Bob")
	ann.shows(t, 1, 2)
	ann.Click(t, "#rename")
	ann.leftNothing(t)
	d.stores(t, "lobby", "hello", "from Bob")
}

// The other tabs are told of a sign-out also if the chat has not said yet who the person is.
func TestBrowserSigningOutBeforeTheNameIsKnown(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	ann := person{browser.Start(t).Open(t, "http://"+d.Addr+"/")}
	second := person{ann.OpenTab(t, "http://"+d.Addr+"/")}
	for _, tab := range []person{ann, second} {
		tab.Offline(t, true)
		tab.signIn(t, p.Token(nil))
		tab.WaitFor(t, `document.querySelector("#welcome").hidden`, 10*time.Second)
	}
	ann.Click(t, "#rename")
	ann.leftNothing(t)
	second.isTold(t, "You signed out in another tab.")
	second.leftNothing(t)
}

// stores checks that a room has these messages, and no others.
func (d *door) stores(t *testing.T, room string, contents ...string) {
	t.Helper()
	messages, err := d.server.Log.Read(t.Context(), room, chat.Span{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range messages {
		got = append(got, m.Content)
	}
	if !slices.Equal(got, contents) {
		t.Errorf("the %s has %q, want %q", room, got, contents)
	}
}

// What is written before the chat has said the name is that person's, too.
func TestBrowserWritesBeforeTheNameIsKnown(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	b := browser.Start(t)
	ann := person{b.Open(t, "http://"+d.Addr+"/", browser.Before(recorder))}
	ann.WaitFor(t, `document.activeElement.id === "enter-token"`, 5*time.Second)
	ann.Offline(t, true)
	ann.Eval(t, fmt.Sprintf(`document.querySelector("#enter-token").value = %q`,
		p.Token(map[string]any{"name": "Ann", "rooms": []string{"*"}})), nil)
	ann.Press(t, "Enter")
	ann.WaitFor(t, `!document.querySelector("#banner").hidden && document.querySelector("#welcome").hidden`,
		10*time.Second) // nobody says that the token is bad
	ann.say(t, "first words")
	ann.Type(t, "#draft", "half a sent")
	ann.waits(t, "first words")
	ann.Offline(t, false)
	ann.WaitFor(t, online+` && document.querySelector("#my-name").textContent === "Ann"`, 60*time.Second)
	ann.shows(t, 1, 1)
	ann.Reload(t)
	ann.WaitFor(t, online, 10*time.Second)
	ann.drafts(t, "half a sent")
	ann.waits(t)
}

// A page whose token ends says so, and what is written is still there after the next sign-in, as long as the person is
// not signed out.
func TestBrowserATokenEndsAtThePage(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	b := browser.Start(t)
	short := func() string {
		return p.Token(map[string]any{"rooms": []string{"*"}, "exp": time.Now().Unix() + 20})
	}
	const ended = "Your sign-in has ended. Please sign in again."
	ann := person{b.Open(t, "http://"+d.Addr+"/#token="+short())}
	ann.WaitFor(t, online, 10*time.Second)
	ann.Type(t, "#draft", "half a sent")
	ann.isTold(t, ended)
	ann.signIn(t, p.Token(map[string]any{"rooms": []string{"*"}}))
	ann.drafts(t, "half a sent")
	ann.say(t, "ence")
	ann.WaitFor(t, `document.querySelector("[data-index='1']")?.textContent.includes("half a sentence")`,
		10*time.Second)

	late := person{ann.OpenTab(t, "http://"+d.Addr+"/#token="+short())}
	late.WaitFor(t, online, 10*time.Second)
	late.isTold(t, ended)
	late.WaitFor(t, `document.querySelector("#enter-people").textContent.includes("ann")`, 5*time.Second)
	late.Click(t, "#enter-people button")
	late.leftNothing(t)
	ann.leftNothing(t)
	late.WaitFor(t, `document.querySelector("#enter-people").textContent === ""`, 5*time.Second)
}
