package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/browser"
)

// movableClock lets a test set the page's clock: skip(ms) moves it, and fires the timers that are due then.
const movableClock = `{
  let ahead = 0;
  const timers = new Map(); // {at, f}
  const RealDate = Date, set = window.setTimeout, clear = window.clearTimeout;
  window.Date = class extends RealDate {
    constructor(...args) { args.length ? super(...args) : super(RealDate.now() + ahead); }
    static now() { return RealDate.now() + ahead; }
  };
  window.setTimeout = (f, ms = 0, ...args) => {
    const id = set(() => { timers.delete(id); f(...args); }, ms);
    timers.set(id, { at: Date.now() + ms, f: () => f(...args) });
    return id;
  };
  window.clearTimeout = (id) => { timers.delete(id); clear(id); };
  window.skip = (ms) => {
    ahead += ms;
    for (const [id, { at, f }] of [...timers]) if (at <= Date.now()) { clearTimeout(id); f(); }
  };
}`

// days are the list's lines about days, each with what stands below it up to the next one.
func (p person) days(t *testing.T) (lines []string) {
	t.Helper()
	p.Eval(t, `[...document.querySelectorAll("#messages > *")].map((li) =>
	  li.matches(".day") ? "[" + li.textContent + "]" : li.matches(".event")
	    ? li.textContent : li.querySelector(".content")?.textContent ?? "-")`, &lines)
	return lines
}

func sayAt(t *testing.T, b *browsers, room, user, content string, at time.Time) {
	t.Helper()
	store(t, b.server, chat.Message{Room: room, User: user, Content: content, CreateAt: at.Unix()})
}

// A day is named once, whatever stands in between; after midnight it is yesterday.
func TestBrowserDays(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	now := time.Now()
	for i, ago := range []time.Duration{49 * time.Hour, 48 * time.Hour, 24 * time.Hour} {
		sayAt(t, b, "lobby", "bob", fmt.Sprint("old ", i), now.Add(-ago))
	}
	ann := b.enter(t, "ann", "lobby", browser.Before(movableClock))
	ann.say(t, "one")
	for _, name := range []string{"bob", "cid"} {
		visitor := b.enter(t, name, "lobby")
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#messages").textContent.includes("%s came in")`, name),
			5*time.Second)
		visitor.say(t, name+"'s")
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#messages").textContent.includes("%s's")`, name),
			5*time.Second)
	}
	format := func(ago time.Duration) string { return now.Add(-ago).Format("Monday, January 2, 2006") }
	want := []string{"[" + format(49*time.Hour) + "]", "old 0"}
	if format(48*time.Hour) != format(49*time.Hour) {
		want = append(want, "["+format(48*time.Hour)+"]")
	}
	want = append(want, "old 1", "[Yesterday]", "old 2", "[Today]", "one", "bob came in", "bob's", "cid came in",
		"cid's")
	if got := ann.days(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the list has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// Midnight.
	ann.Eval(t, `{ const midnight = new Date(); midnight.setHours(24, 0, 0, 0); skip(midnight - Date.now() + 1000) }`,
		nil)
	ann.WaitFor(t, `[...document.querySelectorAll(".day")].at(-1).textContent === "Yesterday"`, 5*time.Second)
	want[len(want)-6] = "[Yesterday]"
	for i := range want {
		if want[i] == "[Yesterday]" {
			want[i] = "[" + format(24*time.Hour) + "]"
			break
		}
	}
	visitor := b.enter(t, "dee", "lobby")
	ann.WaitFor(t, `document.querySelector("#messages").textContent.includes("dee came in")`, 5*time.Second)
	visitor.Close()
	want = append(want, "[Today]", "dee came in")
	if got := ann.days(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("after midnight the list has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Every message has its time, which can be seen and is that of where the person is.
func TestBrowserTimes(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	at := time.Now().UTC().Truncate(24 * time.Hour).Add(-10*24*time.Hour + 15*time.Hour + 30*time.Minute)
	for i := range 3 {
		sayAt(t, b, "lobby", "bob", fmt.Sprint("one of a group ", i), at.Add(time.Duration(i)*time.Minute))
	}
	ann := b.enter(t, "ann", "lobby", browser.Viewport(390, 780))
	check := func(zone, day string, times ...string) {
		t.Helper()
		ann.WaitFor(t, fmt.Sprintf(`[...document.querySelectorAll("#messages .message time")]
		  .map((t) => t.textContent).join() === %q &&
		  [...document.querySelectorAll("#messages .day")][0].textContent === %q`, strings.Join(times, ","), day),
			5*time.Second)
		var hidden int
		ann.Eval(t, `[...document.querySelectorAll("#messages time")]
		  .filter((time) => !time.checkVisibility({ opacityProperty: true, visibilityProperty: true }) ||
		  time.getBoundingClientRect().width < 20).length`, &hidden)
		if hidden > 0 {
			t.Errorf("in %s, %d times cannot be seen", zone, hidden)
		}
	}
	const layout = "Monday, January 2, 2006"
	for _, move := range []struct{ event, zone, day, first, second, third string }{
		{"focus", "Asia/Tokyo", at.Add(9 * time.Hour).Format(layout), "12:30 AM", "12:31 AM", "12:32 AM"},
		{"visibilitychange", "Pacific/Kiritimati", at.Add(14 * time.Hour).Format(layout), "05:30 AM", "05:31 AM",
			"05:32 AM"},
		{"focus", "Pacific/Pago_Pago", at.Add(-11 * time.Hour).Format(layout), "04:30 AM", "04:31 AM", "04:32 AM"},
	} {
		ann.TimeZone(t, move.zone)
		ann.Eval(t, fmt.Sprintf(`(%q === "focus" ? window : document).dispatchEvent(new Event(%[1]q))`, move.event),
			nil)
		check(move.zone, move.day, move.first, move.second, move.third)
	}
}

// A page that stays open, and that nobody touches, notices another time zone by itself.
func TestBrowserAnotherZoneIsNoticed(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	sayAt(t, b, "lobby", "bob", "hello", time.Date(2026, 1, 2, 15, 30, 0, 0, time.UTC))
	ann := b.enter(t, "ann", "lobby", fastClock(30))
	ann.TimeZone(t, "Asia/Tokyo")
	ann.WaitFor(t, `document.querySelector("#messages time").textContent === "12:30 AM" && `+
		`document.querySelector("#messages .day").textContent === "Saturday, January 3, 2026"`, 10*time.Second)
}
