package main

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wschat/test/installed"
)

// program is a function without any package but Go's own. It answers with a word of another package.
const program = `package main

import (
	"example/word"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, next.Body)
		answer := strings.NewReader("{\"statusCode\":200,\"body\":\"" + word.Word + "\"}")
		_, _ = http.Post(api+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "", answer)
	}
}
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// With -watch, a Go function is built anew when a package changes that it needs. A build that fails is told, and the
// old function goes on. The client stays connected throughout.
func TestWatch(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	temp, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	word := filepath.Join(dir, "word", "word.go")
	write(t, filepath.Join(dir, "go.mod"), "module example\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "fn", "main.go"), program)
	write(t, word, "package word\n\nconst Word = \"one\"\n")
	r := launch(t, "-watch", "-route", "$default=go:"+filepath.Join(dir, "fn"), "-route-response", "$default")
	c := dial(t, r.url, nil)
	if got := c.say("x"); got != "one" {
		t.Fatalf("got %s", got)
	}
	write(t, word, "package word\n\nconst Word = nothing\n")
	r.stderr.Await(t, time.Minute, "gateway: fn stays as it was: go build ")
	r.stderr.Await(t, time.Minute, "undefined: nothing")
	if got := c.say("x"); got != "one" {
		t.Errorf("after a build that failed: got %s", got)
	}
	write(t, word, "package word\n\nconst Word = \"another\"\n")
	r.stderr.Await(t, time.Minute, "gateway: fn runs as it is now\n")
	if got := c.say("x"); got != "another" {
		t.Errorf("got %s", got)
	}
	if n := strings.Count(r.stderr.String(), "has changed"); n != 2 {
		t.Errorf("it was built anew %d times", n)
	}
	if builds, err := filepath.Glob(filepath.Join(temp, "gateway*", "build*")); err != nil || len(builds) != 1 {
		t.Errorf("there are %q, %v; only the last build is needed", builds, err)
	}
}

// An interpreted function starts anew when a file of its folder changes. An invocation in flight ends in the process
// where it began.
func TestWatchOfAFolder(t *testing.T) {
	installed.Program(t, "node")
	dir := t.TempDir()
	code := func(word string) string {
		return `exports.handler = async (e) => {
			if (e.body === 'slow') while (!require('node:fs').existsSync('` + filepath.Join(dir, "go") + `'))
				await new Promise((f) => setTimeout(f, 10));
			return {statusCode: 200, body: e.body === 'slow' ? '' + process.pid : require('./lib/word.json')};
		};`
	}
	write(t, filepath.Join(dir, "src", "app.js"), code("one"))
	write(t, filepath.Join(dir, "src", "lib", "word.json"), `"one"`)
	write(t, filepath.Join(dir, "src", "node_modules", "x.json"), `1`)
	r := launch(t, "-watch", "-route", "$default=node:"+dir+"/src/app.handler", "-route-response", "$default")
	fast, slow := dial(t, r.url, nil), dial(t, r.url, nil)
	if got := fast.say("x"); got != "one" {
		t.Fatalf("got %s", got)
	}
	answer := make(chan string)
	go func() { answer <- slow.say("slow") }()
	write(t, filepath.Join(dir, "src", "lib", "word.json"), `"another"`)
	r.stderr.Await(t, time.Minute, "app-handler has changed: "+filepath.Join(dir, "src", "lib", "word.json")+"\n")
	r.stderr.Await(t, time.Minute, "app-handler runs as it is now\n")
	if got := fast.say("x"); got != "another" {
		t.Errorf("got %s", got)
	}
	write(t, filepath.Join(dir, "go"), "")
	pid, err := strconv.Atoi(<-answer)
	if err != nil {
		t.Fatalf("the invocation that was in flight: %v", err)
	}
	for deadline := time.Now().Add(time.Minute); isAlive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process goes on after its last invocation")
		}
	}
}

// isAlive reports whether there is a process.
func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

// A file that is added, changed or removed while a function is built has it built again. Otherwise it rests.
func TestWhatChangesDuringABuild(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"added": func(dir string) error { return os.WriteFile(filepath.Join(dir, "new.js"), nil, 0o600) },
		"changed": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "app.js"), []byte("longer"), 0o600)
		},
		"removed": func(dir string) error { return os.Remove(filepath.Join(dir, "app.js")) },
		"nothing": func(string) error { return nil },
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "app.js"), "")
		w := newWatcher(t.Context(), &function{spec: &spec{target: target{kind: "node", path: dir}},
			console: newConsole(io.Discard, io.Discard)})
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		w.moveOn(t.Context(), w.built)
		if rests := maps.Equal(look(w.places, w.console.isOwn), w.built); rests != (name == "nothing") {
			t.Errorf("%s: it rests: %v", name, rests)
		}
	}
}

// What others make in the folder of a function does not start it anew, and neither does the command's log.
func TestWhatIsLookedAt(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"app.js", "lib/word.json", "lib/word_test.go", "node_modules/other/index.js",
		".git/index", "__pycache__/app.pyc", ".app.js.swp"} {
		write(t, filepath.Join(dir, filepath.FromSlash(file)), "")
	}
	logs, err := os.Create(filepath.Join(dir, "gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	c := newConsole(io.Discard, logs)
	for deep, want := range map[bool][]string{true: {"app.js", "lib/word.json"}, false: {"app.js"}} {
		var got []string
		for path := range look([]place{{dir, deep}}, c.isOwn) {
			name, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, filepath.ToSlash(name))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("deep %v: %q", deep, got)
		}
	}
}

// A line names what has changed: files that are new, gone, or other ones.
func TestWhatHasChanged(t *testing.T) {
	one, other := stamp{size: 1}, stamp{size: 2}
	before := map[string]stamp{"a": one, "b": one, "c": one}
	for want, after := range map[string]map[string]stamp{
		"b":            {"a": one, "b": other, "c": one},
		"d":            {"a": one, "b": one, "c": one, "d": one},
		"c":            {"a": one, "b": one},
		"a and 2 more": {"b": other, "c": one, "d": one},
	} {
		if got := changes(before, after); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
