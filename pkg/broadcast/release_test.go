package broadcast_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
)

// hungRoster is a roster whose Members hangs from a call on.
type hungRoster struct {
	roster
	calls *int
	from  int
}

func (h hungRoster) Members(ctx context.Context, room string, most int) ([]chat.Member, error) {
	if *h.calls++; *h.calls >= h.from {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.roster.Members(ctx, room, most)
}

// forgetful leases are acquired, but nobody hears of it.
type forgetful struct{ leases }

func (l forgetful) Acquire(ctx context.Context, room, owner string, start int64) (int64, bool, error) {
	_, _, err := l.leases.Acquire(ctx, room, owner, start)
	return 0, false, errors.Join(err, errors.New("the answer was lost"))
}

// forgetfulLater leases are acquired again by another first, and then nobody hears of it.
type forgetfulLater struct{ interruptedLeases }

func (l *forgetfulLater) Acquire(ctx context.Context, room, owner string, start int64) (int64, bool, error) {
	sent, ok, err := l.interruptedLeases.Acquire(ctx, room, owner, start)
	if l.acquired > 1 {
		return 0, false, errors.New("the answer was lost")
	}
	return sent, ok, err
}

// attentive leases do nothing for a caller that has no time left.
type attentive struct{ leases }

func (l attentive) Release(ctx context.Context, room, owner string, sent int64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.leases.Release(ctx, room, owner, sent)
}

// panickingEncoder encodes no message that was stored.
type panickingEncoder struct{ *world }

func (e panickingEncoder) Messages(p chat.Page) []chat.Frame {
	if p.Messages[0].Index == 4 {
		panic("on purpose")
	}
	return e.world.Messages(p)
}

// However a broadcaster ends, others need not wait for its lease to end.
func TestTheLeaseIsGivenBack(t *testing.T) {
	for name, disturb := range map[string]func(t *testing.T, w *world, s *chat.Service, cancel func()){
		"nothing": func(*testing.T, *world, *chat.Service, func()) {},
		"the members cannot be read": func(_ *testing.T, w *world, s *chat.Service, _ func()) {
			s.Roster = hungRoster{roster{World: &w.World}, new(int), 1}
		},
		"the members cannot be read again": func(t *testing.T, w *world, s *chat.Service, _ func()) {
			w.BeforeRelease = sync.OnceFunc(func() { w.say(t, "ann", "late") })
			s.Roster = hungRoster{roster{World: &w.World}, new(int), 2}
		},
		"the answer to acquiring it is lost": func(_ *testing.T, w *world, s *chat.Service, _ func()) {
			s.Broadcaster = broadcast.Broadcaster{Leases: forgetful{leases{World: &w.World}}}
		},
		"the answer to acquiring it again is lost": func(t *testing.T, w *world, s *chat.Service, _ func()) {
			w.BeforeRelease = sync.OnceFunc(func() { w.say(t, "ann", "late") })
			another := func() { w.say(t, "ann", "sent by another") }
			s.Broadcaster = broadcast.Broadcaster{Leases: &forgetfulLater{interruptedLeases{
				leases: leases{World: &w.World}, before: another,
			}}}
		},
		"a panic": func(_ *testing.T, w *world, s *chat.Service, _ func()) {
			s.Encoder = panickingEncoder{w}
		},
		"the sender is called off": func(_ *testing.T, w *world, s *chat.Service, cancel func()) {
			w.OnPost = slowly(50 * time.Millisecond)
			s.Broadcaster = broadcast.Broadcaster{Leases: attentive{leases{World: &w.World}}}
			time.AfterFunc(10*time.Millisecond, cancel)
		},
		"its time is over": func(_ *testing.T, w *world, s *chat.Service, _ func()) {
			w.OnPost = func(context.Context, string) error { // takes no notice
				time.Sleep(29 * time.Second)
				return nil
			}
			s.Broadcaster = broadcast.Broadcaster{Leases: attentive{leases{World: &w.World}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				w.AddMember("r", "ann", time.Hour)
				for range 3 {
					w.say(t, "ann", "before")
				}
				w.Calls = nil
				ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
				defer cancel()
				s := w.Service()
				disturb(t, w, &s, cancel)
				func() {
					defer func() {
						if p := recover(); p != nil {
							t.Error(p)
						}
					}()
					_, _ = s.Send(ctx, "ann", draft)
				}()
				stored := int64(3)
				if name == "the answer to acquiring it again is lost" {
					stored = 6
				}
				if sent, ok, err := w.LeaseStore.Acquire(t.Context(), "r", "another", 0); sent < stored || !ok ||
					err != nil {
					t.Errorf("another gets it: %v, %v, to send what is after %d", ok, err, sent)
				}
				if n := w.Count("release"); n == 0 || n > 3 {
					t.Errorf("it was released %d times", n)
				}
			})
		})
	}
}
