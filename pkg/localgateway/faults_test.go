package localgateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// setFaults sets faults that are without mistakes.
func setFaults(t *testing.T, gw *localgateway.Gateway, seed uint64, faults ...localgateway.Fault) {
	t.Helper()
	if err := gw.SetFaults(seed, faults...); err != nil {
		t.Fatal(err)
	}
}

// expectDropped fails unless the client sees its socket end with no close frame, and $disconnect is told so.
func expectDropped(t *testing.T, f *function, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, err := c.Read(ctx); err == nil || websocket.CloseStatus(err) != -1 || ctx.Err() != nil {
		t.Errorf("the client saw %v", err)
	}
	if e := f.next(t); e.Context.EventType != "DISCONNECT" || e.Context.DisconnectStatusCode != 1006 {
		t.Errorf("after the drop came %+v", e.Context)
	}
}

func TestDroppedSockets(t *testing.T) {
	f, gw, addr := serve(t, allRoutes, nil)
	open := func() (*websocket.Conn, string) {
		c := dial(t, "ws://"+addr+"/dev")
		return c, f.next(t).Context.ConnectionID
	}
	base := "http://" + addr + "/dev/@connections/"

	c, id := open()
	if !gw.Drop(id) || gw.Drop("AAAAAAAAAAAAAAA=") {
		t.Error("Drop tells the wrong thing")
	}
	expectDropped(t, f, c)

	c, id = open()
	setFaults(t, gw, 1, localgateway.Fault{Effect: localgateway.DropSocket, ConnectionID: id})
	write(t, c, "lost")
	expectDropped(t, f, c)

	c, id = open()
	setFaults(t, gw, 1, localgateway.Fault{Effect: localgateway.DropSocket, ConnectionID: id})
	other, otherID := open()
	if status, _, _ := call(t, "POST", base+id, "lost"); status != 200 {
		t.Errorf("the post that is lost: %d", status)
	}
	expectDropped(t, f, c)
	if status, _, _ := call(t, "POST", base+id, "late"); status != 410 {
		t.Errorf("a post after it: %d", status)
	}
	if status, _, _ := call(t, "POST", base+otherID, "hi"); status != 200 || read(t, other) != "hi" {
		t.Error("another connection is hurt")
	}
}

// hijackHook calls a function when the gateway takes the socket over from the server.
type hijackHook struct {
	http.ResponseWriter
	hook func()
}

func (h hijackHook) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.hook()
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// serveWithHook serves a gateway, and calls the hook when it takes a socket over from the server.
func serveWithHook(t *testing.T, f *function, hook func(gw *localgateway.Gateway)) (*localgateway.Gateway, string) {
	config := allRoutes
	config.Handler = f
	gw, err := localgateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gw.ServeHTTP(hijackHook{w, func() { hook(gw) }}, r)
	}))
	t.Cleanup(srv.Close)
	return gw, srv.Listener.Addr().String()
}

func TestASocketDroppedDuringItsHandshake(t *testing.T) {
	f := &function{events: make(chan event, 10)}
	_, addr := serveWithHook(t, f, func(gw *localgateway.Gateway) {
		if !gw.Drop(f.next(t).Context.ConnectionID) {
			t.Error("the connection is not known yet")
		}
	})
	conn, _ := handshake(t, addr, "/dev")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the socket is still open: %d, %v", n, err)
	}
	if e := f.next(t); e.Context.EventType != "DISCONNECT" || e.Context.DisconnectStatusCode != 1006 {
		t.Errorf("got %+v", e.Context)
	}
}

// A client may send its messages and its farewell with its handshake. What comes behind a drop is lost with it.
const impatient = upgrade + "\x81\x82\x00\x00\x00\x00hi\x81\x82\x00\x00\x00\x00ho" + "\x88\x82\x00\x00\x00\x00\x03\xe8"

func TestNothingIsHandledAfterADrop(t *testing.T) {
	f, gw, addr := serve(t, allRoutes, nil)
	// a seed that strikes the first message, not the second
	setFaults(t, gw, 3, localgateway.Fault{Effect: localgateway.DropSocket, Rate: 0.5})
	_, _ = io.WriteString(tcp(t, addr), impatient)
	f.next(t) // $connect
	expectOnlyDisconnect(t, f, gw)
}

func TestNothingIsHandledAfterADropDuringTheHandshake(t *testing.T) {
	f := &function{events: make(chan event, 10)}
	dropped := make(chan bool, 1)
	gw, addr := serveWithHook(t, f, func(gw *localgateway.Gateway) {
		dropped <- gw.Drop(f.next(t).Context.ConnectionID)
	})
	_, _ = io.WriteString(tcp(t, addr), impatient)
	if !<-dropped {
		t.Fatal("the connection is not known yet")
	}
	expectOnlyDisconnect(t, f, gw)
}

// expectOnlyDisconnect fails unless the only event that is left is a $disconnect with 1006.
func expectOnlyDisconnect(t *testing.T, f *function, gw *localgateway.Gateway) {
	t.Helper()
	if e := f.next(t); e.Context.EventType != "DISCONNECT" || e.Context.DisconnectStatusCode != 1006 {
		t.Errorf("after the drop came %+v", e.Context)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := gw.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if len(f.events) != 0 {
		t.Errorf("then came %s", f.next(t).raw)
	}
}

func TestFaultyPosts(t *testing.T) {
	config, manual := withClock()
	clock := &slowToSet{ManualClock: manual}
	config.Clock = clock
	f, gw, addr := serve(t, config, nil)
	c := dial(t, "ws://"+addr+"/dev")
	id := f.next(t).Context.ConnectionID
	post := "http://" + addr + "/dev/@connections/" + id
	for _, tc := range []struct {
		effect localgateway.Effect
		status int
	}{{localgateway.FailPost, 500}, {localgateway.ThrottlePost, 429}} {
		setFaults(t, gw, 1, localgateway.Fault{Effect: tc.effect, ConnectionID: id})
		if status, _, _ := call(t, "POST", post, string(tc.effect)); status != tc.status {
			t.Errorf("%s: %d", tc.effect, status)
		}
	}
	setFaults(t, gw, 1, localgateway.Fault{Effect: localgateway.DelayPost, Delay: time.Minute})
	before := clock.set.Load()
	status := make(chan int)
	go func() {
		got, _, _ := call(t, "POST", post, "delayed")
		status <- got
	}()
	clock.waitForAlarms(t, before+1)
	select {
	case <-status:
		t.Error("the post was not delayed")
	case <-time.After(20 * time.Millisecond):
	}
	clock.Advance(time.Minute)
	if got := <-status; got != 200 {
		t.Errorf("a delayed post: %d", got)
	}
	if got := read(t, c); got != "delayed" {
		t.Errorf("got %q: a post that failed was delivered", got)
	}
	setFaults(t, gw, 1)
	if status, _, _ := call(t, "POST", post, "well"); status != 200 || read(t, c) != "well" {
		t.Error("faults are left")
	}
}

func TestAHandlerThatFailsOrHangs(t *testing.T) {
	config, manual := withClock()
	clock := &slowToSet{ManualClock: manual}
	config.Clock = clock
	f, gw, addr := serve(t, config, nil)
	c := dial(t, "ws://"+addr+"/dev")
	f.next(t)
	setFaults(t, gw, 1, localgateway.Fault{Effect: localgateway.FailHandler, RouteKey: "echo"},
		localgateway.Fault{Effect: localgateway.FailHandler, RouteKey: "$connect"})
	write(t, c, `{"action":"echo"}`)
	if got := read(t, c); !strings.Contains(got, "Internal server error") {
		t.Errorf("got %s", got)
	}
	if got := connect(t, "ws://"+addr+"/dev", nil); got != 502 {
		t.Errorf("a $connect that dies: %d", got)
	}
	write(t, c, "another route")
	if e := f.next(t); e.Context.RouteKey != "$default" {
		t.Errorf("got %s", e.raw)
	}
	setFaults(t, gw, 1, localgateway.Fault{Effect: localgateway.HangHandler, RouteKey: "echo"})
	before := clock.set.Load()
	write(t, c, `{"action":"echo"}`)
	clock.waitForAlarms(t, before+1)
	clock.Advance(29 * time.Second)
	if got := read(t, c); !strings.Contains(got, "Endpoint request timed out") {
		t.Errorf("got %s", got)
	}
	if len(f.events) != 0 {
		t.Errorf("what hangs reached the handler: %s", f.next(t).raw)
	}
}

func TestALostDisconnect(t *testing.T) {
	f, gw, addr := serve(t, allRoutes, nil)
	lost, kept := dial(t, "ws://"+addr+"/dev"), dial(t, "ws://"+addr+"/dev")
	lostID, keptID := f.next(t).Context.ConnectionID, f.next(t).Context.ConnectionID
	setFaults(t, gw, 1, localgateway.Fault{Effect: localgateway.LoseDisconnect, ConnectionID: lostID})
	_ = lost.Close(websocket.StatusNormalClosure, "")
	_ = kept.Close(websocket.StatusNormalClosure, "")
	if e := f.next(t); e.Context.EventType != "DISCONNECT" || e.Context.ConnectionID != keptID {
		t.Errorf("got %+v", e.Context)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := gw.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if len(f.events) != 0 {
		t.Error("the $disconnect was not lost")
	}
}

func TestFaultsAreChecked(t *testing.T) {
	_, gw, _ := serve(t, allRoutes, nil)
	for _, wrong := range []localgateway.Fault{
		{},
		{Effect: "explode"},
		{Effect: localgateway.FailPost, Rate: 1.5},
		{Effect: localgateway.FailPost, Rate: -1},
		{Effect: localgateway.FailPost, Delay: time.Second},
		{Effect: localgateway.DelayPost},
		{Effect: localgateway.FailPost, RouteKey: "echo"},
	} {
		if err := gw.SetFaults(1, wrong); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}
