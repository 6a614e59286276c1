package localgateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// twoWay is a configuration in which all routes but "silent" have a route response.
var twoWay = localgateway.Config{Routes: []string{"$connect", "$disconnect", "$default", "echo", "silent"},
	RouteResponses: []string{"$connect", "$disconnect", "$default", "echo"}}

func TestRouteResponses(t *testing.T) {
	letters := strings.Repeat("é", 64<<10-1) // two bytes less than the largest message
	responses := []struct{ name, response, want string }{
		{"a body", `{"statusCode":200,"body":"hi"}`, "hi"},
		{"a body of JSON", `{"statusCode":200,"body":"{\"a\":1}"}`, `{"a":1}`},
		{"a number", `{"statusCode":200,"body":7}`, "7"},
		{"an empty body", `{"statusCode":200,"body":""}`, ""},
		{"no body", `{"statusCode":200}`, ""},
		{"null", `{"statusCode":200,"body":null}`, ""},
		{"a refusal", `{"statusCode":400,"body":"no"}`, "no"},
		{"a failure", `{"statusCode":500,"body":"broken"}`, "broken"},
		{"a redirection", `{"statusCode":302,"headers":{"Location":"/"},"body":"there"}`, "there"},
		{"base64", `{"statusCode":200,"body":"aMOp","isBase64Encoded":true}`, "hé"},
		{"base64 of what is no text", `{"statusCode":200,"body":"aP9p","isBase64Encoded":true}`, "h\uFFFDi"},
		{"text that looks like base64", `{"statusCode":200,"body":"aMOp","isBase64Encoded":false}`, "aMOp"},
		{"the largest body", `{"statusCode":200,"body":"` + letters + `ab"}`, letters + "ab"},
		{"a body of one byte more", `{"statusCode":200,"body":"` + letters + `abc"}`, "an error"},
		{"a malformed response", `{"statusCode":200,"body":"x","error":1}`, "an error"},
		{"a response without a status", `{"body":"x"}`, "an error"},
		{"what is not base64", `{"statusCode":200,"body":"***","isBase64Encoded":true}`, "an error"},
	}
	f, _, addr := serve(t, twoWay, func(_ context.Context, e event) (any, error) {
		for _, tc := range responses {
			if tc.name == e.Body {
				return json.RawMessage(tc.response), nil
			}
		}
		return nil, nil
	})
	c := dial(t, "ws://"+addr+"/dev")
	f.next(t)
	for _, tc := range responses {
		write(t, c, tc.name)
		e := f.next(t)
		want := tc.want
		if want == "an error" {
			want = fmt.Sprintf(`{"message":"Internal server error","connectionId":%q,"requestId":%q}`,
				e.Context.ConnectionID, e.Context.RequestID)
		}
		if got := read(t, c); got != want {
			t.Errorf("%s: got %.100q, want %.100q", tc.name, got, want)
		}
	}
}

// A route without a route response stays silent, as do $connect and $disconnect with one.
func TestRoutesWithoutARouteResponse(t *testing.T) {
	f, gw, addr := serve(t, twoWay, func(_ context.Context, e event) (any, error) {
		return map[string]any{"statusCode": 200, "body": "from " + e.Context.RouteKey}, nil
	})
	c := dial(t, "ws://"+addr+"/dev")
	f.next(t)
	for _, tc := range []struct{ action, want string }{
		{"silent", ""},
		{"echo", "from echo"},
		{"none", "from $default"},
	} {
		write(t, c, `{"action":"`+tc.action+`"}`)
		f.next(t)
		gw.WaitForInvocations()
		if tc.want == "" {
			continue // the next frame is that of the next message
		}
		if got := read(t, c); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.action, got, tc.want)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("the close: %v", err) // the close frame is next
	}
	f.next(t)
}

// Other than a post that finds the buffer full, a response cannot be sent again. None is lost.
func TestRouteResponsesWaitForAClientThatDoesNotRead(t *testing.T) {
	const messages, size = 60, 128 << 10 // more than the sockets' buffers hold
	f, _, addr := serve(t, twoWay, func(_ context.Context, e event) (any, error) {
		return map[string]any{"statusCode": 200, "body": e.Body + strings.Repeat("x", size-len(e.Body))}, nil
	})
	conn, _ := handshake(t, addr, "/dev")
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	f.next(t)
	for i := range messages {
		frame := ws.NewTextFrame(fmt.Appendf(nil, "%02d", i))
		if err := ws.WriteFrame(conn, ws.MaskFrame(frame)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond) // the responses pile up
	got := map[string]bool{}
	for range messages {
		var message []byte
		for fin := false; !fin; {
			header, payload, err := readFrame(conn)
			if err != nil {
				t.Fatalf("after %d responses: %v", len(got), err)
			}
			message, fin = append(message, payload...), header.Fin
		}
		if len(message) != size {
			t.Fatalf("got %.100q", message)
		}
		got[string(message[:2])] = true
	}
	if len(got) != messages {
		t.Errorf("got %d different responses, want %d", len(got), messages)
	}
}
