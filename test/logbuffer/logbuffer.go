// Package logbuffer keeps a log in memory, for tests that read it while it is written.
package logbuffer

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// Buffer is a bytes.Buffer for many goroutines. The zero value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to the log.
func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns the log so far.
func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Await waits until each of the texts is in the log, and fails the test if one is not there in time.
func (l *Buffer) Await(t testing.TB, within time.Duration, texts ...string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for _, text := range texts {
		for ; !strings.Contains(l.String(), text); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%q is not in %s", text, l)
			}
		}
	}
}

// Line waits as Await does, and returns the first line with the text.
func (l *Buffer) Line(t testing.TB, within time.Duration, text string) string {
	t.Helper()
	l.Await(t, within, text)
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("%q is in no single line of %s", text, l)
	return ""
}
