package chat_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

var draft = chat.Draft{Room: "r", User: "ann", Content: "hi"}

func TestSendStoresThenReadsTheMembersThenPosts(t *testing.T) {
	w := &world{}
	w.member("r", "bob", time.Hour)
	w.member("other", "cat", time.Hour)
	sent, err := w.service().Send(t.Context(), "bob", draft)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(w.calls[1:min(3, len(w.calls))]) // these two are beside each other
	if want := []string{"append", "acquire", "members", "post bob", "read", "release", "read"}; !reflect.DeepEqual(w.calls, want) {
		t.Errorf("calls %v, want %v", w.calls, want)
	}
	if sent.Message.Index != 1 || counts(sent) != "delivered 1, gone 0, failed 0" || sent.Repeat {
		t.Errorf("sent %+v", sent)
	}
}

// counts is what became of the posts.
func counts(sent chat.Sent) string {
	d := sent.Delivery
	return fmt.Sprintf("delivered %d, gone %d, failed %d", d.Delivered, d.Gone, d.Failed)
}

func TestSendReachesASenderThatIsNoMember(t *testing.T) {
	w := &world{}
	w.member("r", "bob", time.Hour)
	if _, err := w.service().Send(t.Context(), "ann", draft); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"ann", "bob"} {
		if got := w.posts[id]; !slices.Equal(got, []string{"1:hi "}) {
			t.Errorf("%s got %q", id, got)
		}
	}
}

// A sender repeats what was not acknowledged, and is answered each time; who has got the message is not sent it again.
func TestSendAgainStoresNothingAndAnswersWithTheStoredMessage(t *testing.T) {
	w := &world{}
	w.member("r", "bob", time.Hour)
	d := draft
	d.ID = "m1"
	for i := range 3 {
		sent, err := w.service().Send(t.Context(), "ann", d)
		if err != nil || sent.Repeat != (i > 0) {
			t.Fatalf("got %+v, %v", sent, err)
		}
		d.Content = "something else"
	}
	if len(w.log) != 1 {
		t.Errorf("stored %d messages, want 1", len(w.log))
	}
	if got := w.posts["ann"]; !slices.Equal(got, []string{"1:hi ", "1:hi ", "1:hi "}) {
		t.Errorf("the sender got %q, want the stored message each time", got)
	}
	if got := w.posts["bob"]; !slices.Equal(got, []string{"1:hi "}) {
		t.Errorf("the member got %q, want the stored message once", got)
	}
}

// Where the one who sent it first died before it was sent to the room, a repeat sends it.
func TestSendAgainSendsWhatNobodyWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{membersErr: errors.New("reset")}
		w.member("r", "bob", time.Hour)
		d := draft
		d.ID = "m1"
		if _, err := w.service().Send(t.Context(), "ann", d); chat.AsError(err).Code != chat.CodeNotSent {
			t.Fatalf("got %v", err)
		}
		w.membersErr = nil
		if _, err := w.service().Send(t.Context(), "ann", d); err != nil {
			t.Fatal(err)
		}
		if got := w.posts["bob"]; !slices.Equal(got, []string{"1:hi "}) {
			t.Errorf("the member got %q", got)
		}
	})
}

// How long another's post takes is not this connection's age.
func TestASlowPostDoesNotMakeAYoungConnectionOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.member("r", "opening", 0)
		w.member("r", "slow", time.Hour)
		opens := time.Now().Add(100 * time.Millisecond)
		w.post = func(_ context.Context, id string) error {
			switch {
			case id == "slow":
				time.Sleep(5 * time.Second)
			case time.Now().Before(opens):
				return chat.ErrGone
			}
			return nil
		}
		sent, err := w.service().Send(t.Context(), "slow", draft)
		if err != nil || counts(sent) != "delivered 2, gone 0, failed 0" || len(w.members) != 2 {
			t.Errorf("got %+v, %v, members %v", sent.Delivery, err, w.ids())
		}
	})
}

// Where the store is slow to take a new member, the row is made young again before the handshake is answered.
func TestARowIsYoungWhenConnectReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.service()
		slow := &slowRoster{roster: roster{w}, joins: []time.Duration{5 * time.Second, 3 * time.Second, 10 * time.Millisecond}}
		s.Roster = slow
		if err := s.Connect(t.Context(), chat.Member{ConnectionID: "c", Room: "r", User: "ann"}); err != nil {
			t.Fatal(err)
		}
		if age := time.Since(w.members[len(w.members)-1].ConnectedAt); age > time.Second || len(slow.joins) != 0 {
			t.Errorf("the row is %v old, after joins but %d", age, len(slow.joins))
		}
	})
}

// slowRoster takes its time over each Join.
type slowRoster struct {
	roster
	joins []time.Duration
}

func (r *slowRoster) Join(ctx context.Context, m chat.Member) (chat.Member, error) {
	time.Sleep(r.joins[0])
	r.joins = r.joins[1:]
	return r.roster.Join(ctx, m)
}

func TestSendThatCannotBeStoredPostsNothing(t *testing.T) {
	busy := &chat.Error{Code: chat.CodeRoomBusy, Message: "busy"}
	for _, tc := range []struct {
		err  error
		want chat.Code
	}{{errors.New("throttled"), chat.CodeUnavailable}, {busy, chat.CodeRoomBusy}} {
		w := &world{appendErr: tc.err}
		w.member("r", "bob", time.Hour)
		_, err := w.service().Send(t.Context(), "ann", draft)
		if got := chat.AsError(err).Code; got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("got %v, want %s that wraps %v", err, tc.want, tc.err)
		}
		if len(w.posts) > 0 {
			t.Errorf("posted %v", w.posts)
		}
	}
}

func TestSendThatCannotReadTheMembersSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{membersErr: errors.New("reset")}
		sent, err := w.service().Send(t.Context(), "ann", draft)
		if chat.AsError(err).Code != chat.CodeNotSent || sent.Message.Index != 1 {
			t.Errorf("got %+v, %v", sent, err)
		}
	})
}

func TestTheDeadDoNotHurtTheLiving(t *testing.T) {
	w := &world{}
	for i := range 100 {
		w.member("r", fmt.Sprint(i), time.Hour)
		w.member("other", fmt.Sprint(i), time.Hour)
	}
	dead := func(id string) bool { return strings.HasSuffix(id, "3") }    // 10 of 100
	failing := func(id string) bool { return strings.HasSuffix(id, "5") } // 10 of 100
	w.post = func(_ context.Context, id string) error {
		switch {
		case dead(id):
			return fmt.Errorf("post: %w", chat.ErrGone)
		case failing(id):
			return errors.New("throttled")
		}
		return nil
	}
	sent, err := w.service().Send(t.Context(), "0", draft)
	if err != nil {
		t.Fatal(err)
	}
	d := sent.Delivery
	if d.Delivered != 80 || d.Gone != 10 || d.Failed != 10 || d.Err == nil {
		t.Errorf("delivery %+v", d)
	}
	if len(w.members) != 180 {
		t.Errorf("%d memberships are left, want 180: the dead leave every room, the failing none", len(w.members))
	}
	for _, m := range w.members {
		if dead(m.ConnectionID) {
			t.Errorf("%s is still in %s", m.ConnectionID, m.Room)
		}
	}
}

// API Gateway answers 410 for a connection whose $connect has not been answered yet. Its row is there already.
func TestAConnectionInItsOwnConnectIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.member("r", "opening", 0)
		opens := time.Now().Add(300 * time.Millisecond)
		w.post = func(context.Context, string) error {
			if time.Now().Before(opens) {
				return chat.ErrGone
			}
			return nil
		}
		sent, err := w.service().Send(t.Context(), "opening", draft)
		if err != nil || counts(sent) != "delivered 1, gone 0, failed 0" {
			t.Errorf("got %+v, %v", sent.Delivery, err)
		}
		if len(w.members) != 1 {
			t.Error("the connection was removed from the roster")
		}
	})
}

func TestAYoungConnectionThatIsGoneIsRemovedInTheSameFanOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.member("r", "dead", 0)
		w.member("r", "bob", time.Hour)
		w.post = func(_ context.Context, id string) error {
			if id == "dead" {
				return chat.ErrGone
			}
			return nil
		}
		start := time.Now()
		sent, err := w.service().Send(t.Context(), "bob", draft)
		if err != nil || counts(sent) != "delivered 1, gone 1, failed 0" {
			t.Errorf("got %+v, %v", sent.Delivery, err)
		}
		if got := w.ids(); !slices.Equal(got, []string{"r/bob"}) {
			t.Errorf("members %v", got)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("took %v", took)
		}
		if len(w.posts["bob"]) != 1 {
			t.Errorf("bob got it %d times", len(w.posts["bob"]))
		}
	})
}

func TestAVoidRowIsNotPostedTo(t *testing.T) {
	w := &world{}
	w.member("r", "old", chat.ConnectionLife)
	w.member("r", "bob", chat.ConnectionLife-time.Minute)
	if _, err := w.service().Send(t.Context(), "bob", draft); err != nil {
		t.Fatal(err)
	}
	if len(w.posts["old"]) != 0 || len(w.posts["bob"]) != 1 {
		t.Errorf("posts %v", w.posts)
	}
}

// For whom a message fails, and why, is told one by one, but not for a whole room.
func TestFailuresAreNamed(t *testing.T) {
	w := &world{post: func(_ context.Context, id string) error { return fmt.Errorf("%s is forbidden", id) }}
	for i := range 30 {
		w.member("r", fmt.Sprint(i), time.Hour)
	}
	sent, err := w.service().Send(t.Context(), "0", draft)
	if d := sent.Delivery; err != nil || d.Failed != 30 || len(d.Failures) != 20 || !strings.HasSuffix(d.Failures[0].Error(), " is forbidden") {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestAFanOutEndsBeforeItsDeadlineAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for i := range 40 {
			w.member("r", fmt.Sprint(i), time.Hour)
		}
		w.post = func(ctx context.Context, _ string) error { // one second each
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		sent, err := w.service().Send(ctx, "0", draft)
		if ctx.Err() != nil {
			t.Error("the deadline passed before the fan-out returned")
		}
		if d := sent.Delivery; err != nil || d.Delivered != 12 || d.Failed != 0 || d.Left != 28 || d.Err == nil {
			t.Errorf("got %+v, %v; want what began in the first of 2 s, 4 posts every 375 ms, delivered and the rest counted", d, err)
		}
	})
}

func TestAFanOutIsBounded(t *testing.T) {
	w := &world{}
	for i := range 50 {
		w.member("r", fmt.Sprint(i), time.Hour)
	}
	var now, most atomic.Int32
	w.post = func(context.Context, string) error {
		for n := now.Add(1); ; {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
		return nil
	}
	if _, err := w.service().Send(t.Context(), "0", draft); err != nil {
		t.Fatal(err)
	}
	if got := most.Load(); got < 2 || got > 4 {
		t.Errorf("%d posts at once, want more than one and at most 4", got)
	}
}

func TestRefusedDraftsStoreNothing(t *testing.T) {
	long := strings.Repeat("x", chat.MaxNameBytes+1)
	for name, tc := range map[string]struct {
		change func(*chat.Draft)
		code   chat.Code
		says   string
	}{
		"no room":              {func(d *chat.Draft) { d.Room = "" }, chat.CodeInvalidField, "room_name must not be empty"},
		"long room":            {func(d *chat.Draft) { d.Room = long }, chat.CodeInvalidField, "room_name must be at most 128 bytes"},
		"reserved room":        {func(d *chat.Draft) { d.Room = "#ping" }, chat.CodeInvalidField, "room_name must not begin with #"},
		"control in room":      {func(d *chat.Draft) { d.Room = "a\nb" }, chat.CodeInvalidField, "room_name must not contain control"},
		"C1 control in room":   {func(d *chat.Draft) { d.Room = "a\u0085b" }, chat.CodeInvalidField, "room_name must not contain control"},
		"invalid UTF-8 room":   {func(d *chat.Draft) { d.Room = "a\xff" }, chat.CodeInvalidField, "room_name must be valid UTF-8"},
		"no user":              {func(d *chat.Draft) { d.User = "" }, chat.CodeInvalidField, "user_name must not be empty"},
		"long user":            {func(d *chat.Draft) { d.User = long }, chat.CodeInvalidField, "user_name must be at most 128 bytes"},
		"control in user":      {func(d *chat.Draft) { d.User = "\x00" }, chat.CodeInvalidField, "user_name must not contain control"},
		"no content":           {func(d *chat.Draft) { d.Content = "" }, chat.CodeInvalidField, "content must not be empty"},
		"long content":         {func(d *chat.Draft) { d.Content = strings.Repeat("x", 16<<10+1) }, chat.CodeTooLarge, "at most 16384 bytes, not 16385"},
		"invalid UTF-8":        {func(d *chat.Draft) { d.Content = "\xff" }, chat.CodeInvalidField, "content must be valid UTF-8"},
		"long message id":      {func(d *chat.Draft) { d.ID = long }, chat.CodeInvalidField, "message_id must be at most 128 bytes"},
		"control in id":        {func(d *chat.Draft) { d.ID = "a\x00b" }, chat.CodeInvalidField, "message_id must not contain control"},
		"user hides an id":     {func(d *chat.Draft) { d.User, d.ID = "ann\x00m", "1" }, chat.CodeInvalidField, "user_name must not contain control"},
		"room of a # and more": {func(d *chat.Draft) { d.Room = "#id#r" }, chat.CodeInvalidField, "room_name must not begin with #"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{}
			d := draft
			tc.change(&d)
			_, err := w.service().Send(t.Context(), "ann", d)
			if e := chat.AsError(err); err == nil || e.Code != tc.code || !strings.Contains(e.Message, tc.says) {
				t.Errorf("got %v, want %s with %q", err, tc.code, tc.says)
			}
			if len(w.calls) > 0 {
				t.Errorf("calls %v", w.calls)
			}
		})
	}
}

func TestTheLongestContentIsTaken(t *testing.T) {
	w := &world{}
	d := draft
	d.Content = strings.Repeat("x", chat.MaxContentBytes)
	d.Room, d.User, d.ID = strings.Repeat("ä", 64), strings.Repeat("#", 128), strings.Repeat("i", 128)
	if _, err := w.service().Send(t.Context(), "ann", d); err != nil {
		t.Error(err)
	}
}

// tooLarge makes frames that API Gateway does not take.
type tooLarge struct{ *world }

func (tooLarge) Messages(chat.Page) []chat.Frame {
	return []chat.Frame{{Text: make([]byte, chat.MaxFrameBytes+1)}}
}

func TestAMessageThatNoFrameCanHoldIsRefused(t *testing.T) {
	w := &world{}
	s := w.service()
	s.Encoder = tooLarge{w}
	_, err := s.Send(t.Context(), "ann", draft)
	if chat.AsError(err).Code != chat.CodeTooLarge || len(w.calls) > 0 {
		t.Errorf("got %v, calls %v", err, w.calls)
	}
}
