package client

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A network that swallows everything closes no socket. The client finds out after 25 s of silence and 6 s more; after a
// send within 13 s, counted from the last sign of life. It is back on a connection that works, and sends again what was
// lost.
func TestADeadNetwork(t *testing.T) {
	for _, tc := range []struct {
		name  string
		sends bool
		life  time.Duration // after the send, something else comes
		limit time.Duration
	}{
		{"silent", false, 0, 31 * time.Second},
		{"sending", true, 0, 13 * time.Second},
		{"sending, and hearing others", true, 5 * time.Second, 18 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeChat) {
				_, r, states := f.online(Config{User: "ann"})
				time.Sleep(time.Hour) // of pings
				if pings := len(f.asked("ping")); pings < 3600/26 || pings > 3600/25 {
					t.Errorf("in an hour there were %d pings", pings)
				}
				for before := len(f.asked("getRecentMessages")); len(f.asked("getRecentMessages")) == before; {
					time.Sleep(time.Second) // the next question for news is minutes away then
				}
				send(t, r, "first")
				synctest.Wait()
				f.swallow()
				cut, sent := time.Now(), make(chan error, 1)
				if tc.sends {
					go func() {
						_, err := r.Send(t.Context(), "is anybody there?")
						sent <- err
					}()
				}
				if tc.life > 0 {
					time.Sleep(tc.life)
					f.last().write(`{"news":{}}`)
				}
				if took := f.await(states, Offline).at.Sub(cut); took > tc.limit || took < tc.limit-time.Second {
					t.Errorf("it took %v until the client was offline", took)
				}
				f.await(states, Online)
				if tc.sends {
					if err := <-sent; err != nil || len(f.asked("sendMessage")) != 3 {
						t.Errorf("%v after %d attempts", err, len(f.asked("sendMessage"))-1)
					}
				}
			})
		})
	}
}

// A message that was in flight when the connection broke is sent again as soon as the room is entered again.
func TestABrokenConnectionIsReplacedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, _ := f.online(Config{User: "ann"})
		first := f.last()
		f.script(func(c *fakeConn, r request) bool {
			if r.Action == "sendMessage" && c == first {
				_ = c.socket.CloseNow()
			}
			return c == first
		})
		began := time.Now()
		send(t, r, "hello")
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// After a connection that worked, the pause is short; also if connections break again and again.
func TestPausesAreShortAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.handshakes(func() int { return http.StatusServiceUnavailable })
		c, states := f.client(Config{User: "ann"})
		time.Sleep(10 * time.Minute)
		f.handshakes(nil)
		if err := c.WaitOnline(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 5 { // breaks at once, each time
			f.await(states, Online)
			_ = f.last().socket.CloseNow()
			broken := f.await(states, Offline)
			if pause := f.await(states, Connecting).at.Sub(broken.at); pause < time.Second || pause > 2*time.Second {
				t.Errorf("the pause after a short connection is %v", pause)
			}
		}
		f.await(states, Online)
		time.Sleep(10 * time.Second)
		_ = f.last().socket.CloseNow()
		broken := f.await(states, Offline)
		if pause := f.await(states, Connecting).at.Sub(broken.at); pause > 500*time.Millisecond {
			t.Errorf("the pause after a long connection is %v", pause)
		}
	})
}

// A connection on which only the answers of the function fail is not taken for a dead one.
func TestASlowAnswerIsNoDeadNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.script(func(c *fakeConn, r request) bool {
			if r.Action == "sendMessage" {
				time.AfterFunc(20*time.Second, func() { f.answer(c, r) })
			}
			return r.Action == "sendMessage"
		})
		_, r, states := f.online(Config{User: "ann"})
		send(t, r, "slow")
		if n := len(f.asked("sendMessage")); n != 1 || len(states) != 0 {
			t.Errorf("%d attempts, %d changes of the state", n, len(states))
		}
	})
}

// Pauses between attempts grow to 30 s, and are not the same for two clients.
func TestPausesGrow(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.handshakes(func() int { return http.StatusServiceUnavailable })
		c, states := f.client(Config{User: "ann"})
		failed := f.await(states, Offline)
		if !isCode(failed.reason, CodeHandshakeFailed) {
			t.Errorf("the reason is %v", failed.reason)
		}
		time.Sleep(10 * time.Minute)
		f.mu.Lock()
		attempts := f.attempts
		f.mu.Unlock()
		for i := 1; i < len(attempts); i++ {
			most := min(30*time.Second, 500*time.Millisecond<<(i-1))
			if pause := attempts[i].Sub(attempts[i-1]); pause > most || pause < most/2 {
				t.Errorf("pause %d is %v, and not between %v and %v", i, pause, most/2, most)
			}
		}
		if len(attempts) < 20 {
			t.Errorf("there were %d attempts", len(attempts))
		}
		f.handshakes(nil)
		if err := c.WaitOnline(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A second connection takes over before API Gateway ends the first one: it has entered the rooms before.
func TestASecondConnectionTakesOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, states := f.online(Config{User: "ann"})
		first := f.last()
		<-first.ended
		second := f.last()
		if lived := time.Since(first.opened); lived > 110*time.Minute+time.Second || lived < 90*time.Minute {
			t.Errorf("the first connection lived %v", lived)
		}
		joins := f.asked("joinRoom")
		if n := len(joins); n != 2 || joins[1].conn != second || time.Since(joins[1].at) > time.Second {
			t.Fatalf("there were %d joins", n)
		}
		if len(states) != 0 {
			t.Errorf("the client was %v meanwhile", <-states)
		}
		m := f.store("lobby", "bob", "hello", "")
		second.messages(m, m)
		second.messages(m)
		send(t, r, "you, too")
		expectEvents(t, r, "1 hello", "2 you, too")
	})
}

// If the second connection cannot be made, the first one serves on, and the client tries again.
func TestTheFirstConnectionServesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, states := f.online(Config{User: "ann"})
		f.handshakes(func() int { return http.StatusBadGateway })
		time.Sleep(115 * time.Minute)
		send(t, r, "hello")
		if conns, attempts := f.counted(); len(states) != 0 || conns != 1 || attempts < 4 {
			t.Errorf("%d changes of the state, %d connections, %d attempts", len(states), conns, attempts)
		}
		f.handshakes(nil)
		time.Sleep(5 * time.Minute)
		if conns, _ := f.counted(); conns != 2 || len(states) != 0 {
			t.Errorf("%d connections, %d changes of the state", conns, len(states))
		}
	})
}

// What cannot help is not tried for ever.
func TestTheEndOfAClient(t *testing.T) {
	token := func(context.Context) (string, error) { return "a.b.c", nil }
	for _, tc := range []struct {
		name     string
		config   Config
		status   int
		code     string // of Err; "" if the client goes on
		attempts int
	}{
		{"refused, with a token", Config{Token: token}, 401, CodeHandshakeRefused, 3},
		{"refused, without", Config{User: "ann"}, 403, CodeHandshakeRefused, 1},
		{"too many", Config{User: "ann"}, 429, "", 20},
		{"broken", Config{Token: token}, 502, "", 20},
		{"signed out", Config{Token: func(context.Context) (string, error) { return "", nil }}, 101, CodeSignedOut, 0},
		{"no token", Config{Token: func(context.Context) (string, error) { return "", errors.New("down") }}, 101,
			CodeTokenFailed, 0},
		{"half a token", Config{Token: func(context.Context) (string, error) { return "a b", nil }}, 101,
			CodeTokenFailed, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeChat) {
				f.handshakes(func() int { return tc.status })
				c, _ := f.client(tc.config)
				r := c.Join("lobby")
				sent := make(chan error, 1)
				go func() {
					_, err := r.Send(t.Context(), "hello")
					sent <- err
				}()
				time.Sleep(10 * time.Minute)
				f.mu.Lock()
				attempts := len(f.attempts)
				f.mu.Unlock()
				if tc.code == "" {
					if c.Err() != nil || attempts < tc.attempts {
						t.Errorf("after %d attempts: %v", attempts, c.Err())
					}
					return
				}
				if !isCode(c.Err(), tc.code) || attempts != tc.attempts {
					t.Errorf("after %d attempts: %v", attempts, c.Err())
				}
				<-c.Done()
				if err := <-sent; !isCode(err, tc.code) || !isCode(r.Err(), tc.code) || c.State() != Closed {
					t.Errorf("the message: %v, the room: %v, the client is %s", err, r.Err(), c.State())
				}
				if err := c.WaitOnline(t.Context()); !isCode(err, tc.code) {
					t.Errorf("waiting for it: %v", err)
				}
				if late := c.Join("late"); !isCode(waitErr(t, late), tc.code) {
					t.Errorf("joining: %v", late.Err())
				}
			})
		})
	}
}

// Close ends what waits, and every goroutine, which the bubble would see.
func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.script(func(_ *fakeConn, r request) bool { return r.Action != "joinRoom" })
		c, r, _ := f.online(Config{User: "ann"})
		results := make(chan error, 5)
		for range 2 {
			go func() { _, err := r.Send(t.Context(), "hello"); results <- err }()
		}
		go func() { _, err := r.Members(t.Context()); results <- err }()
		go func() { _, err := r.Next(t.Context()); results <- err }()
		go func() { _, err := c.Do(t.Context(), "getRooms", nil); results <- err }()
		synctest.Wait()
		c.Close()
		c.Close()
		for range 5 {
			if err := <-results; !isCode(err, CodeClosed) {
				t.Errorf("what waited returned %v", err)
			}
		}
		if !isCode(c.Err(), CodeClosed) || !isCode(r.Err(), CodeClosed) {
			t.Errorf("the errors are %v, %v", c.Err(), r.Err())
		}
	})
}

// A client that is closed on a dead network does not wait for an answer.
func TestCloseOnADeadNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		c, _, _ := f.online(Config{User: "ann"})
		stop := make(chan struct{})
		defer close(stop)
		f.script(func(*fakeConn, request) bool { <-stop; return true }) // reads nothing more
		_ = c.Join("another")
		synctest.Wait()
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{
		{}, {URL: "chat"}, {URL: "ftp://chat"}, {URL: "ws://chat\x7f"},
		{URL: "ws://chat", User: "ann", Token: func(context.Context) (string, error) { return "", nil }},
	} {
		if client, err := New(c); !isCode(err, CodeInvalidArgument) {
			t.Errorf("%+v: %v", c, err)
			client.Close()
		}
	}
}
