package localgateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// responses are what a function may return, and whether each kind of API takes it.
var responses = []struct {
	name, response    string
	webSocket, onHTTP bool
}{
	{"the status alone", `{"statusCode":200}`, true, true},
	{"every field", `{"statusCode":200,"headers":{"A":"b"},"multiValueHeaders":{"A":["b"]},"body":"x",` +
		`"isBase64Encoded":false}`, true, true},
	{"fields that are null", `{"statusCode":200,"headers":null,"multiValueHeaders":null,"body":null,` +
		`"isBase64Encoded":null}`, true, true},
	{"an unknown field", `{"statusCode":200,"ConnectionId":"x"}`, false, true},
	{"an unknown field that is null", `{"statusCode":200,"error":null}`, false, true},
	{"a field in other letters", `{"statusCode":200,"Body":"x"}`, false, true},
	{"a field of the other kind of API", `{"statusCode":200,"cookies":["a=b"]}`, false, true},
	{"a header that is a boolean", `{"statusCode":200,"headers":{"A":true}}`, true, true},
	{"a header that is a number", `{"statusCode":200,"headers":{"A":0}}`, true, true},
	{"a header that is null", `{"statusCode":200,"headers":{"A":null}}`, true, true},
	{"a header that is a list", `{"statusCode":200,"headers":{"A":["b"]}}`, false, false},
	{"headers that are a list", `{"statusCode":200,"headers":["b"]}`, false, false},
	{"multi-value headers of booleans and numbers",
		`{"statusCode":200,"multiValueHeaders":{"A":[true,1]}}`, true, true},
	{"a body that is a number", `{"statusCode":200,"body":1}`, true, true},
	{"a body that is a boolean", `{"statusCode":200,"body":true}`, true, true},
	{"a body that is an object", `{"statusCode":200,"body":{"hey":"dude"}}`, false, false},
	{"a status that is a string", `{"statusCode":"200"}`, true, true},
	{"a status that is a word", `{"statusCode":"OK"}`, false, false},
	{"a status that is a fraction", `{"statusCode":200.5}`, false, false},
	{"a status that is a boolean", `{"statusCode":true}`, false, false},
	{"a status that is null", `{"statusCode":null}`, false, false},
	{"a status out of range", `{"statusCode":"100"}`, false, false},
	{"no status", `{"body":"x"}`, false, false},
	{"nothing", `null`, false, false},
	{"a list", `[{"statusCode":200}]`, false, false},
}

func TestWhatAFunctionMayReturn(t *testing.T) {
	for _, tc := range responses {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, addr := serve(t, allRoutes, func(context.Context, event) (any, error) {
				return json.RawMessage(tc.response), nil
			})
			if got, want := connect(t, "ws://"+addr+"/dev", nil), status(tc.webSocket, 101, 502); got != want {
				t.Errorf("$connect: %d, want %d", got, want)
			}
			if got, _, body := call(t, "GET", "http://"+addr+"/ping", ""); got != status(tc.onHTTP, 200, 500) {
				t.Errorf("GET /ping: %d %s", got, body)
			}
		})
	}
}

func status(ok bool, yes, no int) int {
	if ok {
		return yes
	}
	return no
}

func TestAMalformedResponseToAMessage(t *testing.T) {
	f, _, addr := serve(t, localgateway.Config{Routes: []string{"$default"}}, func(_ context.Context, e event) (any,
		error) {
		return json.RawMessage(e.Body), nil
	})
	c := dial(t, "ws://"+addr+"/dev")
	for _, tc := range responses {
		write(t, c, tc.response)
		e := f.next(t)
		if tc.webSocket {
			continue // the next frame, if any, belongs to a later response
		}
		want := fmt.Sprintf(`{"message":"Internal server error","connectionId":%q,"requestId":%q}`,
			e.Context.ConnectionID, e.Context.RequestID)
		if got := read(t, c); got != want {
			t.Errorf("%s: got %s, want %s", tc.name, got, want)
		}
	}
}

func TestARefusalsHeadersAreText(t *testing.T) {
	_, _, addr := serve(t, allRoutes, func(context.Context, event) (any, error) {
		return json.RawMessage(`{"statusCode":"401","headers":{"X-Bool":true,"X-Int":0,"X-Big":12345678901234567890,` +
			`"X-Null":null,"Content-Type":null},"multiValueHeaders":{"X-Multi":[false,1.5,"a"]},"body":7}`), nil
	})
	_, answer, err := websocket.Dial(t.Context(), "ws://"+addr+"/dev", nil)
	if err == nil || answer.StatusCode != 401 {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, name := range []string{"X-Bool", "X-Int", "X-Big", "X-Null", "X-Multi", "Content-Type"} {
		got = append(got, fmt.Sprintf("%d:%s", len(answer.Header.Values(name)),
			strings.Join(answer.Header.Values(name), ",")))
	}
	body, _ := io.ReadAll(answer.Body)
	if got, want := fmt.Sprintf("%q %s", got, body),
		`["1:true" "1:0" "1:12345678901234567890" "0:" "3:false,1.5,a" "0:"] 7`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
