package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What is high is shown in part, however few characters it has, and what is read does not move for it.
func TestBrowserLongMessagesAreFolded(t *testing.T) {
	b := startBrowsers(t, nil)
	for _, content := range []string{strings.Repeat("\n", 1500), strings.Repeat("line\n", 200), strings.Repeat("W", 16<<10),
		strings.Repeat("short words ", 1300), "short", "begin" + strings.Repeat("\n", 1500) + "end", strings.Repeat("\u0e49", 5000)} {
		sayAt(t, b, "lobby", "bob", content, time.Now())
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

// The top line stays where it is when rooms are switched while older messages are fetched.
func TestBrowserSwitchingRoomsWhileOlderMessagesCome(t *testing.T) {
	b := startBrowsers(t, nil)
	for i := range 400 {
		sayAt(t, b, "lobby", fmt.Sprint("user", i/3%7), fmt.Sprint("message ", i+1), time.Now().Add(time.Duration(i-400)*time.Minute))
	}
	ann := b.enter(t, "ann", "lobby")
	ann.Type(t, "#add-room-name", "attic")
	ann.Press(t, "Enter")
	ann.Click(t, "[data-room=lobby] button")
	ann.shows(t, 351, 400)
	var got struct{ Before, After, Oldest float64 }
	ann.Eval(t, `(async () => {
	  const s = document.querySelector("#scroller");
	  const top = () => [...s.querySelectorAll("[data-index]")].find((e) => e.getBoundingClientRect().bottom > s.getBoundingClientRect().top);
	  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
	  s.scrollTop = 300; // older messages are fetched now
	  await new Promise(requestAnimationFrame);
	  const first = top().dataset.index;
	  const before = top().getBoundingClientRect().top;
	  document.querySelector("[data-room=attic] button").click();
	  await pause(1500); // they come while the other room is shown
	  document.querySelector("[data-room=lobby] button").click();
	  await pause(500);
	  const item = s.querySelector("[data-index='" + first + "']");
	  return { before, after: item ? item.getBoundingClientRect().top : -1, oldest: Number(s.querySelector("[data-index]").dataset.index) };
	})()`, &got)
	if d := got.After - got.Before; d < -2 || d > 2 || got.Oldest > 350 {
		t.Errorf("the top line moved from %v to %v; the oldest message is %v", got.Before, got.After, got.Oldest)
	}
}
