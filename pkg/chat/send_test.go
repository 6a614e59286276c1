package chat_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

var draft = chat.Draft{Room: "r", User: "ann", Content: "hi"}

func TestSendStoresThenReadsTheMembersThenPosts(t *testing.T) {
	w := &world{}
	w.AddMember("r", "bob", time.Hour)
	w.AddMember("other", "cat", time.Hour)
	sent, err := w.Service().Send(t.Context(), "bob", draft)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(w.Calls[1:min(3, len(w.Calls))]) // these two are beside each other
	// The last call looks for changes that were left unsent.
	if want := []string{"append", "acquire", "members", "post bob", "read", "release",
		"read", "changes"}; !reflect.DeepEqual(w.Calls, want) {
		t.Errorf("calls %v, want %v", w.Calls, want)
	}
	if sent.Message.Index != 1 || counts(sent) != "delivered 1, gone 0, failed 0" || sent.Repeat {
		t.Errorf("sent %+v", sent)
	}
}

func TestSendReachesASenderThatIsNoMember(t *testing.T) {
	w := &world{}
	w.AddMember("r", "bob", time.Hour)
	if _, err := w.Service().Send(t.Context(), "ann", draft); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"ann", "bob"} {
		if got := w.Posts[id]; !slices.Equal(got, []string{"1:hi "}) {
			t.Errorf("%s got %q", id, got)
		}
	}
}

// A sender repeats what was not acknowledged, and is answered each time. Members that have the message are not sent
// it again.
func TestSendAgainStoresNothingAndAnswersWithTheStoredMessage(t *testing.T) {
	w := &world{}
	w.AddMember("r", "bob", time.Hour)
	d := draft
	d.ID = "m1"
	for i := range 3 {
		sent, err := w.Service().Send(t.Context(), "ann", d)
		if err != nil || sent.Repeat != (i > 0) {
			t.Fatalf("got %+v, %v", sent, err)
		}
		d.Content = "something else"
	}
	if len(w.Stored) != 1 {
		t.Errorf("stored %d messages, want 1", len(w.Stored))
	}
	if got := w.Posts["ann"]; !slices.Equal(got, []string{"1:hi ", "1:hi ", "1:hi "}) {
		t.Errorf("the sender got %q, want the stored message each time", got)
	}
	if got := w.Posts["bob"]; !slices.Equal(got, []string{"1:hi "}) {
		t.Errorf("the member got %q, want the stored message once", got)
	}
}

// If the first sender died before the message was sent to the room, a repeat sends it.
func TestSendAgainSendsWhatNobodyWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.MembersErr = errors.New("reset")
		w.AddMember("r", "bob", time.Hour)
		d := draft
		d.ID = "m1"
		if _, err := w.Service().Send(t.Context(), "ann", d); chat.AsError(err).Code != chat.CodeNotSent {
			t.Fatalf("got %v", err)
		}
		w.MembersErr = nil
		if _, err := w.Service().Send(t.Context(), "ann", d); err != nil {
			t.Fatal(err)
		}
		if got := w.Posts["bob"]; !slices.Equal(got, []string{"1:hi "}) {
			t.Errorf("the member got %q", got)
		}
	})
}

// If the store is slow to take a new member, the row is made young again before the handshake is answered.
func TestARowIsYoungWhenConnectReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.Service()
		slow := &slowRoster{roster: roster{World: &w.World}, joins: []time.Duration{5 * time.Second, 3 * time.Second,
			10 * time.Millisecond}}
		s.Roster = slow
		if err := s.Connect(t.Context(), chat.Member{ConnectionID: "c", Room: "r", User: "ann"}); err != nil {
			t.Fatal(err)
		}
		if age := time.Since(w.Roll[len(w.Roll)-1].ConnectedAt); age > time.Second || len(slow.joins) != 0 {
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
		w := &world{}
		w.AppendErr = tc.err
		w.AddMember("r", "bob", time.Hour)
		_, err := w.Service().Send(t.Context(), "ann", draft)
		if got := chat.AsError(err).Code; got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("got %v, want %s that wraps %v", err, tc.want, tc.err)
		}
		if len(w.Posts) > 0 {
			t.Errorf("posted %v", w.Posts)
		}
	}
}

func TestSendThatCannotReadTheMembersSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.MembersErr = errors.New("reset")
		sent, err := w.Service().Send(t.Context(), "ann", draft)
		if chat.AsError(err).Code != chat.CodeNotSent || sent.Message.Index != 1 {
			t.Errorf("got %+v, %v", sent, err)
		}
	})
}

func TestRefusedDraftsStoreNothing(t *testing.T) {
	long := strings.Repeat("x", chat.MaxNameBytes+1)
	for name, tc := range map[string]struct {
		change func(*chat.Draft)
		code   chat.Code
		says   string
	}{
		"no room": {func(d *chat.Draft) { d.Room = "" }, chat.CodeInvalidField,
			"room_name must not be empty"},
		"long room": {func(d *chat.Draft) { d.Room = long }, chat.CodeInvalidField,
			"room_name must be at most 128 bytes"},
		"reserved room": {func(d *chat.Draft) { d.Room = "#ping" }, chat.CodeInvalidField,
			"room_name must not begin with #"},
		"control in room": {func(d *chat.Draft) { d.Room = "a\nb" }, chat.CodeInvalidField,
			"room_name must not contain control"},
		"C1 control in room": {func(d *chat.Draft) { d.Room = "a\u0085b" }, chat.CodeInvalidField,
			"room_name must not contain control"},
		"invalid UTF-8 room": {func(d *chat.Draft) { d.Room = "a\xff" }, chat.CodeInvalidField,
			"room_name must be valid UTF-8"},
		"no user": {func(d *chat.Draft) { d.User = "" }, chat.CodeInvalidField,
			"user_name must not be empty"},
		"long user": {func(d *chat.Draft) { d.User = long }, chat.CodeInvalidField,
			"user_name must be at most 128 bytes"},
		"control in user": {func(d *chat.Draft) { d.User = "\x00" }, chat.CodeInvalidField,
			"user_name must not contain control"},
		"no content": {func(d *chat.Draft) { d.Content = "" }, chat.CodeInvalidField,
			"content must not be empty"},
		"long content": {func(d *chat.Draft) { d.Content = strings.Repeat("x", 16<<10+1) }, chat.CodeTooLarge,
			"at most 16384 bytes, not 16385"},
		"invalid UTF-8": {func(d *chat.Draft) { d.Content = "\xff" }, chat.CodeInvalidField,
			"content must be valid UTF-8"},
		"long message id": {func(d *chat.Draft) { d.ID = long }, chat.CodeInvalidField,
			"message_id must be at most 128 bytes"},
		"control in id": {func(d *chat.Draft) { d.ID = "a\x00b" }, chat.CodeInvalidField,
			"message_id must not contain control"},
		"user hides an id": {func(d *chat.Draft) { d.User, d.ID = "ann\x00m", "1" }, chat.CodeInvalidField,
			"user_name must not contain control"},
		"room of a # and more": {func(d *chat.Draft) { d.Room = "#id#r" }, chat.CodeInvalidField,
			"room_name must not begin with #"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{}
			d := draft
			tc.change(&d)
			_, err := w.Service().Send(t.Context(), "ann", d)
			if e := chat.AsError(err); err == nil || e.Code != tc.code || !strings.Contains(e.Message, tc.says) {
				t.Errorf("got %v, want %s with %q", err, tc.code, tc.says)
			}
			if len(w.Calls) > 0 {
				t.Errorf("calls %v", w.Calls)
			}
		})
	}
}

func TestTheLongestContentIsTaken(t *testing.T) {
	w := &world{}
	d := draft
	d.Content = strings.Repeat("x", chat.MaxContentBytes)
	d.Room, d.User, d.ID = strings.Repeat("ä", 64), strings.Repeat("#", 128), strings.Repeat("i", 128)
	if _, err := w.Service().Send(t.Context(), "ann", d); err != nil {
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
	s := w.Service()
	s.Encoder = tooLarge{w}
	_, err := s.Send(t.Context(), "ann", draft)
	if chat.AsError(err).Code != chat.CodeTooLarge || len(w.Calls) > 0 {
		t.Errorf("got %v, calls %v", err, w.Calls)
	}
}
