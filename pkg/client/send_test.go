package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// One message is in flight at a time, so that they are stored in the order in which they were sent.
func TestOneMessageIsInFlightAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.script(func(c *fakeConn, r request) bool {
			if r.Action == "sendMessage" { // a chat whose answers overtake one another
				time.AfterFunc(time.Duration(5-len(f.asked("sendMessage")))*time.Second, func() { f.answer(c, r) })
			}
			return r.Action == "sendMessage"
		})
		_, r, _ := f.online(Config{User: "ann"})
		results := make(chan Message, 4)
		for i := range 4 {
			go func() { results <- send(t, r, fmt.Sprint(i)) }()
			synctest.Wait()
		}
		if n := len(f.asked("sendMessage")); n != 1 {
			t.Errorf("%d messages are in flight", n)
		}
		for i := range 4 {
			if m := <-results; m.Index != int64(i+1) || m.Content != fmt.Sprint(i) {
				t.Errorf("message %d is %+v", i, m)
			}
		}
		expectSettled(t, r, "1 0", "2 1", "3 2", "4 3")
	})
}

// A message whose acknowledgement is lost is stored once: the log says so, or the id.
func TestStoredOnceIfTheAnswerIsLost(t *testing.T) {
	for _, tc := range []struct {
		name     string
		stored   bool // before the connection breaks
		visible  bool // in the log that the client reads then
		attempts int
	}{
		{"it was lost", false, true, 2},
		{"it was stored", true, true, 1},
		{"it was stored, and the log is late", true, false, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeChat) {
				_, r, _ := f.online(Config{User: "ann"})
				broken := false
				f.script(func(c *fakeConn, r request) bool {
					switch {
					case r.Action == "sendMessage" && !broken:
						broken = true
						if tc.stored {
							f.store(r.Room, r.User, r.Content, r.MessageID)
						}
						_ = c.socket.CloseNow()
						return true
					case (r.Action == "joinRoom" || r.Action == "getRecentMessages") && !tc.visible:
						c.write(`{"messages":[],"tail":0,"ref":%q}`, r.Ref)
						return true
					}
					return false
				})
				if m := send(t, r, "hello"); m.Index != 1 {
					t.Errorf("stored as %+v", m)
				}
				synctest.Wait()
				asked := f.asked("sendMessage")
				if len(asked) != tc.attempts || asked[0].MessageID != asked[len(asked)-1].MessageID ||
					asked[0].MessageID == "" {
					t.Errorf("it was sent as %+v", asked)
				}
				expectSettled(t, r, "1 hello")
				send(t, r, "next")
				expectSettled(t, r, "2 next")
			})
		})
	}
}

// Refusals that pass are repeated after a pause, which grows; all others are the caller's.
func TestRefusedMessages(t *testing.T) {
	for _, tc := range []struct {
		code, more string
		least      time.Duration // until the message is stored
		most       time.Duration // 0 if it is refused for good
	}{
		{"room_busy", "", 250 * time.Millisecond, 500 * time.Millisecond},
		{"rate_limited", "", 250 * time.Millisecond, 500 * time.Millisecond},
		{"not_sent", "", 250 * time.Millisecond, 500 * time.Millisecond},
		{"unavailable", "", 250 * time.Millisecond, 500 * time.Millisecond},
		{"internal", "", 250 * time.Millisecond, 500 * time.Millisecond},
		{"slow_mode", `,"retry_after":7`, 7 * time.Second, 7 * time.Second},
		{"rejected", "", 0, 0},
		{"too_large", "", 0, 0},
		{"forbidden", "", 0, 0},
		{"a_new_code", "", 0, 0},
	} {
		t.Run(tc.code, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeChat) {
				_, r, _ := f.online(Config{User: "ann"})
				refused := false
				f.script(func(c *fakeConn, r request) bool {
					if r.Action != "sendMessage" || refused {
						return false
					}
					refused = true
					c.refuse(r, tc.code, tc.more)
					c.refuse(r, tc.code, tc.more) // twice, as posts may come
					return true
				})
				began := time.Now()
				_, err := r.Send(within(t), "hello")
				e, _ := errors.AsType[*Error](err)
				switch took := time.Since(began); {
				case tc.most == 0 && (e == nil || e.Code != tc.code || e.Message != "No." || e.RequestID != "x"):
					t.Errorf("the error is %v", err)
				case tc.most > 0 && (err != nil || took < tc.least || took > tc.most):
					t.Errorf("it took %v, with %v", took, err)
				}
				if want := map[bool]int{true: 1, false: 2}[tc.most == 0]; len(f.asked("sendMessage")) != want {
					t.Errorf("it was sent %d times", len(f.asked("sendMessage")))
				}
				if m := send(t, r, "the next"); m.Content != "the next" {
					t.Errorf("the next one is %+v", m)
				}
			})
		})
	}
}

// API Gateway says that something failed, and not what: everything in flight is asked again.
func TestAFailureThatAPIGatewayReports(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, states := f.online(Config{User: "ann"})
		failed := map[string]bool{}
		f.script(func(c *fakeConn, r request) bool {
			if failed[r.Action] {
				return false
			}
			failed[r.Action] = true
			c.write(`{"message":"Internal server error","connectionId":"c","requestId":"r"}`)
			return true
		})
		began := time.Now()
		send(t, r, "hello")
		if took := time.Since(began); took > time.Second {
			t.Errorf("the message took %v", took)
		}
		if _, err := r.c.Do(within(t), "getRooms", nil); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 4*time.Second || len(states) > 0 {
			t.Errorf("both took %v, and the client was offline %d times", took, len(states))
		}
	})
}

// Another user's message with the same id is not the acknowledgement.
func TestAnotherUsersMessageWithTheSameID(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, _ := f.online(Config{User: "ann"})
		f.script(func(c *fakeConn, r request) bool {
			if r.Action == "sendMessage" {
				c.messages(Message{Room: "lobby", Index: 1, UserName: "bob", Content: "bob's", ID: r.MessageID})
				c.messages(Message{Room: "lobby", Index: 2, UserName: "ann", Content: r.Content, ID: r.MessageID})
			}
			return r.Action == "sendMessage"
		})
		m, err := r.SendDraft(within(t), Draft{Content: "mine", ID: "order 7", ReplyTo: 1})
		if err != nil || m.Index != 2 {
			t.Errorf("stored as %+v, %v", m, err)
		}
	})
}

// A context ends the wait for a message, also in the queue, and the next message goes on.
func TestAContextEndsASend(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.script(func(_ *fakeConn, r request) bool { return r.Content == "lost" })
		_, r, _ := f.online(Config{User: "ann"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results := make(chan error, 3)
		go func() { _, err := r.Send(ctx, "lost"); results <- err }()
		synctest.Wait()
		go func() { _, err := r.Send(ctx, "behind it"); results <- err }()
		for range 2 {
			if err := <-results; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
		}
		send(t, r, "next")
		if got := contents(f.asked("sendMessage")); got != "lost next" {
			t.Errorf("sent: %s", got)
		}
		if _, err := r.Next(ctx); err == nil { // what waits comes nevertheless
			expectSettled(t, r)
		}
	})
}

// A client in many rooms has few requests in flight, and enters all of them.
func TestManyRooms(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		inFlight, most := 0, 0
		f.script(func(c *fakeConn, r request) bool {
			if r.Action != "joinRoom" {
				return false
			}
			f.mu.Lock()
			inFlight++
			most = max(most, inFlight)
			f.mu.Unlock()
			time.AfterFunc(10*time.Millisecond, func() {
				f.mu.Lock()
				inFlight--
				f.mu.Unlock()
				f.answer(c, r)
			})
			return true
		})
		c, states := f.client(Config{User: "ann"})
		var rooms []*Room
		for i := range 100 {
			rooms = append(rooms, c.Join(fmt.Sprint("room", i)))
		}
		f.await(states, Online)
		for _, r := range rooms {
			ready(t, r)
		}
		if most != mostQuestions {
			t.Errorf("%d requests were in flight", most)
		}
	})
}
