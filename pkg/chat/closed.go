package chat

import (
	"context"
	"errors"
	"slices"
	"time"

	"wschat/pkg/parallel"
)

const (
	// slowestJoin is how long Connect's last writing of a row may take: it repeats one that took longer.
	slowestJoin = time.Second

	// HandshakeGrace is how long a 410 may mean that a connection is still in its own $connect, and not that it is
	// gone: its row is written, but API Gateway has not yet answered the handshake. That takes as long as the row, an
	// announcement that did not have to wait (after a longer one the row is written again), and the answer's way
	// through API Gateway, which is the last second.
	HandshakeGrace = slowestJoin + presenceBudget + time.Second
)

// IsClosed reports whether a post's error means that the member's connection is closed. It does if the membership was
// written through the open connection. A membership that was written in $connect may be of a connection that is not
// open yet.
func (m Member) IsClosed(err error) bool { return errors.Is(err, ErrGone) && m.Opened }

// Present returns a room's members that may be sent what is said in it, all of them if most is 0. It leaves out the
// memberships that are void: past their two hours, and not yet removed by the store. It also leaves out members that
// the room's rules do not admit: their memberships are about to be removed, or would be if their remover had not died.
func (s Service) Present(ctx context.Context, room string, most int) ([]Member, error) {
	members, err := s.Roster.Members(ctx, room, most)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	members = withoutVoid(members, now)
	if s.Rules == nil {
		return members, nil
	}
	read, err := s.Rules.recent(ctx, room, rulesLife)
	if err != nil {
		return nil, err
	}
	isOutside := func(m Member) bool { return !read.rules.Admits(m.UserID, m.Moderates, now) }
	return slices.DeleteFunc(members, isOutside), nil
}

func withoutVoid(members []Member, now time.Time) []Member {
	return slices.DeleteFunc(members, func(m Member) bool { return !m.ExpiresAt.After(now) })
}

// prune removes connections from every room, and returns the memberships that it removed. A membership that was written
// again since it was read stays, and its connection's others with it. What prune cannot remove stays for the next
// fan-out, which meets it again.
func (s Service) prune(ctx context.Context, gone []Member) (removed []Member) {
	found := make([][]Member, len(gone))
	parallel.ForEach(s.Workers, len(gone), func(i int) {
		if ok, err := s.Roster.Remove(ctx, gone[i]); err != nil || !ok {
			return
		}
		others, _ := s.Roster.Forget(ctx, gone[i].ConnectionID)
		found[i] = append(others, gone[i])
	})
	return slices.Concat(found...)
}
