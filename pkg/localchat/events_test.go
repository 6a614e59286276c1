package localchat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"wschat/pkg/config"
	"wschat/test/issuer"
)

// A program is posted what becomes of messages, by the handlers in this process and by the built function.
func TestEventsArePosted(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		got := make(chan string, 100)
		program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var e struct {
				Type   string `json:"detail-type"`
				Detail struct {
					Room    string `json:"room_name"`
					Index   int
					Version int
					Content string
				}
			}
			if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
				t.Error(err)
			}
			got <- fmt.Sprintf("%s %s %d@%d %s", e.Type, e.Detail.Room, e.Detail.Index, e.Detail.Version,
				e.Detail.Content)
		}))
		t.Cleanup(program.Close)
		d := startDoorWith(t, p, bootstrap, config.Values{config.EventsURL: program.URL})
		d.act(t, fields{"action": "sendMessage", "room_name": "r", "user_id": "ann", "user_name": "Ann",
			"content":    "one",
			"message_id": "1"},
			fields{"action": "editMessage", "room_name": "r", "user_id": "ann", "user_name": "Ann", "index": 1,
				"content": "ONE"},
			fields{"action": "banUser", "room_name": "r", "user_id": "eve"})
		var events []string
		for range 2 {
			select {
			case e := <-got:
				events = append(events, e)
			case <-time.After(20 * time.Second):
				t.Fatalf("only %q came", events)
			}
		}
		slices.Sort(events) // they come in no promised order
		if want := []string{"MessageChanged r 1@1 ONE", "MessageStored r 1@0 one"}; !slices.Equal(events, want) {
			t.Errorf("got %q, want %q", events, want)
		}
	})
}
