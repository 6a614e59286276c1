package localgateway_test

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

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

// next is the next event; the test fails if there is none.
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
func serve(t *testing.T, c localgateway.Config, answer func(ctx context.Context, e event) (any, error)) (*function,
	*localgateway.Gateway, string) {
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

var allRoutes = localgateway.Config{Routes: []string{"$connect", "$disconnect", "$default", "echo"},
	HTTPRoutes: []string{"GET /ping"}}

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

func TestConfigIsChecked(t *testing.T) {
	f := &function{}
	for says, c := range map[string]localgateway.Config{
		"Handler is nil":            {},
		"Stage":                     {Handler: f, Stage: "a/b"},
		"not METHOD /path":          {Handler: f, HTTPRoutes: []string{"/ping"}},
		"get /ping":                 {Handler: f, HTTPRoutes: []string{"get /ping"}},
		"ANY /ping":                 {Handler: f, HTTPRoutes: []string{"ANY /ping"}},
		"GET /users/{id}":           {Handler: f, HTTPRoutes: []string{"GET /users/{id}"}},
		"$connected":                {Handler: f, Routes: []string{"$connected"}},
		`""`:                        {Handler: f, Routes: []string{""}},
		"IntegrationTimeout":        {Handler: f, IntegrationTimeout: -time.Second},
		"$request.header":           {Handler: f, RouteSelectionExpression: "$request.header.x"},
		"no index of a list":        {Handler: f, RouteSelectionExpression: "$request.body.items[0].action"},
		"Authorizer.Handler is nil": {Handler: f, Authorizer: &localgateway.Authorizer{}},
		"identity source": {Handler: f, Authorizer: &localgateway.Authorizer{Handler: f,
			IdentitySources: []string{"$request.header.x"}}},
		`identity source "context."`: {Handler: f, Authorizer: &localgateway.Authorizer{Handler: f,
			IdentitySources: []string{"context."}}},
		`identity source "stage.x"`: {Handler: f, Authorizer: &localgateway.Authorizer{Handler: f,
			IdentitySources: []string{"stage.x"}}},
		"IAM needs Config.Credentials": {Handler: f, IAM: true},
		"IAM and an Authorizer": {Handler: f, IAM: true, Authorizer: &localgateway.Authorizer{Handler: f},
			Credentials: &localgateway.Credentials{AccessKeyID: "x", SecretAccessKey: "y"}},
		"Config.Throttle has":   {Handler: f, Throttle: &localgateway.Throttle{RequestsPerSecond: math.NaN()}},
		"Config.Throttle has a": {Handler: f, Throttle: &localgateway.Throttle{RequestsPerSecond: 1, Burst: -1}},
		`RouteThrottles["$default"] has`: {Handler: f,
			RouteThrottles: map[string]localgateway.Throttle{"$default": {RequestsPerSecond: -1}}},
		`RouteThrottles has "echo"`: {Handler: f, RouteThrottles: map[string]localgateway.Throttle{"echo": {}}},
		`RouteThrottles has "GET /ping"`: {Handler: f, HTTPRoutes: []string{"GET /ping"},
			RouteThrottles: map[string]localgateway.Throttle{"GET /ping": {}}},
		"negative": {Handler: f, Quotas: &localgateway.Quotas{RequestBurst: -1}},
		`nil for the route "echo"`: {Handler: f, Routes: []string{"echo"},
			Handlers: map[string]localgateway.Handler{"echo": nil}},
		`Config.Handlers has "other"`: {Handler: f, Handlers: map[string]localgateway.Handler{"other": f}},
		`Config.Handlers has "GET /"`: {Handler: f, HTTPRoutes: []string{"GET /ping"},
			Handlers: map[string]localgateway.Handler{"GET /": f}},
		`RouteResponses has "other"`: {Handler: f, RouteResponses: []string{"$default", "other"}},
		`RouteResponses has "GET /"`: {Handler: f, HTTPRoutes: []string{"GET /"}, RouteResponses: []string{"GET /"}},
		`the name "a-b"`:             {Handler: f, StageVariables: map[string]string{"a-b": "c"}},
		`the name ""`:                {Handler: f, StageVariables: map[string]string{"": "c"}},
		`the value ""`:               {Handler: f, StageVariables: map[string]string{"a": ""}},
		`the value "a b"`:            {Handler: f, StageVariables: map[string]string{"a": "a b"}},
		`the value "a\n"`:            {Handler: f, StageVariables: map[string]string{"a": "a\n"}},
		`the value "é"`:              {Handler: f, StageVariables: map[string]string{"a": "é"}},
		"secret access key":          {Handler: f, Credentials: &localgateway.Credentials{AccessKeyID: "x"}},
	} {
		if _, err := localgateway.New(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// serveDirectly calls the gateway without a server and returns the status.
func serveDirectly(gw *localgateway.Gateway, method, path string) int {
	w := httptest.NewRecorder()
	gw.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code
}
