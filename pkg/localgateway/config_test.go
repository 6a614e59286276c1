package localgateway_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// named is a Handler that notes its name when it is invoked.
func named(name string, invoked chan<- string) localgateway.Handler {
	return handlerFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		var e struct {
			RequestContext struct{ RouteKey string }
		}
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, err
		}
		invoked <- name + " of " + e.RequestContext.RouteKey
		return []byte(`{"statusCode":200}`), nil
	})
}

func TestEachRouteMayHaveAHandlerOfItsOwn(t *testing.T) {
	invoked := make(chan string, 100)
	config := allRoutes
	config.Handlers = map[string]localgateway.Handler{}
	for _, key := range []string{"$connect", "$disconnect", "echo", "GET /ping"} {
		config.Handlers[key] = named(key, invoked)
	}
	f, _, addr := serve(t, config, nil)
	maps.DeleteFunc(config.Handlers, func(string, localgateway.Handler) bool { return true }) // the gateway has a copy
	c := dial(t, "ws://"+addr+"/dev")
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-invoked:
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("the handler that is %s was not invoked", want)
		}
	}
	expect("$connect of $connect")
	write(t, c, `{"action":"echo"}`)
	expect("echo of echo")
	write(t, c, "hi")
	if e := f.next(t); e.Context.RouteKey != "$default" {
		t.Errorf("Config.Handler got %+v", e.Context)
	}
	if status, _, _ := call(t, http.MethodGet, "http://"+addr+"/ping", ""); status != 200 {
		t.Errorf("GET /ping: %d", status)
	}
	expect("GET /ping of GET /ping")
	_ = c.Close(websocket.StatusNormalClosure, "")
	expect("$disconnect of $disconnect")
	if len(f.events) > 0 {
		t.Errorf("Config.Handler got %s", f.next(t).raw)
	}
}

func TestWithAHandlerForEachRouteNoneIsNeededForAll(t *testing.T) {
	handler := handlerFunc(nil)
	complete := localgateway.Config{Routes: []string{"$connect", "echo"}, HTTPRoutes: []string{"GET /ping"},
		Handlers: map[string]localgateway.Handler{"$connect": handler, "echo": handler, "GET /ping": handler}}
	if _, err := localgateway.New(complete); err != nil {
		t.Error(err)
	}
	for key := range complete.Handlers {
		without := complete
		without.Handlers = maps.Clone(complete.Handlers)
		delete(without.Handlers, key)
		if _, err := localgateway.New(without); err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("without one for %s: %v", key, err)
		}
	}
}

func TestStageVariables(t *testing.T) {
	want := map[string]string{"table_1": "Rooms-dev", "URL": "https://example.com:443/a?b=c&d=e,f#g~._-"}
	a := &authorizer{answer: answerOf("Allow")}
	config := withAuthorizer(a)
	config.StageVariables = maps.Clone(want)
	f, _, addr := serve(t, config, nil)
	config.StageVariables["later"] = "x" // the gateway has a copy
	expect := func(raw []byte) {
		t.Helper()
		var got struct{ StageVariables map[string]string }
		if err := json.Unmarshal(raw, &got); err != nil || !maps.Equal(got.StageVariables, want) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	c := dial(t, "ws://"+addr+"/dev")
	expect(<-a.asked)
	expect(f.next(t).raw)
	write(t, c, "hi")
	expect(f.next(t).raw)
	_ = c.Close(websocket.StatusNormalClosure, "")
	expect(f.next(t).raw)
	if status, _, _ := call(t, http.MethodGet, "http://"+addr+"/ping", ""); status != 200 {
		t.Errorf("GET /ping: %d", status)
	}
	expect(f.next(t).raw)
}
