package chat_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"wschat/pkg/chat"
)

// announcing is a service that announces in rooms of up to limit connections.
func (w *world) announcing(limit int) chat.Service {
	s := w.service()
	s.PresenceLimit = limit
	return s
}

// join makes a connection a member of room r under a name.
func join(t *testing.T, s chat.Service, id, user string) {
	t.Helper()
	if err := s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: id, User: user, ConnectedAt: time.Now()}, chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
}

// seen is what a connection was posted since the last time.
func (w *world) seen(id string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	frames := w.posts[id]
	delete(w.posts, id)
	return frames
}

func TestAUserComesOnceAndGoesOnce(t *testing.T) {
	w := &world{}
	s := w.announcing(100)
	join(t, s, "watcher", "")
	expect := func(what string, want ...string) {
		t.Helper()
		if got := w.seen("watcher"); !slices.Equal(got, want) {
			t.Errorf("%s: the room was told %q, want %q", what, got, want)
		}
	}
	expect("somebody with no name comes")
	join(t, s, "a1", "ann")
	expect("ann comes", "ann joined r")
	join(t, s, "a2", "ann")
	expect("ann comes again")
	join(t, s, "a1", "ann")
	expect("a connection joins again")
	join(t, s, "a2", "bob")
	expect("a connection changes its name", "bob joined r")
	join(t, s, "a1", "bob")
	expect("and the other does", "ann left r")
	if err := s.Leave(t.Context(), "a1", "r", ""); err != nil {
		t.Fatal(err)
	}
	expect("one of bob's leaves")
	if err := s.Disconnect(t.Context(), "a2"); err != nil {
		t.Fatal(err)
	}
	expect("the other is closed", "bob left r")
	if err := s.Connect(t.Context(), "c1", "r", "cat", time.Time{}); err != nil {
		t.Fatal(err)
	}
	expect("cat connects", "cat joined r")
	if got := slices.Concat(w.seen("a1"), w.seen("a2"), w.seen("c1")); !slices.Equal(got, []string{"bob joined r", "ann left r"}) {
		t.Errorf("those who came and went were told %q", got) // a1 that bob came, a2 that ann left
	}
	// A connection that is found dead takes its user along.
	w.members[len(w.members)-1].Opened = true
	w.post = func(_ context.Context, id string) error {
		if id == "c1" {
			return chat.ErrGone
		}
		return nil
	}
	if _, err := s.Send(t.Context(), "watcher", chat.Draft{Room: "r", User: "w", Content: "cat?"}); err != nil {
		t.Fatal(err)
	}
	expect("a message finds cat dead", "1:cat? ", "cat left r")
}

func TestARefIsConfirmed(t *testing.T) {
	w := &world{}
	s := w.service()
	if err := s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c", User: "ann", ConnectedAt: time.Now()}, chat.CatchUp{Ref: "1"}); err != nil {
		t.Error(err)
	}
	if _, err := s.Members(t.Context(), "c", "r", "2"); err != nil {
		t.Error(err)
	}
	if err := s.Leave(t.Context(), "c", "r", "3"); err != nil {
		t.Error(err)
	}
	if got, want := w.seen("c"), []string{"ann joined r1", "r [{ann 1}]2", "ann left r3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	long := strings.Repeat("r", chat.MaxNameBytes+1)
	_, membersErr := s.Members(t.Context(), "c", "r", long)
	_, historyErr := s.History(t.Context(), "c", chat.Query{Room: "r", Limit: 1, Ref: long})
	for _, err := range []error{membersErr, historyErr, s.Leave(t.Context(), "c", "r", long), s.Join(t.Context(), chat.Member{Room: "r"}, chat.CatchUp{Ref: long})} {
		if err == nil || chat.AsError(err).Code != chat.CodeInvalidField {
			t.Errorf("a ref of 129 bytes: %v", err)
		}
	}
}

func TestLargeRoomsAnnounceNobody(t *testing.T) {
	for _, tc := range []struct{ limit, there, told int }{{0, 0, 0}, {3, 2, 2}, {3, 3, 0}} {
		w := &world{}
		for i := range tc.there {
			w.member("r", fmt.Sprint(i), time.Hour)
		}
		join(t, w.announcing(tc.limit), "a", "ann")
		if len(w.posts) != tc.told {
			t.Errorf("limit %d, %d there: %d were told, want %d", tc.limit, tc.there, len(w.posts), tc.told)
		}
	}
}

// What void rows, dead connections and failures do to an announcement: nothing that anybody waits for.
func TestAnAnnouncementIsACourtesy(t *testing.T) {
	w := &world{}
	s := w.announcing(100)
	w.member("r", "void", chat.ConnectionLife+time.Second)
	w.member("r", "young", 0)
	w.member("r", "dead", time.Hour)
	w.member("r", "slow", time.Hour)
	w.post = func(ctx context.Context, id string) error {
		switch id {
		case "young", "dead":
			return chat.ErrGone
		case "slow":
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	began := time.Now()
	join(t, s, "a", "ann")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if got, want := w.ids(), []string{"r/a", "r/slow", "r/void", "r/young"}; !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	w.membersErr = fmt.Errorf("broken")
	if err := s.Connect(t.Context(), "b", "", "bob", time.Time{}); err != nil {
		t.Error(err)
	}
}

// However a user's connections come and go at once: whenever the last announcement has been made, it says whether the user is
// there, and there is at least one for each coming and going.
func TestComingsAndGoingsAreNeverMissed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := &world{}
		s := w.announcing(100)
		w.member("r", "watcher", time.Hour)
		connections := rapid.IntRange(1, 4).Draw(r, "connections")
		all := func(do func(id string) error) []string {
			var wg sync.WaitGroup
			for i := range connections {
				wg.Go(func() {
					if err := do(fmt.Sprint(i)); err != nil {
						r.Errorf("%v", err)
					}
				})
			}
			wg.Wait()
			return w.seen("watcher")
		}
		for range rapid.IntRange(1, 5).Draw(r, "rounds") {
			came := all(func(id string) error { return s.Connect(context.Background(), id, "r", "ann", time.Time{}) })
			if len(came) == 0 || slices.Contains(came, "ann left r") {
				r.Fatalf("%d came, and the room was told %q", connections, came)
			}
			went := all(func(id string) error { return s.Disconnect(context.Background(), id) })
			if len(went) == 0 || slices.Contains(went, "ann joined r") {
				r.Fatalf("%d went, and the room was told %q", connections, went)
			}
		}
	})
}

// A room that is too large for comings and goings is not read again for each of many who are found to be gone.
func TestManyWhoAreGoneFromALargeRoomAreNotAnnouncedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.member("r", "ann", time.Hour)
		for i := range 300 {
			w.member("r", fmt.Sprint(i), time.Hour)
			w.members[i+1].User = fmt.Sprint(i)
		}
		w.post = func(_ context.Context, id string) error {
			if n, err := strconv.Atoi(id); err == nil && n < 100 {
				return chat.ErrGone
			}
			return nil
		}
		s := w.service()
		s.PresenceLimit = 100
		if sent, err := s.Send(t.Context(), "ann", draft); err != nil || sent.Delivery.Gone != 100 {
			t.Errorf("got %+v, %v", sent.Delivery, err)
		}
		if n := w.count("members"); n > 3 {
			t.Errorf("the members were read %d times", n)
		}
	})
}
