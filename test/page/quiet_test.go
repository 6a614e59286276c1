package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/localgateway"
	"wschat/test/browser"
	"wschat/test/proxy"
)

// countWakeUps makes ten minutes pass in ten seconds for the timers of a page, and counts which of them wake it and
// what it sends.
const countWakeUps = `
window.woken = [];
window.sent = [];
{
  const slow = window.setTimeout;
  window.setTimeout = (f, ms, ...args) => slow((...a) => (woken.push(ms), f(...a)), ms >= 1000 ? ms / 60 : ms, ...args);
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (text) {
    sent.push(JSON.parse(text).action);
    send.call(this, text);
  };
}
Object.defineProperty(document, "visibilityState", { get: () => (window.isAway ? "hidden" : "visible") });
Object.defineProperty(document, "hidden", { get: () => window.isAway === true });`

// A page with twenty rooms that nobody sees sleeps: in ten minutes it asks for news of each room once, which keeps the
// connection, and wakes up for little else.
func TestBrowserAHiddenPageSleeps(t *testing.T) {
	t.Parallel() // it mostly waits
	const rooms, factor = 20, 60
	clock := localgateway.NewManualClock(time.Now())
	b := startBrowsers(t, clock)
	ann := b.enter(t, "ann", "lobby", browser.Before(countWakeUps))
	for i := range rooms - 1 {
		room := fmt.Sprint("room ", i)
		ann.Type(t, "#add-room-name", room)
		ann.Press(t, "Enter")
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === %q`, room), 5*time.Second)
	}
	ann.Eval(t, `window.isAway = true; document.dispatchEvent(new Event("visibilitychange"))`, nil)
	pass(t, clock, factor, 2*time.Minute, nil) // what has begun ends
	ann.Eval(t, `woken.length = sent.length = 0`, nil)
	pass(t, clock, factor, 10*time.Minute, nil)
	var woken []float64
	var sent []string
	ann.Eval(t, `woken.map((ms) => ms / 1000)`, &woken)
	ann.Eval(t, `sent`, &sent)
	t.Logf("woken %d times, %d frames sent", len(woken), len(sent))
	short := 0
	for _, seconds := range woken {
		if seconds <= 60 {
			short++
		}
	}
	// On this clock a busy machine answers after seconds, for which there are timers, too. A tick a minute would be 10.
	if short > 5 || len(woken)-short > 2*rooms || len(woken) < rooms/2 {
		t.Errorf("the page was woken by timers of %v s", woken)
	}
	if len(sent) > 4*rooms {
		t.Errorf("it sent %q", sent)
	}
}

// On a slow network (400 ms for a round trip, 400 kbit/s, as Lighthouse simulates it), the room that is shown has its
// messages within a second after the handshake, although the person is in nineteen others.
func TestBrowserASlowNetwork(t *testing.T) {
	b := startBrowsers(t, nil)
	for i := range 20 {
		for range 50 {
			_, _, err := b.server.Log.Append(t.Context(), chat.Message{Room: fmt.Sprint("room ", i), User: "bob",
				Content: strings.Repeat("hello ", 10), CreateAt: time.Now().Unix()})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	slow := proxy.StartSlow(t, b.server.Addr, 200*time.Millisecond, 50_000)
	took := 1e6
	for range 3 { // the machine can be busy for a moment
		if took = min(took, firstMessage(t, b, slow.Addr)); took <= 1000 {
			return
		}
	}
	t.Errorf("the first message is shown after %.0f ms", took)
}

// firstMessage enters as a person in twenty rooms, and returns how many milliseconds after the handshake the last one
// of them shows a message.
func firstMessage(t *testing.T, b *browsers, addr string) (took float64) {
	t.Helper()
	p := person{b.Open(t, "http://"+addr+"/", browser.Before(`
		localStorage.clear();
		const keyOf = (room) => "chat " + JSON.stringify(["room", "ann", room]);
		for (let i = 0; i < 20; i++) localStorage.setItem(keyOf("room " + i), '{"joined": 1}');
		const { send } = WebSocket.prototype;
		WebSocket.prototype.send = function (text) {
			window.began ??= performance.now();
			send.call(this, text);
		};
		addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
			if (document.querySelector("#messages .content")) window.took ??= performance.now() - began;
		}).observe(document.querySelector("#scroller"), { childList: true, subtree: true }));`))}
	p.WaitFor(t, `!document.querySelector("#welcome").hidden`, 60*time.Second)
	p.Eval(t, `document.querySelector("#enter-name").value = "ann"; document.querySelector("#enter-room").value = `+
		`"room 19"`, nil)
	p.Click(t, "#enter button")
	p.WaitFor(t, `window.took > 0`, 60*time.Second)
	p.WaitFor(t, `document.querySelectorAll("#rooms li").length === 20`, 60*time.Second)
	p.Eval(t, `took`, &took)
	t.Logf("the first message is shown after %.0f ms", took)
	p.Close()
	return took
}
