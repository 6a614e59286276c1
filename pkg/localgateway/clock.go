package localgateway

import (
	"slices"
	"sync"
	"time"
)

// Clock is a Gateway's source of time and timers.
type Clock interface {
	Now() time.Time

	// AfterFunc calls f once when d has passed, on a goroutine that the clock chooses. stop prevents the call, and
	// reports whether it did.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// systemClock is the time of this machine (and, in a bubble of testing/synctest, the bubble's).
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// ManualClock is a Clock that moves only when Advance is called. Safe for concurrent use.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []*alarm
}

type alarm struct {
	at time.Time
	f  func()
}

var _ Clock = (*ManualClock)(nil)

// NewManualClock returns a clock that shows now.
func NewManualClock(now time.Time) *ManualClock { return &ManualClock{now: now} }

// Now is the time that the clock shows.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f from inside the Advance that brings the clock to d from now, or past it.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{c.now.Add(d), f}
	c.alarms = append(c.alarms, a)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.alarms, a)
		if i >= 0 {
			c.alarms = slices.Delete(c.alarms, i, i+1)
		}
		return i >= 0
	}
}

// Advance moves the clock by d. On the way it calls each function that becomes due, in order of time, with the clock at
// that function's time. This includes functions that are set during the call. It returns when these calls have
// returned. The clock never goes back: if two calls of Advance overlap, the clock ends at the later of their two ends.
// A negative d moves nothing.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	end := c.now.Add(d)
	c.mu.Unlock()
	for {
		f := c.next(end)
		if f == nil {
			return
		}
		f()
	}
}

// next moves the clock to the earliest alarm that is due by end, and removes and returns it. If there is none, it moves
// the clock to end and returns nil.
func (c *ManualClock) next(end time.Time) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := -1
	for i, a := range c.alarms {
		if !a.at.After(end) && (first < 0 || a.at.Before(c.alarms[first].at)) {
			first = i
		}
	}
	if first < 0 {
		c.moveTo(end)
		return nil
	}
	a := c.alarms[first]
	c.alarms = slices.Delete(c.alarms, first, first+1)
	c.moveTo(a.at)
	return a.f
}

// moveTo moves the clock, but never back. The caller holds mu.
func (c *ManualClock) moveTo(t time.Time) {
	if t.After(c.now) {
		c.now = t
	}
}
