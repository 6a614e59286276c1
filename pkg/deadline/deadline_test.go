package deadline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeavesMoreThan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if !LeavesMoreThan(ctx, 999*time.Millisecond) || LeavesMoreThan(ctx, time.Second) {
			t.Error("a context that ends in 1 s must leave more than 999 ms, and not more than 1 s")
		}
		cancel()
		if LeavesMoreThan(ctx, 0) {
			t.Error("a context that has ended leaves time")
		}
		if !LeavesMoreThan(t.Context(), time.Hour) {
			t.Error("a context with no deadline leaves no hour")
		}
	})
}

func TestTwoThirds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		part, cancelPart := TwoThirds(ctx)
		defer cancelPart()
		began := time.Now()
		<-part.Done()
		if took := time.Since(began); took != 2*time.Second || ctx.Err() != nil {
			t.Errorf("it ended after %v, want 2 s of 3", took)
		}
		whole, cancelWhole := TwoThirds(t.Context())
		if _, ok := whole.Deadline(); ok {
			t.Error("a part of endless time has a deadline")
		}
		cancelWhole()
		if whole.Err() == nil {
			t.Error("cancelling does not end it")
		}
	})
}
