package page_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"wschat/test/browser"
)

// place is what stands at the top of the list.
type place struct {
	Index  int
	Offset float64 // pixels from the top of the list to the lower edge of the message
	Count  int     // messages in the window
}

func (p person) place(t *testing.T) (at place) {
	t.Helper()
	p.Eval(t, `(() => {
	  const { top } = document.querySelector("#scroller").getBoundingClientRect();
	  const messages = [...document.querySelectorAll("#messages [data-index]")];
	  const first = messages.find((m) => m.getBoundingClientRect().bottom > top);
	  return { index: Number(first.dataset.index), offset: first.getBoundingClientRect().bottom - top,
	    count: messages.length };
	})()`, &at)
	return at
}

// isAt checks that the message that was at the top is where it was. It may have lost a heading above it.
func (p person) isAt(t *testing.T, what string, was place) {
	t.Helper()
	var offset float64
	p.Eval(t, fmt.Sprintf(`document.querySelector("[data-index='%d']").getBoundingClientRect().bottom - `+
		`document.querySelector("#scroller").getBoundingClientRect().top`,
		was.Index), &offset)
	if math.Abs(offset-was.Offset) > 2 {
		t.Errorf("%s: message %d is at %v, was at %v", what, was.Index, offset, was.Offset)
	}
}

// Somebody reads far up, goes to another room while older messages are on their way, and comes back: the same line is
// at the top, whatever came above it meanwhile.
func TestBrowserThePlaceInARoomIsKept(t *testing.T) {
	t.Parallel()
	b, g := startGated(t)
	for i := range 300 {
		say(t, b.server, "lobby", fmt.Sprint("user", i/3%4), strings.Repeat(fmt.Sprintf("message %d ", i), 1+i%9*4))
	}
	ann := b.enter(t, "ann", "lobby")
	ann.shows(t, 251, 300)
	ann.joins(t, "attic")
	ann.goTo(t, "lobby")
	g.delayHistory(time.Second)
	for _, top := range []int{790, 333, 0} {
		ann.Eval(t, fmt.Sprintf(`new Promise((done) => {
		  document.querySelector("#scroller").scrollTop = %d;
		  requestAnimationFrame(() => setTimeout(done));
		})`, top), nil)
		before := ann.place(t)
		ann.goTo(t, "attic")
		time.Sleep(1500 * time.Millisecond) // for the older ones to come while nobody looks
		ann.goTo(t, "lobby")
		ann.isAt(t, fmt.Sprint("scrolled to ", top), before)
		if after := ann.place(t); after.Count <= before.Count && after.Count < 300 {
			t.Errorf("nothing came meanwhile: %+v, then %+v", before, after)
		}
		time.Sleep(1500 * time.Millisecond) // and what comes now moves nothing, either
		ann.isAt(t, fmt.Sprint("later, scrolled to ", top), before)
	}
}

// tallTexts are high in a list, for many reasons.
func tallTexts() []string {
	return []string{
		strings.Repeat("\n", 1500) + "end",
		strings.Repeat("word ", 1500),
		strings.Repeat("a\n", 60),
		strings.Repeat("z\u0334\u0335\u0336\u0337\u0338\u0339", 1200),
		strings.Repeat("a"+strings.Repeat(" ", 150)+"b", 60),
		strings.Repeat("\t\t\tx\n", 80),
		strings.Repeat("漢", 2000),
		strings.Repeat("https://example.com/", 300),
	}
}

// What is high is shown in part, with a button for the rest, whatever makes it high, and in every window. What is not
// high has none.
func TestBrowserTallMessages(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i, text := range tallTexts() {
		say(t, b.server, "lobby", "bob", text)
		say(t, b.server, "lobby", "cid", fmt.Sprint("low ", i))
	}
	p := b.enter(t, "ann", "lobby")
	p.shows(t, 1, 2*len(tallTexts()))
	check := func(what string) {
		t.Helper()
		p.WaitFor(t, `[...document.querySelectorAll("#messages .message")].every((m) => {
		  const tall = m.dataset.index % 2 === 1, { height } = m.getBoundingClientRect();
		  return Boolean(m.querySelector(".fold")) === tall && height < Math.max(innerHeight * 0.4, 100) + 90 &&
		    (tall || height < 100);
		})`, 5*time.Second)
		var sideways bool
		p.Eval(t, `document.documentElement.scrollWidth > innerWidth || `+
			`document.querySelector("#scroller").scrollWidth > document.querySelector("#scroller").clientWidth`,
			&sideways)
		if sideways {
			t.Errorf("%s: the page scrolls sideways", what)
		}
	}
	check("at first")
	for _, size := range [][2]int{{390, 780}, {780, 390}, {320, 480}, {1280, 800}} {
		p.Resize(t, size[0], size[1])
		check(fmt.Sprint(size))
	}

	// All of it, and less again: the button stays under the pointer.
	const button = `document.querySelector("[data-index='1'] .fold")`
	p.Eval(t, button+`.scrollIntoView({ block: "center" })`, nil)
	p.Click(t, "[data-index='1'] .fold")
	p.WaitFor(t, button+`.textContent === "Show less" && document.querySelector("[data-index='1']").offsetHeight > `+
		`30000`, 5*time.Second)
	p.Eval(t, button+`.scrollIntoView({ block: "center" })`, nil)
	var before, after float64
	p.Eval(t, button+`.getBoundingClientRect().top`, &before)
	p.Click(t, "[data-index='1'] .fold")
	p.WaitFor(t, button+`.textContent === "Show all of it"`, 5*time.Second)
	p.Eval(t, button+`.getBoundingClientRect().top`, &after)
	if math.Abs(before-after) > 2 {
		t.Errorf("the button was at %v, and then at %v", before, after)
	}
	// The list no longer follows its end when the last message was opened.
	p.Click(t, "#to-end")
	say(t, b.server, "lobby", "bob", tallTexts()[0])
	b.enter(t, "dee", "lobby").say(t, "the list goes on")
	p.WaitFor(t, `document.querySelector("[data-index='18']")`, 5*time.Second)
	p.Click(t, "[data-index='17'] .fold")
	p.WaitFor(t, `!document.querySelector("#to-end").hidden`, 5*time.Second)
}

// Scrolling back over what is shown in part moves nothing but by what was scrolled; nor does a phone that is turned.
func TestBrowserTallMessagesMoveNothing(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i := range 250 {
		text := fmt.Sprint("message ", i)
		if i%3 == 0 {
			text = tallTexts()[i/3%len(tallTexts())]
		}
		say(t, b.server, "lobby", fmt.Sprint("user", i/2%3), text)
	}
	p := b.enter(t, "ann", "lobby", browser.Viewport(390, 780))
	p.shows(t, 201, 250)
	var jump float64
	p.Eval(t, `(async () => {
	  const s = document.querySelector("#scroller");
	  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
	    // and what is observed then
	  let jump = 0;
	  while (Math.min(...recorded.shown) > 1 || s.scrollTop > 0) {
	    const watched = [...document.querySelectorAll("#messages [data-index]")]
	      .find((e) => e.getBoundingClientRect().bottom > s.getBoundingClientRect().top);
	    const bottom = watched.getBoundingClientRect().bottom, before = s.scrollTop;
	    s.scrollTop -= 150;
	    await frame();
	    if (watched.isConnected && before >= 150) jump = Math.max(jump,
	      Math.abs(watched.getBoundingClientRect().bottom - bottom - 150));
	  }
	  return jump;
	})()`, &jump)
	if jump > 2 {
		t.Errorf("what is on the screen jumped by %v pixels", jump)
	}
	p.Eval(t, `new Promise((done) => {
	  document.querySelector("[data-index='101']").scrollIntoView();
	  requestAnimationFrame(() => setTimeout(done, 100));
	})`, nil)
	before := p.place(t)
	for _, size := range [][2]int{{780, 390}, {390, 780}, {320, 480}} {
		p.Resize(t, size[0], size[1])
		p.WaitFor(t, fmt.Sprintf(`innerWidth === %d && new Promise((done) => requestAnimationFrame(() => `+
			`setTimeout(done, 100, true)))`, size[0]), 5*time.Second)
		if got := p.place(t); got.Index != before.Index {
			t.Errorf("at %v, the top line is %+v, was %+v", size, got, before)
		}
	}
}
