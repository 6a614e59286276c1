package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"wschat/pkg/telemetry"
)

// raw finds what must not be in a log, whatever a client sends.
func raw(text string) string {
	i := strings.IndexFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || r >= 0x202a && r <= 0x202e || r >= 0x2066 &&
			r <= 0x2069 ||
			r == 0x200e || r == 0x200f || r == 0x61c || r == 0x2028 || r == 0x2029 || r == 0xfeff
	})
	if i < 0 {
		return ""
	}
	return text[i:]
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"{\"room\":\"lobby\"}\n":      "{\"room\":\"lobby\"}\n",
		"caf\u00e9 \u05d0 \U0001f600": "caf\u00e9 \u05d0 \U0001f600",
		"a\u009b31mb":                 `a\u009b31mb`,
		"\x1b[31m\x7f\r\x00":          `\u001b[31m\u007f\u000d\u0000`,
		"a\u202eb\u2066":              `a\u202eb\u2066`,
		"\u2028\u2029\u0085\ufeff":    `\u2028\u2029\u0085\ufeff`,
		"\U000e0067":                  `\udb40\udc67`,
		"a\xffb\xed\xa0\x80":          `a\ufffdb\ufffd\ufffd\ufffd`,
		"\ufffd":                      "\ufffd",
		"goroutine 1:\n\tmain.go:1\n": "goroutine 1:\n\tmain.go:1\n",
	} {
		var out bytes.Buffer
		n, err := telemetry.Plain(&out).Write([]byte(text))
		if got := out.String(); got != want || n != len(text) || err != nil {
			t.Errorf("%+q: got %+q, %d, %v; want %+q", text, got, n, err, want)
		}
	}
	for r := range utf8.MaxRune + 1 {
		var out bytes.Buffer
		if _, _ = telemetry.Plain(&out).Write([]byte(string(r))); raw(out.String()) != "" {
			t.Errorf("%U is written as it is", r)
		}
	}
	if n, err := telemetry.Plain(broken{}).Write([]byte("a")); n != 0 || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %d, %v", n, err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, fs.ErrClosed }

// FuzzPlain: whatever a client puts into a line of JSON, the line is one line without raw characters, and says the
// same.
func FuzzPlain(f *testing.F) {
	for _, text := range []string{"lobby", "a\u009b\u202e", "\u2028\x00\x7f\xff", "\U000e0067\\", `\u202e"`, "\r\n\t"} {
		f.Add(text, "room")
	}
	f.Fuzz(func(t *testing.T, value, key string) {
		var straight, out bytes.Buffer
		for _, handler := range []slog.Handler{
			slog.NewJSONHandler(&straight, nil), slog.NewJSONHandler(telemetry.Plain(&out), nil),
		} {
			line := slog.NewRecord(time.Unix(1795620000, 0), slog.LevelInfo, value, 0)
			line.AddAttrs(slog.String("k"+key, value), slog.Any("error", errors.New(value)),
				slog.Any("list", []string{value}),
				slog.Group("g", slog.Any("map", map[string]string{key: value})))
			if err := handler.Handle(t.Context(), line); err != nil {
				t.Fatal(err)
			}
		}
		if rest := raw(out.String()); rest != "" || strings.Count(out.String(), "\n") != 1 || !utf8.Valid(out.Bytes()) {
			t.Errorf("%+q: %+q", value, out.String())
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(straight.Bytes(), &want), json.Unmarshal(out.Bytes(), &got)); err != nil ||
			!reflect.DeepEqual(got, want) {
			t.Errorf("%+q: the line says %v, not %v; %v", value, got, want, err)
		}
	})
}

// Every handler of log lines in the programs writes to Plain.
func TestEveryLogIsPlain(t *testing.T) {
	handlers := regexp.MustCompile(`slog\.New(?:JSON|Text)Handler\(([^,]*)`)
	found := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || path == "../../test"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range handlers.FindAllStringSubmatch(string(source), -1) {
			found++
			if !strings.HasPrefix(m[1], "telemetry.Plain(") {
				t.Errorf("%s: %s does not write to telemetry.Plain", path, m[0])
			}
		}
		return err
	})
	if err != nil || found < 3 {
		t.Errorf("found %d handlers, %v", found, err)
	}
}
