package chat_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// announcing is a service that announces in rooms of up to limit connections.
func (w *world) announcing(limit int) chat.Service {
	s := w.Service()
	s.PresenceLimit = limit
	return s
}

// join makes a connection a member of room r under a name.
func join(t *testing.T, s chat.Service, id, user string) {
	t.Helper()
	if err := s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: id, User: user, ConnectedAt: time.Now()},
		chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
}

// seen is what a connection was posted since the last time.
func (w *world) seen(id string) []string {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	frames := w.Posts[id]
	delete(w.Posts, id)
	return frames
}

// A room that is told of comings and goings one at a time is told each of them as today's clients know it; the
// members that have a name are sent the list as well.
func TestAUserComesOnceAndGoesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.announcing(100)
		join(t, s, "watcher", "")
		expect := func(what string, want ...string) {
			t.Helper()
			if got := w.seen("watcher"); !slices.Equal(got, want) {
				t.Errorf("%s: the room was told %q, want %q", what, got, want)
			}
			time.Sleep(2 * time.Second)
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
		if err := s.Connect(t.Context(), chat.Member{ConnectionID: "c1", Room: "r", User: "cat"}); err != nil {
			t.Fatal(err)
		}
		expect("cat connects", "cat joined r")
		if got, want := w.seen("a2"), []string{
			"r [{ 1} {ann 2}]", "r [{ 1} {ann 1} {bob 1}]", "ann left r", "r [{ 1} {bob 2}]", "r [{ 1} {bob 1}]",
		}; !slices.Equal(got, want) {
			t.Errorf("who came and went was told %q, want %q", got, want)
		}
		// A connection that is found dead takes its user along.
		w.Roll[len(w.Roll)-1].ConnectedAt = time.Now().Add(-time.Hour)
		w.OnPost = func(_ context.Context, id string) error {
			if id == "c1" {
				return chat.ErrGone
			}
			return nil
		}
		if _, err := s.Send(t.Context(), "watcher", chat.Draft{Room: "r", User: "w", Content: "cat?"}); err != nil {
			t.Fatal(err)
		}
		expect("a message finds cat dead", "1:cat? ", "cat left r")
	})
}

func TestARefIsConfirmed(t *testing.T) {
	w := &world{}
	s := w.Service()
	if err := s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c", User: "ann", ConnectedAt: time.Now()},
		chat.CatchUp{Ref: "1"}); err != nil {
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
	for _, err := range []error{membersErr, historyErr, s.Leave(t.Context(), "c", "r", long),
		s.Join(t.Context(), chat.Member{Room: "r"}, chat.CatchUp{Ref: long})} {
		if err == nil || chat.AsError(err).Code != chat.CodeInvalidField {
			t.Errorf("a ref of 129 bytes: %v", err)
		}
	}
}

// If a room has more connections than the limit, its members are told so once, and the list again when it has fewer.
func TestTheLimitIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.announcing(2)
		for _, step := range []struct {
			do   string
			want []string
		}{
			{"n1 ", nil},
			{"n1", nil},
			{"a1 ann", []string{"r [{ann 1}]"}},
			{"b1 bob", []string{"bob joined r", "r [{ann 1} {bob 1}]"}},
			{"c1 cat", []string{"r over"}},
			{"d1 dan", nil},
			{"d1", nil},
			{"c1", []string{"cat left r", "r [{ann 1} {bob 1}]"}},
			{"e1 eve", []string{"r over"}},
		} {
			id, user, comes := strings.Cut(step.do, " ")
			if comes {
				join(t, s, id, user)
			} else if err := s.Leave(t.Context(), id, "r", ""); err != nil {
				t.Fatal(err)
			}
			if got := w.seen("a1"); !slices.Equal(got, step.want) {
				t.Errorf("%q: ann is told %q, want %q", step.do, got, step.want)
			}
			time.Sleep(2 * time.Second)
		}
	})
	w := &world{}
	w.AddMember("r", "b", time.Hour)
	join(t, w.announcing(0), "a", "ann")
	if len(w.Posts) > 0 {
		t.Errorf("with no presence, %q was posted", w.Posts)
	}
}

// What void rows, dead connections and failures do to an announcement: nothing that anybody waits for.
func TestAnAnnouncementIsACourtesy(t *testing.T) {
	synctest.Test(t, testAnAnnouncementIsACourtesy)
}

func testAnAnnouncementIsACourtesy(t *testing.T) {
	w := &world{}
	s := w.announcing(100)
	w.AddMember("r", "void", chat.ConnectionLife+time.Second)
	w.AddMember("r", "young", 0)
	w.AddMember("r", "dead", time.Hour)
	w.AddMember("r", "slow", time.Hour)
	w.OnPost = func(ctx context.Context, id string) error {
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
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	if got, want := w.IDs(), []string{"r/a", "r/slow", "r/void", "r/young"}; !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	w.MembersErr = fmt.Errorf("broken")
	if err := s.Connect(t.Context(), chat.Member{ConnectionID: "b", User: "bob"}); err != nil {
		t.Error(err)
	}
}

// A room that is too large for comings and goings is not read again for each of many who are found to be gone.
func TestManyWhoAreGoneFromALargeRoomAreNotAnnouncedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "ann", time.Hour)
		for i := range 300 {
			w.AddMember("r", fmt.Sprint(i), time.Hour)
			w.Roll[i+1].User = fmt.Sprint(i)
		}
		w.OnPost = func(_ context.Context, id string) error {
			if n, err := strconv.Atoi(id); err == nil && n < 100 {
				return chat.ErrGone
			}
			return nil
		}
		s := w.Service()
		s.PresenceLimit = 100
		if sent, err := s.Send(t.Context(), "ann", draft); err != nil || len(sent.Delivery.Gone) != 100 {
			t.Errorf("got %+v, %v", sent.Delivery, err)
		}
		if n := w.Count("members"); n > 3 {
			t.Errorf("the members were read %d times", n)
		}
	})
}

// What comes within a second of an announcement is in the next list. Clients that know no lists are told of it by the
// one that waited, as long as that does not go on and on.
func TestWhatFollowsAtOnceIsInTheNextList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.announcing(100)
		join(t, s, "w1", "watcher")
		join(t, s, "w2", "")
		time.Sleep(2 * time.Second)
		w.seen("w1")
		join(t, s, "a1", "ann")
		if got, want := w.seen("w2"), []string{"ann joined r"}; !slices.Equal(got, want) {
			t.Errorf("a connection with no name is told %q, want %q", got, want)
		}
		join(t, s, "b1", "bob")
		join(t, s, "c1", "cat")
		join(t, s, "d1", "dan")
		if got, want := w.seen("w2"), []string{"bob joined r", "cat joined r", "dan joined r"}; !slices.Equal(got,
			want) {
			t.Errorf("of the first few, a connection with no name is told %q, want %q", got, want)
		}
		w.seen("w1")
		go func() { _ = s.Connect(t.Context(), chat.Member{ConnectionID: "e1", Room: "r", User: "eve"}) }()
		time.Sleep(100 * time.Millisecond)
		join(t, s, "f1", "fay") // eve waits, and will tell of fay as well
		if got := w.seen("w1"); len(got) > 0 {
			t.Errorf("too early, a connection with a name is told %q", got)
		}
		time.Sleep(time.Second)
		if got, want := w.seen("w1"), []string{
			"eve joined r", "r [{ 1} {ann 1} {bob 1} {cat 1} {dan 1} {eve 1} {fay 1} {watcher 1}]",
		}; !slices.Equal(got, want) {
			t.Errorf("a connection with a name is told %q, want %q", got, want)
		}
		w.seen("w2")
		for i := range 20 {
			join(t, s, "g1", fmt.Sprint("guy", i%2))
		}
		if got := w.seen("w2"); len(got) < 3 || len(got) > 16 {
			t.Errorf("of what goes on and on, a connection with no name is told %q", got)
		}
		time.Sleep(2 * time.Second)
		join(t, s, "h1", "hal")
		if got, want := w.seen("w2"), []string{"hal joined r"}; !slices.Equal(got, want) {
			t.Errorf("after a while, a connection with no name is told %q, want %q", got, want)
		}
	})
}
