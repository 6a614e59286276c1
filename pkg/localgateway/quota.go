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

// Throttle limits the messages of one route, as RouteSettings of AWS::ApiGatewayV2::Stage do
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-apigatewayv2-stage-routesettings.html).
// It is a token bucket (https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html) that
// all clients share. A number that is zero is zero there too: nothing passes, as on AWS
// (https://github.com/pulumi/pulumi-aws/issues/2363).
//
// A handshake over the throttle of $connect gets 429, before the authorizer is asked. A message over the throttle of
// its route is not handled, and its client gets a frame that says "Too Many Requests". No source shows what AWS sends
// then; here it is what the account's quota gives. $disconnect is never throttled, because nobody could repeat it, and
// a message without a route has none: both are choices.
type Throttle struct {
	// RequestsPerSecond is ThrottlingRateLimit: how many requests pass in a second, in the long run.
	RequestsPerSecond float64

	// Burst is ThrottlingBurstLimit: how many requests may come at once after a quiet time.
	Burst int
}

func (t Throttle) check() error {
	if !(t.RequestsPerSecond >= 0) || t.Burst < 0 { // so that NaN is refused too
		return fmt.Errorf("has a negative number: %+v", t)
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
	return quotas{newBucket(clock, float64(connections), connections), newBucket(clock, float64(requests), burst)}
}

// bucket is a token bucket on the gateway's clock.
type bucket struct {
	clock   Clock
	limiter *rate.Limiter
}

func newBucket(clock Clock, perSecond float64, burst int) *bucket {
	return &bucket{clock, rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// take takes a token. It returns false if there is none; a nil bucket has no limit.
func (b *bucket) take() bool { return b == nil || b.limiter.AllowN(b.clock.Now(), 1) }
