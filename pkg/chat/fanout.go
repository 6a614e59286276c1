package chat

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Delivery counts what became of one frame's posts. The three add up to the number of connections it was meant for.
type Delivery struct {
	Delivered int
	Gone      int   // closed; removed from the roster as far as that could be reached
	Failed    int   // throttled or failing until the budget was spent
	Err       error // one of the failures, for the log; nil where there was none
}

const (
	// handshakeGrace is how long a 410 may mean that the connection is still in its own $connect, not that it is gone:
	// its row is written, but API Gateway has not yet answered the handshake. Until a connection is this old it is
	// posted to again and not removed, or it would be forgotten for good.
	handshakeGrace = 2 * time.Second
	firstPause     = 25 * time.Millisecond // before it is posted to again, doubled each time
	longestPause   = 250 * time.Millisecond

	// deadlineReserve is what a fan-out leaves of its invocation's time, to count, to log and to return.
	deadlineReserve = 500 * time.Millisecond
)

// recipients returns the members whose rows are not void, and the sender, each connection once.
func (s Service) recipients(members []Member, sender string) []Member {
	to := s.present(members)
	if !slices.ContainsFunc(to, func(m Member) bool { return m.ConnectionID == sender }) {
		to = append(to, Member{ConnectionID: sender})
	}
	return to
}

// fanOut posts one frame to each of a room's connections, Workers at a time, and removes the gone from the roster.
// One connection's trouble costs no other its frame. It ends before ctx's deadline and counts what was left undone.
func (s Service) fanOut(ctx context.Context, to []Member, frame []byte) (d Delivery, removed []Member) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deadlineReserve))
		defer cancel()
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		gone, young := s.postAll(ctx, to, frame, &d)
		removed = append(removed, s.prune(ctx, gone)...)
		d.Gone += len(gone)
		if len(young) == 0 {
			return d, removed
		}
		if !sleep(ctx, pause) {
			d.Failed += len(young)
			d.Err = fmt.Errorf("connections still in their own $connect: %w", ctx.Err())
			return d, removed
		}
		to = young
	}
}

// postAll posts the frame once to each, counts the delivered and the failed, and returns the gone, those apart that are
// young enough to be still in their own $connect.
func (s Service) postAll(ctx context.Context, to []Member, frame []byte, d *Delivery) (gone, young []Member) {
	type result struct {
		at  time.Time // before the post: another's may take much longer
		err error
	}
	results := make([]result, len(to))
	forEach(s.Workers, len(to), func(i int) {
		at := s.Now()
		results[i] = result{at, s.Poster.Post(ctx, to[i].ConnectionID, frame)}
	})
	for i, r := range results {
		err := r.err
		switch {
		case err == nil:
			d.Delivered++
		case !errors.Is(err, ErrGone):
			d.Failed++
			d.Err = err
		case r.at.Sub(to[i].ConnectedAt) < handshakeGrace:
			young = append(young, to[i])
		default:
			gone = append(gone, to[i])
		}
	}
	return gone, young
}

// prune removes connections from every room, and returns the memberships that it removed. What it cannot remove stays
// for the next fan-out, which meets it again.
func (s Service) prune(ctx context.Context, gone []Member) (removed []Member) {
	found := make([][]Member, len(gone))
	forEach(s.Workers, len(gone), func(i int) {
		if gone[i].Room != "" { // the sender of a message to a room it is not in has none
			if m, err := s.Roster.Leave(ctx, gone[i].Room, gone[i].ConnectionID); err == nil && m.ConnectionID != "" {
				found[i] = append(found[i], m)
			}
		}
		others, _ := s.Roster.Forget(ctx, gone[i].ConnectionID)
		found[i] = append(found[i], others...)
	})
	return slices.Concat(found...)
}

// Reply posts frames to one connection, in order. That the connection is gone meanwhile is no error: nobody is left
// to be told.
func (s Service) Reply(ctx context.Context, connectionID string, frames ...[]byte) error {
	for _, frame := range frames {
		err := s.Poster.Post(ctx, connectionID, frame)
		if errors.Is(err, ErrGone) {
			return nil
		}
		if err != nil {
			return unavailable("The reply could not be sent. Ask again.", err)
		}
	}
	return nil
}

// forEach calls f(0) … f(n-1), at most workers at a time, and returns when all have. A panic in one becomes a panic of
// the caller, who may know what to do about it.
func forEach(workers, n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var panicked atomic.Value
	for range min(workers, n) {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked.Store(fmt.Sprintf("%v\n%s", p, debug.Stack()))
				}
			}()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
	if p := panicked.Load(); p != nil {
		panic(p)
	}
}

// sleep waits, and tells whether it could wait to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
