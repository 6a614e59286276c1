package page_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/browser"
	"wschat/test/installed"
)

// hostileTexts are messages that would like to be more than text, or to break the layout.
func hostileTexts() []string {
	return []string{
		`<img src=x onerror="window.pwned=1">`,
		`<script>window.pwned=1</script>`,
		`javascript:window.pwned=1`,
		`<a href="javascript:window.pwned=1">click me</a>`,
		`"><svg onload=window.pwned=1>`,
		`{{constructor.constructor("window.pwned=1")()}} ${window.pwned=1}`,
		"\u202egnp.exe \u2066isolates\u2069 \u202b and never closed",
		strings.Repeat("W", 16<<10),
		strings.Repeat("\u0e49", 200) + " combining " + strings.Repeat("z\u0334\u0335\u0336\u0337\u0338", 50),
		"\u200b\u200c\u200d\ufeff",
		"👩‍👩‍👧‍👦 🏳️‍🌈 🇸🇪 e\u0301 \U0001F9D1\U0001F3FD\u200d\U0001F680",
		"مرحبا بالعالم، كيف حالك؟ and back to English",
		"one\n\ntwo\tthree    four\r\nfive\n",
		"&lt;b&gt; &amp; &#60;",
	}
}

func TestBrowserWhatPeopleWriteIsText(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	names := []string{"\u202eeve", "<b>eve</b>", "\u200b\u200b", strings.Repeat("W", 128)}
	for i, text := range hostileTexts() {
		if _, _, err := b.server.Log.Append(t.Context(), chat.Message{
			Room: "lobby", User: names[i%len(names)], Content: text, CreateAt: time.Now().Unix()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range [][2]int{{390, 780}, {1280, 800}} {
		p := b.enter(t, names[0], "lobby", browser.Viewport(size[0], size[1]))
		p.shows(t, 1, len(hostileTexts()))
		if got := p.contents(t); !slices.Equal(got, hostileTexts()) {
			t.Errorf("the page shows %q", got)
		}
		p.Eval(t, `document.querySelectorAll("#messages .fold").forEach((b) => b.click())`, nil) // all of what is long
		var layout struct {
			Pwned, Sideways, TooWide bool
			Links, Elements          int
			NoName                   string
		}
		p.Eval(t, `({
		  pwned: "pwned" in window,
		  sideways: document.documentElement.scrollWidth > innerWidth ||
		    document.documentElement.scrollHeight > innerHeight ||
		      document.querySelector("#scroller").scrollWidth > document.querySelector("#scroller").clientWidth,
		  tooWide: [...document.querySelectorAll("#messages .bubble, #messages .who")]
		    .some((e) => e.getBoundingClientRect().right > innerWidth + 1),
		  links: document.querySelectorAll("#messages a").length,
		  elements: document.querySelectorAll("#messages .content *").length,
		  noName: [...document.querySelectorAll("#messages .who bdi")].map((n) => n.textContent)
		    .find((n) => n.includes("(")) ?? "",
		})`, &layout)
		if layout.Pwned || layout.Sideways || layout.TooWide || layout.Links+layout.Elements > 0 ||
			layout.NoName != "(no name)" {
			t.Errorf("at %d pixels: %+v", size[0], layout)
		}
		p.Close()
	}
}

// A room of 10,000 messages: how long it takes to see the last ones, how smoothly the list scrolls back through
// thousands of them, and what the page then holds. The times are printed with -v; what must be small is checked.
func TestBrowserALongHistory(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	const messages, back = 10_000, 1_000
	for i := range messages {
		content := fmt.Sprintf("Message %d of a long conversation. %s", i+1, strings.Repeat("And so on. ", i%12))
		if _, _, err := b.server.Log.Append(t.Context(), chat.Message{
			Room: "lobby", User: fmt.Sprint("user", i/3%7), Content: content, CreateAt: time.Now().Unix() - messages +
				int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	p := b.enter(t, "ann", "lobby")
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("[data-index='%d']")`, messages), 10*time.Second)
	first := time.Since(began)
	var got struct {
		Frames, Slow, Nodes, Shown int
		Worst, Heap                float64
		Jump                       float64
		Wrong                      []string
	}
	p.Eval(t, fmt.Sprintf(`(async () => {
	  const s = document.querySelector("#scroller");
	  const frames = [];
	  let last = performance.now(), jump = 0;
	  while (Math.min(...recorded.shown) > %d) {
	    const watched = [...document.querySelectorAll("#messages [data-index]")]
	      .find((e) => e.getBoundingClientRect().bottom > s.getBoundingClientRect().top);
	    const top = watched.getBoundingClientRect().top;
	    const before = s.scrollTop;
	    s.scrollTop -= 150;
	    await new Promise(requestAnimationFrame);
	    frames.push(performance.now() - last);
	    last = performance.now();
	    // Whatever was fetched above meanwhile, what is on the screen moved by what was scrolled, and no more.
	    if (watched.isConnected && before >= 150) jump = Math.max(jump,
	      Math.abs(watched.getBoundingClientRect().top - top - 150));
	  }
	  frames.sort((a, b) => a - b);
	  return { frames: frames.length, slow: frames.filter((f) => f > 50).length, worst: frames.at(-1), jump,
	    nodes: document.querySelectorAll("#messages *").length, shown: recorded.shown.size,
	      heap: performance.memory.usedJSHeapSize / 1e6, wrong: recorded.wrong };
	})()`, messages-back), &got)
	t.Logf("the last of %d messages after %v, browser and name included; %d frames back to message %d: %d of them "+
		"longer than 50 ms, the longest %.0f ms; "+
		"what is on the screen jumped by at most %.1f pixels; %d elements, a heap of %.1f MB",
		messages, first, got.Frames, messages-back, got.Slow, got.Worst, got.Jump, got.Nodes, got.Heap)
	if got.Shown < back || len(got.Wrong) > 0 || got.Jump > 2 {
		t.Errorf("got %+v", got)
	}
	if got.Nodes > 4000 || got.Heap > 50 {
		t.Errorf("the page holds %d elements and %.1f MB", got.Nodes, got.Heap)
	}
	// And back to the end, with one click, however far it is.
	p.Click(t, "#to-end")
	p.WaitFor(t, fmt.Sprintf(`document.querySelector("[data-index='%d']")?.getBoundingClientRect().bottom <= `+
		`innerHeight`, messages), 10*time.Second)
}

// Rooms, unread counts, and a list that stays where somebody reads.
func TestBrowserRoomsAndReading(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann, bob := b.enter(t, "ann", "lobby"), b.enter(t, "bob", "lobby")
	ann.joins(t, "attic")
	ann.WaitFor(t, `document.querySelector("#room-name").textContent === "attic" && `+
		`document.querySelectorAll("#rooms li").length === 2`, 5*time.Second)
	for i := range 3 {
		bob.say(t, fmt.Sprint("news ", i))
	}
	ann.WaitFor(t, `document.querySelector("[data-room=lobby] .badge").textContent === "3" && document.title === `+
		`"(3) Chat"`, 5*time.Second)
	ann.Click(t, "[data-room=lobby] button")
	ann.WaitFor(t, `document.querySelector("[data-room=lobby] .badge").hidden && document.title === "Chat"`,
		5*time.Second)

	bob.fast(t, 100)
	ann.shows(t, 1, 103)
	ann.Eval(t, `{ document.querySelector("#scroller").scrollTop = 700 }`, nil)
	ann.WaitFor(t, `!document.querySelector("#to-end").hidden`, 5*time.Second)
	var before, after float64
	ann.Eval(t, `document.querySelector("#scroller").scrollTop`, &before)
	bob.fast(t, 5)
	ann.WaitFor(t, `document.querySelector("#to-end").textContent.startsWith("5 new")`, 5*time.Second)
	ann.Eval(t, `document.querySelector("#scroller").scrollTop`, &after)
	if before != after {
		t.Errorf("what ann reads moved from %v to %v", before, after)
	}
	ann.Click(t, "#to-end")
	ann.WaitFor(t, `document.querySelector("#to-end").hidden && document.activeElement.id === "draft"`, 5*time.Second)

	// After a reload, the browser knows the name and the rooms.
	ann.Reload(t)
	ann.WaitFor(t, online+` && document.querySelectorAll("#rooms li").length === 2 && `+
		`document.querySelector("#room-name").textContent === "lobby"`, 10*time.Second)
	ann.chooses(t, "#leave")
	ann.WaitFor(t, `document.querySelector("#room-name").textContent === "attic"`, 5*time.Second)
	ann.chooses(t, "#leave")
	ann.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
}

// With the keyboard alone: enter, write a line of two, go to another room, see who is there, and come back.
func TestBrowserTheKeyboardIsEnough(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	p := b.enter(t, "ann", "lobby")
	p.WaitFor(t, `document.activeElement.id === "draft"`, 5*time.Second)
	p.Type(t, "#draft", "one")
	p.Press(t, "Shift+Enter")
	p.Type(t, "#draft", "two")
	p.Press(t, "Enter")
	p.WaitFor(t, `document.querySelector("#messages .content")?.textContent === "one\ntwo"`, 5*time.Second)
	tabTo := func(id string) {
		t.Helper()
		for range 20 {
			p.Press(t, "Shift+Tab")
			var at string
			p.Eval(t, `document.activeElement.id`, &at)
			if at == id {
				return
			}
		}
		t.Fatalf("Tab does not lead to %s", id)
	}
	tabTo("show-people")
	p.Press(t, "Enter")
	p.WaitFor(t, `document.querySelector("#people").textContent.includes("ann (you)")`, 5*time.Second)
	tabTo("add-room-name")
	p.joins(t, "attic")
	p.WaitFor(t, `document.querySelector("#room-name").textContent === "attic" && document.activeElement.id === `+
		`"draft"`, 5*time.Second)
	for key, room := range map[string]string{"Alt+ArrowDown": "attic", "Alt+ArrowUp": "lobby"} { // it was the second
		p.Press(t, key)
		p.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === %q && `+
			`document.activeElement.id === "draft"`, room), 5*time.Second)
		p.Press(t, key) // there is no other in that direction
		p.Press(t, map[string]string{"Alt+ArrowDown": "Alt+ArrowUp", "Alt+ArrowUp": "Alt+ArrowDown"}[key])
		p.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent !== %q`, room), 5*time.Second)
		p.Press(t, key)
	}
	tabTo("scroller") // by which it can be scrolled
	p.Press(t, "Escape")
	p.WaitFor(t, `document.activeElement.id === "draft"`, 5*time.Second)
}

// What the chat refuses is said in plain words, beside what was refused, and can be tried again or deleted.
func TestBrowserRefusalsInPlainWords(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	p := b.enter(t, "ann", "lobby")
	p.refuse(t, broken)
	p.WaitFor(t, `document.querySelector(".failed .sent").textContent === "Not sent. The chat does not take this. `+
		`(content must be valid Unicode, without half a surrogate pair)"`, 5*time.Second)
	p.say(t, "the next one goes all the same")
	p.WaitFor(t, `document.querySelector("[data-index='1']")`, 5*time.Second)
	p.Click(t, ".failed button:nth-of-type(2)")
	p.WaitFor(t, `document.querySelector("[data-index='1'] + .failed")`, 5*time.Second) // again, and if it is now
	p.Click(t, ".failed button:nth-of-type(3)")
	p.shows(t, 1, 1)
	p.WaitFor(t, `!document.querySelector(".failed")`, 5*time.Second)
	p.Type(t, "#add-room-name", "#secret")
	p.Press(t, "Enter")
	p.WaitFor(t, `document.querySelector("#add-room-name").validationMessage === "A room's name must not begin with `+
		`#."`, 5*time.Second)
}

// Every look of the page, in both themes and both sizes: no rule of axe-core is broken, and a picture of each is kept
// in test/out for people to look at.
func TestBrowserLooksAndAccessibility(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	dir := filepath.Join(installed.Dir(), "out", "screenshots")
	talk := []struct{ user, text string }{
		{"bob", "Good morning! Is the release out?"}, {"ann", "Since nine. No complaints so far 🎉"},
		{"bob", "Nice. The train is about to go through the long tunnel, so I may be quiet for a while."},
		{"bob", "Keep talking, I will read it all afterwards."}, {"wscat", "deploy finished: 42 resources, 0 errors"},
		{"سلمى", "صباح الخير جميعاً، هل وصلت الرسالة؟"}, {"ann", "Yes, it did. Welcome!"},
		{"ann", "Here is the plan:\n  1. write the notes\n  2. send them round\n  3. lunch"},
		{"bob", "Sounds good to me."},
	}
	for i, m := range talk {
		if _, _, err := b.server.Log.Append(t.Context(), chat.Message{
			Room: "lobby", User: m.user, Content: m.text,
			CreateAt: time.Now().Unix() - int64(len(talk)-i)*120}); err != nil {
			t.Fatal(err)
		}
	}
	bob := b.enter(t, "bob", "lobby")
	check := func(p person, name string) {
		t.Helper()
		p.Screenshot(t, filepath.Join(dir, name+".png"))
		for _, violation := range p.Axe(t) {
			t.Errorf("%s: %s", name, violation)
		}
	}
	for _, size := range []struct {
		name          string
		width, height int
	}{{"desktop", 1200, 760}, {"phone", 390, 780}} {
		for theme, opts := range map[string][]browser.Option{"light": nil, "dark": {browser.Dark()}} {
			opts = append(opts, browser.Viewport(size.width, size.height))
			name := size.name + "-" + theme
			visitor := person{b.Open(t, "http://"+b.server.Addr+"/", opts...)}
			visitor.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
			check(visitor, name+"-welcome")
			visitor.Close()

			ann := b.enter(t, "ann", "a room that nobody has used", opts...)
			check(ann, name+"-empty")
			ann.joins(t, "lobby")
			ann.shows(t, 1, tailOf(t, b, "lobby"))
			bob.say(t, "Hello from "+name)
			ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#messages").textContent.includes("Hello from %s")`,
				name), 5*time.Second)
			ann.WaitFor(t, `document.querySelector("#show-people").textContent === "2 people"`, 5*time.Second)
			if size.name == "desktop" {
				ann.Click(t, "#show-people")
			}
			check(ann, name+"-busy")
			ann.refuse(t, broken)
			ann.Offline(t, true)
			for id, m := range memberIDs(t, b, "lobby") {
				if m == "ann" {
					b.server.Gateway.Drop(id)
				}
			}
			ann.say(t, "Is anybody there?")
			ann.WaitFor(t, `!document.querySelector("#banner").hidden`, 20*time.Second)
			check(ann, name+"-offline")
			ann.write(t, strings.Repeat("Far too much. ", 1200))
			check(ann, name+"-too-long")
			ann.chooses(t, "#leave")
			ann.asks(t, 2, "Leave lobby?") // the room's messages that are not sent are kept
			ann.chooses(t, "#leave")
			check(ann, name+"-left")
			ann.Close()
		}
	}
}

func memberIDs(t *testing.T, b *browsers, room string) map[string]string {
	t.Helper()
	members, err := b.server.Roster.Members(t.Context(), room, 0)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, m := range members {
		ids[m.ConnectionID] = m.User
	}
	return ids
}
