package contract

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"wschat/pkg/broadcast"
)

// Leases tests broadcast.Leases, as far as no time passes.
func Leases(t *testing.T, leases broadcast.Leases) {
	t.Run("TheNextGoesOnWhereTheLastEnded", func(t *testing.T) {
		l := tested{t, leases}
		l.acquire("ann", 3, 3, true)
		l.renew("ann", 5, true)
		l.release("ann", 7)
		l.acquire("bob", 0, 7, true)
		l.release("bob", 7)
		l.acquire("ann", 9, 7, true)
		l.release("ann", 0) // 0 leaves what was noted
		l.acquire("bob", 9, 7, true)
	})
	t.Run("WhatWasNotedLast", func(t *testing.T) {
		l := tested{t, leases}
		sent := func(want int64) {
			t.Helper()
			if got, err := leases.Sent(t.Context(), room(t)); err != nil || got != want {
				t.Errorf("sent is %d, %v; want %d", got, err, want)
			}
		}
		sent(0)
		l.acquire("ann", 3, 3, true)
		sent(3)
		l.renew("ann", 5, true)
		sent(5)
		l.release("ann", 7)
		sent(7)
		l.acquire("bob", 0, 7, true)
		sent(7)
	})
	t.Run("OneAtATime", func(t *testing.T) {
		l := tested{t, leases}
		l.acquire("ann", 0, 0, true)
		l.acquire("bob", 0, 0, false)
		l.renew("bob", 9, false)
		l.release("bob", 9)
		l.acquire("bob", 0, 0, false)
		l.renew("ann", 1, true)
		l.acquire("ann", 0, 1, true) // an answer that was lost: it is asked for again
		l.release("ann", 2)
		l.renew("ann", 3, false)
		l.release("ann", 3)
		l.acquire("bob", 0, 2, true)
	})
	t.Run("OfManyOne", func(t *testing.T) {
		l := tested{t, leases}
		for range 20 {
			l.release(ofManyOne(t, leases), 0)
		}
	})
	t.Run("RoomsHaveTheirOwn", func(t *testing.T) {
		for i := range 3 {
			if _, ok, err := leases.Acquire(t.Context(), fmt.Sprint(room(t), i), "ann", 0); !ok || err != nil {
				t.Errorf("room %d: %v, %v", i, ok, err)
			}
		}
	})
}

// ofManyOne has many try at once, and returns the owner of the lease then.
func ofManyOne(t *testing.T, leases broadcast.Leases) (owner string) {
	t.Helper()
	var holders atomic.Int32
	var winner atomic.Value
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			owner := fmt.Sprint(i)
			if _, ok, err := leases.Acquire(t.Context(), room(t), owner, 0); err != nil {
				t.Error(err)
			} else if ok {
				holders.Add(1)
				winner.Store(owner)
			}
		})
	}
	all.Wait()
	if holders.Load() != 1 {
		t.Fatalf("%d have the lease", holders.Load())
	}
	return winner.Load().(string)
}

// LeasesEnd tests that a lease ends by itself. later makes a lease's time pass.
func LeasesEnd(t *testing.T, leases broadcast.Leases, later func()) {
	l := tested{t, leases}
	l.acquire("ann", 4, 4, true)
	l.renew("ann", 5, true)
	later()
	l.renew("ann", 6, true) // nobody has taken it yet
	l.acquire("bob", 0, 0, false)
	later()
	l.acquire("bob", 0, 6, true)
	l.renew("ann", 9, false)
	l.release("ann", 9)
	l.acquire("ann", 0, 0, false)
}

// tested is leases whose answers are checked, for the room of the test.
type tested struct {
	*testing.T
	leases broadcast.Leases
}

func (l tested) acquire(owner string, start, wantSent int64, wantOK bool) {
	l.Helper()
	sent, ok, err := l.leases.Acquire(l.Context(), room(l.T), owner, start)
	if err != nil || ok != wantOK || ok && sent != wantSent {
		l.Errorf("%s acquires: sent %d, %v, %v; want %d, %v", owner, sent, ok, err, wantSent, wantOK)
	}
}

func (l tested) renew(owner string, sent int64, want bool) {
	l.Helper()
	if ok, err := l.leases.Renew(l.Context(), room(l.T), owner, sent); ok != want || err != nil {
		l.Errorf("%s renews: %v, %v; want %v", owner, ok, err, want)
	}
}

func (l tested) release(owner string, sent int64) {
	l.Helper()
	if err := l.leases.Release(l.Context(), room(l.T), owner, sent); err != nil {
		l.Errorf("%s releases: %v", owner, err)
	}
}
