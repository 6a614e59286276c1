package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/browser"
)

// at stores a message with a time of its own.
func at(t *testing.T, s *server, room, user, content string, when time.Time) {
	t.Helper()
	if _, _, err := s.backend.log.Append(t.Context(), chat.Message{Room: room, User: user, Content: content, CreateAt: when.Unix()}); err != nil {
		t.Fatal(err)
	}
}

// movableClock lets a test move the page's time of day, by window.ahead in milliseconds.
const movableClock = `{
  window.ahead = 0;
  const Real = Date;
  window.Date = class extends Real {
    constructor(...args) { args.length ? super(...args) : super(Real.now() + window.ahead); }
    static now() { return Real.now() + window.ahead; }
  };
}`

// One line a day names it, whatever stands between its messages, and is right after midnight and in another time zone. The
// time of every message can be seen.
func TestBrowserDaysAndTimes(t *testing.T) {
	b := startBrowsers(t, nil)
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	ahead := noon.UnixMilli() - time.Now().UnixMilli()
	for i, when := range []time.Time{noon.Add(-24 * time.Hour), noon.Add(-2 * time.Hour), noon.Add(-time.Hour)} {
		at(t, b.server, "lobby", "bob", fmt.Sprint("message ", i+1), when)
	}
	ann := b.enter(t, "ann", "lobby", browser.Before(movableClock), browser.Before(fmt.Sprintf("window.ahead = %d", ahead)))
	ann.TimeZone(t, "UTC")
	ann.Eval(t, `dispatchEvent(new Event("focus"))`, nil)
	carol := b.enter(t, "carol", "lobby")
	ann.WaitFor(t, `document.querySelector("#messages").textContent.includes("carol came in")`, 10*time.Second)
	at(t, b.server, "lobby", "bob", "message 4", noon)
	carol.say(t, "hello") // by which the message before it is found
	ann.WaitFor(t, `document.querySelector("#messages [data-index='4']")`, 10*time.Second)
	var got []string
	ann.Eval(t, `[...document.querySelectorAll(".day")].map((d) => d.textContent)`, &got)
	if len(got) < 2 || got[0] != "Yesterday" || got[1] != "Today" || strings.Count(strings.Join(got, "|"), "Today") != 1 {
		t.Errorf("the days are %q", got)
	}
	// The time of each message is on the screen, not only of the first in a group.
	var times int
	ann.Eval(t, `[...document.querySelectorAll("#messages .message time")].filter((e) => e.textContent !== "" && e.getBoundingClientRect().height > 0).length`, &times)
	if times != 5 {
		t.Errorf("%d of 5 messages show their time", times)
	}
	// Midnight passes.
	ann.Eval(t, `{ window.ahead += 13 * 3600 * 1000; dispatchEvent(new Event("focus")) }`, nil)
	ann.WaitFor(t, `document.querySelectorAll(".day")[1].textContent === "Yesterday" && document.querySelectorAll(".day")[0].textContent.includes("9")`, 10*time.Second)
	ann.Eval(t, `{ window.ahead -= 13 * 3600 * 1000; dispatchEvent(new Event("focus")) }`, nil)
	// Fourteen hours further east, it is the next day already: what was yesterday and this morning is today and yesterday.
	before := ""
	ann.Eval(t, `document.querySelector("#messages [data-index='2'] time").textContent`, &before)
	ann.TimeZone(t, "Pacific/Kiritimati")
	ann.Eval(t, `dispatchEvent(new Event("focus"))`, nil)
	ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#messages [data-index='2'] time").textContent !== %q`, before), 10*time.Second)
}

// Midnight comes while the page is open, and nobody touches it.
func TestBrowserMidnight(t *testing.T) {
	b := startBrowsers(t, nil)
	at(t, b.server, "lobby", "bob", "hello", time.Now())
	// A page whose clock shows two seconds before midnight.
	ann := b.enter(t, "ann", "lobby", browser.Before(movableClock), browser.Before(`{
	  const midnight = new Date();
	  midnight.setHours(24, 0, 0, 0);
	  window.ahead = midnight - Date.now() - 4000;
	}`))
	ann.WaitFor(t, `document.querySelector(".day")?.textContent === "Today"`, 3*time.Second)
	ann.WaitFor(t, `document.querySelector(".day").textContent === "Yesterday"`, 10*time.Second)
}

// What is high is shown in part, however few characters it has, and what is read does not move for it.
func TestBrowserLongMessagesAreFolded(t *testing.T) {
	b := startBrowsers(t, nil)
	for _, content := range []string{strings.Repeat("\n", 1500), strings.Repeat("line\n", 200), strings.Repeat("W", 16<<10),
		strings.Repeat("short words ", 1300), "short", "begin" + strings.Repeat("\n", 1500) + "end", strings.Repeat("\u0e49", 5000)} {
		at(t, b.server, "lobby", "bob", content, time.Now())
	}
	ann := b.enter(t, "ann", "lobby")
	ann.shows(t, 1, 7)
	const tooHigh = `[...document.querySelectorAll("#messages .content")].some((c) => c.getBoundingClientRect().height > innerHeight * 0.6)`
	ann.WaitFor(t, `!(`+tooHigh+`)`, 5*time.Second)
	ann.WaitFor(t, `document.querySelectorAll("#messages .fold").length >= 4 && !document.querySelector("#messages [data-index='5'] .fold")`, 5*time.Second)
	ann.Click(t, "#messages [data-index='2'] .fold")
	ann.WaitFor(t, `document.querySelector("#messages [data-index='2'] .content").getBoundingClientRect().height > 2000`, 5*time.Second)
	ann.Click(t, "#messages [data-index='2'] .fold")
	ann.WaitFor(t, `!(`+tooHigh+`)`, 5*time.Second)
	ann.Resize(t, 390, 500) // a narrow window folds more
	ann.WaitFor(t, `!(`+tooHigh+`)`, 5*time.Second)
}
