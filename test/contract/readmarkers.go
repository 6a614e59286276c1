package contract

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"wschat/pkg/chat"
)

// ReadMarkers tests a chat.ReadMarkers.
func ReadMarkers(t *testing.T, markers chat.ReadMarkers) {
	advance := func(t *testing.T, user, room string, index int64, want bool) {
		t.Helper()
		moved, err := markers.Advance(t.Context(), user, room, index)
		if err != nil || moved != want {
			t.Errorf("advance %s in %s to %d: %v, %v; want %v", user, room, index, moved, err, want)
		}
	}
	list := func(t *testing.T, user, after string, limit int) []chat.ReadMarker {
		t.Helper()
		found, err := markers.ReadMarkers(t.Context(), user, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	t.Run("AMarkerNeverMovesBack", func(t *testing.T) {
		user := room(t)
		if m, ok, err := markers.ReadMarker(t.Context(), user, "lobby"); ok || err != nil {
			t.Errorf("a user who has read nothing has %+v, %v", m, err)
		}
		advance(t, user, "lobby", 0, true)
		advance(t, user, "lobby", 0, false)
		advance(t, user, "lobby", 5, true)
		advance(t, user, "lobby", 3, false)
		advance(t, user, "lobby", 5, false)
		m, ok, err := markers.ReadMarker(t.Context(), user, "lobby")
		if want := (chat.ReadMarker{Room: "lobby", Read: 5}); m != want || !ok || err != nil {
			t.Errorf("got %+v, %v, %v; want %+v", m, ok, err, want)
		}
	})
	t.Run("AMarkerBeginsOnce", func(t *testing.T) {
		user := room(t)
		for _, index := range []int64{7, 9, 3} { // only the first does anything
			if err := markers.Begin(t.Context(), user, "lobby", index); err != nil {
				t.Error(err)
			}
		}
		if m, ok, err := markers.ReadMarker(t.Context(), user, "lobby"); m.Read != 7 || !ok || err != nil {
			t.Errorf("got %+v, %v, %v", m, ok, err)
		}
		advance(t, user, "lobby", 7, false)
		advance(t, user, "lobby", 8, true)
	})
	t.Run("RoomsAreListedByName", func(t *testing.T) {
		user := room(t)
		var want []chat.ReadMarker
		for i := range 7 {
			m := chat.ReadMarker{Room: fmt.Sprintf("room %d", i), Read: int64(i)}
			want = append(want, m)
		}
		for _, i := range rand.Perm(len(want)) {
			advance(t, user, want[i].Room, want[i].Read, true)
		}
		advance(t, user+" of another name", "room 9", 9, true)
		for limit := 1; limit < 9; limit++ {
			var got []chat.ReadMarker
			for after, more := "", true; more; {
				part := list(t, user, after, limit)
				if len(part) > limit {
					t.Errorf("%d at once, with the limit %d", len(part), limit)
				}
				if more = len(part) > 0; more {
					after = part[len(part)-1].Room
				}
				got = append(got, part...)
			}
			if !slices.Equal(got, want) {
				t.Errorf("in parts of %d: %+v, want %+v", limit, got, want)
			}
		}
		if got := list(t, user, "room 30", 9); !slices.Equal(got, want[4:]) {
			t.Errorf("after a room that is not there: %+v", got)
		}
	})
	t.Run("ARoomIsForgotten", func(t *testing.T) {
		user := room(t)
		advance(t, user, "attic", 1, true)
		advance(t, user, "lobby", 2, true)
		for range 2 { // the second finds none
			if err := markers.ForgetRoom(t.Context(), user, "attic"); err != nil {
				t.Error(err)
			}
		}
		if got := list(t, user, "", 9); len(got) != 1 || got[0].Room != "lobby" {
			t.Errorf("left is %+v", got)
		}
		advance(t, user, "attic", 0, true)
	})
	t.Run("TheGreatestOfManyAtOnceStays", func(t *testing.T) {
		user := room(t)
		const most = 40
		var all sync.WaitGroup
		for _, index := range rand.Perm(most) {
			all.Go(func() {
				if _, err := markers.Advance(t.Context(), user, "lobby", int64(index+1)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := list(t, user, "", 9); len(got) != 1 || got[0].Read != most {
			t.Errorf("after %d marks at once: %+v", most, got)
		}
	})
}
