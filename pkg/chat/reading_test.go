package chat_test

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// reading is a chat in which people have signed in, in room r: Ann on two devices, and Bob.
func reading(t *testing.T) (*world, chat.Service) {
	t.Helper()
	w := &world{}
	for id, user := range map[string]chat.Person{"phone": annID, "laptop": annID, "bob": bobID} {
		w.enter("r", id, user.Name)
		w.Roll[len(w.Roll)-1].UserID = user.ID
	}
	s := w.Service()
	s.PresenceLimit = 20
	markers, err := localstore.OpenLog(filepath.Join(t.TempDir(), "chat.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = markers.Close() })
	s.ReadMarkers = markers
	for i := range 5 {
		w.Stored = append(w.Stored, chat.Message{Room: "r", Index: int64(i + 1), User: "Bob", UserID: "b"})
	}
	return w, s
}

var (
	annID = chat.Person{Name: "Ann", ID: "a"}
	bobID = chat.Person{Name: "Bob", ID: "b"}
)

func mark(index int64) chat.Mark { return chat.Mark{Room: "r", By: annID, Index: index} }

// A mark moves the marker of the user, on all devices, and never back. The others in the room learn of it.
func TestAMarkMovesForward(t *testing.T) {
	w, s := reading(t)
	for _, step := range []struct {
		index int64
		moved bool
	}{{3, true}, {2, false}, {3, false}, {5, true}, {0, false}} {
		if moved, err := s.MarkRead(t.Context(), "phone", mark(step.index)); err != nil || moved != step.moved {
			t.Errorf("mark %d: %v, %v; want %v", step.index, moved, err, step.moved)
		}
	}
	for _, id := range []string{"laptop", "bob"} {
		if got := strings.Join(w.Posts[id], ", "); got != "read r Ann=a 3, read r Ann=a 5" {
			t.Errorf("%s got %q", id, got)
		}
	}
	if got := w.Posts["phone"]; len(got) != 0 {
		t.Errorf("the phone itself got %q", got)
	}
	a, err := s.Members(t.Context(), "bob", "r", "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, u := range a.Users {
		got[u.Name] = u.Read
	}
	if want := map[string]int64{"Ann": 5, "Bob": 0}; !maps.Equal(got, want) {
		t.Errorf("the members have read %v, want %v", got, want)
	}
}

// In a room of more than ten users only the user's other devices are told, and the list does not say it.
func TestAMarkInALargerRoom(t *testing.T) {
	w, s := reading(t)
	for i := range 9 {
		w.enter("r", fmt.Sprint(i), fmt.Sprint("user", i))
	}
	if moved, err := s.MarkRead(t.Context(), "phone", mark(4)); err != nil || !moved {
		t.Fatal(moved, err)
	}
	if len(w.Posts) != 1 || len(w.Posts["laptop"]) != 1 {
		t.Errorf("posted %v", w.Posts)
	}
	a, err := s.Members(t.Context(), "bob", "r", "")
	if err != nil || slices.ContainsFunc(a.Users, func(u chat.User) bool { return u.Read != 0 }) {
		t.Errorf("the members are %+v, %v", a, err)
	}
}

func TestMarksThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		mark chat.Mark
		says string
	}{
		"above the tail": {mark(6), "invalid_field: index must be at most the index of the room's last message"},
		"below 0":        {mark(-1), "invalid_field: index must be a whole number, 0 or greater"},
		"in no room":     {chat.Mark{By: annID}, "invalid_field: room_name must not be empty"},
		"of nobody": {chat.Mark{Room: "r", By: chat.Person{Name: "Ann"}},
			"forbidden: read markers and lists of rooms need a chat in which people sign in"},
	} {
		w, s := reading(t)
		moved, err := s.MarkRead(t.Context(), "phone", c.mark)
		if moved || err == nil || err.Error() != c.says || len(w.Posts) != 0 {
			t.Errorf("%s: %v, %v, posted %v", name, moved, err, w.Posts)
		}
	}
}

// Who joins a room has it in the list, until it is forgotten. What the user may not enter now is left out.
func TestTheListOfRooms(t *testing.T) {
	w, s := reading(t)
	for _, room := range []string{"r", "attic", "secret"} {
		err := s.Join(t.Context(), chat.Member{Room: room, ConnectionID: "phone", User: "Ann", UserID: "a",
			ConnectedAt: time.Now()}, chat.CatchUp{})
		if err != nil {
			t.Fatal(err)
		}
	}
	tv := chat.Member{Room: "cellar", ConnectionID: "tv", User: "Ann", UserID: "a"}
	if err := s.Connect(t.Context(), tv); err != nil {
		t.Fatal(err)
	}
	charged := 0
	s.Charge = func(frames int) { charged += frames }
	list := func(after string) (names []string) {
		page, err := s.Rooms(t.Context(), "phone", chat.RoomsQuery{After: after,
			By: chat.Actor{Person: annID, Patterns: []string{"r", "attic", "cellar"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rooms {
			names = append(names, fmt.Sprintf("%s %d/%d", r.Room, r.Read, r.Last))
		}
		return names
	}
	// The world has one log for all rooms. What was there before they were joined counts as read.
	if got := strings.Join(list(""), ", "); got != "attic 5/5, cellar 5/5, r 5/5" {
		t.Errorf("the rooms are %s", got)
	}
	if charged != 4+1 { // a room that the user may not enter is looked at, too
		t.Errorf("charged for %d", charged)
	}
	if got := strings.Join(list("attic"), ", "); got != "cellar 5/5, r 5/5" {
		t.Errorf("after the attic: %s", got)
	}
	for range 2 {
		if err := s.ForgetRoom(t.Context(), annID, "attic"); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(list(""), ", "); got != "cellar 5/5, r 5/5" {
		t.Errorf("after one was forgotten: %s", got)
	}
	if got := w.Posts["bob"]; slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, "rooms") }) {
		t.Errorf("bob got %q", got)
	}
}

// A list has at most 50 rooms, and goes on after the last of them, also past many that the user may not enter.
func TestALongListOfRooms(t *testing.T) {
	_, s := reading(t)
	for i := range 180 {
		if _, err := s.ReadMarkers.Advance(t.Context(), "a", fmt.Sprintf("room %03d", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for after, more := "", true; more; {
		page, err := s.Rooms(t.Context(), "phone", chat.RoomsQuery{After: after, By: chat.Actor{Person: annID,
			Patterns: []string{"room 00*", "room 13*", "room 14*", "room 15*", "room 16*", "room 17*"}}})
		if err != nil || len(page.Rooms) > 50 {
			t.Fatal(len(page.Rooms), err)
		}
		for _, r := range page.Rooms {
			got = append(got, r.Room)
			after = r.Room
		}
		more = page.More
	}
	if len(got) != 60 || !slices.IsSorted(got) || got[10] != "room 130" {
		t.Errorf("%d rooms: %v", len(got), got)
	}
}
