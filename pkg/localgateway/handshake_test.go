package localgateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/coder/websocket"
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
