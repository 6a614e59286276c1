package chat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// hangs has the posts to connections whose id begins with "hung" take d, after which they fail with err or are taken.
func hangs(d time.Duration, err error) func(context.Context, string) error {
	return func(ctx context.Context, id string) error {
		if !strings.HasPrefix(id, "hung") {
			return nil
		}
		if late := slowly(d)(ctx, id); late != nil {
			return late
		}
		return err
	}
}

// A post that is not answered is waited for by nobody but its own member; where there are more of them than workers, only the
// first round is late.
func TestAPostThatHangsHoldsUpNobody(t *testing.T) {
	for _, tc := range []struct {
		hung int
		late time.Duration // the first message
	}{{1, 0}, {4, 400 * time.Millisecond}, {8, 800 * time.Millisecond}, {13, 1200 * time.Millisecond}, {20, 3 * time.Second}, {40, 7 * time.Second}} {
		t.Run(fmt.Sprint(tc.hung), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{post: hangs(2*time.Second, chat.ErrTryAgain)}
				for i := range tc.hung {
					w.member("r", fmt.Sprint("hung", i), time.Hour)
				}
				w.member("r", "ann", time.Hour)
				w.member("r", "bob", time.Hour)
				var all sync.WaitGroup
				all.Go(func() { w.say(t, "ann", "first") })
				time.Sleep(tc.late + 400*time.Millisecond)
				for i := range 30 {
					all.Go(func() { w.say(t, "ann", fmt.Sprint(i)) })
					time.Sleep(100 * time.Millisecond)
					if got := indexes(strings.Join(w.got("bob"), " ")); len(got) < i+2 {
						t.Errorf("100 ms after message %d bob has got %d", i+2, len(got))
					}
				}
				all.Wait()
				inOrder(t, w, "bob", 31)
			})
		})
	}
}

// Who takes long to be posted to gets everything all the same, in order and once, and no other broadcaster posts to it
// meanwhile.
func TestASlowMemberGetsAllInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.member("r", "hung", time.Hour)
		w.member("r", "ann", time.Hour)
		posts := 0
		w.post = func(ctx context.Context, id string) error {
			w.mu.Lock()
			if id == "hung" {
				posts++
			}
			first := posts == 1
			w.mu.Unlock()
			if first && id == "hung" {
				return slowly(1500*time.Millisecond)(ctx, id)
			}
			return slowly(20*time.Millisecond)(ctx, id)
		}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { w.say(t, "ann", fmt.Sprint(i)) })
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		inOrder(t, w, "ann", 20)
		inOrder(t, w, "hung", 20)
	})
}

// Where there are more members that hang than posts to them at once, each has its turn: whoever reads again gets everything soon.
func TestWhoNoLongerHangsIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		const hung = 60
		for i := range hung {
			w.member("r", fmt.Sprint("hung", i), time.Hour)
		}
		w.member("r", "ann", time.Hour)
		began, last := time.Now(), fmt.Sprint("hung", hung-1)
		hang := hangs(2*time.Second, chat.ErrTryAgain)
		w.post = func(ctx context.Context, id string) error {
			if id == last && time.Since(began) > 12*time.Second {
				return nil
			}
			return hang(ctx, id)
		}
		var all sync.WaitGroup
		for range 250 {
			all.Go(func() { w.say(t, "ann", "hi") })
			time.Sleep(100 * time.Millisecond)
		}
		if got := w.got(last); len(got) == 0 {
			t.Error("13 s after it read again it has got nothing")
		}
		all.Wait()
	})
}

// A member to whom every post takes long, while others talk: it gets everything, from one broadcaster after the other. Where its posts
// take longer than a broadcaster waits in the end, the next one repeats something.
func TestWhoIsAlwaysSlowLosesNothing(t *testing.T) {
	for _, slow := range []time.Duration{400 * time.Millisecond, 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			w.member("r", "ann", time.Hour)
			w.member("r", "slow", time.Hour)
			w.post = func(ctx context.Context, id string) error {
				if id == "slow" {
					return slowly(slow)(ctx, id)
				}
				return slowly(10*time.Millisecond)(ctx, id)
			}
			var all sync.WaitGroup
			const messages = 400
			for i := range messages {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
					defer cancel()
					if sent, err := w.service().Send(ctx, "ann", draft); err != nil || sent.Delivery.Failed > 0 {
						t.Errorf("%+v, %v", sent.Delivery, err)
					}
				})
				time.Sleep(100 * time.Millisecond)
				if got := len(indexes(strings.Join(w.got("ann"), " "))); i > 20 && i < 150 && got < i {
					t.Errorf("ann has got %d messages of %d", got, i+1)
				}
			}
			all.Wait()
			if slow < time.Second {
				inOrder(t, w, "ann", messages)
				inOrder(t, w, "slow", messages)
				return
			}
			for _, id := range []string{"ann", "slow"} {
				if problem := (scene{stalls: true}).judge(w.got(id), 0, messages); problem != "" {
					t.Error(id, problem)
				}
			}
		})
	}
}

// A room so large that nobody has time to post to all of it, while others talk: those whom there was no time for come first.
func TestNobodyStarvesInALargeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{post: slowly(20 * time.Millisecond)}
		const members = 1300 // of four workers: 6.5 s
		for i := range members {
			w.member("r", fmt.Sprint(i), time.Hour)
		}
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
				defer cancel()
				if _, err := w.service().Send(ctx, "0", draft); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(500 * time.Millisecond)
		}
		for i := range members {
			if len(w.got(fmt.Sprint(i))) == 0 {
				t.Fatalf("%d of %d has got nothing in 30 s", i, members)
			}
		}
		all.Wait()
	})
}

// For a while nothing is taken from anybody: the members of a large room are all tried again in time.
func TestAShortOutageLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		const members = 1000
		for i := range members {
			w.member("r", fmt.Sprint(i), time.Hour)
		}
		over := time.Now().Add(1500 * time.Millisecond)
		w.post = func(context.Context, string) error {
			time.Sleep(10 * time.Millisecond)
			if time.Now().Before(over) {
				return chat.ErrTryAgain
			}
			return nil
		}
		s := w.service()
		s.Workers = 32
		s.Log = slowLog{w}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		if sent, err := s.Send(ctx, "0", draft); err != nil || sent.Delivery.Delivered != members {
			t.Errorf("%+v, %v", sent.Delivery, err)
		}
	})
}

// Who cannot be reached for a moment loses nothing because another cannot be reached at all, for as long as a broadcaster's time goes.
func TestWhoFailsAtTheEndIsLeftToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for _, id := range []string{"ann", "blip", "never"} {
			w.member("r", id, time.Hour)
		}
		began := time.Now()
		w.post = func(_ context.Context, id string) error { // the broadcaster's rounds end after two thirds of 28 s
			if since := time.Since(began); id == "never" || id == "blip" && since > 18*time.Second && since < 19500*time.Millisecond {
				return chat.ErrTryAgain
			}
			return nil
		}
		var all sync.WaitGroup
		const messages = 250
		for range messages {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
				defer cancel()
				_, _ = w.service().Send(ctx, "ann", draft)
			})
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		for _, id := range []string{"ann", "blip"} {
			if problem := (scene{stalls: true}).judge(w.got(id), 0, messages); problem != "" {
				t.Error(id, problem)
			}
		}
	})
}

// Where all are slow, and more than are posted to at once, a post to one is made again although the one before was long ago.
func TestWhoIsOnlySlowHasTheSamePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		const members, messages = 200, 100
		for i := range members {
			w.member("r", fmt.Sprint(i), time.Hour)
		}
		posts := 0
		w.post = func(ctx context.Context, _ string) error {
			w.mu.Lock()
			posts++
			fails := posts%20 == 0
			w.mu.Unlock()
			if fails {
				return chat.ErrTryAgain
			}
			return slowly(500*time.Millisecond)(ctx, "")
		}
		var all sync.WaitGroup
		for range messages {
			all.Go(func() { w.say(t, "0", "hi") })
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		for i := range members {
			inOrder(t, w, fmt.Sprint(i), messages)
		}
	})
}

// Who never reads makes nobody get anything twice, when one broadcaster's time ends after the other's.
func TestWhoNeverReadsCausesNoRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{post: hangs(2*time.Second, chat.ErrTryAgain)}
		for i := range 13 {
			w.member("r", fmt.Sprint("hung", i), time.Hour)
		}
		w.member("r", "ann", time.Hour)
		var all sync.WaitGroup
		const messages = 600
		for range messages {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
				defer cancel()
				_, _ = w.service().Send(ctx, "ann", draft)
			})
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		inOrder(t, w, "ann", messages)
	})
}

// What a client that does not read lacks is not encoded in whole at each attempt.
func TestLittleIsEncodedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{post: func(_ context.Context, id string) error {
			if id == "full" {
				return chat.ErrTryAgain
			}
			return nil
		}}
		w.member("r", "ann", time.Hour)
		w.member("r", "full", time.Hour)
		e := &counting{world: w}
		s := w.service()
		s.Encoder = e
		var all sync.WaitGroup
		const messages = 500
		for range messages {
			all.Go(func() { _, _ = s.Send(t.Context(), "ann", draft) })
			time.Sleep(10 * time.Millisecond)
		}
		all.Wait()
		if n := e.encoded.Load(); n > 3*messages {
			t.Errorf("%d messages were encoded of %d", n, messages)
		}
	})
}

// counting is an Encoder that counts messages.
type counting struct {
	*world
	encoded atomic.Int64
}

func (c *counting) Messages(p chat.Page) []chat.Frame {
	c.encoded.Add(int64(len(p.Messages)))
	return c.world.Messages(p)
}

// A sender that has little time left, for whatever reason, and a member that nothing reaches: what others store until it
// ends, who saw that there is a broadcaster, is sent.
func TestABroadcasterWithLittleTimeLeavesNothingBehind(t *testing.T) {
	for _, left := range []time.Duration{5 * time.Second, 7 * time.Second, 10 * time.Second} {
		for at := 10 * time.Millisecond; at < left; at += 90 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				w := &world{post: hangs(2*time.Second, chat.ErrTryAgain)}
				w.member("r", "hung", time.Hour)
				w.member("r", "ann", time.Hour)
				w.member("r", "bob", time.Hour)
				var all sync.WaitGroup
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), left)
					defer cancel()
					s := w.service()
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

// Whom a broadcaster had no time for at all is sent to by the next.
func TestWhoWasNotTriedIsLeftToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{post: slowly(time.Second)}
		const members = 100
		for i := range members {
			w.member("r", fmt.Sprint(i), time.Hour)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		first, err := w.service().Send(ctx, "0", draft)
		if d := first.Delivery; err != nil || d.Delivered == 0 || d.Delivered+d.Left != members || d.Failed != 0 || d.SentUpTo != 0 {
			t.Errorf("got %+v, %v", d, err)
		}
		w.mu.Lock()
		w.post = nil
		w.mu.Unlock()
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
			w := &world{post: slowly(time.Second)}
			const members = 130
			for i := range members {
				w.member("r", fmt.Sprint(i), time.Hour)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			posts := 0
			s := w.service()
			s.Leases = &interruptedLeases{leases: leases{w}, before: func() {
				if interrupted {
					w.mu.Lock()
					w.post = nil
					w.mu.Unlock()
					w.say(t, "0", "more")
					posts = w.count("post")
				}
			}}
			sent, err := s.Send(ctx, "0", draft)
			if d := sent.Delivery; err != nil || !interrupted && (d.Delivered != members || d.Left != 0) {
				t.Errorf("got %+v, %v", d, err)
			}
			if after := w.count("post"); interrupted && (posts == 0 || after != posts) {
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

// A panic, in whatever runs beside the sender's own goroutine, does not end the process: it is an error of what was done.
func TestAPanicIsAnErrorOfWhatWasDone(t *testing.T) {
	sent := func(w *world) chat.Service { return w.service() }
	for name, tc := range map[string]struct {
		service func(w *world) chat.Service
		sender  string
		failed  bool // the sender is told
	}{
		"post": {func(w *world) chat.Service {
			w.post = func(_ context.Context, id string) error {
				if id == "hung" {
					panic("on purpose")
				}
				return nil
			}
			return w.service()
		}, "bob", false},
		"reply": {func(w *world) chat.Service {
			w.post = func(_ context.Context, id string) error {
				if id == "nobody" {
					panic("on purpose")
				}
				return nil
			}
			return w.service()
		}, "nobody", false},
		"members": {func(w *world) chat.Service {
			s := sent(w)
			s.Roster = panickingRoster{roster{w}}
			return s
		}, "bob", true},
		"renew": {func(w *world) chat.Service {
			w.post = slowly(50 * time.Millisecond)
			s := sent(w)
			s.Leases = panickingLeases{leases{w}}
			return s
		}, "bob", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				w.member("r", "hung", time.Hour)
				w.member("r", "bob", time.Hour)
				s := tc.service(w)
				began := time.Now()
				var all sync.WaitGroup
				all.Go(func() {
					sent, err := s.Send(t.Context(), tc.sender, draft)
					told := errors.Join(err, sent.Delivery.Err)
					if text := fmt.Sprint(told); (err != nil) != tc.failed || !strings.Contains(text, "on purpose") || !strings.Contains(text, "_test.go") {
						t.Errorf("got %+v, %v", sent.Delivery, err)
					}
				})
				time.Sleep(10 * time.Millisecond)
				all.Go(func() { _, _ = s.Send(t.Context(), "bob", draft) })
				all.Wait()
				if took := time.Since(began); took > time.Second {
					t.Errorf("took %v", took)
				}
				if !tc.failed && !slices.Contains(w.got("bob"), "1:hi ") {
					t.Errorf("bob got %q", w.got("bob"))
				}
			})
		})
	}
}

type panickingRoster struct{ roster }

func (panickingRoster) Members(context.Context, string, int) ([]chat.Member, error) {
	panic("on purpose")
}

type panickingLeases struct{ leases }

func (panickingLeases) Renew(context.Context, string, string, int64) (bool, error) {
	panic("on purpose")
}
