// Package awsclient configures this project's AWS SDK clients: how they connect and retry, within a stated budget,
// and from the environment that Lambda sets. It does without the SDK's general loading of configuration, which costs
// a cold start more time than everything else in it.
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

// Budget is what one call may cost, and how many calls at a time a client is made for. All fields are required.
type Budget struct {
	AttemptTimeout time.Duration // one HTTP request, with its answer
	MaxAttempts    int
	Backoff        backoff.Policy // between attempts
	Connections    int            // kept open, so that as many calls at once open no new ones
}

// HTTPClient returns an HTTP client for the budget. The SDK's default client keeps 10 connections, and opens and
// closes one for each further call.
func (b Budget) HTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(b.AttemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = b.Connections
		t.MaxIdleConnsPerHost = b.Connections
	})
}

// Retryer retries errors that the SDK takes for transient or throttled. The SDK's own retryer waits a second and
// more after a throttled call, and after a burst of them it stops retrying in the whole client. Here the caller's
// deadline is the bound.
func (b Budget) Retryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = b.MaxAttempts
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return b.Backoff.Pause(attempt), nil
		})
	})
}
