package localgateway

import (
	"context"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// holding is a handler that holds every message until it is let go, and counts those that it holds.
type holding struct {
	held  atomic.Int64
	total atomic.Int64
	let   chan struct{}
}

func (h *holding) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	if strings.Contains(string(payload), `"MESSAGE"`) {
		h.held.Add(1)
		defer h.held.Add(-1)
		h.total.Add(1)
		<-h.let
	}
	return []byte(`{"statusCode":200}`), nil
}

// held starts a gateway whose handler holds every message.
func held(t *testing.T) (*Gateway, *holding, string) {
	t.Helper()
	h := &holding{let: make(chan struct{})}
	gw, err := New(Config{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	t.Cleanup(srv.Close)
	return gw, h, srv.Listener.Addr().String()
}

// talk connects, and sends so many messages as they are taken.
func talk(t *testing.T, addr string, messages int) net.Conn {
	t.Helper()
	conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr+"/dev")
	if err != nil {
		t.Fatal(err)
	}
	var sent sync.WaitGroup
	sent.Go(func() {
		frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{}`))))
		for range messages {
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		sent.Wait()
	})
	return conn
}

// settle waits until the count is as wanted and then a moment longer, in which it must not change.
func settle(t *testing.T, what string, got func() int64, want int64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); got() != want && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	time.Sleep(100 * time.Millisecond)
	if n := got(); n != want {
		t.Errorf("%s: %d, want %d", what, n, want)
	}
}

// However many messages clients send, a bounded number is handled at once; none is lost, and nobody is kept out.
func TestMessagesHandledAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	gw, h, addr := held(t)
	talk(t, addr, 200)
	settle(t, "one client", h.held.Load, messagesAtOnce)
	for range 4 {
		talk(t, addr, 200)
	}
	// The first two share what there is; each has one of its own in any case.
	for end := time.Now().Add(10 * time.Second); h.held.Load() < messagesAtOnceInAll &&
		time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	time.Sleep(100 * time.Millisecond)
	crowd := h.held.Load()
	if crowd < messagesAtOnceInAll || crowd > messagesAtOnceInAll+4 {
		t.Errorf("five clients: %d, want %d to %d", crowd, messagesAtOnceInAll, messagesAtOnceInAll+4)
	}
	talk(t, addr, 1)
	settle(t, "and one that comes later", h.held.Load, crowd+1)
	close(h.let)
	settle(t, "handled in the end", h.total.Load, 5*200+1)
	settle(t, "held in the end", h.held.Load, 0)
	gw.turns.mu.Lock()
	defer gw.turns.mu.Unlock()
	if gw.turns.taken != 0 || len(gw.turns.waiting) != 0 {
		t.Errorf("%d turns are taken, %d waited for", gw.turns.taken, len(gw.turns.waiting))
	}
}

// A connection that waits for its turn can be closed: by the gateway's clock or a DELETE, by a fault, at the end.
func TestAWaitingConnectionCanBeClosed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Gateway, *connection){
		"closed":    func(_ *Gateway, c *connection) { c.close(closeGoingAway, reasonGoingAway) },
		"abandoned": func(_ *Gateway, c *connection) { c.abandon() },
		"shut down": func(g *Gateway, _ *connection) { go func() { _ = g.Shutdown(context.Background()) }() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw, h, addr := held(t)
			talk(t, addr, 100)
			settle(t, "held", h.held.Load, messagesAtOnce)
			gw.mu.Lock()
			var c *connection
			for _, c = range gw.connections {
			}
			gw.mu.Unlock()
			end(gw, c)
			open := func() int64 {
				gw.mu.Lock()
				defer gw.mu.Unlock()
				return int64(len(gw.connections))
			}
			settle(t, "open connections", open, 0)
			close(h.let)
			settle(t, "handled", h.total.Load, messagesAtOnce)
		})
	}
}

// A client that does not read what it is sent is not read either, until it reads on.
func TestAClientThatDoesNotReadIsNotRead(t *testing.T) {
	t.Parallel()
	gw, h, addr := held(t)
	close(h.let)
	conn := talk(t, addr, 1)
	settle(t, "handled", h.total.Load, 1)
	gw.mu.Lock()
	var c *connection
	for _, c = range gw.connections {
	}
	gw.mu.Unlock()
	// The system's buffers are full, and not only the gateway's, if nothing more is taken for a while.
	frameOut := make([]byte, maxFrameBytes)
	for refused := 0; refused < 500; time.Sleep(time.Millisecond) {
		refused++
		if c.send(frameOut) == nil {
			refused = 0
		}
	}
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{}`))))
	for range 10 {
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, "handled while nothing is read", h.total.Load, 1)
	go func() {
		_, _ = io.Copy(io.Discard, conn)
	}()
	settle(t, "handled after reading", h.total.Load, 11)
}

// What waits for all clients together is bounded, each may have one frame nevertheless, and what is no longer waited
// for does not count.
func TestUnreadBytesAreBoundedInAll(t *testing.T) {
	var unread atomic.Int64
	frame := make([]byte, maxFrameBytes)
	var all []*connection
	for range bufferBytesInAll/bufferBytes + 1000 { // none has a socket yet
		c := &connection{clock: systemClock{}, unread: &unread, closeWritten: make(chan struct{})}
		all = append(all, c)
		frames := 0
		for ; c.send(frame) == nil; frames++ {
		}
		if frames == 0 {
			t.Fatal("a client with nothing queued is refused a frame")
		}
	}
	if most := int64(bufferBytesInAll + len(all)*(maxFrameBytes+64)); unread.Load() > most {
		t.Errorf("%d bytes wait for %d clients, more than %d", unread.Load(), len(all), most)
	}
	before := unread.Load()
	for _, c := range all {
		c.pong(nil)
	}
	if grown := unread.Load() - before; grown != 0 {
		t.Errorf("pongs to clients that do not read took %d bytes", grown)
	}
	for _, c := range all {
		c.abandon()
	}
	if n := unread.Load(); n != 0 {
		t.Errorf("%d bytes count when nobody is left", n)
	}
}
