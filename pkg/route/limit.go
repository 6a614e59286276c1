package route

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter bounds what one connection may cost: each of its requests, and each post of an answer beyond the first,
// takes a token of the connection's bucket. It counts what this process has seen. A client that several processes
// serve has a bucket in each.
type limiter struct {
	perSecond int // tokens that a bucket gains a second; 0 means that there is no limit
	burst     int // tokens of a full bucket
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket // by connection id
	swept   time.Time
}

// bucket is what one connection may still ask for, and how often it was refused.
type bucket struct {
	tokens  *rate.Limiter
	at      time.Time          // when it was last used
	refused [refusalWindow]int // in the last seconds, the present one at second % refusalWindow
	second  int64              // since the epoch
}

const (
	// postsOfJoining is what it costs to join a room again: the confirmation, the messages, and the members.
	postsOfJoining = 3

	// A connection is closed after it was refused bucketsRefused times as often as its bucket has tokens, within
	// refusalWindow seconds: its client does not listen.
	refusalWindow  = 10
	bucketsRefused = 3
)

// newLimiter returns a limiter. A client that comes back joins up to maxRooms rooms at once, which must fit.
func newLimiter(perSecond, maxRooms int) *limiter {
	return &limiter{
		perSecond: perSecond, burst: max(perSecond, postsOfJoining*maxRooms),
		now: time.Now, buckets: map[string]*bucket{},
	}
}

// take takes a token for a request. It returns false if there is none.
func (l *limiter) take(connectionID string) bool {
	if l.perSecond == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(connectionID)
	return b.tokens.AllowN(b.at, 1)
}

// charge takes tokens for the posts of an answer. They may be more than are left: the connection waits for them later.
func (l *limiter) charge(connectionID string, posts int) {
	if l.perSecond == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(connectionID)
	for n := 0; posts > 0; posts -= n {
		n = min(posts, l.burst) // more than a burst cannot be reserved at once
		b.tokens.ReserveN(b.at, n)
	}
}

// refuse counts a refusal, and reports whether the connection may go on.
func (l *limiter) refuse(connectionID string) bool {
	if l.perSecond == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(connectionID)
	b.refused[b.second%refusalWindow]++
	sum := 0
	for _, n := range b.refused {
		sum += n
	}
	return sum <= bucketsRefused*l.burst
}

// bucket returns a connection's bucket as it is now. A clock that goes back counts as standing still.
func (l *limiter) bucket(connectionID string) *bucket {
	now := l.now()
	l.sweep(now)
	b := l.buckets[connectionID]
	if b == nil {
		b = &bucket{tokens: rate.NewLimiter(rate.Limit(l.perSecond), l.burst), at: now, second: now.Unix()}
		l.buckets[connectionID] = b
	}
	if now.After(b.at) {
		b.at = now
	}
	for ; b.second < now.Unix(); b.second++ {
		if now.Unix()-b.second > refusalWindow {
			b.second = now.Unix() - refusalWindow
		}
		b.refused[(b.second+1)%refusalWindow] = 0
	}
	return b
}

// sweep forgets the buckets that are full again and have no refusals.
func (l *limiter) sweep(now time.Time) {
	idle := max(refusalWindow*time.Second, time.Duration(l.burst/l.perSecond+1)*time.Second)
	if now.Sub(l.swept) < idle {
		return
	}
	l.swept = now
	for id, b := range l.buckets {
		if now.Sub(b.at) > idle {
			delete(l.buckets, id)
		}
	}
}
