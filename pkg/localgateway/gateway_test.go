package localgateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// event is what a test reads of an event.
type event struct {
	raw     []byte
	Context struct {
		RouteKey, EventType, ConnectionID, RequestID string
		DisconnectStatusCode                         int
		DisconnectReason                             string
	} `json:"requestContext"`
	Body string
}

// function is a Handler that answers 200 where it returns nil, and passes on the events it saw.
type function struct {
	events chan event
	answer func(ctx context.Context, e event) (any, error)
}

var _ localgateway.Handler = (*function)(nil)

func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e := event{raw: payload}
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	f.events <- e
	if f.answer != nil {
		if answer, err := f.answer(ctx, e); answer != nil || err != nil {
			b, _ := json.Marshal(answer)
			return b, err
		}
	}
	return []byte(`{"statusCode":200,"body":"ok"}`), nil
}

// next is the next event; the test fails where there is none.
func (f *function) next(t *testing.T) event {
	t.Helper()
	select {
	case e := <-f.events:
		return e
	case <-time.After(5 * time.Second):
		t.Fatal("no event came")
		panic("unreachable")
	}
}

// serve runs a gateway with the given answers; its base URL is without a scheme.
func serve(t *testing.T, c localgateway.Config, answer func(ctx context.Context, e event) (any, error)) (*function, *localgateway.Gateway, string) {
	t.Helper()
	f := &function{events: make(chan event, 1000), answer: answer}
	c.Handler = f
	gw, err := localgateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := gw.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	return f, gw, strings.TrimPrefix(srv.URL, "http://")
}

var allRoutes = localgateway.Config{Routes: []string{"$connect", "$disconnect", "$default", "echo"}, HTTPRoutes: []string{"GET /ping"}}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func write(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, b, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// call calls @connections and returns the status, the error type and the body.
func call(t *testing.T, method, url, body string) (int, string, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header.Get("x-amzn-ErrorType"), string(b)
}

// shape is an event's field names, sorted, with those of headers left out.
func shape(t *testing.T, raw []byte) (names []string) {
	t.Helper()
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		object, ok := v.(map[string]any)
		if !ok || strings.HasSuffix(prefix, "eaders.") {
			names = append(names, strings.TrimSuffix(prefix, "."))
			return
		}
		for name, value := range object {
			walk(prefix+name+".", value)
		}
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	walk("", v)
	slices.Sort(names)
	return names
}

// The fields are those of captured events (aws-lambda-go, events/testdata/apigw-websocket-request-*.json).
func TestEventsHaveTheCapturedFields(t *testing.T) {
	const common = "isBase64Encoded requestContext.apiId requestContext.connectedAt requestContext.connectionId " +
		"requestContext.domainName requestContext.eventType requestContext.extendedRequestId requestContext.identity.sourceIp " +
		"requestContext.identity.userAgent requestContext.messageDirection requestContext.requestId requestContext.requestTime " +
		"requestContext.requestTimeEpoch requestContext.routeKey requestContext.stage "
	f, _, addr := serve(t, allRoutes, nil)
	c := dial(t, "ws://"+addr+"/dev?a=1&b=2")
	write(t, c, `{"action":"echo"}`)
	connect, message := f.next(t), f.next(t)
	_ = c.Close(websocket.StatusNormalClosure, "bye")
	for _, tc := range []struct {
		event event
		more  string
	}{
		{connect, "headers multiValueHeaders queryStringParameters.a queryStringParameters.b " +
			"multiValueQueryStringParameters.a multiValueQueryStringParameters.b"},
		{message, "body requestContext.messageId"},
		{f.next(t), "headers multiValueHeaders requestContext.disconnectStatusCode requestContext.disconnectReason"},
	} {
		want := strings.Fields(common + tc.more)
		slices.Sort(want)
		if got := shape(t, tc.event.raw); !slices.Equal(got, want) {
			t.Errorf("%s has\n%v, want\n%v", tc.event.Context.EventType, got, want)
		}
		var ids struct {
			Context struct{ RequestID, ExtendedRequestID, ConnectionID string } `json:"requestContext"`
		}
		_ = json.Unmarshal(tc.event.raw, &ids)
		if id := ids.Context.ConnectionID; len(id) != 16 || !strings.HasSuffix(id, "=") || ids.Context.RequestID != ids.Context.ExtendedRequestID {
			t.Errorf("ids %+v", ids)
		}
	}
	c = dial(t, "ws://"+addr+"/dev")
	if raw := string(f.next(t).raw); strings.Contains(raw, "ueryStringParameters") {
		t.Errorf("a handshake with no query: %s", raw)
	}
	_ = c.CloseNow()
}

func TestRouteSelection(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	c := dial(t, "ws://"+addr+"/dev")
	f.next(t)
	for body, want := range map[string]string{
		`{"action":"echo"}`:        "echo",
		`{"x":1,"action":"echo" }`: "echo",
		`{"action":"Echo"}`:        "$default",
		`{"Action":"echo"}`:        "$default",
		`{"action":"$connect"}`:    "$default",
		`{"action":"$disconnect"}`: "$default",
		`{"action":["echo"]}`:      "$default",
		`{"action":null}`:          "$default",
		`["action","echo"]`:        "$default",
		`"echo"`:                   "$default",
		`{"action":"echo"`:         "$default",
		`{}`:                       "$default",
	} {
		write(t, c, body)
		if e := f.next(t); e.Context.RouteKey != want || e.Body != body {
			t.Errorf("%s goes to %s with %q, want %s", body, e.Context.RouteKey, e.Body, want)
		}
	}
}

func TestWhatAClientIsToldOfFailures(t *testing.T) {
	config := localgateway.Config{Routes: []string{"fail", "panic", "hang", "garbage", "refuse"}, IntegrationTimeout: 50 * time.Millisecond}
	f, _, addr := serve(t, config, func(ctx context.Context, e event) (any, error) {
		switch e.Context.RouteKey {
		case "fail":
			return nil, errors.New("broken")
		case "panic":
			panic("broken")
		case "hang":
			<-ctx.Done()
			return nil, ctx.Err()
		case "garbage":
			return "no proxy response", nil
		default:
			return map[string]any{"statusCode": 400, "body": "refused"}, nil
		}
	})
	c := dial(t, "ws://"+addr+"/dev")
	for _, tc := range []struct{ action, message string }{
		{"none", "Forbidden"},
		{"fail", "Internal server error"},
		{"panic", "Internal server error"},
		{"garbage", "Internal server error"},
		{"hang", "Endpoint request timed out"},
	} {
		write(t, c, `{"action":"`+tc.action+`"}`)
		var got struct{ Message, ConnectionID, RequestID string }
		if err := json.Unmarshal([]byte(read(t, c)), &got); err != nil || got.Message != tc.message || got.ConnectionID == "" {
			t.Errorf("%s: got %+v, %v; want %s", tc.action, got, err, tc.message)
		}
		if tc.action != "none" {
			if e := f.next(t); got.RequestID != e.Context.RequestID || got.ConnectionID != e.Context.ConnectionID {
				t.Errorf("%s: the frame is %+v, the event %+v", tc.action, got, e.Context)
			}
		}
	}
	// A refusal is a response that no route response carries to the client; the socket is still open.
	write(t, c, `{"action":"refuse"}`)
	write(t, c, `{"action":"none"}`)
	if got := read(t, c); !strings.Contains(got, "Forbidden") {
		t.Errorf("got %s", got)
	}
}

func TestHandshake(t *testing.T) {
	for _, tc := range []struct {
		name   string
		url    string
		answer any
		err    error
		status int
		body   string
	}{
		{"granted", "/dev", nil, nil, 101, ""},
		{"granted with 204", "/dev", map[string]any{"statusCode": 204}, nil, 101, ""},
		{"refused", "/dev?x=1", map[string]any{"statusCode": 401, "body": "who are you?"}, nil, 401, "who are you?"},
		{"throttled", "/dev", map[string]any{"statusCode": 429}, nil, 429, ""},
		{"crashed", "/dev", nil, errors.New("broken"), 502, "Internal server error"},
		{"garbage", "/dev", []int{1}, nil, 502, "Internal server error"},
		{"another stage", "/prod", nil, nil, 403, "Forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, _, addr := serve(t, allRoutes, func(_ context.Context, e event) (any, error) {
				if e.Context.EventType == "CONNECT" {
					return tc.answer, tc.err
				}
				return nil, nil
			})
			c, response, err := websocket.Dial(t.Context(), "ws://"+addr+tc.url, nil)
			if (err == nil) != (tc.status == 101) || response.StatusCode != tc.status {
				t.Fatalf("got %v, status %d; want %d", err, response.StatusCode, tc.status)
			}
			if err != nil {
				if b, _ := io.ReadAll(response.Body); !strings.Contains(string(b), tc.body) {
					t.Errorf("the body is %q", b)
				}
				return
			}
			_ = c.Close(websocket.StatusNormalClosure, "")
			for f.next(t).Context.EventType != "DISCONNECT" {
			}
		})
	}
	_, _, addr := serve(t, allRoutes, nil)
	if status, _, body := call(t, "GET", "http://"+addr+"/dev", ""); status != 426 || !strings.Contains(body, "WebSocket client") {
		t.Errorf("a plain GET: %d %s", status, body)
	}
	if status, _, _ := call(t, "GET", "http://"+addr+"/elsewhere", ""); status != 404 {
		t.Errorf("an unknown path: %d", status)
	}
}

func TestASubprotocolIsGrantedByConnectOnly(t *testing.T) {
	for _, tc := range []struct{ answer, want string }{
		{`{"statusCode":200}`, ""},
		{`{"statusCode":200,"headers":{"sec-websocket-protocol":"chat"}}`, "chat"},
	} {
		_, _, addr := serve(t, allRoutes, func(context.Context, event) (any, error) { return json.RawMessage(tc.answer), nil })
		c, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/dev", &websocket.DialOptions{Subprotocols: []string{"chat", "token"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Subprotocol(); got != tc.want {
			t.Errorf("%s: got subprotocol %q, want %q", tc.answer, got, tc.want)
		}
		_ = c.CloseNow()
	}
}

// The handshake is answered after $connect, and until then the connection cannot be posted to.
func TestAConnectionInItsOwnConnectIsGone(t *testing.T) {
	addr := ""
	posted := make(chan string, 1)
	f, _, a := serve(t, allRoutes, func(_ context.Context, e event) (any, error) {
		if e.Context.EventType == "CONNECT" {
			_, name, _ := call(t, "POST", "http://"+addr+"/dev/@connections/"+e.Context.ConnectionID, "early")
			posted <- name
		}
		return nil, nil
	})
	addr = a
	c := dial(t, "ws://"+addr+"/dev")
	if got := <-posted; got != "GoneException" {
		t.Errorf("the early post got %s", got)
	}
	id := f.next(t).Context.ConnectionID
	if status, _, _ := call(t, "POST", "http://"+addr+"/dev/@connections/"+id, "now"); status != 200 {
		t.Errorf("a post right after the handshake: %d", status)
	}
	if got := read(t, c); got != "now" {
		t.Errorf("got %q", got)
	}
}

func TestManagement(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	c := dial(t, "ws://"+addr+"/dev")
	id := f.next(t).Context.ConnectionID
	base := "http://" + addr + "/dev/@connections/"

	for _, escaped := range []string{id, strings.ReplaceAll(id, "=", "%3D")} {
		for _, prefix := range []string{base, "http://" + addr + "/dev/%40connections/"} {
			if status, _, _ := call(t, "POST", prefix+escaped, "hello é"); status != 200 {
				t.Errorf("POST: %d", status)
			}
			if got := read(t, c); got != "hello é" {
				t.Errorf("got %q", got)
			}
		}
	}
	status, _, body := call(t, "GET", base+id, "")
	var info struct {
		ConnectedAt, LastActiveAt time.Time
		Identity                  struct{ SourceIP, UserAgent string }
	}
	if err := json.Unmarshal([]byte(body), &info); err != nil || status != 200 || info.Identity.SourceIP != "127.0.0.1" ||
		time.Since(info.ConnectedAt) > time.Minute || info.LastActiveAt.Before(info.ConnectedAt) {
		t.Errorf("GET: %d %s, %v", status, body, err)
	}
	for _, tc := range []struct {
		method, id, body string
		status           int
		name             string
	}{
		{"POST", "AAAAAAAAAAAAAAA=", "x", 410, "GoneException"},
		{"GET", "AAAAAAAAAAAAAAA=", "", 410, "GoneException"},
		{"DELETE", "AAAAAAAAAAAAAAA=", "", 410, "GoneException"},
		{"POST", "no~id", "x", 400, "BadRequestException"},
		{"POST", id, strings.Repeat("x", 128<<10+1), 413, "PayloadTooLargeException"},
		{"PUT", id, "", 403, "ForbiddenException"},
	} {
		status, name, body := call(t, tc.method, base+tc.id, tc.body)
		if status != tc.status || name != tc.name || !strings.Contains(body, `"__type":"`+tc.name+`"`) {
			t.Errorf("%s %s: got %d %s %s, want %d %s", tc.method, tc.id, status, name, body, tc.status, tc.name)
		}
	}
	if status, _, _ := call(t, "POST", base+id, strings.Repeat("x", 128<<10)); status != 200 {
		t.Errorf("the largest message: %d", status)
	}
	if got := read(t, c); len(got) != 128<<10 {
		t.Errorf("got %d bytes", len(got))
	}

	if status, _, _ := call(t, "DELETE", base+id, ""); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	if status, _, _ := call(t, "POST", base+id, "late"); status != 410 {
		t.Errorf("a post after DELETE: %d", status)
	}
	_, _, err := c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the client saw %v", err)
	}
	if e := f.next(t); e.Context.EventType != "DISCONNECT" || e.Context.DisconnectStatusCode != 1000 || e.Context.ConnectionID != id {
		t.Errorf("after DELETE came %+v", e.Context)
	}
}

func TestAClientThatDoesNotReadCostsNobodyElse(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	slow := dial(t, "ws://"+addr+"/dev")
	slowID := f.next(t).Context.ConnectionID
	other := dial(t, "ws://"+addr+"/dev")
	otherID := f.next(t).Context.ConnectionID
	frame := strings.Repeat("x", 32<<10)
	full := 0
	for i := range 2000 { // far more than the kernel's buffers hold
		status, name, _ := call(t, "POST", "http://"+addr+"/dev/@connections/"+slowID, frame)
		if status == 429 && name == "LimitExceededException" {
			full++
		} else if status != 200 {
			t.Fatalf("post %d: %d %s", i, status, name)
		}
		if full == 5 {
			break
		}
	}
	if full != 5 {
		t.Error("the buffer was never full")
	}
	if status, _, _ := call(t, "POST", "http://"+addr+"/dev/@connections/"+otherID, "hi"); status != 200 || read(t, other) != "hi" {
		t.Error("the other client was not served")
	}
	read(t, slow) // it is still connected, and gets what was taken
}

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
		{"with no code", func(c net.Conn) { _ = ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(nil))) },
			1005, "Client-side close frame status not set"},
		{"with no close frame", func(c net.Conn) { _ = c.Close() }, 1006, "Connection Closed Abnormally"},
		{"in the middle of a frame", func(c net.Conn) { _, _ = c.Write([]byte{0x81, 0xff, 0}); _ = c.Close() }, 1006, "Connection Closed Abnormally"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr+"/dev")
			if err != nil {
				t.Fatal(err)
			}
			f.next(t)
			tc.leave(conn)
			if e := f.next(t); e.Context.RouteKey != "$disconnect" || e.Context.DisconnectStatusCode != tc.code || e.Context.DisconnectReason != tc.reason {
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
	if _, response, err := websocket.Dial(t.Context(), "ws://"+addr+"/dev", nil); err == nil || response.StatusCode != 503 {
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
		{"one byte more in fragments", append(many(4, 32<<10)[:3], text(false, ws.OpContinuation, strings.Repeat("x", 32<<10)), text(true, ws.OpContinuation, "x")), 1009, 0},
		{"a letter across fragments", []ws.Frame{text(false, ws.OpText, "\xc3"), text(true, ws.OpContinuation, "\xa9")}, 0, 2},
		{"a ping between fragments", []ws.Frame{text(false, ws.OpText, "a"), ws.NewPingFrame(nil), text(true, ws.OpContinuation, "b")}, 0, 2},
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
				header, err := ws.ReadHeader(conn)
				if err != nil {
					t.Fatal(err)
				}
				payload := make([]byte, header.Length) // what this server sends is trusted
				if _, err := io.ReadFull(conn, payload); err != nil {
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

func TestAPingIsAnswered(t *testing.T) {
	_, _, addr := serve(t, allRoutes, nil)
	c := dial(t, "ws://"+addr+"/dev")
	go func() { _, _, _ = c.Read(t.Context()) }() // the library sees pongs while it reads
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMessagesOfOneConnectionAreNotSerialised(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	f, _, addr := serve(t, allRoutes, func(_ context.Context, e event) (any, error) {
		if e.Context.EventType == "MESSAGE" {
			both.Done()
			both.Wait() // each waits until the other is there as well
		}
		return nil, nil
	})
	c := dial(t, "ws://"+addr+"/dev")
	write(t, c, "1")
	write(t, c, "2")
	f.next(t)
	f.next(t)
	f.next(t)
	done := make(chan struct{})
	go func() { both.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("the second message waits for the first")
		both.Add(-1)
	}
}

func TestHTTPRoutes(t *testing.T) {
	var answer any
	f, _, addr := serve(t, allRoutes, func(context.Context, event) (any, error) {
		if answer == nil {
			return nil, errors.New("broken")
		}
		return answer, nil
	})
	answer = map[string]any{"statusCode": 201, "headers": map[string]string{"X-A": "b"}, "body": "aGk=", "isBase64Encoded": true}
	if status, _, body := call(t, "GET", "http://"+addr+"/ping?x=1&x=2", ""); status != 201 || body != "hi" {
		t.Errorf("got %d %s", status, body)
	}
	var e struct {
		Version, RouteKey, RawPath, RawQueryString string
		QueryStringParameters                      map[string]string
		Headers                                    map[string]string
		RequestContext                             struct {
			RouteKey string
			HTTP     struct{ Method, Path string }
		}
	}
	if err := json.Unmarshal(f.next(t).raw, &e); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(e.Version, e.RouteKey, e.RawPath, e.RawQueryString, e.QueryStringParameters, e.RequestContext); got !=
		"2.0GET /ping/pingx=1&x=2map[x:1,2] {GET /ping {GET /ping}}" || e.Headers["host"] != addr {
		t.Errorf("got %s, headers %v", got, e.Headers)
	}
	answer = nil
	if status, _, body := call(t, "GET", "http://"+addr+"/ping", ""); status != 500 || body != `{"message":"Internal Server Error"}` {
		t.Errorf("got %d %s", status, body)
	}
	if status, _, _ := call(t, "POST", "http://"+addr+"/ping", ""); status != 404 {
		t.Errorf("another method: %d", status)
	}
}

func TestConfigIsChecked(t *testing.T) {
	f := &function{}
	for says, c := range map[string]localgateway.Config{
		"Handler is nil":   {},
		"Stage":            {Handler: f, Stage: "a/b"},
		"not METHOD /path": {Handler: f, HTTPRoutes: []string{"/ping"}},
	} {
		if _, err := localgateway.New(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// FuzzFrames: whatever bytes a client sends after its handshake, the gateway neither crashes nor stays behind, and every
// client whose $connect ran gets its $disconnect.
func FuzzFrames(f *testing.F) {
	for _, frame := range []ws.Frame{ws.NewTextFrame([]byte(`{"action":"echo"}`)), ws.NewPingFrame(nil), ws.NewCloseFrame(nil)} {
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
