package chat_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// relaying is a chat in which signals are sent, in rooms of at most three connections.
func relaying(w *world) chat.Service {
	s := w.Service()
	s.PresenceLimit = 3
	return s
}

// enter adds a member that has a name.
func (w *world) enter(room, id, user string) {
	w.AddMember(room, id, time.Hour)
	w.Roll[len(w.Roll)-1].User = user
}

var typing = chat.Signal{Room: "r", User: "ann", Name: "typing"}

// The others with a name get a signal, and the sender gets the answer to its request.
func TestASignalIsSentToTheOthers(t *testing.T) {
	w := &world{}
	w.enter("r", "ann", "ann")
	w.enter("r", "bob", "bob")
	w.AddMember("r", "nameless", time.Hour)
	w.enter("other", "cat", "cat")
	sig := typing
	sig.Data = `{"a":1}`
	sent, err := relaying(w).Signal(t.Context(), "ann", sig, "7")
	if err != nil || !sent {
		t.Fatal(sent, err)
	}
	want := map[string]string{"ann": "done 7", "bob": `signal r ann typing {"a":1}`}
	for _, id := range []string{"ann", "bob", "nameless", "cat"} {
		if got := strings.Join(w.Posts[id], ", "); got != want[id] {
			t.Errorf("%s got %q, want %q", id, got, want[id])
		}
	}
	if len(w.Stored) != 0 {
		t.Errorf("stored %v", w.Stored)
	}
}

// A connection that is gone is removed, and nobody else misses the signal.
func TestASignalToTheGone(t *testing.T) {
	w := &world{}
	for _, id := range []string{"ann", "bob", "gone"} {
		w.enter("r", id, id)
	}
	w.OnPost = func(_ context.Context, id string) error {
		if id == "gone" {
			return chat.ErrGone
		}
		return nil
	}
	if sent, err := relaying(w).Signal(t.Context(), "ann", typing, ""); err != nil || !sent {
		t.Fatal(sent, err)
	}
	if got := w.IDs(); !slices.Equal(got, []string{"r/ann", "r/bob"}) {
		t.Errorf("left are %v", got)
	}
	if len(w.Posts["bob"]) == 0 {
		t.Error("bob got nothing")
	}
}

// A room that is too large refuses everybody's signals. Without presence, every room does.
func TestASignalInALargeRoom(t *testing.T) {
	w := &world{}
	for i := range 4 {
		w.enter("r", fmt.Sprint(i), fmt.Sprint("user", i))
	}
	s := relaying(w)
	for range 2 {
		sent, err := s.Signal(t.Context(), "0", typing, "")
		if e := chat.AsError(err); sent || e.Code != chat.CodeRoomTooLarge ||
			e.Message != fmt.Sprintf("signals are sent in rooms of at most %d connections", s.PresenceLimit) {
			t.Error(sent, err)
		}
		s.PresenceLimit = 0
	}
	if len(w.Posts) != 0 {
		t.Errorf("posted %v", w.Posts)
	}
}

// Of many signals at once, from several processes, a room is sent five in each second. The others are dropped.
func TestARoomIsSentFewSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.enter("r", "ann", "ann")
		w.enter("r", "bob", "bob")
		s := relaying(w)
		const seconds = 4
		var all sync.WaitGroup
		for range seconds * 20 {
			all.Go(func() {
				if _, err := s.Signal(t.Context(), "ann", typing, ""); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Second / 20)
		}
		all.Wait()
		// The windows begin with a signal, so a few milliseconds are lost between two.
		if n := len(w.Posts["bob"]); n < (seconds-1)*5 || n > seconds*5 {
			t.Errorf("bob got %d signals in %d seconds", n, seconds)
		}
		w.enter("other", "cat", "cat")
		w.enter("other", "dan", "dan")
		other := typing
		other.Room = "other"
		if sent, err := s.Signal(t.Context(), "cat", other, ""); err != nil || !sent {
			t.Error("another room is sent nothing", err)
		}
	})
}

// A mark that is far ahead, of a process whose clock is wrong, silences no room.
func TestASignalAfterAWrongClock(t *testing.T) {
	w := &world{}
	w.enter("r", "ann", "ann")
	w.enter("r", "bob", "bob")
	s := relaying(w)
	s.Now = func() time.Time { return time.Now().Add(time.Hour) }
	w.Roll[1].ExpiresAt = time.Now().Add(2 * time.Hour)
	for range 10 {
		if _, err := s.Signal(t.Context(), "ann", typing, ""); err != nil {
			t.Fatal(err)
		}
	}
	if sent, err := relaying(w).Signal(t.Context(), "ann", typing, ""); err != nil || !sent {
		t.Error(sent, err)
	}
}

func TestSignalsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		signal chat.Signal
		code   chat.Code
	}{
		"no room": {chat.Signal{User: "ann", Name: "x"}, chat.CodeInvalidField},
		"no user": {chat.Signal{Room: "r", Name: "x"}, chat.CodeInvalidField},
		"no name": {chat.Signal{Room: "r", User: "ann"}, chat.CodeInvalidField},
		"a long name": {chat.Signal{Room: "r", User: "ann", Name: strings.Repeat("x", 129)},
			chat.CodeInvalidField},
		"much data": {chat.Signal{Room: "r", User: "ann", Name: "x", Data: strings.Repeat("1", 1025)},
			chat.CodeTooLarge},
	} {
		w := &world{}
		if sent, err := relaying(w).Signal(t.Context(), "ann", c.signal, ""); sent ||
			chat.AsError(err).Code != c.code || len(w.Calls) != 0 {
			t.Errorf("%s: %v, %v, after %v", name, sent, err, w.Calls)
		}
	}
}
