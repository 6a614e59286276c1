package chat_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// pinged is a log whose Ping takes a while and writes down when each write began.
type pinged struct {
	chat.Log
	takes time.Duration
	ping  func(ctx context.Context) error // after that time; nil succeeds

	mu     sync.Mutex
	start  time.Time
	writes []time.Duration // after start
}

func (p *pinged) Ping(ctx context.Context) error {
	p.mu.Lock()
	p.writes = append(p.writes, time.Since(p.start))
	p.mu.Unlock()
	time.Sleep(p.takes)
	if p.ping != nil {
		return p.ping(ctx)
	}
	return ctx.Err()
}

// ask pings at each of the given times after the start, each in a goroutine of its own, and returns the errors.
func (p *pinged) ask(t *testing.T, at ...time.Duration) []error {
	p.start = time.Now()
	s := chat.Service{Log: chat.SharePings(p, time.Now)}
	errs := make([]error, len(at))
	var all sync.WaitGroup
	for i, after := range at {
		copied := s // as every invocation has one
		all.Go(func() {
			time.Sleep(after)
			errs[i] = copied.Ping(t.Context())
		})
	}
	all.Wait()
	return errs
}

const ms = time.Millisecond

func TestPingsWriteAtMostOnceASecond(t *testing.T) {
	flood := make([]time.Duration, 3000) // a thousand a second
	for i := range flood {
		flood[i] = time.Duration(i) * ms
	}
	for name, tc := range map[string]struct {
		takes time.Duration
		at    []time.Duration
		want  []time.Duration
	}{
		"one":     {takes: 10 * ms, at: []time.Duration{0}, want: []time.Duration{0}},
		"at once": {takes: 10 * ms, at: make([]time.Duration, 500), want: []time.Duration{0}},
		"within the second": {takes: 10 * ms, at: []time.Duration{0, 500 * ms, 999 * ms},
			want: []time.Duration{0}},
		"a second later": {takes: 10 * ms, at: []time.Duration{0, 1000 * ms},
			want: []time.Duration{0, 1000 * ms}},
		"for three seconds": {takes: 10 * ms, at: flood, want: []time.Duration{0, 1000 * ms, 2000 * ms}},
		"while a slow one is under way": {takes: 2500 * ms, at: []time.Duration{0, 1200 * ms, 2400 * ms, 2600 * ms},
			want: []time.Duration{0, 2600 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pinged{takes: tc.takes}
				for i, err := range p.ask(t, tc.at...) {
					if err != nil {
						t.Errorf("the ping after %v: %v", tc.at[i], err)
					}
				}
				if !slices.Equal(p.writes, tc.want) {
					t.Errorf("wrote after %v, want %v", p.writes, tc.want)
				}
			})
		})
	}
}

// Every caller of a second gets what that second's write came to, and the next second has a write of its own.
func TestPingsShareTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		p := &pinged{takes: 10 * ms, ping: func(context.Context) error {
			if broken {
				broken = false
				return errors.New("the disk is full")
			}
			return nil
		}}
		for i, err := range p.ask(t, 0, 5*ms, 900*ms, 1001*ms) {
			if i == 3 {
				if err != nil {
					t.Errorf("a second later: %v", err)
				}
				continue
			}
			e, ok := errors.AsType[*chat.Error](err)
			if !ok || e.Code != chat.CodeUnavailable || !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("ping %d of the first second: %v", i, err)
			}
		}
	})
}

// A caller that goes away leaves at once, and the others get the result all the same, whether it began the write or
// not.
func TestACallerThatLeavesSpoilsNoPing(t *testing.T) {
	for _, leaver := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			p := &pinged{takes: 500 * ms, start: time.Now()}
			s := chat.Service{Log: chat.SharePings(p, time.Now)}
			var all sync.WaitGroup
			for i := range 3 {
				time.Sleep(10 * ms)
				all.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if i == leaver {
						time.AfterFunc(100*ms, cancel)
					}
					began := time.Now()
					err := s.Ping(ctx)
					if left := errors.Is(err, context.Canceled); left != (i == leaver) || (!left && err != nil) {
						t.Errorf("%d leaves; %d: %v", leaver, i, err)
					}
					if took := time.Since(began); i == leaver && took != 100*ms {
						t.Errorf("the one that left was held for %v", took)
					}
				})
			}
			all.Wait()
			if len(p.writes) != 1 {
				t.Errorf("wrote after %v", p.writes)
			}
		})
	}
}

// A write that never ends is given up, and one that panics takes no process along; both are the callers' errors.
func TestAPingThatFailsBadly(t *testing.T) {
	for name, ping := range map[string]func(context.Context) error{
		"context deadline exceeded": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"on purpose":                func(context.Context) error { panic("on purpose") },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pinged{ping: ping}
			for _, err := range p.ask(t, 0, 10*ms) {
				if err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("%v, want %s", err, name)
				}
			}
			if took := time.Since(p.start); took > 10*time.Second {
				t.Errorf("%s: after %v", name, took)
			}
		})
	}
}
