package chat

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"wschat/pkg/backoff"
)

// Delivery counts what became of what a sender posted.
type Delivery struct {
	Rounds    int     // how many times members were posted to, as the room's broadcaster; 0 where another was, or nobody was to be
	SentAfter int64   // as the broadcaster, the messages after this index were sent …
	SentUpTo  int64   // … up to this one
	Posts     int     // frames that were taken
	Delivered int     // messages in them, each counted for each of its recipients
	Again     int     // posts that were throttled or failed, to be tried again
	Gone      int     // connections that are closed; removed from the roster as far as that could be reached
	Failed    int     // messages that recipients will not get, each counted for each of them: throttled or failing for too long
	Left      int     // messages that there was no time for, counted likewise: the room's next broadcaster sends them
	Failures  []error // why recipients will not get messages, of the first mostFailures
	Err       error   // one of the failures, for the log; nil where there was none

	// Oldest is how long ago a message had been written when a member got it who can be reached, at most. It is by the message's own
	// time, which is in whole seconds, and so up to a second too much.
	Oldest time.Duration
}

// mostFailures is how many failures are told one by one.
const mostFailures = 20

func (d *Delivery) countReply(err error) {
	if err != nil {
		d.fail(1, err)
		return
	}
	d.Posts++
	d.Delivered++
}

// fail counts messages that a recipient will not get.
func (d *Delivery) fail(messages int, err error) {
	d.Failed += messages
	d.Err = err
	if len(d.Failures) < mostFailures {
		d.Failures = append(d.Failures, err)
	}
}

// replyPatience is for how long a reply is tried again.
const replyPatience = 5 * time.Second

// Reply posts frames to one connection, in order, and tries again for a while what is worth it. That the connection is gone
// meanwhile is no error: nobody is left to be told.
func (s Service) Reply(ctx context.Context, connectionID string, frames ...[]byte) error {
	if s.Charge != nil {
		s.Charge(len(frames))
	}
	for _, frame := range frames {
		err := s.insist(ctx, connectionID, frame)
		if errors.Is(err, ErrGone) {
			return nil
		}
		if err != nil {
			return unavailable("The reply could not be sent. Ask again.", err)
		}
	}
	return nil
}

// insist posts a frame until it is taken, or another attempt would not help or not come in time.
func (s Service) insist(ctx context.Context, connectionID string, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, replyPatience)
	defer cancel()
	mayHelp := func(err error) bool { return errors.Is(err, ErrTryAgain) }
	return retries().Retry(ctx, mayHelp, func() error { return s.Poster.Post(ctx, connectionID, frame) })
}

// retries is the pause between attempts to post, and to read what others count on.
func retries() backoff.Policy {
	return backoff.Policy{First: firstPause, Most: longestPause}
}

// forEach calls f(0) … f(n-1), at most workers at a time, and returns when all have. A panic in one becomes a panic of
// the caller, who may know what to do about it.
func forEach(workers, n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var panicked atomic.Value
	for range min(workers, n) {
		wg.Go(func() {
			err := safely(func() error {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					f(i)
				}
				return nil
			})
			if err != nil {
				panicked.Store(err)
			}
		})
	}
	wg.Wait()
	if p := panicked.Load(); p != nil {
		panic(p)
	}
}

// errPanicked is wrapped by the error of what has panicked.
var errPanicked = errors.New("panic")

// safely calls f. A panic in it, which nobody else could recover in a goroutine of its own, is an error with its stack.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanicked, p, debug.Stack())
		}
	}()
	return f()
}

// beside calls f in a goroutine of its own, and returns where its error will be.
func beside(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- safely(f) }()
	return done
}
