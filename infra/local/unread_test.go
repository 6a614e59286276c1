package main

import (
	"fmt"
	"testing"
	"time"
)

// Unread counts include what came while the page was closed, survive a reload, and a line marks where reading stopped.
func TestBrowserUnreadCountsAreKept(t *testing.T) {
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby")
	bob := b.enter(t, "bob", "lobby")
	ann.Type(t, "#add-room-name", "attic")
	ann.Press(t, "Enter")
	ann.WaitFor(t, `document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
	const badge = `document.querySelector("[data-room=lobby] .badge")`
	bob.say(t, "one")
	ann.WaitFor(t, badge+`.textContent === "1"`, 5*time.Second)
	ann.Reload(t)
	ann.WaitFor(t, online+` && `+badge+`.textContent === "1" && !`+badge+`.hidden && document.title === "(1) Chat"`, 10*time.Second)
	ann.Close()
	for i := range 2 {
		bob.say(t, fmt.Sprint("while ann is away ", i))
	}
	bob.shows(t, 1, 3)
	again := ann.openTab(t, b)
	again.WaitFor(t, online+` && `+badge+`.textContent === "3"`, 10*time.Second)
	again.Click(t, "[data-room=lobby] button")
	again.WaitFor(t, badge+`.hidden && document.title === "Chat"`, 5*time.Second)
	// The line is above the first message that was not read.
	again.WaitFor(t, `(() => {
	  const line = [...document.querySelectorAll("#messages li")].find((e) => /new/i.test(e.className) && !e.dataset.index);
	  const first = document.querySelector("#messages [data-index='1']");
	  return line && line.compareDocumentPosition(first) & Node.DOCUMENT_POSITION_FOLLOWING;
	})()`, 5*time.Second)
	again.Reload(t)
	again.WaitFor(t, online+` && `+badge+`.hidden`, 10*time.Second)
	again.say(t, "mine is not unread")
	again.Click(t, "[data-room=attic] button")
	again.WaitFor(t, `document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
	again.WaitFor(t, badge+`.hidden`, 5*time.Second)
}

// The top line stays where it is when rooms are switched while older messages are fetched.
func TestBrowserSwitchingRoomsWhileOlderMessagesCome(t *testing.T) {
	b := startBrowsers(t, nil)
	for i := range 400 {
		at(t, b.server, "lobby", fmt.Sprint("user", i/3%7), fmt.Sprint("message ", i+1), time.Now().Add(time.Duration(i-400)*time.Minute))
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
