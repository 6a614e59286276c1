// Package deadline divides the time that a context has left among the steps of a call.
package deadline

import (
	"context"
	"time"
)

// LeavesMoreThan reports whether ctx goes on for longer than d.
func LeavesMoreThan(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > d)
}

// TwoThirds returns a context that ends after two thirds of the time that ctx has left. The last third remains for the
// steps that come after.
func TwoThirds(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)*2/3)
}
