package broadcast_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// chatter has messages sent to a room of so many members, at so many a second for ten seconds, and returns how many
// posts the room was sent and how many of the attempts were refused.
func (w *world) chatter(t *testing.T, members, rate int, refuse func() bool) (posts, refused int) {
	t.Helper()
	for i := range members {
		w.AddMember("r", fmt.Sprint(i), time.Hour)
	}
	var mu sync.Mutex
	w.OnPost = func(context.Context, string) error {
		mu.Lock()
		defer mu.Unlock()
		if refuse() {
			refused++
			return chat.ErrTryAgain
		}
		posts++
		return nil
	}
	var all sync.WaitGroup
	for i := range 10 * rate {
		all.Go(func() { w.say(t, "0", fmt.Sprint(i)) })
		time.Sleep(time.Second / time.Duration(rate))
	}
	all.Wait()
	for i := range members {
		inOrder(t, w, fmt.Sprint(i), 10*rate)
	}
	return posts, refused
}

func TestABusyRoomLeavesTheQuotaToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members, rate = 200, 100
		posts, _ := (&world{}).chatter(t, members, rate, func() bool { return false })
		if perSecond := posts / 10; perSecond < 800 || perSecond > 1100 {
			t.Errorf("%d posts a second, of %d messages to each of %d members", perSecond, rate, members)
		}
	})
}

// If the quota is used up, by whomever, the room is posted to more slowly until nearly every post is taken.
func TestARoomGivesWayWhereTheQuotaIsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quota = 300
		tokens, last := 150.0, time.Now()
		posts, refused := (&world{}).chatter(t, 100, 50, func() bool {
			tokens = min(150, tokens+quota*time.Since(last).Seconds())
			last = time.Now()
			tokens--
			if tokens < 0 {
				tokens = 0
				return true
			}
			return false
		})
		if refused > posts/4 {
			t.Errorf("%d posts were taken and %d refused", posts, refused)
		}
	})
}

// How slow a room is because the quota was used up lasts for a turn.
func TestARoomSpeedsUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		posts, _ := (&world{}).chatter(t, 100, 50, func() bool { return time.Since(began) < time.Second })
		if posts < 4500 { // in the last five of the ten seconds, 100 members may be sent ten rounds a second
			t.Errorf("%d posts", posts)
		}
	})
}

func TestALargeRoomIsNotSlowerThanTheLongestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for i := range 5000 {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		var all sync.WaitGroup
		all.Go(func() { w.say(t, "0", "a") })
		time.Sleep(10 * time.Millisecond)
		w.say(t, "0", "b")
		time.Sleep(time.Second)
		if got := w.got("4999"); len(got) != 2 {
			t.Errorf("after a second a member has got %q", got)
		}
		all.Wait()
	})
}

// If more is stored in a second than one read returns, more is read, and goes out together.
func TestALargeBusyRoomKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for i := range 1000 {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		var all sync.WaitGroup
		const messages = 1500
		for i := range messages {
			all.Go(func() { w.say(t, "0", fmt.Sprint(i)) })
			time.Sleep(time.Second / 150)
		}
		time.Sleep(1500 * time.Millisecond)
		inOrder(t, w, "999", messages)
		all.Wait()
	})
}

// A few clients that do not read say nothing of the account's quota.
func TestAFewFullBuffersSlowNobodyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for i := range 100 {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		w.OnPost = func(_ context.Context, id string) error {
			if len(id) == 2 && id[0] == '5' && id[1] < '5' {
				return chat.ErrTryAgain
			}
			return nil
		}
		w.keepUp(t, "0", "99", 20, 250*time.Millisecond)
	})
}
