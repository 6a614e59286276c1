//go:build unix

package localstore_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// troubles are what may happen to a file in use; before is its content one message ago.
func troubles() map[string]func(path string, before []byte) error {
	cut := func(to int64) func(string, []byte) error {
		return func(path string, _ []byte) error { return os.Truncate(path, to) }
	}
	return map[string]func(path string, before []byte) error{
		"removed":            func(path string, _ []byte) error { return os.Remove(path) },
		"its folder removed": func(path string, _ []byte) error { return os.RemoveAll(filepath.Dir(path)) },
		"its folder renamed": func(path string, _ []byte) error {
			return os.Rename(filepath.Dir(path), filepath.Dir(path)+".old")
		},
		"replaced by rename": func(path string, before []byte) error {
			if err := os.WriteFile(path+".new", before, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"replaced in place": func(path string, before []byte) error { return os.WriteFile(path, before, 0o600) },
		"overwritten in place": func(path string, before []byte) error {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer file.Close()
			_, err = file.WriteAt(before[:8192], 0)
			return err
		},
		"cut to nothing":    cut(0),
		"cut to one page":   cut(4096),
		"cut inside a page": cut(20_000),
		"cut to a third":    cut(100_000),
		"cut by its last byte": func(path string, _ []byte) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()-1)
		},
	}
}

// inUse opens a new file, stores messages, and returns what the file was before the last of them.
func inUse(t *testing.T, logger *slog.Logger) (log *localstore.Log, path string, before []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "data", "chat.db")
	log, err := localstore.OpenLog(path, logger)
	must(t, err)
	t.Cleanup(func() {
		began := time.Now()
		if err := log.Close(); err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("closed after %v: %v", time.Since(began), err)
		}
	})
	for i := range 100 {
		if i == 99 {
			before, err = os.ReadFile(path)
			must(t, err)
		}
		_, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: strings.Repeat("x", 5000)})
		must(t, err)
	}
	return log, path, before
}

// What becomes of the file while nobody uses it is noticed within a second, and is one line in the log; then nothing is
// stored.
func TestAFileInTrouble(t *testing.T) {
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			said := &lines{}
			log, path, before := inUse(t, said.logger())
			must(t, trouble(path, before))
			const line = "the data file cannot be used any longer"
			for began := time.Now(); !strings.Contains(said.String(), line); time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > time.Second {
					t.Fatal("it was not noticed")
				}
			}
			for range 3 {
				refuses(t, log)
			}
			if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), path) {
				t.Errorf("the log has %d lines:\n%s", n, said)
			}
		})
	}
}

func refuses(t *testing.T, log *localstore.Log) {
	t.Helper()
	if stored, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: "c"}); err == nil {
		t.Errorf("message %d was stored", stored.Index)
	}
	if err := log.Ping(t.Context()); err == nil {
		t.Error("the ping was answered")
	}
	if found, err := log.Read(t.Context(), "r", chat.Span{Limit: 10}); err == nil {
		t.Errorf("%d messages were read", len(found))
	}
}

// What becomes of the file between two messages is noticed by the second, which writes nothing into what is there now.
func TestAFileInTroubleTakesNoMessage(t *testing.T) {
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			log, path, before := inUse(t, quiet())
			must(t, trouble(path, before))
			there, thereErr := os.ReadFile(path)
			refuses(t, log)
			if now, err := os.ReadFile(path); !bytes.Equal(now, there) || (err == nil) != (thereErr == nil) {
				t.Errorf("the file was changed: %v, %v", thereErr, err)
			}
		})
	}
}

// While many read and write, trouble ends no process, and no call hangs.
func TestAFileInTroubleWhileItIsUsed(t *testing.T) {
	if testing.Short() {
		t.Skip("many write into a file, in each kind of trouble")
	}
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			log, path, before := inUse(t, quiet())
			var users sync.WaitGroup
			for i := range 8 {
				users.Go(func() {
					for err := error(nil); err == nil; {
						if i < 2 {
							_, _, err = log.Append(t.Context(),
								chat.Message{Room: "r", User: "u", Content: strings.Repeat("y", 3000)})
						} else {
							_, err = log.Read(t.Context(), "r", chat.Span{Limit: 100, Newest: i%2 == 0})
						}
					}
				})
			}
			time.Sleep(30 * time.Millisecond)
			whole, err := os.Stat(path)
			must(t, err)
			must(t, trouble(path, before))
			ended := make(chan struct{})
			go func() { users.Wait(); close(ended) }()
			for deadline := time.After(2 * time.Second); ; {
				select {
				case <-ended:
					refuses(t, log)
					return
				case <-deadline:
					t.Fatal("somebody goes on")
				case <-time.After(300 * time.Millisecond):
					// A message that makes the file grow just after the cut has undone the cut: so it is cut again.
					if info, err := os.Stat(path); err == nil && info.Size() > whole.Size() {
						must(t, trouble(path, before))
					}
				}
			}
		})
	}
}
