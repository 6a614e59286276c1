package page_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/localchat"
	"wschat/pkg/localgateway"
	"wschat/test/browser"
	"wschat/test/installed"
	"wschat/test/wscat"
)

// browsers is the chat with people at browsers.
type browsers struct {
	*browser.Browser
	options localchat.Config
	server  *localchat.Server
}

// startBrowsers starts the chat and a browser; clock is the gateway's, or nil.
func startBrowsers(t testing.TB, clock localgateway.Clock) *browsers {
	t.Helper()
	b := &browsers{Browser: browser.Start(t), options: localchat.Config{
		Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: clock}}
	b.start(t)
	b.options.Addr = b.server.Addr // and the same again after a stop
	t.Cleanup(func() { b.stop(t) })
	return b
}

func (b *browsers) start(t testing.TB) {
	t.Helper()
	s, err := localchat.Start(t.Context(), b.options)
	if err != nil {
		t.Fatal(err)
	}
	b.server = s
}

func (b *browsers) stop(t testing.TB) {
	t.Helper()
	if err := b.server.Stop(); err != nil {
		t.Error(err)
	}
}

// person is somebody at the page.
type person struct{ *browser.Page }

const online = `document.querySelector("#state").dataset.state === "online"`

// enter opens the page, gives a name and a room, and waits until it is online. That nothing is wrong on the page is
// checked at the end of the test.
func (b *browsers) enter(t testing.TB, name, room string, opts ...browser.Option) person {
	t.Helper()
	p := person{b.Open(t, "http://"+b.server.Addr+"/", append(opts, browser.Before(recorder))...)}
	p.Eval(t, fmt.Sprintf(`{ document.querySelector("#enter-name").value = ""; `+
		`document.querySelector("#enter-room").value = %q }`, room), nil)
	p.Type(t, "#enter-name", name)
	p.Press(t, "Enter")
	p.WaitFor(t, online, 10*time.Second)
	t.Cleanup(func() {
		for _, line := range p.Console() {
			if !strings.Contains(line, "WebSocket connection to") { // a socket that is cut, as the tests do
				t.Errorf("%s's page says: %s", name, line)
			}
		}
	})
	return p
}

// recorder keeps, on every page, which messages were shown, and whether they always stood in order without a gap and
// without a message twice.
const recorder = `
window.recorded = { shown: new Set(), wrong: [] };
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  const now = [...document.querySelectorAll("#messages [data-index]")].map((m) => Number(m.dataset.index));
  for (const i of now) recorded.shown.add(i);
  for (let i = 1; i < now.length; i++) if (now[i] !== now[i - 1] + 1 &&
    recorded.wrong.length < 5) recorded.wrong.push(now[i - 1] + " before " + now[i]);
}).observe(document.querySelector("#scroller"), { childList: true, subtree: true }));`

// say writes a message as a person does.
func (p person) say(t *testing.T, text string) {
	t.Helper()
	p.Type(t, "#draft", text)
	p.Press(t, "Enter")
}

// shows waits until the last message of the room is shown, and that all from the first to it were, in order. A page
// that was cut off several times one after the other waits up to half a minute before it connects again.
func (p person) shows(t *testing.T, first, last int) {
	t.Helper()
	p.WaitFor(t, fmt.Sprintf(`recorded.shown.has(%d) && document.querySelectorAll("#outbox li").length === 0`, last),
		3*time.Minute)
	var got struct {
		Count int
		Least int
		Most  int
		Wrong []string
	}
	p.Eval(t, `({ count: recorded.shown.size, least: Math.min(...recorded.shown), most: `+
		`Math.max(...recorded.shown), wrong: recorded.wrong })`, &got)
	if got.Count != last-first+1 || got.Least != first || got.Most != last || len(got.Wrong) > 0 {
		t.Errorf("the page showed %d messages from %d to %d, want those from %d to %d; in the wrong order: %v",
			got.Count, got.Least, got.Most, first, last, got.Wrong)
	}
}

// contents are the messages on the page, with their senders.
func (p person) contents(t *testing.T) (lines []string) {
	t.Helper()
	p.Eval(t, `[...document.querySelectorAll("#messages .content")].map((m) => m.textContent)`, &lines)
	return lines
}

func TestBrowserTwoBrowsersAndWscatTalk(t *testing.T) {
	t.Parallel()
	path := installed.Node(t, "wscat")
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby", browser.Viewport(390, 780))
	ann.WaitFor(t, `document.querySelector("#messages").textContent.includes("bob came in")`, 5*time.Second)

	program, err := wscat.Start(path, "ws://"+b.server.Addr+"/dev?room_name=lobby")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	var want []string
	for i := range 5 {
		ann.say(t, fmt.Sprint("ann ", i))
		bob.say(t, fmt.Sprint("bob ", i))
		frame := fmt.Sprintf(
			`{"action":"sendMessage","room_name":"lobby","user_name":"wscat","content":"wscat %d"}`, i)
		if err := program.Send(frame); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint("ann ", i), fmt.Sprint("bob ", i), fmt.Sprint("wscat ", i))
	}
	ann.shows(t, 1, 15)
	bob.shows(t, 1, 15)
	a, o := ann.contents(t), bob.contents(t)
	if !slices.Equal(a, o) {
		t.Errorf("ann sees %q, bob sees %q", a, o)
	}
	got := make([]string, len(a)) // frames may overtake one another; the index says where each belongs
	for range a {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		frame, err := program.Next(ctx)
		cancel()
		var f struct {
			Messages []struct {
				Index   int
				Content string
			}
		}
		if err := errors.Join(err, json.Unmarshal([]byte(frame), &f)); err != nil || len(f.Messages) != 1 {
			t.Fatalf("wscat prints %q, %v", frame, err)
		}
		got[f.Messages[0].Index-1] = f.Messages[0].Content
	}
	if !slices.Equal(got, a) {
		t.Errorf("wscat prints %q, the pages show %q", got, a)
	}
	slices.Sort(a)
	slices.Sort(want)
	if !slices.Equal(a, want) {
		t.Errorf("they see %q, want %q", a, want)
	}
	bob.Close()
	ann.WaitFor(t, `document.querySelector("#messages").textContent.includes("bob went away")`, 20*time.Second)
}

// fast writes n messages as quickly as the page takes them.
func (p person) fast(t *testing.T, n int) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`(async () => {
	  for (let i = 0; i < %d; i++) {
	    document.querySelector("#draft").value = "message " + i;
	    document.querySelector("#composer").requestSubmit();
	    await new Promise((done) => setTimeout(done, 5));
	  }
	})()`, n), nil)
}

// Sockets are cut with no close, at random, 20 times while 500 messages are written: every page shows every message
// once.
func TestBrowserSocketsAreCut(t *testing.T) { // not beside others: what it sends takes nearly as long as a step may
	b := startBrowsers(t, nil)
	people := []person{b.enter(t, "ann", "lobby"), b.enter(t, "bob", "lobby")}
	const messages, cuts = 500, 20
	stop := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for cut := 0; cut < cuts; {
			members, err := b.server.Roster.Members(t.Context(), "lobby", 0)
			if err != nil {
				t.Error(err)
				return
			}
			if len(members) > 0 && b.server.Gateway.Drop(members[random.IntN(len(members))].ConnectionID) {
				cut++
			}
			select {
			case <-stop:
				if cut < cuts {
					t.Errorf("only %d cuts", cut)
				}
				return
			case <-time.After(time.Duration(100+random.IntN(200)) * time.Millisecond):
			}
		}
	})
	people[0].fast(t, messages/2)
	people[1].fast(t, messages/2)
	for _, p := range people {
		p.shows(t, 1, messages)
	}
	cutting.Wait()
	close(stop)
}

// The server goes away and comes back: the pages go on where they were, and what was written meanwhile is sent.
func TestBrowserTheServerIsRestarted(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann, bob := b.enter(t, "ann", "lobby"), b.enter(t, "bob", "lobby")
	ann.say(t, "before")
	bob.shows(t, 1, 1)
	b.stop(t)
	ann.WaitFor(t, `!document.querySelector("#banner").hidden && document.querySelector("#state").dataset.state !== `+
		`"online"`, 10*time.Second)
	ann.say(t, "meanwhile 1")
	ann.say(t, "meanwhile 2")
	bob.say(t, "and I")
	ann.WaitFor(t, `document.querySelectorAll("#outbox .waiting").length === 2`, 5*time.Second)
	b.start(t)
	ann.WaitFor(t, online, 60*time.Second)
	bob.WaitFor(t, online, 60*time.Second)
	ann.shows(t, 1, 4)
	bob.shows(t, 1, 4)
	if got := ann.contents(t); !slices.Equal(got, bob.contents(t)) ||
		slices.Index(got, "meanwhile 1") > slices.Index(got, "meanwhile 2") {
		t.Errorf("ann sees %q, bob sees %q", got, bob.contents(t))
	}
	ann.WaitFor(t, `document.querySelector("#banner").hidden`, 5*time.Second)
}

// fastClock makes the page's timers of a minute and more run faster.
func fastClock(factor int) browser.Option {
	return browser.Before(fmt.Sprintf(`{
	  const slow = window.setTimeout;
	  window.setTimeout = (f, ms, ...args) => slow(f, ms >= 60000 ? ms / %d : ms, ...args);
	}`, factor))
}

// pass moves the clock by factor times real time, until the test ends or for a duration of the clock.
func pass(t *testing.T, clock *localgateway.ManualClock, factor int, during time.Duration, every func()) {
	t.Helper()
	for end := clock.Now().Add(during); clock.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		clock.Advance(10 * time.Millisecond * time.Duration(factor))
		if every != nil {
			every()
		}
	}
}

// Nobody writes for twenty-five minutes: the page asks for news before API Gateway cuts it, and is never offline.
func TestBrowserAQuietPageIsNotCut(t *testing.T) {
	t.Parallel() // it mostly waits
	clock := localgateway.NewManualClock(time.Now())
	b := startBrowsers(t, clock)
	const factor = 60
	ann := b.enter(t, "ann", "lobby", fastClock(factor))
	ann.Eval(t, watchState, nil)
	members, err := b.server.Roster.Members(t.Context(), "lobby", 0)
	if err != nil || len(members) != 1 {
		t.Fatal(members, err)
	}
	pass(t, clock, factor, 25*time.Minute, nil)
	if after, err := b.server.Roster.Members(t.Context(), "lobby", 0); err != nil || len(after) != 1 ||
		after[0].ConnectionID != members[0].ConnectionID {
		t.Errorf("the members are %v, %v; want the same connection", after, err)
	}
	ann.neverOffline(t)
}

// watchState notes every state that the page shows but online.
const watchState = `
window.states = [];
new MutationObserver(() => {
  const { state } = document.querySelector("#state").dataset;
  if (state !== "online") states.push(state);
}).observe(document.querySelector("#state"), { attributes: true });`

func (p person) neverOffline(t *testing.T) {
	t.Helper()
	var states []string
	p.Eval(t, "states", &states)
	if len(states) > 0 {
		t.Errorf("the page was %v", states)
	}
}

// More than two hours with messages all the time: a second connection takes over before API Gateway cuts the first,
// no message is lost, and nobody notices.
func TestBrowserASecondConnectionTakesOver(t *testing.T) {
	t.Parallel() // it mostly waits
	clock := localgateway.NewManualClock(time.Now())
	b := startBrowsers(t, clock)
	const factor = 300
	ann := b.enter(t, "ann", "lobby", fastClock(factor))
	bob := b.enter(t, "bob", "lobby", fastClock(factor))
	for _, p := range []person{ann, bob} {
		p.Eval(t, watchState, nil)
	}
	before, err := b.server.Roster.Members(t.Context(), "lobby", 0)
	if err != nil {
		t.Fatal(err)
	}
	ann.Eval(t, `setInterval(() => {
	  document.querySelector("#draft").value = "still here";
	  document.querySelector("#composer").requestSubmit();
	}, 100)`, nil)
	pass(t, clock, factor, 130*time.Minute, b.server.Gateway.WaitForInvocations)
	ann.Eval(t, `{ for (let i = 0; i < 10000; i++) clearInterval(i) }`, nil)
	ann.WaitFor(t, `document.querySelectorAll("#outbox li").length === 0`, 10*time.Second)
	last := tailOf(t, b, "lobby")
	if last < 50 {
		t.Errorf("only %d messages were written", last)
	}
	for _, p := range []person{ann, bob} {
		p.shows(t, 1, last)
		p.neverOffline(t)
	}
	after, err := b.server.Roster.Members(t.Context(), "lobby", 0)
	if err != nil || len(after) != 2 {
		t.Errorf("the members are %v, %v", after, err)
	}
	for _, m := range after {
		if slices.ContainsFunc(before, func(old chat.Member) bool { return old.ConnectionID == m.ConnectionID }) {
			t.Errorf("%s is on the same connection after two hours", m.User)
		}
	}
	if text := strings.Join(ann.notes(t), " "); strings.Contains(text, "went away") {
		t.Errorf("ann was told: %s", text)
	}
}

// notes are the lines of the list that are no messages.
func (p person) notes(t *testing.T) (lines []string) {
	t.Helper()
	p.Eval(t, `[...document.querySelectorAll("#messages .event")].map((m) => m.textContent)`, &lines)
	return lines
}

func tailOf(t *testing.T, b *browsers, room string) int {
	t.Helper()
	tail, err := b.server.Log.Tail(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	return int(tail)
}
