package conformance

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// read returns a suite of one behaviour, which is this one with some text replaced.
func read(old, new string) error {
	const good = `{"behaviour": "It greets.", "source": "RFC 6455, 1.3", "given": {"deployment": "open", ` +
		`"connected": ["ann"]}, "when": [{"send": "ann", "text": "x"}], "then": [{"frame": "ann", "text": "x"}]}`
	_, err := load(fstest.MapFS{
		"testdata/deployments.json":      {Data: []byte(`{"open": {"is": "One.", "routes": ["run"]}}`)},
		"testdata/behaviours/greet.json": {Data: []byte(strings.Replace(good, old, new, 1))},
	})
	return err
}

// A mistake in a file is an error that names the file, and not a behaviour that passes.
func TestMistakesInAFile(t *testing.T) {
	if err := read("", ""); err != nil {
		t.Error(err)
	}
	for _, tc := range []struct{ old, new, says string }{
		{`"behaviour"`, `"name"`, `unknown field "name"`},
		{`It greets.`, `It greets`, "not a sentence"},
		{`RFC 6455, 1.3`, `RFC`, "source"},
		{`RFC 6455, 1.3`, `http://example.com`, "source"},
		{`RFC 6455, 1.3`, `choice`, "source"},
		{`"open"`, `"closed"`, `deployment "closed"`},
		{`"connected"`, `"clients"`, `unknown field "clients"`},
		{`"send"`, `"sends"`, "when 1: it has 0 kinds"},
		{`"send"`, `"close": "ann", "send"`, "when 1: it has 2 kinds"},
		{`"text"`, `"test"`, `when 1: send: json: unknown field "test"`},
		{`[{"frame": "ann", "text": "x"}]`, `[]`, "nothing under then"},
		{`"frame"`, `"send"`, "then 1: it has 0 kinds"},
		{`"frame": "ann", "text": "x"`, `"frame": "ann", "code": 1`, `then 1: frame: json: unknown field "code"`},
		{`"x"}]}`, `"x"}]} {}`, "more after"},
	} {
		if err := read(tc.old, tc.new); err == nil || !strings.Contains(err.Error(), tc.says) ||
			!strings.Contains(err.Error(), "greet.json") {
			t.Errorf("%s: got %v, want %q", tc.new, err, tc.says)
		}
	}
}

// Each file is a behaviour that is run. No two say the same.
func TestTheFilesOfTheSuite(t *testing.T) {
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	names, sentences := map[string]bool{}, map[string]bool{}
	deployments := maps.Clone(s.Deployments)
	for _, b := range s.Behaviours {
		names[b.Name] = true
		if sentences[b.Behaviour] {
			t.Errorf("%s: another file says %q", b.Name, b.Behaviour)
		}
		sentences[b.Behaviour] = true
		delete(deployments, b.Given.Deployment)
	}
	if len(s.Behaviours) < 140 {
		t.Errorf("there are %d behaviours", len(s.Behaviours))
	}
	if len(deployments) > 0 {
		t.Errorf("no behaviour needs the deployments %v", deployments)
	}
	entries, err := os.ReadDir(filepath.Join("testdata", "behaviours"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok || !names[name] || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(name) {
			t.Errorf("%s is not run", entry.Name())
		}
	}
}

// README.md describes each kind of step and expectation with all of its keys, each operator, and each deployment.
func TestTheREADMEDescribesTheLanguage(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range strings.Split(string(raw), "\n") {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			rows[strings.Trim(cells[1], " `")] += row
		}
	}
	for _, kinds := range []map[string]func() action{steps, expectations} {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			for _, key := range keysOf(kinds[kind]()) {
				if !strings.Contains(rows[kind], "`"+key+"`") {
					t.Errorf("the row of %s does not have the key %s", kind, key)
				}
			}
		}
	}
	for name := range s.Deployments {
		if rows[name] == "" {
			t.Errorf("there is no row for the deployment %s", name)
		}
	}
}

// keysOf are the keys that a kind of action may have.
func keysOf(a action) (keys []string) {
	for field := range reflect.TypeOf(a).Elem().Fields() {
		keys = append(keys, field.Tag.Get("json"))
	}
	return keys
}
