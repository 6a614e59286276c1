package localgateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

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
