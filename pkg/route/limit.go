package route

import (
	"sync"
	"time"
)

// limiter bounds what one connection may cost: each of its requests, and each post of an answer beyond the first, is
// one of its share of a second. It knows what this process has seen: one client may be served by several, and then
// has that many times as much.
type limiter struct {
	rate  int // a second's share; 0 means any number
	burst int // what may come at once
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket // by connection id
	swept   time.Time
}

// bucket is what one connection has left, and how often it was refused.
type bucket struct {
	tokens  float64 // negative where an answer cost more than was left
	at      time.Time
	refused [refusalWindow]int // in the last seconds, the present one at second % refusalWindow
	second  int64              // since the epoch
}

const (
	// postsOfJoining is what joining a room costs that is joined again: the confirmation, what was said, and who is
	// there.
	postsOfJoining = 3

	// refusalWindow is for how many seconds refusals are counted, and bucketsRefused how many times its bucket a
	// connection may be refused in them before it is closed: its client does not listen.
	refusalWindow  = 10
	bucketsRefused = 3
)

// newLimiter returns a limiter. A client that comes back joins up to maxRooms rooms at once, which must fit.
func newLimiter(rate, maxRooms int) *limiter {
	return &limiter{rate: rate, burst: max(rate, postsOfJoining*maxRooms), now: time.Now, buckets: map[string]*bucket{}}
}

// take reports whether a connection may ask for something now.
func (p *limiter) take(connectionID string) bool {
	if p.rate == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bucket(connectionID)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// charge takes the posts of an answer. That may be more than is left: the connection waits for it later.
func (p *limiter) charge(connectionID string, posts int) {
	if p.rate == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bucket(connectionID).tokens -= float64(posts)
}

// refuse counts a refusal, and reports whether the connection may go on.
func (p *limiter) refuse(connectionID string) bool {
	if p.rate == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bucket(connectionID)
	b.refused[b.second%refusalWindow]++
	sum := 0
	for _, n := range b.refused {
		sum += n
	}
	return sum <= bucketsRefused*p.burst
}

// bucket returns a connection's bucket, as full as it is now.
func (p *limiter) bucket(connectionID string) *bucket {
	now := p.now()
	p.sweep(now)
	b := p.buckets[connectionID]
	if b == nil {
		b = &bucket{tokens: float64(p.burst), at: now, second: now.Unix()}
		p.buckets[connectionID] = b
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(float64(p.burst), b.tokens+passed*float64(p.rate))
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
func (p *limiter) sweep(now time.Time) {
	idle := max(refusalWindow*time.Second, time.Duration(p.burst/p.rate+1)*time.Second)
	if now.Sub(p.swept) < idle {
		return
	}
	p.swept = now
	for id, b := range p.buckets {
		if now.Sub(b.at) > idle {
			delete(p.buckets, id)
		}
	}
}
