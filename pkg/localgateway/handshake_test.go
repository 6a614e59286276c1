package localgateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

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
	for _, path := range []string{"/dev", "/dev/", "/dev/1", "/dev/1/2"} {
		if status, _, body := call(t, "GET", "http://"+addr+path, ""); status != 426 ||
			!strings.Contains(body, "WebSocket client") {
			t.Errorf("a plain GET of %s: %d %s", path, status, body)
		}
	}
	if status, _, _ := call(t, "GET", "http://"+addr+"/elsewhere", ""); status != 404 {
		t.Errorf("an unknown path: %d", status)
	}
	for _, path := range []string{"/prod/@connections/AAAAAAAAAAAAAAA=", "/@connections/AAAAAAAAAAAAAAA="} {
		if status, name, _ := call(t, "POST", "http://"+addr+path, ""); status != 403 || name != "ForbiddenException" {
			t.Errorf("@connections of another stage, %s: %d %s", path, status, name)
		}
	}
	conn := tcp(t, addr)
	_, _ = io.WriteString(conn, strings.Replace(upgrade, "Connection: ", "Connection: keep-alive\r\nConnection: ", 1))
	if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || answer.StatusCode != 101 {
		t.Errorf("a Connection header of two lines: %v, %v", answer, err)
	}
}

// A handshake that breaks RFC 6455 is refused before $connect.
func TestAHandshakeThatIsNotValid(t *testing.T) {
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	f, _, addr := serve(t, allRoutes, nil)
	for _, tc := range []struct {
		name, old, new string // what is replaced in a good one
		status         int
	}{
		{"a good one", "", "", 101},
		{"a key in other letters", "Sec-WebSocket-Key", "sec-websocket-key", 101},
		{"a length of 0", key, key + "Content-Length: 0\r\n", 101},
		{"no key", key, "", 400},
		{"two keys", key, key + key, 400},
		{"two keys that differ", key, key + strings.Replace(key, "dGhl", "dGhm", 1), 400},
		{"two keys in one line", "ZQ==", "ZQ==, dGhlIHNhbXBsZSBub25jZQ==", 400},
		{"a key of 15 bytes", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", 400},
		{"a key of 17 bytes in 24 characters", "ZQ==", "ZWU=", 400},
		{"a key of 18 bytes in 24 characters", "ZQ==", "ZWVl", 400},
		{"24 characters that are not base64", "dGhl", "d~hl", 400},
		{"base64 of URLs", "dGhl", "d-hl", 400},
		{"a body", key, key + "Content-Length: 6\r\n", 400},
		{"a body in chunks", key, key + "Transfer-Encoding: chunked\r\n", 400},
		{"another version", "Version: 13", "Version: 8", 426},
		{"no version", "Sec-WebSocket-Version: 13\r\n", "", 426},
		{"no Connection", "Connection: Upgrade\r\n", "", 426},
		{"no Upgrade", "Upgrade: websocket\r\n", "", 426},
		{"another method", "GET", "POST", 426},
	} {
		conn := tcp(t, addr)
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, strings.Replace(upgrade, tc.old, tc.new, 1)+"\x81\x80\x00\x00\x00\x00")
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != tc.status {
			t.Errorf("%s: got %v, %v; want %d", tc.name, answer, err, tc.status)
			continue
		}
		if got := answer.Header.Get("Upgrade") != ""; got != (tc.status != 400) {
			t.Errorf("%s: has the header Upgrade: %v", tc.name, got)
		}
		if tc.status != 101 && len(f.events) > 0 {
			t.Errorf("%s: got %s", tc.name, f.next(t).raw)
		}
		if tc.status == 101 {
			f.next(t)
			f.next(t) // the frame
			_ = conn.Close()
			f.next(t)
		}
	}
}

func TestASubprotocolIsGrantedByConnectOnly(t *testing.T) {
	for _, tc := range []struct{ answer, want string }{
		{`{"statusCode":200}`, ""},
		{`{"statusCode":200,"headers":{"sec-websocket-protocol":"chat"}}`, "chat"},
		{`{"statusCode":200,"multiValueHeaders":{"Sec-WebSocket-Protocol":["chat"]}}`, "chat"},
	} {
		_, _, addr := serve(t, allRoutes, func(context.Context, event) (any, error) {
			return json.RawMessage(tc.answer),
				nil
		})
		c, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/dev",
			&websocket.DialOptions{Subprotocols: []string{"chat", "token"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Subprotocol(); got != tc.want {
			t.Errorf("%s: got subprotocol %q, want %q", tc.answer, got, tc.want)
		}
		_ = c.CloseNow()
	}
}

func TestARefusalHasTheHeadersOfConnect(t *testing.T) {
	_, _, addr := serve(t, allRoutes, func(context.Context, event) (any, error) {
		return json.RawMessage(`{"statusCode":401,"headers":{"X-One":"1","X-Both":"single","content-length":"1","Transfer-Encoding":"gzip"},"multiValueHeaders":{"X-Two":["1","2"],"X-Both":["1","2"]},"body":"who?"}`), nil
	})
	_, answer, err := websocket.Dial(t.Context(), "ws://"+addr+"/dev", nil)
	if err == nil {
		t.Fatal("the handshake was granted")
	}
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "who?" {
		t.Errorf("got %q, %v", body, err)
	}
	got := fmt.Sprint(answer.Header.Values("X-One"), answer.Header.Values("X-Two"), answer.Header.Values("X-Both"))
	if want := "[1] [1 2] [1 2]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What cannot become a WebSocket is refused before $connect, which would have no $disconnect.
func TestAHandshakeOfAnotherHTTPVersion(t *testing.T) {
	f, gw, addr := serve(t, allRoutes, nil)
	conn := tcp(t, addr)
	_, _ = io.WriteString(conn, strings.Replace(upgrade, "HTTP/1.1", "HTTP/1.0", 1))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != 426 {
		t.Errorf("got %v, %v; want 426", answer, err)
	}
	r := httptest.NewRequest("GET", "/dev", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	if gw.ServeHTTP(w, r); w.Code != 426 {
		t.Errorf("HTTP/2 got %d, want 426", w.Code)
	}
	if len(f.events) != 0 {
		t.Errorf("$connect was invoked: %s", f.next(t).raw)
	}
}

// brokenLogger panics. It stands for whatever of the caller's own may panic during a handshake.
type brokenLogger struct{ slog.Handler }

func (brokenLogger) Handle(context.Context, slog.Record) error { panic("broken") }

func TestShutdownEndsAfterAPanic(t *testing.T) {
	config := allRoutes
	config.Handler = handlerFunc(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("broken") })
	config.Logger = slog.New(brokenLogger{slog.NewTextHandler(io.Discard, nil)})
	gw, err := localgateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(gw)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // net/http writes the panic there
	srv.Start()
	defer srv.Close()
	if _, _, err := websocket.Dial(t.Context(), "ws://"+srv.Listener.Addr().String()+"/dev", nil); err == nil {
		t.Error("the handshake was granted")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := gw.Shutdown(ctx); err != nil {
		t.Error(err)
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
