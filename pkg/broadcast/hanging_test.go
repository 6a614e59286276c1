package broadcast_test

import (
	"context"
	"fmt"
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

// talk has a member send so many messages, each in an invocation of 28 seconds, and returns what became of them when
// all have ended. After each pause it calls then with the number of the message, counted from 0.
func (w *world) talk(t *testing.T, id string, messages int, pause time.Duration, then func(i int)) []chat.Sent {
	t.Helper()
	said := make([]chat.Sent, messages)
	var all sync.WaitGroup
	for i := range messages {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
			defer cancel()
			var err error
			if said[i], err = w.Service().Send(ctx, id, draft); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(pause)
		then(i)
	}
	all.Wait()
	return said
}

// A post that is not answered is waited for by nobody but its own member; if there are more of them than workers,
// only the first round is late.
func TestAPostThatHangsHoldsUpNobody(t *testing.T) {
	for _, tc := range []struct {
		hung int
		late time.Duration // the first message
	}{{1, 0}, {4, 400 * time.Millisecond}, {8, 800 * time.Millisecond}, {13, 1200 * time.Millisecond},
		{20, 3 * time.Second}, {40, 7 * time.Second}} {
		t.Run(fmt.Sprint(tc.hung), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				w.OnPost = hangs(2*time.Second, chat.ErrTryAgain)
				for i := range tc.hung {
					w.AddMember("r", fmt.Sprint("hung", i), time.Hour)
				}
				w.AddMember("r", "ann", time.Hour)
				w.AddMember("r", "bob", time.Hour)
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

// A member whose posts take long gets everything all the same, in order and once, and no other broadcaster posts to it
// meanwhile.
func TestASlowMemberGetsAllInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "hung", time.Hour)
		w.AddMember("r", "ann", time.Hour)
		posts := 0
		w.OnPost = func(ctx context.Context, id string) error {
			w.Mu.Lock()
			if id == "hung" {
				posts++
			}
			first := posts == 1
			w.Mu.Unlock()
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

// If there are more members that hang than posts to them at once, each has its turn: a member that reads again gets
// everything soon.
func TestWhoNoLongerHangsIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		const hung = 60
		for i := range hung {
			w.AddMember("r", fmt.Sprint("hung", i), time.Hour)
		}
		w.AddMember("r", "ann", time.Hour)
		began, last := time.Now(), fmt.Sprint("hung", hung-1)
		hang := hangs(2*time.Second, chat.ErrTryAgain)
		w.OnPost = func(ctx context.Context, id string) error {
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

// Every post to a member takes long, while others talk: it gets everything, from one broadcaster after the
// other. If its posts take longer than a broadcaster waits in the end, the next one repeats something.
func TestWhoIsAlwaysSlowLosesNothing(t *testing.T) {
	for _, slow := range []time.Duration{400 * time.Millisecond, 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			w.AddMember("r", "ann", time.Hour)
			w.AddMember("r", "slow", time.Hour)
			w.OnPost = func(ctx context.Context, id string) error {
				if id == "slow" {
					return slowly(slow)(ctx, id)
				}
				return slowly(10*time.Millisecond)(ctx, id)
			}
			const messages = 400
			said := w.talk(t, "ann", messages, 100*time.Millisecond, func(i int) {
				if got := len(indexes(strings.Join(w.got("ann"), " "))); i > 20 && i < 150 && got < i {
					t.Errorf("ann has got %d messages of %d", got, i+1)
				}
			})
			for _, sent := range said {
				if sent.Delivery.Failed > 0 {
					t.Errorf("%+v", sent.Delivery)
				}
			}
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

// A room so large that nobody has time to post to all of it, while others talk: members that there was no time for come
// first.
func TestNobodyStarvesInALargeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.OnPost = slowly(20 * time.Millisecond)
		const members = 1300 // of four workers: 6.5 s
		for i := range members {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		const messages = 60
		w.talk(t, "0", messages, 500*time.Millisecond, func(said int) {
			for i := range members {
				if said == messages-1 && len(w.got(fmt.Sprint(i))) == 0 {
					t.Errorf("%d of %d has got nothing in 30 s", i, members)
				}
			}
		})
	})
}

// For a while nothing is taken from anybody: the members of a large room are all tried again in time.
func TestAShortOutageLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		const members = 1000
		for i := range members {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		over := time.Now().Add(1500 * time.Millisecond)
		w.OnPost = func(context.Context, string) error {
			time.Sleep(10 * time.Millisecond)
			if time.Now().Before(over) {
				return chat.ErrTryAgain
			}
			return nil
		}
		s := w.Service()
		s.Workers = 32
		s.Log = slowLog{w}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		if sent, err := s.Send(ctx, "0", draft); err != nil || sent.Delivery.Delivered != members {
			t.Errorf("%+v, %v", sent.Delivery, err)
		}
	})
}

// If all are slow, and more than are posted to at once, a post to one is made again although the one before was
// long ago.
func TestWhoIsOnlySlowHasTheSamePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		const members, messages = 200, 100
		for i := range members {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		posts := 0
		w.OnPost = func(ctx context.Context, _ string) error {
			w.Mu.Lock()
			posts++
			fails := posts%20 == 0
			w.Mu.Unlock()
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

// A member that never reads makes nobody get anything twice, when one broadcaster's time ends after the other's.
func TestWhoNeverReadsCausesNoRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.OnPost = hangs(2*time.Second, chat.ErrTryAgain)
		for i := range 13 {
			w.AddMember("r", fmt.Sprint("hung", i), time.Hour)
		}
		w.AddMember("r", "ann", time.Hour)
		const messages = 600
		w.talk(t, "ann", messages, 100*time.Millisecond, func(int) {})
		inOrder(t, w, "ann", messages)
	})
}

// What a client that does not read lacks is not encoded in whole at each attempt.
func TestLittleIsEncodedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.OnPost = func(_ context.Context, id string) error {
			if id == "full" {
				return chat.ErrTryAgain
			}
			return nil
		}
		w.AddMember("r", "ann", time.Hour)
		w.AddMember("r", "full", time.Hour)
		e := &counting{world: w}
		s := w.Service()
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
