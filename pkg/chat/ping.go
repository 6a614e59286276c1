package chat

import (
	"context"
	"sync"
	"time"

	"wschat/pkg/parallel"
)

const (
	// pingInterval is the least time between the beginnings of two writes of Ping. Anybody may ask, as often as they
	// like.
	pingInterval = time.Second

	// pingTimeout is how long one write of Ping may take. It is not a caller's own time, because other callers wait
	// for it too.
	pingTimeout = 10 * time.Second
)

// sharedPing is a Log whose Ping costs at most one write a second.
type sharedPing struct {
	Log
	now func() time.Time

	mu     sync.Mutex
	latest *pingWrite // nil before the first
}

// pingWrite is one write, with its result once done is closed.
type pingWrite struct {
	began time.Time
	done  chan struct{}
	err   error
}

// SharePings returns log with another Ping. It writes at most once a second, one write at a time, and all callers of
// that second get the result of that write, an error too. A caller whose context ends gets the context's error, and
// the write goes on for the others, for at most 10 seconds. A process needs one such Log: its callers share what is
// in it.
func SharePings(log Log, now func() time.Time) Log { return &sharedPing{Log: log, now: now} }

// Ping proves that the log can be written, or could be within the last second.
func (s *sharedPing) Ping(ctx context.Context) error {
	w := s.write(ctx)
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write returns the write that counts now, and begins it if there is none.
func (s *sharedPing) write(ctx context.Context) *pingWrite {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.latest != nil && s.latest.counts(now) {
		return s.latest
	}
	w := &pingWrite{began: now, done: make(chan struct{})}
	s.latest = w
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	go func() {
		defer close(w.done)
		defer cancel()
		w.err = parallel.Safely(func() error { return s.Log.Ping(ctx) })
	}()
	return w
}

// counts reports whether the write is under way or of the last second.
func (w *pingWrite) counts(now time.Time) bool {
	select {
	case <-w.done:
		return now.Sub(w.began) < pingInterval
	default:
		return true
	}
}
