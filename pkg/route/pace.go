package route

import (
	"sync"
	"time"
)

// pacer bounds how many actions a second each connection may ask for. It knows what this process has seen: one client may
// be served by several, and then has that many times as much. A second's worth may come at once.
type pacer struct {
	rate int // 0 means any number
	now  func() time.Time

	mu      sync.Mutex
	buckets map[string]bucket // by connection id
	swept   time.Time
}

type bucket struct {
	tokens float64
	at     time.Time
}

// idle is when a bucket is full again and can be forgotten: after a second.
const idle = time.Second

// take tells whether a connection may act now.
func (p *pacer) take(connectionID string) bool {
	if p.rate == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.swept) > idle {
		for id, b := range p.buckets {
			if now.Sub(b.at) > idle {
				delete(p.buckets, id)
			}
		}
		p.swept = now
	}
	b, known := p.buckets[connectionID]
	if !known {
		b = bucket{tokens: float64(p.rate), at: now}
	}
	b.tokens = min(float64(p.rate), b.tokens+now.Sub(b.at).Seconds()*float64(p.rate))
	b.at = now
	allowed := b.tokens >= 1
	if allowed {
		b.tokens--
	}
	p.buckets[connectionID] = b
	return allowed
}
