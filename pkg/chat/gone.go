package chat

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// slowestJoin is how long Connect's last writing of a row may take: it repeats one that took longer.
	slowestJoin = time.Second

	// handshakeGrace is how long a 410 may mean that the connection is still in its own $connect, not that it is gone:
	// its row is written, but API Gateway has not yet answered the handshake. That takes as long as the row, an
	// announcement that did not have to wait (after a longer one the row is written again), and the answer's way through
	// API Gateway, which is the last second.
	handshakeGrace = slowestJoin + presenceBudget + time.Second
)

// isClosed tells whether a post's error means that a member's connection is closed. It does where the membership was
// written through the open connection. One that was written in $connect may be of a connection that is not open yet.
func isClosed(m Member, err error) bool { return errors.Is(err, ErrGone) && m.Opened }

// suspects are the connections that answered a post with 410 and may still be in their own $connect, by connection id.
//
// How old a row is says nothing: its time is another machine's. So each process waits for the grace by its own clock,
// from the first 410 that it met itself.
type suspects map[string]suspect

type suspect struct {
	member Member
	since  time.Time // by this process's clock
}

// isGone tells whether a post's error, with the time at which the post began, means that a member's connection is
// closed. A row that was written again since begins anew.
func (s suspects) isGone(m Member, at time.Time, err error) bool {
	if !errors.Is(err, ErrGone) || m.Opened {
		return isClosed(m, err)
	}
	first, known := s[m.ConnectionID]
	if !known || !first.member.Same(m) {
		s[m.ConnectionID] = suspect{m, at}
		return false
	}
	return at.Sub(first.since) >= handshakeGrace
}

// prune removes connections from every room, and returns the memberships that it removed. A membership that was written
// again since it was read stays, and its connection's others with it. What prune cannot remove stays for the next
// fan-out, which meets it again.
func (s Service) prune(ctx context.Context, gone []Member) (removed []Member) {
	found := make([][]Member, len(gone))
	forEach(s.Workers, len(gone), func(i int) {
		if ok, err := s.Roster.Remove(ctx, gone[i]); err != nil || !ok {
			return
		}
		others, _ := s.Roster.Forget(ctx, gone[i].ConnectionID)
		found[i] = append(others, gone[i])
	})
	return slices.Concat(found...)
}
