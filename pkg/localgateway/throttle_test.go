package localgateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

func TestHandshakesAreThrottled(t *testing.T) {
	config, clock := withClock()
	a := &authorizer{answer: answerOf("Allow")}
	config.Authorizer = withAuthorizer(a).Authorizer
	config.RouteThrottles = map[string]localgateway.Throttle{"$connect": {RequestsPerSecond: 0.5, Burst: 2}}
	f, _, addr := serve(t, config, nil)
	for round, want := range [][]int{{101, 101, 429, 429}, {429}, {101, 429}} {
		for i, status := range want {
			if got := connect(t, "ws://"+addr+"/dev", nil); got != status {
				t.Errorf("second %d, handshake %d: %d, want %d", round, i, got, status)
			}
		}
		clock.Advance(time.Second)
	}
	if asked, invoked := len(a.asked), len(f.events); asked != 3 || invoked != 3 {
		t.Errorf("the authorizer was asked %d times and $connect was invoked %d times, want 3", asked, invoked)
	}
}

// Each route has a count of its own, which all connections share.
func TestMessagesAreThrottled(t *testing.T) {
	config, clock := withClock()
	config.Throttle = &localgateway.Throttle{RequestsPerSecond: 1, Burst: 2}
	config.RouteThrottles = map[string]localgateway.Throttle{"echo": {RequestsPerSecond: 2, Burst: 3}}
	f, gw, addr := serve(t, config, nil)
	clients := []*websocket.Conn{dial(t, "ws://"+addr+"/dev"), dial(t, "ws://"+addr+"/dev")}
	postTo := "http://" + addr + "/dev/@connections/" + nextConnect(t, f)
	nextConnect(t, f)
	send := func(message string, passes ...bool) {
		t.Helper()
		for i, pass := range passes {
			c := clients[i%len(clients)]
			write(t, c, message)
			if pass {
				if e := f.next(t); e.Body != message {
					t.Errorf("%s, message %d: got %+v", message, i, e)
				}
			} else if got := read(t, c); !strings.HasPrefix(got, `{"message":"Too Many Requests","connectionId":"`) {
				t.Errorf("%s, message %d: got %s", message, i, got)
			}
		}
	}
	send(`{"action":"echo"}`, true, true, true, false, false)
	send("hi", true, true, false)
	gw.WaitForInvocations()
	clock.Advance(time.Second)
	send(`{"action":"echo"}`, true, true, false)
	send("hi", true, false)
	for range 5 {
		if status, _, _ := call(t, "GET", "http://"+addr+"/ping", ""); status != 200 {
			t.Errorf("a route of the HTTP API: %d", status)
		}
		f.next(t)
		if status, _, _ := call(t, "GET", postTo, ""); status != 200 {
			t.Errorf("@connections: %d", status)
		}
	}
	if len(f.events) > 0 {
		t.Errorf("what was over reached the handler: %s", f.next(t).raw)
	}
}

func TestWhatIsNotThrottled(t *testing.T) {
	nothing := map[string]localgateway.Throttle{"$disconnect": {}, "echo": {}}
	f, _, addr := serve(t, localgateway.Config{Routes: []string{"$disconnect", "echo", "say"},
		RouteThrottles: nothing}, nil)
	c := dial(t, "ws://"+addr+"/dev") // there is no route $connect
	for message, want := range map[string]string{`{"action":"echo"}`: "Too Many Requests", "hi": "Forbidden"} {
		write(t, c, message)
		if got := read(t, c); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", message, got, want)
		}
	}
	write(t, c, `{"action":"say"}`)
	if e := f.next(t); e.Context.RouteKey != "say" {
		t.Errorf("got %+v", e.Context)
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
	if e := f.next(t); e.Context.RouteKey != "$disconnect" {
		t.Errorf("got %+v", e.Context)
	}
}
