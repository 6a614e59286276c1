package localgateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/localgateway"
)

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
	config := localgateway.Config{Routes: []string{"fail", "panic", "hang", "garbage", "refuse", "upstream", "exit",
		"100", "letters"}, IntegrationTimeout: 50 * time.Millisecond}
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
		case "upstream": // what the handler itself asked for was too late; the handler was not
			return nil, fmt.Errorf("the database: %w", context.DeadlineExceeded)
		case "exit":
			runtime.Goexit() // as t.FailNow does
			return nil, nil
		case "100":
			return map[string]any{"statusCode": 100}, nil
		case "letters":
			return map[string]any{"StatusCode": 200}, nil
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
		{"upstream", "Internal server error"},
		{"exit", "Internal server error"},
		{"100", "Internal server error"},
		{"letters", "Internal server error"},
		{"hang", "Endpoint request timed out"},
	} {
		write(t, c, `{"action":"`+tc.action+`"}`)
		var got struct{ Message, ConnectionID, RequestID string }
		if err := json.Unmarshal([]byte(read(t, c)), &got); err != nil || got.Message != tc.message ||
			got.ConnectionID == "" {
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
	answer = map[string]any{"statusCode": 201, "headers": map[string]string{"X-A": "b"},
		"multiValueHeaders": map[string][]string{"X-A": {"c"}}, "body": "aGk=", "isBase64Encoded": true}
	pong, err := http.Get("http://" + addr + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	_ = pong.Body.Close()
	if got := pong.Header.Get("X-A"); got != "b" {
		t.Errorf("X-A is %q: many values are a field of REST and WebSocket APIs", got)
	}
	f.next(t)
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
	if got := fmt.Sprint(e.Version, e.RouteKey, e.RawPath, e.RawQueryString, e.QueryStringParameters,
		e.RequestContext); got !=
		"2.0GET /ping/pingx=1&x=2map[x:1,2] {GET /ping {GET /ping}}" || e.Headers["host"] != "127.0.0.1" {
		t.Errorf("got %s, headers %v", got, e.Headers)
	}
	answer = nil
	if status, _, body := call(t, "GET", "http://"+addr+"/ping", ""); status != 500 ||
		body != `{"message":"Internal Server Error"}` {
		t.Errorf("got %d %s", status, body)
	}
	if status, _, _ := call(t, "POST", "http://"+addr+"/ping", ""); status != 404 {
		t.Errorf("another method: %d", status)
	}
}
