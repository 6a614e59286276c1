package broadcast_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// How long another's post takes is not this connection's age.
func TestASlowPostDoesNotMakeAYoungConnectionOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "opening", 0)
		w.AddMember("r", "slow", time.Hour)
		opens := time.Now().Add(100 * time.Millisecond)
		w.OnPost = func(_ context.Context, id string) error {
			switch {
			case id == "slow":
				time.Sleep(5 * time.Second)
			case time.Now().Before(opens):
				return chat.ErrGone
			}
			return nil
		}
		sent, err := w.Service().Send(t.Context(), "slow", draft)
		if err != nil || counts(sent) != "delivered 2, gone 0, failed 0" || len(w.Roll) != 2 {
			t.Errorf("got %+v, %v, members %v", sent.Delivery, err, w.IDs())
		}
	})
}

func TestTheDeadDoNotHurtTheLiving(t *testing.T) {
	w := &world{}
	for i := range 100 {
		w.AddMember("r", fmt.Sprint(i), time.Hour)
		w.AddMember("other", fmt.Sprint(i), time.Hour)
	}
	dead := func(id string) bool { return strings.HasSuffix(id, "3") }    // 10 of 100
	failing := func(id string) bool { return strings.HasSuffix(id, "5") } // 10 of 100
	w.OnPost = func(_ context.Context, id string) error {
		switch {
		case dead(id):
			return fmt.Errorf("post: %w", chat.ErrGone)
		case failing(id):
			return errors.New("throttled")
		}
		return nil
	}
	sent, err := w.Service().Send(t.Context(), "0", draft)
	if err != nil {
		t.Fatal(err)
	}
	d := sent.Delivery
	if d.Delivered != 80 || len(d.Gone) != 10 || d.Failed != 10 || d.Err == nil {
		t.Errorf("delivery %+v", d)
	}
	if len(w.Roll) != 180 {
		t.Errorf("%d memberships are left, want 180: the dead leave every room, the failing none", len(w.Roll))
	}
	for _, m := range w.Roll {
		if dead(m.ConnectionID) {
			t.Errorf("%s is still in %s", m.ConnectionID, m.Room)
		}
	}
}

// API Gateway answers 410 for a connection whose $connect has not been answered yet. Its row is there already.
func TestAConnectionInItsOwnConnectIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "opening", 0)
		opens := time.Now().Add(300 * time.Millisecond)
		w.OnPost = func(context.Context, string) error {
			if time.Now().Before(opens) {
				return chat.ErrGone
			}
			return nil
		}
		sent, err := w.Service().Send(t.Context(), "opening", draft)
		if err != nil || counts(sent) != "delivered 1, gone 0, failed 0" {
			t.Errorf("got %+v, %v", sent.Delivery, err)
		}
		if len(w.Roll) != 1 {
			t.Error("the connection was removed from the roster")
		}
	})
}

func TestAYoungConnectionThatIsGoneIsRemovedInTheSameFanOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "dead", 0)
		w.AddMember("r", "bob", time.Hour)
		w.OnPost = func(_ context.Context, id string) error {
			if id == "dead" {
				return chat.ErrGone
			}
			return nil
		}
		start := time.Now()
		sent, err := w.Service().Send(t.Context(), "bob", draft)
		if err != nil || counts(sent) != "delivered 1, gone 1, failed 0" {
			t.Errorf("got %+v, %v", sent.Delivery, err)
		}
		if got := w.IDs(); !slices.Equal(got, []string{"r/bob"}) {
			t.Errorf("members %v", got)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("took %v", took)
		}
		if len(w.Posts["bob"]) != 1 {
			t.Errorf("bob got it %d times", len(w.Posts["bob"]))
		}
	})
}

func TestAVoidRowIsNotPostedTo(t *testing.T) {
	w := &world{}
	w.AddMember("r", "old", chat.ConnectionLife)
	w.AddMember("r", "bob", chat.ConnectionLife-time.Minute)
	if _, err := w.Service().Send(t.Context(), "bob", draft); err != nil {
		t.Fatal(err)
	}
	if len(w.Posts["old"]) != 0 || len(w.Posts["bob"]) != 1 {
		t.Errorf("posts %v", w.Posts)
	}
}

// Failures are told one by one, with the member and the reason, but not for a whole room.
func TestFailuresAreNamed(t *testing.T) {
	w := &world{}
	w.OnPost = func(_ context.Context, id string) error { return fmt.Errorf("%s is forbidden", id) }
	for i := range 30 {
		w.AddMember("r", fmt.Sprint(i), time.Hour)
	}
	sent, err := w.Service().Send(t.Context(), "0", draft)
	if d := sent.Delivery; err != nil || d.Failed != 30 || len(d.Failures) != 20 ||
		!strings.HasSuffix(d.Failures[0].Error(), " is forbidden") {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestAFanOutEndsBeforeItsDeadlineAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for i := range 40 {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
		}
		w.OnPost = func(ctx context.Context, _ string) error { // one second each
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		sent, err := w.Service().Send(ctx, "0", draft)
		if ctx.Err() != nil {
			t.Error("the deadline passed before the fan-out returned")
		}
		if d := sent.Delivery; err != nil || d.Delivered != 12 || d.Failed != 0 || d.Left != 28 || d.Err == nil {
			t.Errorf("got %+v, %v; want what began in the first of 2 s, 4 posts every 375 ms, delivered and the "+
				"rest counted", d, err)
		}
	})
}

func TestAFanOutIsBounded(t *testing.T) {
	w := &world{}
	for i := range 50 {
		w.AddMember("r", fmt.Sprint(i), time.Hour)
	}
	var now, most atomic.Int32
	w.OnPost = func(context.Context, string) error {
		for n := now.Add(1); ; {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
		return nil
	}
	if _, err := w.Service().Send(t.Context(), "0", draft); err != nil {
		t.Fatal(err)
	}
	if got := most.Load(); got < 2 || got > 4 {
		t.Errorf("%d posts at once, want more than one and at most 4", got)
	}
}
