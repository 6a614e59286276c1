package browser_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wschat/test/browser"
)

// The tests that use this package must be able to fail: what is wrong with a page is seen.
func TestWhatIsWrongIsSeen(t *testing.T) {
	const bad = `<!doctype html><title>Bad</title><body><img src="x.png"><input id="field"><script>window.ran = ` +
		`true</script>`
	const good = `<!doctype html><html lang="en"><title>Good</title><main><h1>Good</h1><label>Name <input ` +
		`id="field"></label></main></html>`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/bad" {
			w.Header().Set("Content-Security-Policy",
				"default-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
			_, _ = w.Write([]byte(bad))
			return
		}
		_, _ = w.Write([]byte(good))
	}))
	defer srv.Close()
	b := browser.Start(t)

	p := b.Open(t, srv.URL+"/bad")
	p.Eval(t, `{ console.error("broken", 7); setTimeout(() => { throw new Error("not caught") }) }`, nil)
	p.WaitFor(t, "new Promise((done) => setTimeout(done, 100, true))", time.Second)
	log := strings.Join(p.Console(), "\n")
	for _, want := range []string{"Content Security Policy", `"broken"`, "not caught"} {
		if !strings.Contains(log, want) {
			t.Errorf("the console has no %q: %s", want, log)
		}
	}
	violations := strings.Join(p.Axe(t), "\n")
	for _, want := range []string{"image-alt", "label"} {
		if !strings.Contains(violations, want) {
			t.Errorf("axe finds no %q: %s", want, violations)
		}
	}

	p = b.Open(t, srv.URL+"/", browser.Dark(), browser.Viewport(400, 300))
	if violations := p.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %v", violations)
	}
	p.Type(t, "#field", "one")
	p.Press(t, "Shift+Tab")
	var seen struct {
		Value string
		Width int
		Dark  bool
	}
	p.Eval(t, `({ value: document.querySelector("#field").value, width: innerWidth, dark: `+
		`matchMedia("(prefers-color-scheme: dark)").matches })`, &seen)
	if seen.Value != "one" || seen.Width != 400 || !seen.Dark || len(p.Console()) > 1 { // the icon is not there
		t.Errorf("got %+v, console %q", seen, p.Console())
	}
	p.Offline(t, true)
	p.WaitFor(t, `!navigator.onLine && fetch("/").then(() => false, () => true)`, 5*time.Second)
	p.Offline(t, false)
	p.WaitFor(t, `navigator.onLine && fetch("/").then(() => true, () => false)`, 5*time.Second)
}

// Tabs of one page share what they store, also after one is closed, and share nothing with other pages.
func TestTabsShareTheirStorage(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Good</title>`))
	}))
	defer srv.Close()
	b := browser.Start(t)
	first := b.Open(t, srv.URL)
	first.Eval(t, `localStorage.setItem("key", "value")`, nil)
	first.OpenTab(t, srv.URL).WaitFor(t, `localStorage.getItem("key") === "value"`, 5*time.Second)
	first.Close()
	later := first.OpenTab(t, srv.URL)
	later.WaitFor(t, `localStorage.getItem("key") === "value"`, 5*time.Second)
	var other int
	b.Open(t, srv.URL).Eval(t, `localStorage.length`, &other)
	if other != 0 {
		t.Errorf("another page has %d items of theirs", other)
	}

	later.TimeZone(t, "Asia/Tokyo")
	later.Resize(t, 500, 400)
	later.WaitFor(t, `new Date(0).getHours() === 9 && innerWidth === 500 && innerHeight === 400`, 5*time.Second)
}
