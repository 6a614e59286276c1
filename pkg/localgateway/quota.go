package localgateway

import (
	"fmt"

	"golang.org/x/time/rate"
)

// Quotas are the account's limits per second and Region
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html). The zero value of each is AWS's default.
type Quotas struct {
	// ConnectionsPerSecond is how many new connections the account may open in a second. The burst is the same number.
	// Zero means 500. A handshake over the limit gets 429.
	ConnectionsPerSecond int

	// RequestsPerSecond limits the sum of messages from clients, calls of @connections and calls of HTTP routes. Zero
	// means 10,000. A call over the limit gets 429. A message over the limit is not handled, and its client gets a
	// frame that says "Too Many Requests".
	RequestsPerSecond int

	// RequestBurst is how many of these requests may come at once after a quiet time. Zero means half of
	// RequestsPerSecond, as in every Region: 5,000 of 10,000, and 1,250 of 2,500.
	RequestBurst int
}

func (q *Quotas) check() error {
	if q == nil {
		return nil
	}
	if q.ConnectionsPerSecond < 0 || q.RequestsPerSecond < 0 || q.RequestBurst < 0 {
		return fmt.Errorf("localgateway: Config.Quotas has a negative number: %+v", *q)
	}
	return nil
}

// quotas are the token buckets of an account. A nil bucket has no limit.
type quotas struct {
	connections *bucket
	requests    *bucket
}

func newQuotas(q *Quotas, clock Clock) quotas {
	if q == nil {
		return quotas{}
	}
	connections, requests := 500, 10_000
	if q.ConnectionsPerSecond > 0 {
		connections = q.ConnectionsPerSecond
	}
	if q.RequestsPerSecond > 0 {
		requests = q.RequestsPerSecond
	}
	burst := max(1, requests/2)
	if q.RequestBurst > 0 {
		burst = q.RequestBurst
	}
	return quotas{newBucket(clock, connections, connections), newBucket(clock, requests, burst)}
}

// bucket is a token bucket on the gateway's clock.
type bucket struct {
	clock   Clock
	limiter *rate.Limiter
}

func newBucket(clock Clock, perSecond, burst int) *bucket {
	return &bucket{clock, rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// take takes a token. It returns false if there is none; a nil bucket has no limit.
func (b *bucket) take() bool { return b == nil || b.limiter.AllowN(b.clock.Now(), 1) }
