package page_test

import (
	"testing"
	"time"

	"wschat/test/browser"
)

// A room that cannot be joined for now says so, and no other one does. What is written there is kept, and sent when
// it works.
func TestBrowserARoomInTrouble(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	g.breakRoom("attic")
	ann := b.enter(t, "ann", "lobby")
	ann.joins(t, "attic")
	const trouble = `document.querySelector("#trouble")`
	ann.WaitFor(t, `!`+trouble+`.hidden && `+trouble+`.textContent.includes("cannot open this room") && `+online,
		20*time.Second)
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.say(t, "for later")
	ann.goTo(t, "lobby")
	ann.WaitFor(t, trouble+`.hidden`, 5*time.Second)
	ann.say(t, "here all is well")
	ann.shows(t, 1, 1)
	ann.goTo(t, "attic")
	ann.WaitFor(t, `!`+trouble+`.hidden`, 5*time.Second)
	ann.waits(t, "for later")
	g.breakRoom("")
	ann.WaitFor(t, trouble+`.hidden && document.querySelector("#messages").textContent.includes("for later")`,
		60*time.Second)
	b.stored(t, "attic", "for later")
}

// The page asks for the list of members from time to time for the room that is looked at, and for no other.
func TestBrowserWatchesTheRoomThatIsSeen(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	const minuteIsASecond = `{
	  const slow = window.setTimeout;
	  window.setTimeout = (f, ms, ...args) => slow(f, ms > 30000 ? ms / 60 : ms, ...args);
	}`
	ann := b.enter(t, "ann", "lobby", browser.Before(minuteIsASecond))
	ann.joins(t, "attic")
	other := map[string]string{"attic": "lobby", "lobby": "attic"}
	for _, seen := range []string{"attic", "lobby"} {
		ann.goTo(t, seen)
		time.Sleep(time.Second) // for what was asked for before
		g.timesListed(seen)
		g.timesListed(other[seen])
		time.Sleep(5 * time.Second)
		if n, others := g.timesListed(seen), g.timesListed(other[seen]); n == 0 || others > 0 {
			t.Errorf("in the %s, its members were asked for %d times, and those of the %s %d times", seen, n,
				other[seen], others)
		}
		ann.WaitFor(t, `document.querySelector("#show-people").textContent === "1 person"`, 5*time.Second)
	}
}

// What the page says of the connection is never more than is true: the state, and the banner.
func TestBrowserNeverClaimsToBeOnline(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	ann := b.enter(t, "ann", "lobby")
	ann.Eval(t, `{
	  window.claims = [];
	  const look = () => {
	    const state = document.querySelector("#state"), banner = document.querySelector("#banner");
	    const shown = banner.checkVisibility() ? document.querySelector("#banner-text").textContent : "";
	    const isOnline = state.dataset.state === "online";
	    if ((state.textContent === "Online") !== isOnline || /online/i.test(shown) || (shown !== "" && isOnline)) {
	      claims.push(state.textContent + " / " + shown);
	    }
	  };
	  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true,
	    characterData: true });
	}`, nil)
	for range 3 {
		g.shut()
		ann.WaitFor(t, `!document.querySelector("#banner").hidden`, 20*time.Second)
		g.open()
		ann.WaitFor(t, `document.querySelector("#retry-now").click(), document.querySelector("#banner").hidden &&
		  `+online, 60*time.Second)
	}
	var claims []string
	ann.Eval(t, `claims`, &claims)
	if len(claims) > 0 {
		t.Errorf("the page claimed %v", claims)
	}
	ann.say(t, "and it is")
	ann.shows(t, 1, 1)
}
