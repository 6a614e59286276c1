// Package awsclient is how this project's AWS SDK clients connect, retry and are configured: within a budget that is
// stated, and from the environment that Lambda sets, without the SDK's general configuration loading, which costs a
// cold start more time than all else in it.
package awsclient

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"wschat/pkg/backoff"
)

// Budget is what one call may cost, and how many calls a client is made for. All fields are required.
type Budget struct {
	AttemptTimeout time.Duration // one HTTP request, with its answer
	MaxAttempts    int
	Backoff        backoff.Policy // between attempts
	Connections    int            // kept open, so that as many calls at once open no new ones
}

// HTTPClient returns an HTTP client for the budget. The SDK's default keeps 10 connections, and opens and closes one
// for each call beyond.
func (b Budget) HTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(b.AttemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = b.Connections
		t.MaxIdleConnsPerHost = b.Connections
	})
}

// Retryer retries what the SDK takes for transient or throttled. Its own retryer waits a second and more after a
// throttled call, and stops retrying in the whole client after a burst of them; here the caller's deadline is the
// bound.
func (b Budget) Retryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = b.MaxAttempts
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return b.Backoff.Pause(attempt), nil
		})
	})
}
