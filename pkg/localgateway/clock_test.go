package localgateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// withClock is a configuration whose clock stands still.
func withClock() (localgateway.Config, *localgateway.ManualClock) {
	clock := localgateway.NewManualClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c := allRoutes
	c.Clock = clock
	return c, clock
}

// expectCut fails unless the client and $disconnect are told of the cut.
func expectCut(t *testing.T, f *function, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the client saw %v, want 1001", err)
	}
	e := f.next(t)
	if e.Context.EventType != "DISCONNECT" || e.Context.DisconnectStatusCode != 1001 ||
		e.Context.DisconnectReason != "Going away" {
		t.Errorf("after the cut came %+v", e.Context)
	}
}

func TestAnIdleConnectionIsCutAfterTenMinutes(t *testing.T) {
	type client struct {
		*websocket.Conn
		f      *function
		postTo string
	}
	for name, active := range map[string]func(c client){
		"nothing at all": nil,
		"a message":      func(c client) { write(t, c.Conn, "hi"); c.f.next(t) },
		"a ping": func(c client) {
			reading := c.CloseRead(t.Context()) // the library sees pongs while it reads
			if err := c.Ping(reading); err != nil {
				t.Error(err)
			}
		},
		"a post": func(c client) { call(t, "POST", c.postTo, "hi"); read(t, c.Conn) },
	} {
		t.Run(name, func(t *testing.T) {
			config, clock := withClock()
			f, gw, addr := serve(t, config, nil)
			c := client{dial(t, "ws://"+addr+"/dev"), f, "http://" + addr + "/dev/@connections/" +
				f.next(t).Context.ConnectionID}
			clock.Advance(10*time.Minute - time.Second)
			if active != nil {
				active(c)
				gw.WaitForInvocations()
				clock.Advance(10*time.Minute - time.Second) // counted from the activity
			}
			if status, _, body := call(t, "GET", c.postTo, ""); status != 200 {
				t.Fatalf("a second before the cut: %d %s", status, body)
			}
			clock.Advance(time.Second)
			if name == "a ping" { // CloseRead has taken the close frame
				if e := f.next(t); e.Context.DisconnectStatusCode != 1001 {
					t.Errorf("after the cut came %+v", e.Context)
				}
				return
			}
			expectCut(t, f, c.Conn)
		})
	}
}

func TestNoConnectionLivesLongerThanTwoHours(t *testing.T) {
	config, clock := withClock()
	f, gw, addr := serve(t, config, nil)
	c := dial(t, "ws://"+addr+"/dev")
	f.next(t)
	for range 15 {
		gw.WaitForInvocations()
		clock.Advance(8*time.Minute - time.Millisecond)
		write(t, c, "I am here")
		if e := f.next(t); e.Context.EventType != "MESSAGE" {
			t.Fatalf("got %+v", e.Context)
		}
	}
	gw.WaitForInvocations()
	clock.Advance(15 * time.Millisecond)
	expectCut(t, f, c)
}

func TestTheIntegrationTimeoutIsOnTheClock(t *testing.T) {
	config, clock := withClock()
	invoked := make(chan string)
	release := make(chan struct{})
	_, _, addr := serve(t, config, func(_ context.Context, e event) (any, error) {
		if e.Context.EventType == "MESSAGE" || strings.Contains(string(e.raw), "hang") {
			invoked <- e.Context.EventType
			<-release // whatever the context says
		}
		return nil, nil
	})
	defer close(release)
	c := dial(t, "ws://"+addr+"/dev")
	write(t, c, "hi")
	<-invoked
	clock.Advance(29 * time.Second)
	if got := read(t, c); !strings.Contains(got, `"Endpoint request timed out"`) {
		t.Errorf("got %s", got)
	}
	status := make(chan int)
	go func() {
		_, answer, err := websocket.Dial(context.Background(), "ws://"+addr+"/dev?hang=1", nil)
		if err == nil {
			t.Error("a handshake whose $connect hangs was granted")
		}
		status <- answer.StatusCode
	}()
	<-invoked
	clock.Advance(29 * time.Second)
	if got := <-status; got != 504 {
		t.Errorf("a $connect that hangs: %d, want 504", got)
	}
}

// slowToSet is a clock on which an alarm takes a while to be set, and that counts them.
type slowToSet struct {
	*localgateway.ManualClock
	set atomic.Int32
}

// waitForAlarms returns when so many alarms have been set.
func (c *slowToSet) waitForAlarms(t *testing.T, n int32) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); c.set.Load() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d alarms are set, want %d", c.set.Load(), n)
		}
	}
}

func (c *slowToSet) AfterFunc(d time.Duration, f func()) func() bool {
	time.Sleep(20 * time.Millisecond)
	defer c.set.Add(1)
	return c.ManualClock.AfterFunc(d, f)
}

// A test that moves the clock when it sees the handler at work must find the timeout's alarm set.
func TestTheIntegrationTimeoutIsSetBeforeTheHandlerRuns(t *testing.T) {
	config, manual := withClock()
	clock := &slowToSet{ManualClock: manual}
	config.Clock = clock
	_, _, addr := serve(t, config, func(_ context.Context, e event) (any, error) {
		if e.Context.EventType == "CONNECT" && clock.set.Load() == 0 {
			t.Error("the handler runs, and nothing is set to end it")
		}
		return nil, nil
	})
	dial(t, "ws://"+addr+"/dev")
}

func TestTheIdleTimeoutIsSetBeforeTheClientIsConnected(t *testing.T) {
	config, manual := withClock()
	clock := &slowToSet{ManualClock: manual}
	config.Clock, config.Routes = clock, []string{"$disconnect"} // so that no invocation sets another
	f, _, addr := serve(t, config, nil)
	c := dial(t, "ws://"+addr+"/dev")
	if clock.set.Load() != 1 {
		t.Fatal("the client is connected, and nothing is set to cut it")
	}
	clock.Advance(10 * time.Minute)
	expectCut(t, f, c)
}

func TestAManualClockNeverGoesBack(t *testing.T) {
	clock := localgateway.NewManualClock(time.Unix(0, 0))
	clock.AfterFunc(time.Second, func() { clock.Advance(time.Hour) })
	clock.Advance(2 * time.Second)
	if got, want := clock.Now(), time.Unix(3601, 0); !got.Equal(want) {
		t.Errorf("an Advance inside another: %v, want %v", got, want)
	}
	clock.Advance(-time.Hour)
	if got, want := clock.Now(), time.Unix(3601, 0); !got.Equal(want) {
		t.Errorf("a negative Advance: %v, want %v", got, want)
	}
	var many sync.WaitGroup
	for range 8 {
		many.Go(func() {
			last := clock.Now()
			for range 1000 {
				clock.Advance(time.Millisecond)
				if now := clock.Now(); now.Before(last) {
					t.Errorf("it went back from %v to %v", last, now)
				} else {
					last = now
				}
			}
		})
	}
	many.Wait()
}

func TestAManualClockCallsInOrder(t *testing.T) {
	clock := localgateway.NewManualClock(time.Unix(0, 0))
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, fmt.Sprint(name, clock.Now().Unix())) }
	}
	clock.AfterFunc(3*time.Second, note("c"))
	clock.AfterFunc(time.Second, func() {
		note("a")()
		clock.AfterFunc(time.Second, note("b")) // set on the way, and due on the way
		clock.AfterFunc(time.Minute, note("never"))
	})
	stop := clock.AfterFunc(2*time.Second, note("stopped"))
	if !stop() || stop() {
		t.Error("the first stop prevents the call, and only the first")
	}
	clock.Advance(4 * time.Second)
	if want := []string{"a1", "b2", "c3"}; !slices.Equal(got, want) || clock.Now().Unix() != 4 {
		t.Errorf("got %v at %d, want %v", got, clock.Now().Unix(), want)
	}
}
