package page_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/browser"
	"wschat/test/installed"
)

// speaks sets the languages of a browser, the preferred one first.
func speaks(languages ...string) browser.Option {
	return browser.Before(fmt.Sprintf(
		`Object.defineProperty(navigator, "languages", { get: () => %q.split(" ") });`, strings.Join(languages, " ")))
}

// leftOver lists what stands on the page in English although the page's language has another word for it.
const leftOver = `(async () => {
	const textsIn = async (language) => (await import("./texts." + language + ".js")).default;
	const [all, own] = [await textsIn("en"), await textsIn(document.documentElement.lang)];
	const others = Object.keys(all).filter((key) => all[key] !== own[key]);
	const english = new Set(others.flatMap((key) => all[key].split("|")));
	for (const text of Object.values(own)) for (const form of text.split("|")) english.delete(form);
	const words = [];
	for (const e of document.querySelectorAll("body *:not(noscript, .content)")) {
		for (const node of e.childNodes) if (node.nodeType === 3) words.push(node.data.trim());
		words.push(...["aria-label", "title", "placeholder"].map((name) => e.getAttribute(name) ?? ""));
	}
	window.left = words.filter((text) => english.has(text));
})()`

// The page speaks the first of the browser's languages that it has, in both themes and both sizes, without a rule of
// axe-core broken and without a word of another language, and everything fits.
func TestBrowserLanguages(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i, text := range []string{"Guten Morgen! Ist die Version draußen?", "네, 아홉 시부터요.", "Very good, @ann."} {
		_, _, err := b.server.Log.Append(t.Context(), chat.Message{Room: "lobby", User: "bob", Content: text,
			CreateAt: time.Now().Unix() - int64(600*(3-i))})
		if err != nil {
			t.Fatal(err)
		}
	}
	for language, want := range map[string]struct{ languages, online, menu string }{
		"ko": {"ko-KR en-US", "온라인", "이 방 나가기"}, "de": {"fr-FR de-AT en", "Online", "Diesen Raum verlassen"},
		"en": {"fr", "Online", "Leave this room"},
	} {
		for name, opts := range map[string][]browser.Option{
			"desktop-light": {browser.Viewport(1200, 760)},
			"desktop-dark":  {browser.Viewport(1200, 760), browser.Dark()},
			"phone-light":   {browser.Viewport(390, 780)},
			"phone-dark":    {browser.Viewport(390, 780), browser.Dark()},
			"small":         {browser.Viewport(320, 568)},
		} {
			opts = append(opts, speaks(strings.Fields(want.languages)...))
			check := func(p person, what string) {
				t.Helper()
				what = language + "-" + name + "-" + what
				p.Screenshot(t, filepath.Join(installed.Dir(), "out", "screenshots", what+".png"))
				for _, violation := range p.Axe(t) {
					t.Errorf("%s: %s", what, violation)
				}
				p.Eval(t, leftOver, nil)
				p.WaitFor(t, `window.left !== undefined`, 5*time.Second)
				var left []string
				var over int
				p.Eval(t, `left`, &left)
				p.Eval(t, `document.documentElement.scrollWidth - innerWidth`, &over)
				if len(left) > 0 || over > 0 {
					t.Errorf("%s: in English: %q; %d pixels wider than the window", what, left, over)
				}
				p.Eval(t, `delete window.left`, nil)
			}
			visitor := person{b.Open(t, "http://"+b.server.Addr+"/", opts...)}
			visitor.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
			check(visitor, "welcome")
			visitor.Close()
			ann := b.enter(t, "ann", "lobby", opts...)
			ann.say(t, "@bob danke 고마워요")
			ann.WaitFor(t, `document.querySelector("#messages .latest") !== null`, 5*time.Second)
			ann.WaitFor(t, fmt.Sprintf(`document.documentElement.lang === %q &&
				document.querySelector("#state").textContent === %q`, language, want.online), 5*time.Second)
			check(ann, "busy")
			ann.Click(t, "#room-menu")
			ann.WaitFor(t, fmt.Sprintf(`document.querySelector("dialog #leave").textContent === %q`, want.menu),
				5*time.Second)
			check(ann, "menu")
			ann.closes(t)
			ann.Press(t, "Control+/")
			check(ann, "keys")
			ann.closes(t)
			ann.Eval(t, `document.querySelector("#messages .latest .more").click()`, nil)
			check(ann, "message")
			ann.closes(t)
			ann.Press(t, "Control+Shift+F")
			ann.Type(t, "dialog input", "danke")
			check(ann, "search")
			ann.Close()
		}
	}
}

// closes closes a dialog.
func (p person) closes(t *testing.T) {
	t.Helper()
	p.Press(t, "Escape")
	p.WaitFor(t, `document.querySelector("dialog") === null`, 5*time.Second)
}
