package route_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/pkg/protocol"
	"wschat/pkg/route"
	"wschat/pkg/telemetry"
)

// counting is a poster that counts.
type counting struct {
	mu     sync.Mutex
	posts  int
	bytes  int
	closed bool
}

func (c *counting) Post(_ context.Context, _ string, frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posts++
	c.bytes += len(frame)
	return nil
}

func (c *counting) Close(context.Context, string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// paced is a handler whose connections may ask for ten things a second, in five rooms.
func paced(t *testing.T, auth bool) (*route.Handler, *counting, *localstore.Log) {
	log, err := localstore.OpenLog(t.TempDir()+"/chat.db", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	posts := &counting{}
	return route.New(route.Config{
		Chat: chat.Service{Log: log, Roster: &localstore.Roster{},
			Broadcaster:   broadcast.Broadcaster{Leases: &localstore.Leases{}},
			Announcements: &localstore.Announcements{},
			Encoder:       protocol.Encoder{}, Now: time.Now, Workers: 4, MaxRooms: 5},
		Poster:           func(string, string) chat.Poster { return posts },
		Auth:             auth,
		ActionsPerSecond: 10,
		Logger:           slog.New(slog.DiscardHandler),
		Meter:            telemetry.New("chat"),
	}), posts, log
}

const pacedBucket = 15 // five rooms, three posts each

func TestComingBackToAllRoomsFitsIntoTheBucket(t *testing.T) {
	h, _, _ := paced(t, false)
	for r := range 5 {
		body := fmt.Sprintf(`{"room_name":"r%d","user_name":"u","after":0,"members":true,"ref":"1"}`, r)
		if status, answer := bareMessage(t, h, "c", "joinRoom", body, nil); status != 200 {
			t.Errorf("room %d: %d %s", r, status, answer)
		}
	}
	if status, _ := bareMessage(t, h, "c", "ping", `{}`, nil); status != 429 {
		t.Errorf("what is beyond the bucket: %d", status)
	}
}

// An answer is charged what it costs, and it is bounded.
func TestLargeAnswersAreChargedWhatTheyCost(t *testing.T) {
	h, posts, log := paced(t, false)
	for range chat.MaxHistory {
		if _, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: strings.Repeat("x",
			chat.MaxContentBytes)}); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		const seconds, aSecond = 20, 5
		for i := range aSecond * seconds {
			status, _ := bareMessage(t, h, "c", "getRecentMessages", `{"room_name":"r","limit":100}`, nil)
			if i == 0 && (status != 200 || posts.posts != chat.MaxAnswerFrames || posts.bytes > 256<<10) {
				t.Fatalf("the first answer: %d, %d posts, %d bytes", status, posts.posts, posts.bytes)
			}
			time.Sleep(time.Second / aSecond)
		}
		// Each refusal is a post, too.
		if most := pacedBucket + chat.MaxAnswerFrames + 10*seconds + aSecond*seconds; posts.posts > most {
			t.Errorf("%d posts in %d s, of at most %d", posts.posts, seconds, most)
		}
		if posts.closed {
			t.Error("who asks too much, but not like a flood, is closed")
		}
	})
}

// Whatever a flood is made of, each refusal is answered, until there have been three times as many as the bucket
// holds; then the connection is closed.
func TestAFloodOfRefusalsIsClosed(t *testing.T) {
	for name, flood := range map[string]struct {
		routeKey, body string
		auth           bool
	}{
		"no JSON":        {"$default", `no JSON`, false},
		"unknown action": {"$default", `{"action":"fly"}`, false},
		"wrong field":    {"getRecentMessages", `{"room_name":"r","limit":-1}`, false},
		"forbidden":      {"getMembers", `{"room_name":"elsewhere"}`, true},
		"too much":       {"ping", `{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, posts, _ := paced(t, flood.auth)
				grant := map[string]any{"principalId": "u", "user": `"u"`,
					"expires": fmt.Sprint(time.Now().Add(time.Hour).Unix()), "rooms": `["r"]`}
				n := 0
				for ; !posts.closed && n < 1000; n++ {
					bareMessage(t, h, "c", flood.routeKey, flood.body, grant)
					time.Sleep(time.Second / 1500)
				}
				refused := bucketsOf(n, flood.body == `{}`)
				if !posts.closed || refused != 3*pacedBucket+1 {
					t.Errorf("after %d requests, %d of them refused, it is closed: %v", n, refused, posts.closed)
				}
				if posts.posts != n-1 {
					t.Errorf("%d requests had %d answers", n, posts.posts)
				}
			})
		})
	}
}

// bucketsOf is how many of n requests were refused: all, or those that the bucket did not hold.
func bucketsOf(n int, allowed bool) int {
	if allowed {
		return n - pacedBucket
	}
	return n
}

// A client that is refused now and then goes on for as long as it likes.
func TestRefusalsNowAndThenCloseNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, posts, _ := paced(t, false)
		for range 1000 {
			bareMessage(t, h, "c", "$default", `no JSON`, nil)
			time.Sleep(time.Second / 4)
		}
		if posts.closed || posts.posts != 1000 {
			t.Errorf("closed: %v, %d answers", posts.closed, posts.posts)
		}
	})
}

// message is an invocation of a handler with a bare event, and its status.
func bareMessage(t *testing.T, h *route.Handler, connection, action, body string, authorizer map[string]any) (int,
	string) {
	t.Helper()
	payload, _ := json.Marshal(map[string]any{"body": body, "requestContext": map[string]any{
		"routeKey": action, "eventType": "MESSAGE", "connectionId": connection, "requestId": "r=",
		"authorizer": authorizer}})
	answer, err := h.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var response struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(answer, &response); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Body
}

// One connection that asks for more than its share is told so; others are not hurt, and a second later it may ask
// again.
func TestActionsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := route.New(route.Config{
			Chat: chat.Service{Roster: &localstore.Roster{}, Encoder: protocol.Encoder{}, Now: time.Now,
				Workers: 1},
			Poster:           func(string, string) chat.Poster { return nowhere{} },
			ActionsPerSecond: 5,
			Logger:           slog.New(slog.DiscardHandler),
			Meter:            telemetry.New("chat"),
		})
		ask := func(connection string) int {
			status, _ := bareMessage(t, h, connection, "getMembers", `{"room_name":"r"}`, nil)
			return status
		}
		for second := range 3 {
			for i := range 10 {
				want := 200
				if i >= 5 {
					want = 429
				}
				if got := ask("fast"); got != want {
					t.Errorf("second %d, action %d: %d, want %d", second, i, got, want)
				}
				if status, _ := bareMessage(t, h, "fast", "$default", `no JSON`, nil); i >= 5 && status != 429 {
					t.Errorf("what is no JSON is free: %d", status)
				}
				if i == 0 {
					break
				}
			}
			for range 5 {
				if ask(fmt.Sprint("slow", second)) != 200 {
					t.Error("another connection is hurt")
				}
			}
			time.Sleep(time.Second)
		}
	})
}

func TestRoomsOfOneConnection(t *testing.T) {
	roster := &localstore.Roster{}
	h := route.New(route.Config{
		Chat:   chat.Service{Roster: roster, Encoder: protocol.Encoder{}, Now: time.Now, Workers: 1, MaxRooms: 3},
		Poster: func(string, string) chat.Poster { return nowhere{} },
		Logger: slog.New(slog.DiscardHandler),
		Meter:  telemetry.New("chat"),
	})
	join := func(connection string, room int) int {
		status, _ := bareMessage(t, h, connection, "joinRoom", fmt.Sprintf(`{"room_name":"r%d"}`, room), nil)
		return status
	}
	for room, want := range []int{200, 200, 200, 429, 429} {
		if got := join("c", room); got != want {
			t.Errorf("room %d: %d, want %d", room, got, want)
		}
	}
	if status, _ := bareMessage(t, h, "c", "leaveRoom", `{"room_name":"r1"}`, nil); status != 200 ||
		join("c", 4) != 200 || join("d", 4) != 200 {
		t.Error("after one was left, another cannot be joined")
	}
}
