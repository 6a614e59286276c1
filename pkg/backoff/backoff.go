// Package backoff pauses between the attempts of a call: exponentially longer, and with jitter.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Policy says how long the pauses are.
type Policy struct {
	First time.Duration // after the first failed attempt; each further pause is twice as long
	Most  time.Duration // the longest pause
}

// Pause returns the pause after a failed attempt, counted from 1. Half of it is jitter: callers that failed at the same
// moment do not come back at the same moment.
func (p Policy) Pause(attempt int) time.Duration {
	const mostDoublings = 20 // keeps the shift from overflowing
	d := min(p.First<<min(attempt-1, mostDoublings), p.Most)
	return d/2 + rand.N(d/2+1)
}

// Retry calls f until it succeeds, fails with an error that is not retryable, or ctx ends. It returns f's last error.
func (p Policy) Retry(ctx context.Context, retryable func(error) bool, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || !retryable(err) || Sleep(ctx, p.Pause(attempt)) != nil {
			return err
		}
	}
}

// Sleep waits for d. It returns ctx's error if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
