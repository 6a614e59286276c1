package localgateway_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

func TestClosesReachDisconnect(t *testing.T) {
	f, gw, addr := serve(t, allRoutes, nil)
	for _, tc := range []struct {
		name   string
		leave  func(c net.Conn)
		code   int
		reason string
	}{
		{"with a code and a reason", func(c net.Conn) {
			_ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "bored"))))
		}, 4000, "bored"},
		{"with a code that was registered later", func(c net.Conn) {
			_ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1012, "restart"))))
		}, 1012, "restart"},
		{"with no code", func(c net.Conn) { _ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(nil))) },
			1005, "Client-side close frame status not set"},
		{"with no close frame", func(c net.Conn) { _ = c.Close() }, 1006, "Connection Closed Abnormally"},
		{"in the middle of a frame", func(c net.Conn) { _, _ = c.Write([]byte{0x81, 0xff, 0}); _ = c.Close() }, 1006,
			"Connection Closed Abnormally"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr+"/dev")
			if err != nil {
				t.Fatal(err)
			}
			f.next(t)
			tc.leave(conn)
			if e := f.next(t); e.Context.RouteKey != "$disconnect" || e.Context.DisconnectStatusCode != tc.code ||
				e.Context.DisconnectReason != tc.reason {
				t.Errorf("got %+v, want %d %q", e.Context, tc.code, tc.reason)
			}
			_ = conn.Close()
		})
	}
	c := dial(t, "ws://"+addr+"/dev")
	f.next(t)
	done := make(chan error)
	go func() { done <- gw.Shutdown(context.Background()) }()
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("at shutdown the client saw %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if e := f.next(t); e.Context.DisconnectStatusCode != 1001 {
		t.Errorf("at shutdown came %+v", e.Context)
	}
	if _, response, err := websocket.Dial(t.Context(), "ws://"+addr+"/dev", nil); err == nil ||
		response.StatusCode != 503 {
		t.Errorf("after shutdown a handshake got %v", err)
	}
}

// What a client may send, by hand, because client libraries would not.
func TestFrames(t *testing.T) {
	text := func(fin bool, op ws.OpCode, s string) ws.Frame { return ws.NewFrame(op, fin, []byte(s)) }
	many := func(n int, size int) (frames []ws.Frame) {
		for i := range n {
			op := ws.OpContinuation
			if i == 0 {
				op = ws.OpText
			}
			frames = append(frames, text(i == n-1, op, strings.Repeat("x", size)))
		}
		return frames
	}
	reserved := text(true, ws.OpText, "x")
	reserved.Header.Rsv = ws.Rsv(true, false, false)
	for _, tc := range []struct {
		name   string
		frames []ws.Frame
		code   ws.StatusCode // 0 where the body arrives
		body   int           // its length
	}{
		{"the largest frame", many(1, 32<<10), 0, 32 << 10},
		{"one byte more", many(1, 32<<10+1), 1009, 0},
		{"the largest message", many(4, 32<<10), 0, 128 << 10},
		{"one byte more in fragments", append(many(4, 32<<10)[:3], text(false, ws.OpContinuation, strings.Repeat("x",
			32<<10)), text(true, ws.OpContinuation, "x")), 1009, 0},
		{"a letter across fragments", []ws.Frame{text(false, ws.OpText, "\xc3"), text(true, ws.OpContinuation, "\xa9")},
			0, 2},
		{"a ping between fragments", []ws.Frame{text(false, ws.OpText, "a"), ws.NewPingFrame(nil),
			text(true, ws.OpContinuation, "b")}, 0, 2},
		{"an empty message", []ws.Frame{text(true, ws.OpText, "")}, 0, 0},
		{"binary", []ws.Frame{ws.NewBinaryFrame([]byte("x"))}, 1003, 0},
		{"invalid UTF-8", []ws.Frame{text(true, ws.OpText, "\xff")}, 1007, 0},
		{"half a letter", []ws.Frame{text(false, ws.OpText, "a"), text(true, ws.OpContinuation, "\xc3")}, 1007, 0},
		{"a continuation of nothing", []ws.Frame{text(true, ws.OpContinuation, "x")}, 1002, 0},
		{"a text inside a text", []ws.Frame{text(false, ws.OpText, "x"), text(true, ws.OpText, "x")}, 1002, 0},
		{"reserved bits", []ws.Frame{reserved}, 1002, 0},
		{"a reserved opcode", []ws.Frame{text(true, 5, "x")}, 1002, 0},
		{"a long ping", []ws.Frame{ws.NewPingFrame(make([]byte, 126))}, 1002, 0},
		{"a close with half a code", []ws.Frame{ws.NewCloseFrame([]byte{3})}, 1002, 0},
		{"a close with a forbidden code", []ws.Frame{ws.NewCloseFrame([]byte{0x03, 0xee})}, 1002, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, _, addr := serve(t, allRoutes, nil)
			conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr+"/dev")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			f.next(t)
			for _, frame := range tc.frames {
				if err := ws.WriteFrame(conn, ws.MaskFrame(frame)); err != nil {
					t.Fatal(err)
				}
			}
			if tc.code == 0 {
				if e := f.next(t); e.Context.EventType != "MESSAGE" || len(e.Body) != tc.body {
					t.Errorf("got %s with %d bytes", e.Context.EventType, len(e.Body))
				}
				return
			}
			for {
				header, payload, err := readFrame(conn)
				if err != nil {
					t.Fatal(err)
				}
				if header.OpCode == ws.OpClose {
					if code, reason := ws.ParseCloseFrameData(payload); code != tc.code || reason == "" {
						t.Errorf("closed with %d %q, want %d", code, reason, tc.code)
					}
					break
				}
			}
			if e := f.next(t); e.Context.EventType != "DISCONNECT" || e.Context.DisconnectStatusCode != int(tc.code) {
				t.Errorf("got %+v", e.Context)
			}
		})
	}
}

// readFrame reads a frame of a peer that is trusted, and unmasks it.
func readFrame(r io.Reader) (ws.Header, []byte, error) {
	header, err := ws.ReadHeader(r)
	if err != nil {
		return header, nil, err
	}
	payload := make([]byte, header.Length)
	_, err = io.ReadFull(r, payload)
	if header.Masked {
		ws.Cipher(payload, header.Mask, 0)
	}
	return header, payload, err
}

// A client that is in the middle of something long still finds out why it is closed.
func TestTheCloseFrameReachesAClientThatIsStillSending(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	conn, _ := handshake(t, addr, "/dev")
	f.next(t)
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	large := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(make([]byte, 400<<10))))
	if _, err := conn.Write(large); err != nil {
		t.Errorf("what is sent after the limit is broken: %v", err)
	}
	time.Sleep(50 * time.Millisecond)
	header, payload, err := readFrame(conn)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := ws.ParseCloseFrameData(payload); header.OpCode != ws.OpClose || code != 1009 {
		t.Errorf("got %+v %d", header, code)
	}
	if _, err := conn.Write(large); err != nil {
		t.Errorf("what is sent after the close frame is refused: %v", err)
	}
	began := time.Now()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("then came %v, want the end of the stream", err)
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("the stream ended %v later", took)
	}
}

func TestNothingIsHandledAfterADelete(t *testing.T) {
	f, gw, addr := serve(t, allRoutes, nil)
	conn, _ := handshake(t, addr, "/dev")
	if status, _, _ := call(t, "DELETE", "http://"+addr+"/dev/@connections/"+f.next(t).Context.ConnectionID,
		""); status != 204 {
		t.Fatalf("the delete: %d", status)
	}
	_ = ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame([]byte("late"))))
	_ = ws.WriteFrame(conn, ws.MaskFrame(ws.NewCloseFrame(nil)))
	if e := f.next(t); e.Context.EventType != "DISCONNECT" {
		t.Errorf("got %+v", e.Context)
	}
	gw.WaitForInvocations()
	if len(f.events) > 0 {
		t.Errorf("got %s", f.next(t).raw)
	}
}

func TestALengthWithItsHighestBit(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	conn, _ := handshake(t, addr, "/dev")
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	f.next(t)
	_, _ = conn.Write([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
	header, payload, err := readFrame(conn)
	if err != nil {
		t.Fatal(err)
	}
	if code, reason := ws.ParseCloseFrameData(payload); header.OpCode != ws.OpClose || code != 1002 || reason == "" {
		t.Errorf("got %+v %d %q, want a close with 1002", header, code, reason)
	}
	if e := f.next(t); e.Context.DisconnectStatusCode != 1002 {
		t.Errorf("got %+v", e.Context)
	}
}

func TestAPingIsAnswered(t *testing.T) {
	_, _, addr := serve(t, allRoutes, nil)
	c := dial(t, "ws://"+addr+"/dev")
	go func() { _, _, _ = c.Read(t.Context()) }() // the library sees pongs while it reads
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// FuzzFrames: whatever bytes a client sends after its handshake, the gateway neither crashes nor stays behind, and
// every client whose $connect ran gets its $disconnect.
func FuzzFrames(f *testing.F) {
	for _, frame := range []ws.Frame{ws.NewTextFrame([]byte(`{"action":"echo"}`)), ws.NewPingFrame(nil),
		ws.NewCloseFrame(nil)} {
		f.Add(ws.MustCompileFrame(ws.MaskFrame(frame)))
	}
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	ended := make(chan string, 100)
	fn := &function{events: make(chan event, 1000)}
	fn.answer = func(_ context.Context, e event) (any, error) {
		<-fn.events
		if e.Context.EventType == "DISCONNECT" {
			ended <- e.Context.ConnectionID
		}
		return nil, nil
	}
	gw, err := localgateway.New(localgateway.Config{Handler: fn, Routes: allRoutes.Routes})
	if err != nil {
		f.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, data []byte) {
		conn, _, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http")+"/dev")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(conn, bytes.NewReader(data))
		_ = conn.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("no $disconnect")
		}
	})
}
