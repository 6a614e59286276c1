package page_test

import (
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"wschat/test/browser"
	"wschat/test/issuer"
)

// samOf is a token's claims of one of several people named sam.
func samOf(subject string) map[string]any {
	return map[string]any{"sub": subject, "name": "sam", "rooms": []string{"*"}}
}

// Two people of one name are two on the page, and a message is mine only if I wrote it.
func TestBrowserTwoPeopleOfOneName(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p)
	b := browser.Start(t)
	sam := person{b.Open(t, "http://"+d.Addr+"/#token="+p.Token(samOf("u1")), browser.Before(recorder))}
	sam.WaitFor(t, online, 10*time.Second)
	other, _, err := websocket.Dial(t.Context(), "ws://"+d.Addr+"/dev?room_name=lobby",
		&websocket.DialOptions{Subprotocols: []string{"chat", p.Token(samOf("u2"))}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.CloseNow() }()
	sam.say(t, "from the page")
	sam.WaitFor(t, `document.querySelector("[data-index='1'].mine .sent")`, 10*time.Second)
	frame := `{"action":"sendMessage","content":"from the other","user_name":"sam","room_name":"lobby"}`
	if err := other.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
	sam.WaitFor(t, `document.querySelector("[data-index='2']:not(.mine) .who")?.textContent === "sam"`, 10*time.Second)
	sam.WaitFor(t, `document.querySelector("#show-people").textContent === "2 people"`, 10*time.Second)
	var people []string
	sam.Eval(t, `[...document.querySelectorAll("#people li")].map((li) => li.textContent)`, &people)
	if slices.Sort(people); !slices.Equal(people, []string{"sam", "sam (you)"}) {
		t.Errorf("the people are %q", people)
	}
}
