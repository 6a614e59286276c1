package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// jwt makes what looks like a token that ends then.
func jwt(name string, end time.Time) string {
	claims := fmt.Sprintf(`{"exp":%d}`, end.Unix())
	return name + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
}

// A connection with a new token takes over a minute before the old one ends, by the chat's clock.
func TestATokenIsReplacedBeforeItEnds(t *testing.T) {
	for _, tc := range []struct {
		name        string
		life, ahead time.Duration // how long a token lives; by how much the chat's clock is ahead
		due         time.Duration
	}{
		{"ten minutes", 10 * time.Minute, 0, 9 * time.Minute},
		{"one minute", time.Minute, 0, 40 * time.Second},
		{"this clock is slow", 10 * time.Minute, 5 * time.Minute, 4 * time.Minute},
		{"a day", 24 * time.Hour, 0, 110 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeChat) {
				f.script(func(c *fakeConn, r request) bool {
					if r.Action == "ping" {
						c.write(`{"pong":{"time":%d}}`, time.Now().Add(tc.ahead).Unix())
					}
					return r.Action == "ping"
				})
				var asked atomic.Int64
				c, _, states := f.online(Config{Token: func(context.Context) (string, error) {
					return jwt(fmt.Sprint("token", asked.Add(1)), time.Now().Add(tc.life)), nil
				}})
				first := f.last()
				if want := "chat," + jwt("token1", first.opened.Add(tc.life)); first.protocols != want {
					t.Errorf("the subprotocols are %q, not %q", first.protocols, want)
				}
				<-first.ended
				if took := time.Since(first.opened); took > tc.due+time.Second || took < tc.due-12*time.Minute ||
					tc.due < time.Hour && took < tc.due-time.Second {
					t.Errorf("it took %v, not %v", took, tc.due)
				}
				if asked.Load() != 2 || len(states) != 0 || c.State() != Online {
					t.Errorf("%d tokens, %d changes of the state", asked.Load(), len(states))
				}
			})
		})
	}
}

// A token function that returns the old token until it ends is asked again each time, and not all the time.
func TestATokenThatIsNotRenewedInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		var asked atomic.Int64
		end := time.Now().Add(10 * time.Minute)
		_, r, states := f.online(Config{Token: func(context.Context) (string, error) {
			asked.Add(1)
			if !time.Now().Before(end) {
				end = end.Add(10 * time.Minute)
			}
			return jwt("token", end), nil
		}})
		time.Sleep(10*time.Minute + 30*time.Second)
		if n := asked.Load(); n < 3 || n > 30 {
			t.Errorf("the token function was asked %d times", n)
		}
		for len(states) > 0 {
			<-states
		}
		send(t, r, "here I am")
	})
}

// A connection ends with its token, if there is no other one.
func TestATokenThatIsNotRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		var asked atomic.Int64
		end := time.Now().Add(10 * time.Minute)
		c, _, states := f.online(Config{Token: func(context.Context) (string, error) {
			if asked.Add(1) > 1 && time.Now().Before(end.Add(time.Minute)) {
				return "", errors.New("the provider is down")
			}
			return jwt("token", end), nil
		}})
		if offline := f.await(states, Offline).at.Sub(end); offline.Abs() > time.Second {
			t.Errorf("the client was offline %v after the end of the token", offline)
		}
		f.await(states, Online)
		if c.Err() != nil || asked.Load() < 4 {
			t.Errorf("after %d calls: %v", asked.Load(), c.Err())
		}
	})
}

// A chat that says that the token has ended is asked again with another one: what it refused is done.
func TestATokenThatEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, states := f.online(Config{Token: func(context.Context) (string, error) { return "a.b.c", nil }})
		first := f.last()
		f.script(func(c *fakeConn, r request) bool {
			if c == first {
				c.refuse(r, "token_expired", "")
				_ = c.socket.CloseNow()
			}
			return c == first
		})
		if _, err := r.React(t.Context(), 1, "👍"); isCode(err, "token_expired") {
			t.Errorf("the reaction: %v", err)
		}
		f.await(states, Offline)
		f.await(states, Online)
		send(t, r, "hello")
	})
}
