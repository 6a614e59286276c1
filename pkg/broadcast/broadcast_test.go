package broadcast_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
)

func TestWhatIsStoredDuringARoundGoesOutInOneFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.OnPost = slowly(100 * time.Millisecond)
		for _, id := range []string{"ann", "bob", "cat"} {
			w.AddMember("r", id, time.Hour)
		}
		var all sync.WaitGroup
		all.Go(func() { w.say(t, "ann", "a") })
		time.Sleep(10 * time.Millisecond)
		for _, id := range []string{"bob", "cat"} {
			began := time.Now()
			sent := w.say(t, id, id[:1])
			if took := time.Since(began); took > 10*time.Millisecond ||
				!reflect.DeepEqual(sent.Delivery, chat.Delivery{}) {
				t.Errorf("%s waited %v for the broadcaster, and posted %+v", id, took, sent.Delivery)
			}
		}
		all.Wait()
		for _, id := range []string{"ann", "bob", "cat"} {
			if got, want := w.got(id), []string{"1:a ", "2:b 3:c "}; !slices.Equal(got, want) {
				t.Errorf("%s got %q, want %q", id, got, want)
			}
		}
	})
}

// Somebody may store a message after the broadcaster's last look, and see the lease taken because it is not yet given
// back.
func TestABroadcasterLooksOnceMoreAfterItHasReleased(t *testing.T) {
	w := &world{}
	w.AddMember("r", "ann", time.Hour)
	w.AddMember("r", "bob", time.Hour)
	once := sync.OnceFunc(func() {
		if sent := w.say(t, "bob", "late"); sent.Delivery.Rounds != 0 {
			t.Error("two broadcasters")
		}
	})
	w.BeforeRelease = once
	w.say(t, "ann", "first")
	if got, want := w.got("bob"), []string{"1:first ", "2:late "}; !slices.Equal(got, want) {
		t.Errorf("bob got %q, want %q", got, want)
	}
}

func TestASenderThatIsNoMemberIsAnsweredWhoeverIsTheBroadcaster(t *testing.T) {
	w := &world{}
	w.AddMember("r", "bob", time.Hour)
	if _, ok, err := w.LeaseStore.Acquire(t.Context(), "r", "another", 0); !ok {
		t.Fatal(err)
	}
	if sent := w.say(t, "ann", "hi"); !reflect.DeepEqual(sent.Delivery, chat.Delivery{Posts: 1, Delivered: 1}) {
		t.Errorf("got %+v", sent.Delivery)
	}
	if got := w.got("ann"); !slices.Equal(got, []string{"1:hi "}) {
		t.Errorf("the sender got %q", got)
	}
}

// A member that cannot be reached for a while gets everything later, in order and once, and nobody waits for it.
func TestAMemberThatIsBehindHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for _, id := range []string{"ann", "bob", "slow"} {
			w.AddMember("r", id, time.Hour)
		}
		well := time.Now().Add(time.Second)
		w.OnPost = func(_ context.Context, id string) error {
			if id == "slow" && time.Now().Before(well) {
				return fmt.Errorf("429: %w", chat.ErrTryAgain)
			}
			return nil
		}
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() { w.say(t, "ann", fmt.Sprint(i)) })
			time.Sleep(100 * time.Millisecond)
			if got := w.got("bob"); len(got) != i+1 {
				t.Errorf("100 ms after message %d bob has got %q", i, got)
			}
		}
		all.Wait()
		if got, want := w.got("slow"), []string{"1:0 2:1 3:2 4:3 5:4 "}; !slices.Equal(got, want) {
			t.Errorf("the slow one got %q, want %q", got, want)
		}
	})
}

func TestAMemberThatNothingReachesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "ann", time.Hour)
		w.AddMember("r", "full", time.Hour)
		attempts := 0
		w.OnPost = func(_ context.Context, id string) error {
			if id == "full" {
				attempts++
				return chat.ErrTryAgain
			}
			return nil
		}
		began := time.Now()
		sent := w.say(t, "ann", "a")
		if took := time.Since(began); counts(sent) != "delivered 1, gone 0, failed 1" || took < 5*time.Second ||
			took > 6*time.Second {
			t.Errorf("got %+v after %v", sent.Delivery, took)
		}
		if attempts < 10 || attempts > 30 {
			t.Errorf("%d attempts", attempts)
		}
		w.OnPost = nil
		w.say(t, "ann", "b")
		if got, want := w.got("full"), []string{"2:b "}; !slices.Equal(got, want) {
			t.Errorf("then it got %q, want %q", got, want)
		}
		if got, want := w.got("ann"), []string{"1:a ", "2:b "}; !slices.Equal(got, want) {
			t.Errorf("ann got %q, want %q", got, want)
		}
	})
}

// A connection that closes while it is behind, or leaves, is waited for no longer.
func TestWhoIsBehindAndLeavesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for _, id := range []string{"ann", "dies", "leaves"} {
			w.AddMember("r", id, time.Hour)
		}
		dead := time.Now().Add(time.Second)
		w.OnPost = func(_ context.Context, id string) error {
			switch {
			case id == "ann":
				return nil
			case id == "dies" && time.Now().After(dead):
				return chat.ErrGone
			}
			return chat.ErrTryAgain
		}
		var first chat.Sent
		var all sync.WaitGroup
		all.Go(func() { first = w.say(t, "ann", "a") })
		time.Sleep(1500 * time.Millisecond)
		if _, err := (roster{World: &w.World}).Leave(t.Context(), "r", "leaves"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w.say(t, "ann", "b")
		all.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the broadcaster waited for %v", took)
		}
		if counts(first) != "delivered 2, gone 1, failed 0" {
			t.Errorf("got %+v", first.Delivery)
		}
	})
}

// While others send, one after the other is the broadcaster, none for much longer than its turn; all arrive once, in
// order.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.OnPost = slowly(20 * time.Millisecond)
		w.AddMember("r", "ann", time.Hour)
		w.AddMember("r", "bob", time.Hour)
		var all sync.WaitGroup
		var mu sync.Mutex
		broadcasters, posts, longest := 0, 0, time.Duration(0)
		const messages = 2000
		for i := range messages { // 100 a second for 20 s
			all.Go(func() {
				began := time.Now()
				sent := w.say(t, "ann", fmt.Sprint(i))
				mu.Lock()
				defer mu.Unlock()
				if posts += sent.Delivery.Posts; sent.Delivery.Rounds > 0 {
					broadcasters++
				}
				longest = max(longest, time.Since(began))
			})
			time.Sleep(10 * time.Millisecond)
		}
		all.Wait()
		if broadcasters < 4 || broadcasters > messages/10 || longest > 6*time.Second {
			t.Errorf("%d broadcasters, the longest for %v", broadcasters, longest)
		}
		if posts > messages*3/2 {
			t.Errorf("%d posts for %d messages to two members", posts, messages)
		}
		inOrder(t, w, "bob", messages)
	})
}

func TestTheNextGoesOnWhereADeadBroadcasterEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "bob", time.Hour)
		w.say(t, "bob", "a")
		if _, ok, err := w.LeaseStore.Acquire(t.Context(), "r", "dead", 0); !ok {
			t.Fatal(err)
		}
		time.Sleep(broadcast.LeaseTime - time.Millisecond)
		w.say(t, "bob", "b")
		if got := w.got("bob"); len(got) != 1 {
			t.Errorf("while another has the lease bob got %q", got)
		}
		time.Sleep(time.Millisecond)
		w.say(t, "bob", "c")
		if got, want := w.got("bob"), []string{"1:a ", "2:b 3:c "}; !slices.Equal(got, want) {
			t.Errorf("bob got %q, want %q", got, want)
		}
	})
}

// A process that was stopped for a while wakes up, another has taken over, and it must not send anything older than
// what the members have got by then.
func TestAStalledBroadcasterPostsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for i := range 40 {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		stalled := make(chan struct{})
		w.OnPost = func(context.Context, string) error {
			<-stalled
			return nil
		}
		var all sync.WaitGroup
		all.Go(func() { // four workers are in a post; and four times as many, in time
			if d := w.say(t, "0", "a").Delivery; d.Delivered != 16 || d.Failed != 0 {
				t.Errorf("got %+v; the others' messages are the other broadcaster's", d)
			}
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.Mu.Lock()
		w.OnPost = nil
		w.Mu.Unlock()
		time.Sleep(broadcast.LeaseTime)
		w.say(t, "0", "b")
		for i := range 40 {
			if got, want := w.got(fmt.Sprint(i)), []string{"1:a 2:b "}; !slices.Equal(got, want) {
				t.Errorf("%d got %q, want %q", i, got, want)
			}
		}
		close(stalled)
		all.Wait()
		late := 0
		for i := range 40 {
			late += len(w.got(fmt.Sprint(i))) - 1
		}
		if late != 16 {
			t.Errorf("%d posts ended after another had taken over; 16 were in flight", late)
		}
	})
}

// A round may take longer than a lease: the broadcaster prolongs it in time, and nobody else takes over.
func TestALargeRoomKeepsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.OnPost = slowly(time.Second)
		// The four workers do not wait for posts that hang, but at most 16 posts are in flight: 15 s for all.
		const members = 240
		for i := range members {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		var all sync.WaitGroup
		all.Go(func() {
			if sent := w.say(t, "0", "a"); sent.Delivery.Delivered != members {
				t.Errorf("got %+v", sent.Delivery)
			}
		})
		for range 14 {
			time.Sleep(time.Second)
			if _, ok, _ := w.LeaseStore.Acquire(t.Context(), "r", "another", 0); ok {
				t.Fatal("another could take the lease")
			}
		}
		all.Wait()
		for i := range members {
			if got := w.got(fmt.Sprint(i)); !slices.Equal(got, []string{"1:a "}) {
				t.Errorf("%d got %q", i, got)
			}
		}
	})
}

// A room that was used before there were leases is not sent all its history, but the messages that may be in flight.
func TestARoomWithoutALeaseStartsNearItsEnd(t *testing.T) {
	w := &world{}
	w.AddMember("r", "bob", time.Hour)
	for i := range 1000 {
		w.Stored = append(w.Stored, chat.Message{Room: "r", Index: int64(i + 1), Content: "x"})
	}
	w.say(t, "bob", "new")
	if got := strings.Fields(strings.Join(w.got("bob"), "")); len(got) != 101 || got[100] != "1001:new" {
		t.Errorf("bob got %d messages, the last %q", len(got), got[len(got)-1])
	}
}

// A member that is behind when a turn is over, and for long, holds up nobody.
func TestAMemberThatIsBehindHoldsUpNobodyAfterATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for _, id := range []string{"ann", "bob", "slow", "slower"} {
			w.AddMember("r", id, time.Hour)
		}
		began := time.Now()
		w.OnPost = func(_ context.Context, id string) error {
			if id == "slow" && time.Since(began) > 4500*time.Millisecond || id == "slower" {
				return chat.ErrTryAgain
			}
			return nil
		}
		w.keepUp(t, "ann", "bob", 100, 100*time.Millisecond)
	})
}
