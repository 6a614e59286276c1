package chat

import (
	"context"
	"errors"
	"time"

	"wschat/pkg/backoff"
)

// replyPatience is how long a reply is retried.
const replyPatience = 5 * time.Second

// retries is the pause between attempts to post a reply, and to read what others count on.
func retries() backoff.Policy {
	return backoff.Policy{First: 25 * time.Millisecond, Most: 400 * time.Millisecond}
}

// Reply posts frames to one connection, in order, and retries for a while if that may help. A connection that is gone
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
	retryable := func(err error) bool { return errors.Is(err, ErrTryAgain) }
	return retries().Retry(ctx, retryable, func() error { return s.Poster.Post(ctx, connectionID, frame) })
}
