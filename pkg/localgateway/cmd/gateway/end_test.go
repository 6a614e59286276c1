package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// After a second signal nothing waits for an invocation, and nothing is left behind.
func TestASecondSignalDoesNotWait(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	r := launch(t, "-route", "$default="+self(t))
	c := dial(t, r.url, nil)
	if err := c.conn.Write(t.Context(), websocket.MessageText, []byte("hang")); err != nil {
		t.Fatal(err)
	}
	r.stderr.Await(t, time.Minute, "it hangs\n")
	r.hurry()
	if err := r.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v, as if it had waited", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left", left, err)
	}
}

// The first signal ends the one context, and the second the other. A terminal that is closed sends SIGHUP.
func TestSignals(t *testing.T) {
	signals := []os.Signal{syscall.SIGHUP, syscall.SIGTERM}
	if signal.Ignored(syscall.SIGHUP) {
		signals[0] = os.Interrupt
	}
	this, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	first, second := untilSignals()
	if err := this.Signal(signals[0]); err != nil {
		t.Skip("this system has no signals:", err)
	}
	<-first.Done()
	if second.Err() != nil {
		t.Error("the first signal ends both")
	}
	if err := this.Signal(signals[1]); err != nil {
		t.Fatal(err)
	}
	<-second.Done()
}
