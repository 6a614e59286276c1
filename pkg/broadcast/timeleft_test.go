package broadcast_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
)

// The broadcaster has little time left, for whatever reason, and no post reaches one of the members. Other senders that
// find the lease taken rely on it: what they store until it ends is sent.
func TestABroadcasterWithLittleTimeLeavesNothingBehind(t *testing.T) {
	for _, left := range []time.Duration{5 * time.Second, 7 * time.Second, 10 * time.Second} {
		for at := 10 * time.Millisecond; at < left; at += 90 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				w.OnPost = hangs(2*time.Second, chat.ErrTryAgain)
				w.AddMember("r", "hung", time.Hour)
				w.AddMember("r", "ann", time.Hour)
				w.AddMember("r", "bob", time.Hour)
				var all sync.WaitGroup
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), left)
					defer cancel()
					s := w.Service()
					s.Log = slowLog{w}
					if _, err := s.Send(ctx, "ann", draft); err != nil || ctx.Err() != nil {
						t.Errorf("%v, %v", err, ctx.Err())
					}
				})
				time.Sleep(at)
				all.Go(func() { w.say(t, "bob", "more") })
				all.Wait()
				if got := w.got("bob"); !slices.Equal(got, []string{"1:hi ", "2:more "}) {
					t.Errorf("said %v after a broadcaster that had %v left began: bob got %q", at, left, got)
				}
			})
		}
	}
}

// slowLog is the world's log with reads that take a while, in which the time for them may end.
type slowLog struct{ *world }

func (l slowLog) Read(ctx context.Context, room string, span chat.Span) ([]chat.Message, error) {
	if err := slowly(150*time.Millisecond)(ctx, ""); err != nil {
		return nil, err
	}
	return l.world.Read(ctx, room, span)
}

// A member that cannot be reached for a moment loses nothing because another cannot be reached at all, for as long as a
// broadcaster's time goes.
func TestWhoFailsAtTheEndIsLeftToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for _, id := range []string{"ann", "blip", "never"} {
			w.AddMember("r", id, time.Hour)
		}
		began := time.Now()
		w.OnPost = func(_ context.Context, id string) error { // the broadcaster's rounds end after two thirds of 28 s
			if since := time.Since(began); id == "never" || id == "blip" && since > 18*time.Second &&
				since < 19500*time.Millisecond {
				return chat.ErrTryAgain
			}
			return nil
		}
		const messages = 250
		w.talk(t, "ann", messages, 100*time.Millisecond, func(int) {})
		for _, id := range []string{"ann", "blip"} {
			if problem := (scene{stalls: true}).judge(w.got(id), 0, messages); problem != "" {
				t.Error(id, problem)
			}
		}
	})
}

// The next broadcaster sends to members that the one before had no time for at all.
func TestWhoWasNotTriedIsLeftToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.OnPost = slowly(time.Second)
		const members = 100
		for i := range members {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		first, err := w.Service().Send(ctx, "0", draft)
		if d := first.Delivery; err != nil || d.Delivered == 0 || d.Delivered+d.Left != members || d.Failed != 0 ||
			d.SentUpTo != 0 {
			t.Errorf("got %+v, %v", d, err)
		}
		w.Mu.Lock()
		w.OnPost = nil
		w.Mu.Unlock()
		w.say(t, "0", "more")
		if got := w.got("99"); !slices.Equal(got, []string{"1:hi 2:more "}) {
			t.Errorf("the last got %q", got)
		}
	})
}

// A broadcaster that ran out of time for a round uses what is left for another, in which it sends nothing again that
// somebody else has sent in between.
func TestWhoWasNotTriedIsTriedAgain(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			w.OnPost = slowly(time.Second)
			const members = 130
			for i := range members {
				w.AddMember("r", fmt.Sprint(i), time.Hour)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			posts := 0
			s := w.Service()
			s.Broadcaster = broadcast.Broadcaster{Leases: &interruptedLeases{leases: leases{World: &w.World},
				before: func() {
					if interrupted {
						w.Mu.Lock()
						w.OnPost = nil
						w.Mu.Unlock()
						w.say(t, "0", "more")
						posts = w.Count("post")
					}
				}}}
			sent, err := s.Send(ctx, "0", draft)
			if d := sent.Delivery; err != nil || !interrupted && (d.Delivered != members || d.Left != 0) {
				t.Errorf("got %+v, %v", d, err)
			}
			if after := w.Count("post"); interrupted && (posts == 0 || after != posts) {
				t.Errorf("%d posts before somebody else had sent everything, %d after", posts, after)
			}
		})
	}
}

// interruptedLeases has something happen before a lease is acquired for the second time.
type interruptedLeases struct {
	leases
	before   func()
	acquired int
}

func (l *interruptedLeases) Acquire(ctx context.Context, room, owner string, start int64) (int64, bool, error) {
	if l.acquired++; l.acquired == 2 {
		l.before()
	}
	return l.leases.Acquire(ctx, room, owner, start)
}

// A message that is stored after the members were read waits for the next read of the members, also if expired messages
// leave room for it in the first read of messages: a member may have joined in between.
func TestAMemberThatJoinsAfterTheMembersWereReadIsNotForgotten(t *testing.T) {
	w := &world{}
	w.AddMember("r", "ann", time.Hour)
	for i := range 3 {
		w.Stored = append(w.Stored, chat.Message{Room: "r", Index: int64(i + 1), Content: "old"})
	}
	w.Expired = 2
	s := w.Service()
	s.Log = &joinedLog{world: w}
	if _, err := s.Send(t.Context(), "ann", draft); err != nil {
		t.Fatal(err)
	}
	if got := w.got("late"); !slices.Equal(got, []string{"5:more "}) {
		t.Errorf("the member that joined before message 5 got %q", got)
	}
	if got := w.got("ann"); !slices.Equal(got, []string{"3:old 4:hi ", "5:more "}) {
		t.Errorf("ann got %q", got)
	}
}

// joinedLog is the world's log. Before its first read a member joins, and then somebody stores a message.
type joinedLog struct {
	*world
	read bool
}

func (l *joinedLog) Read(ctx context.Context, room string, span chat.Span) ([]chat.Message, error) {
	if !l.read {
		l.read = true
		l.AddMember(room, "late", time.Hour)
		if _, _, err := l.Append(ctx, chat.Message{Room: room, User: "bob", Content: "more"}); err != nil {
			return nil, err
		}
	}
	return l.world.Read(ctx, room, span)
}

// A broadcaster that has lost its lease leaves nothing: the other broadcaster sends what recipients lack.
func TestABroadcasterThatLostItsLeaseLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "ann", time.Hour)
		w.AddMember("r", "full", time.Hour)
		w.OnPost = func(_ context.Context, id string) error {
			if id == "full" {
				return chat.ErrTryAgain
			}
			return nil
		}
		s := w.Service()
		s.Broadcaster = broadcast.Broadcaster{Leases: lostLeases{leases{World: &w.World}}}
		sent, err := s.Send(t.Context(), "ann", draft)
		if d := sent.Delivery; err != nil || d.Delivered != 1 || d.Left != 0 || d.Failed != 0 || d.Err != nil {
			t.Errorf("got %+v, %v", d, err)
		}
		if n := w.Count("release"); n != 0 {
			t.Errorf("it gave back a lease of another, %d times", n)
		}
	})
}

// lostLeases are another's when they are renewed.
type lostLeases struct{ leases }

func (lostLeases) Renew(context.Context, string, string, int64) (bool, error) { return false, nil }

// A sender that repeats an old message is answered. Members that have newer messages are not sent anything.
func TestARepeatOfAnOldMessageSendsTheRoomNothing(t *testing.T) {
	w := &world{}
	w.AddMember("r", "bob", time.Hour)
	first := draft
	first.ID = "m1"
	for _, d := range []chat.Draft{first, draft, draft, first} {
		if _, err := w.Service().Send(t.Context(), "ann", d); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.got("bob"); !slices.Equal(got, []string{"1:hi ", "2:hi ", "3:hi "}) {
		t.Errorf("the member got %q", got)
	}
	if got := w.got("ann"); len(got) != 4 || got[3] != "1:hi " {
		t.Errorf("the sender got %q", got)
	}
}
