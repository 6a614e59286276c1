package localstore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/test/contract"
)

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func open(t *testing.T, path string) *localstore.Log {
	t.Helper()
	log, err := localstore.OpenLog(path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

func TestLog(t *testing.T) { contract.Log(t, open(t, filepath.Join(t.TempDir(), "chat.db"))) }

func TestChanges(t *testing.T) { contract.Changes(t, open(t, filepath.Join(t.TempDir(), "chat.db"))) }

func TestRoster(t *testing.T) { contract.Roster(t, &localstore.Roster{}, nil) }

func TestLeases(t *testing.T) { contract.Leases(t, &localstore.Leases{}) }

func TestAnnouncements(t *testing.T) { contract.Announcements(t, &localstore.Announcements{}) }

func TestRules(t *testing.T) {
	log := open(t, filepath.Join(t.TempDir(), "chat.db"))
	contract.Rules(t, localstore.NewRules(log), log)
	contract.Personal(t, log, log, localstore.NewRules(log), log)
}

func TestReadMarkers(t *testing.T) {
	contract.ReadMarkers(t, open(t, filepath.Join(t.TempDir(), "chat.db")))
}

func TestAnnouncementsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a localstore.Announcements
		for room := range 1000 {
			_, _ = a.Replace(t.Context(), fmt.Sprint(room), chat.Announcement{}, chat.Announcement{Version: 1})
		}
		time.Sleep(chat.AnnouncementLife + time.Second)
		_, _ = a.Replace(t.Context(), "another", chat.Announcement{}, chat.Announcement{Version: 1})
		if now, _ := a.Announcement(t.Context(), "7"); now != (chat.Announcement{}) {
			t.Errorf("after its life there is still %+v", now)
		}
	})
}

func TestLeasesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		contract.LeasesEnd(t, &localstore.Leases{}, func() { time.Sleep(broadcast.LeaseTime) })
	})
}

func TestMessagesOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "chat.db")
	for want := int64(1); want <= 3; want++ {
		log, err := localstore.OpenLog(path, quiet())
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "ann", Content: "c"})
		if err != nil || m.Index != want {
			t.Errorf("got index %d, %v; want %d", m.Index, err, want)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Each way in which a data file can be unusable ends in one line that names the file and says what to do.
func TestUnusableFiles(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	log := open(t, good)
	for range 200 {
		if _, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: strings.Repeat("x",
			2000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(change func(image []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, change(append([]byte(nil), image...)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, path string)
		says    string
	}{
		"in use":   {func(t *testing.T, path string) { open(t, path) }, "in use by another process"},
		"a folder": {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o755)) }, "is a directory"},
		"text": {func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("hello\n"), 0o600)) },
			"damaged"},
		"long text": {func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte(strings.Repeat("hello\n", 20000)), 0o600))
		}, "damaged"},
		"cut short": {damaged(func(b []byte) []byte { return b[:len(b)/3] }), "damaged"},
		"zeroes in the middle": {damaged(func(b []byte) []byte {
			clear(b[16<<10 : len(b)-16<<10])
			return b
		}), "damaged"},
		"noise in the middle": {damaged(func(b []byte) []byte {
			for i := 16 << 10; i < len(b); i++ {
				b[i] = byte(i * 7919 >> 3)
			}
			return b
		}), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "chat.db")
			tc.prepare(t, path)
			_, err := localstore.OpenLog(path, quiet())
			if err == nil {
				t.Fatal("it was opened")
			}
			if s := err.Error(); !strings.Contains(s, path) || !strings.Contains(s, tc.says) ||
				strings.Contains(s, "\n") {
				t.Errorf("the error is %q; want one line with %q and the path", s, tc.says)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	log, err := localstore.OpenLog(filepath.Join(b.TempDir(), "chat.db"), quiet())
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	for b.Loop() {
		if _, _, err := log.Append(b.Context(), chat.Message{Room: "r", User: "u", Content: "hello"}); err != nil {
			b.Fatal(err)
		}
	}
}
