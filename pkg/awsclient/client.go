// Package awsclient is how this project's AWS SDK clients connect, retry and are configured: within a budget that is
// stated, and from the environment that Lambda sets, without the SDK's general configuration loading, which costs a cold
// start more time than all else in it.
package awsclient

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Budget is what one call may cost, and how many calls a client is made for. All fields are required.
type Budget struct {
	AttemptTimeout time.Duration // one HTTP request, with its answer
	MaxAttempts    int
	FirstBackoff   time.Duration // the pause after the first attempt, doubled after each further one; half of it is jitter
	MaxBackoff     time.Duration
	Connections    int // kept open, so that as many calls at once open no new ones
}

// HTTPClient returns an HTTP client for the budget. The SDK's default keeps 10 connections, and opens and closes one for
// each call beyond.
func (b Budget) HTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(b.AttemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = b.Connections
		t.MaxIdleConnsPerHost = b.Connections
	})
}

// Retryer retries what the SDK takes for transient or throttled. Its own retryer waits a second and more after a
// throttled call, and stops retrying in the whole client after a burst of them; here the caller's deadline is the bound.
func (b Budget) Retryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = b.MaxAttempts
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return Backoff(attempt, b.FirstBackoff, b.MaxBackoff), nil
		})
	})
}

// Backoff is the pause after a failed attempt, counted from 1: exponential from first to most, and half of it jitter.
func Backoff(attempt int, first, most time.Duration) time.Duration {
	d := min(first<<min(attempt-1, 20), most)
	return d/2 + rand.N(d/2+1)
}
