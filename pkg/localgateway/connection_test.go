package localgateway

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

type granting struct{}

func (granting) Invoke(context.Context, []byte) ([]byte, error) {
	return []byte(`{"statusCode":200}`), nil
}

// Not even a timer is left of a connection that has ended, which would keep it in memory for ten minutes.
func TestAnEndedConnectionLeavesNoTimer(t *testing.T) {
	clock := NewManualClock(time.Now())
	gw, err := New(Config{Handler: granting{}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	defer srv.Close()
	for range 3 {
		conn, _, _, err := ws.Dial(t.Context(), "ws://"+srv.Listener.Addr().String()+"/dev")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if err := gw.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(clock.alarms); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// lateToReturn is a socket whose writes have reached the client before they return.
type lateToReturn struct {
	net.Conn
	written chan int // gets the bytes of each write, which returns when they are taken
}

func (s lateToReturn) SetWriteDeadline(time.Time) error { return nil }

func (s lateToReturn) Write(p []byte) (int, error) {
	s.written <- len(p)
	return len(p), nil
}

// A client that has read everything gets the next message, also if the gateway cannot know yet that it has.
func TestAClientThatHasReadEverythingIsNotFull(t *testing.T) {
	c := &connection{clock: systemClock{}, unread: &atomic.Int64{}, closeWritten: make(chan struct{})}
	socket := lateToReturn{written: make(chan int)}
	largest := make([]byte, maxMessageBytes)
	if err := c.send(largest); err != nil {
		t.Fatal(err)
	}
	c.start(socket)
	for range maxMessageBytes/maxFrameBytes - 1 {
		<-socket.written
	}
	// The last frame has reached the client: the write only has to return.
	if err := c.send(largest); err != nil {
		t.Fatalf("the next message: %v", err)
	}
	if err := c.send([]byte("x")); !errors.Is(err, errFull) {
		t.Errorf("one that the buffer has no room for: %v", err)
	}
	for range maxMessageBytes/maxFrameBytes + 1 {
		<-socket.written
	}
	for c.unread.Load() != 0 { // until the write returns
		time.Sleep(time.Millisecond)
	}
}
