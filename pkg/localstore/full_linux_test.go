package localstore_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// A ping fails on a full disk, at once and after the last message that finds room, and all is well again when there is
// room.
func TestAFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("no small disk can be had here: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 0) })
	log := open(t, filepath.Join(disk, "chat.db"))
	last := grow(t, log, 10)
	for range 3 { // it has pages to spare
		must(t, log.Ping(t.Context()))
	}
	other := filepath.Join(disk, "other")
	fillUp(t, other)
	for range 3 {
		if err := log.Ping(t.Context()); err == nil {
			t.Error("pinged on a full disk")
		}
	}
	last = refusedAfter(t, log, last)
	must(t, os.Remove(other))
	must(t, log.Ping(t.Context()))
	goesOn(t, log, last)
}

// What limits the file and nothing else fails a ping as soon as a message is refused.
func TestAFullFile(t *testing.T) {
	if !isAlone(t) {
		return
	}
	log := open(t, filepath.Join(t.TempDir(), "chat.db"))
	last := grow(t, log, 10)
	for range 3 {
		must(t, log.Ping(t.Context()))
	}
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	limited := before
	limited.Cur = 300_000
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited))
	defer func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }()
	last = refusedAfter(t, log, last)
	if err := log.Ping(t.Context()); err == nil {
		t.Error("pinged although no message can be stored")
	}
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	must(t, log.Ping(t.Context()))
	goesOn(t, log, last)
}

// A file for which there is no room is no damaged file once there is.
func TestANewFileWithoutRoom(t *testing.T) {
	if !isAlone(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "chat.db")
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	limited := before
	limited.Cur = 5000
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited))
	_, err := localstore.OpenLog(path, quiet())
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	grow(t, open(t, path), 1)
}

// isAlone reports whether a test is in a process of its own; otherwise it runs the test in one. A limit of files
// concerns those that go test writes too.
func isAlone(t *testing.T) bool {
	t.Helper()
	const alone = "LOCALSTORE_TEST_ALONE"
	if os.Getenv(alone) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), alone+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func grow(t *testing.T, log *localstore.Log, messages int) (last int64) {
	t.Helper()
	for range messages {
		m, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: strings.Repeat("x", 5000)})
		must(t, err)
		last = m.Index
	}
	return last
}

// fillUp writes a file until its disk is full.
func fillUp(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	noise := make([]byte, 4096)
	_, _ = rand.Read(noise)
	for err == nil {
		_, err = file.Write(noise)
	}
	if !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		t.Fatal(err)
	}
}

// refusedAfter stores messages until one is refused, and returns the last that was stored.
func refusedAfter(t *testing.T, log *localstore.Log, last int64) int64 {
	t.Helper()
	for range 1000 {
		m, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: strings.Repeat("y", 5000)})
		if err != nil {
			return last
		}
		last = m.Index
	}
	t.Fatal("there is no end of room")
	return 0
}

// goesOn fails unless the log has its messages and takes more.
func goesOn(t *testing.T, log *localstore.Log, last int64) {
	t.Helper()
	if next := grow(t, log, 5); next != last+5 {
		t.Errorf("after message %d and five more comes %d", last, next)
	}
	found, err := log.Read(t.Context(), "r", chat.Span{Limit: 1 << 20})
	if err != nil || int64(len(found)) != last+5 {
		t.Errorf("%d messages of %d, %v", len(found), last+5, err)
	}
	for _, m := range found {
		if len(m.Content) != 5000 || bytes.ContainsAny([]byte(m.Content), "[") {
			t.Errorf("message %d is %.80q", m.Index, m.Content)
		}
	}
}
