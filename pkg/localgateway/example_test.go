package localgateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// shout is a Lambda handler that posts every message back, in capitals. It takes the callback URL from the
// environment, as a deployed one would.
type shout struct{ callbackURL string }

func (s *shout) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event struct {
		RequestContext struct{ RouteKey, ConnectionID string }
		Body           string
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	if event.RequestContext.RouteKey == "$default" {
		url := s.callbackURL + "/@connections/" + event.RequestContext.ConnectionID
		answer, err := http.Post(url, "text/plain", strings.NewReader(strings.ToUpper(event.Body)))
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
	}
	return []byte(`{"statusCode":200}`), nil
}

// A handler is tested with a WebSocket client, and with a clock that brings the idle timeout forward.
func Example() {
	handler := &shout{}
	clock := localgateway.NewManualClock(time.Now())
	gw, err := localgateway.New(localgateway.Config{Handler: handler, Clock: clock})
	if err != nil {
		log.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	defer srv.Close()
	handler.callbackURL = srv.URL + "/dev"

	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, srv.URL+"/dev", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseNow()
	if err := client.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_, answer, err := client.Read(ctx)
	fmt.Println(string(answer), err)

	gw.WaitForInvocations()
	clock.Advance(10 * time.Minute)
	_, _, err = client.Read(ctx)
	fmt.Println(websocket.CloseStatus(err))

	if err := gw.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// HELLO <nil>
	// StatusGoingAway
}
