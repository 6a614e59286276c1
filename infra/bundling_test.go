package main

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"wschat/pkg/localchat"
	"wschat/pkg/webclient"
	"wschat/test/browser"
	"wschat/test/dynamolocal"
)

// deployed is the function as it is deployed, for one processor.
func deployed(t *testing.T, goarch string) (path string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds the function")
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := compile(root, dir, goarch); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "bootstrap")
}

// The function as it is deployed is small: Lambda loads it at each cold start.
func TestTheProgramIsSmall(t *testing.T) {
	info, err := os.Stat(deployed(t, "arm64"))
	if err != nil {
		t.Fatal(err)
	}
	const most = 9_200_000
	t.Logf("%d bytes", info.Size())
	if info.Size() > most {
		t.Errorf("the program has %d bytes, more than %d", info.Size(), most)
	}
}

// The page as it is deployed, which is minified, is a page: two people talk at it, in a real browser. It is small, too.
func TestBrowserThePageAsItIsDeployed(t *testing.T) {
	b := browser.Start(t)
	url := dynamolocal.Start(t)
	c, err := localchat.Start(t.Context(), localchat.Config{Addr: "127.0.0.1:0", DynamoDB: url,
		Bootstrap: deployed(t, goruntime.GOARCH), Logger: slog.New(slog.DiscardHandler), Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	page := "http://" + c.Addr + "/"
	for _, path := range webclient.Paths() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+strings.TrimPrefix(path, "/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip") // set by hand, so that it is not unpacked
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %v, %v", path, err, answer.Header)
		}
		_ = answer.Body.Close()
		if len(body) == 0 {
			t.Errorf("%s is empty", path)
		}
	}
	people := map[string]*browser.Page{}
	for _, name := range []string{"Ann", "Bob"} {
		p := b.Open(t, page)
		p.Eval(t, `{ document.querySelector("#enter-name").value = "" }`, nil)
		p.Type(t, "#enter-name", name)
		p.Press(t, "Enter")
		p.WaitFor(t, `document.querySelector("#state").dataset.state === "online"`, 20*time.Second)
		people[name] = p
	}
	var loaded []struct {
		Name string
		Size int
	}
	people["Ann"].Eval(t, `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
		.filter(({ name }) => name.startsWith(location.origin))
		.map(({ name, encodedBodySize: size }) => ({ name, size }))`,
		&loaded)
	const most = 60_000
	sum := 0
	for _, l := range loaded {
		sum += l.Size
	}
	t.Logf("%d bytes are transferred: %v", sum, loaded)
	if sum > most || len(loaded) != 5 || sum < 10_000 {
		t.Errorf("the page has %d bytes in %d files, as transferred: want at most %d, in 5", sum, len(loaded), most)
	}
	var kind string // of what other pages import
	people["Ann"].Eval(t, `import("./conversation.js").then((m) => typeof m.Conversation)`, &kind)
	if kind != "function" {
		t.Errorf("conversation.js has a Conversation that is %q", kind)
	}
	people["Ann"].Type(t, "#draft", "hello, Bob")
	people["Ann"].Press(t, "Enter")
	for _, p := range people {
		p.WaitFor(t, `document.querySelector("#messages").textContent.includes("hello, Bob")`, 20*time.Second)
		if lines := p.Console(); len(lines) > 0 {
			t.Errorf("the console has %q", lines)
		}
	}
}
