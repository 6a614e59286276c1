package broadcast_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
)

// unsteady is a store whose calls fail now and then, so many times each; what it is asked for takes effect all the
// same.
type unsteady struct {
	*world
	acquires, renews, releases, reads, members int
}

func (u *unsteady) fails(n *int) error {
	u.Mu.Lock()
	defer u.Mu.Unlock()
	if *n == 0 {
		return nil
	}
	*n--
	return errors.New("the answer was lost")
}

func (u *unsteady) Read(ctx context.Context, room string, span chat.Span) ([]chat.Message, error) {
	found, err := u.world.Read(ctx, room, span)
	return found, errors.Join(err, u.fails(&u.reads))
}

type unsteadyLeases struct{ *unsteady }

func (u unsteadyLeases) Acquire(ctx context.Context, room, owner string, start int64) (int64, bool, error) {
	sent, ok, err := leases{World: &u.World}.Acquire(ctx, room, owner, start)
	if failed := u.fails(&u.acquires); failed != nil {
		return 0, false, failed
	}
	return sent, ok, err
}

func (u unsteadyLeases) Renew(ctx context.Context, room, owner string, sent int64) (bool, error) {
	ok, err := leases{World: &u.World}.Renew(ctx, room, owner, sent)
	return ok, errors.Join(err, u.fails(&u.renews))
}

func (u unsteadyLeases) Sent(ctx context.Context, room string) (int64, error) {
	return leases{World: &u.World}.Sent(ctx, room)
}

func (u unsteadyLeases) Release(ctx context.Context, room, owner string, sent int64) error {
	return errors.Join(leases{World: &u.World}.Release(ctx, room, owner, sent), u.fails(&u.releases))
}

type unsteadyRoster struct {
	roster
	u *unsteady
}

func (u unsteadyRoster) Members(ctx context.Context, room string, most int) ([]chat.Member, error) {
	members, err := u.roster.Members(ctx, room, most)
	return members, errors.Join(err, u.u.fails(&u.u.members))
}

// Other senders that found the lease taken rely on the broadcaster. A store that fails once does not make it leave
// their messages behind, nor repeat any.
func TestAnUnsteadyStoreLosesNothing(t *testing.T) {
	for name, u := range map[string]*unsteady{
		"acquire": {acquires: 2}, "renew": {renews: 2}, "release": {releases: 2}, "read": {reads: 3},
		"members": {members: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				w.OnPost = slowly(50 * time.Millisecond)
				u.world = w
				w.AddMember("r", "ann", time.Hour)
				w.AddMember("r", "bob", time.Hour)
				s := w.Service()
				s.Log, s.Roster = u, unsteadyRoster{roster{World: &w.World}, u}
				s.Broadcaster = broadcast.Broadcaster{Leases: unsteadyLeases{u}}
				var all sync.WaitGroup
				for i := range 5 {
					all.Go(func() {
						if _, err := s.Send(t.Context(), "ann",
							chat.Draft{Room: "r", User: "ann", Content: fmt.Sprint(i)}); err != nil {
							t.Error(err)
						}
					})
					time.Sleep(20 * time.Millisecond)
				}
				all.Wait()
				inOrder(t, w, "ann", 5)
				inOrder(t, w, "bob", 5)
			})
		})
	}
}
