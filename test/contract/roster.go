package contract

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"wschat/pkg/chat"
)

// Roster tests a chat.Roster. settle, where it is not nil, waits until Forget sees all that was joined.
func Roster(t *testing.T, roster chat.Roster, settle func()) {
	if settle == nil {
		settle = func() {}
	}
	// Milliseconds are what is promised to be kept of a time.
	now := time.UnixMilli(time.Now().UnixMilli())
	member := func(room, id, user string) chat.Member {
		return chat.Member{Room: room, ConnectionID: id, User: user, ConnectedAt: now, ExpiresAt: time.Unix(now.Unix()+3600, 0)}
	}
	join := func(t *testing.T, ms ...chat.Member) {
		t.Helper()
		for _, m := range ms {
			if err := roster.Join(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(t *testing.T, room string, want ...string) {
		t.Helper()
		members, err := roster.Members(t.Context(), room)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, m := range members {
			got = append(got, m.ConnectionID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has members %v, want %v", room, got, want)
		}
	}

	t.Run("MembersComeBackAsTheyWere", func(t *testing.T) {
		for _, m := range []chat.Member{member(room(t), "c1=", "ann"), member(room(t)+"2", "c1=", "")} {
			join(t, m)
			got, err := roster.Members(t.Context(), m.Room)
			if err != nil || len(got) != 1 {
				t.Fatalf("got %v, %v", got, err)
			}
			g := got[0]
			if !g.ConnectedAt.Equal(m.ConnectedAt) || !g.ExpiresAt.Equal(m.ExpiresAt) ||
				g.Room != m.Room || g.ConnectionID != m.ConnectionID || g.User != m.User {
				t.Errorf("got %+v, want %+v", g, m)
			}
		}
	})
	t.Run("LeaveEndsOneMembership", func(t *testing.T) {
		a, b := room(t)+"a", room(t)+"b"
		join(t, member(a, "x", "ann"), member(a, "y", "bob"), member(b, "x", "ann"))
		for range 2 { // leaving again is no error
			if err := roster.Leave(t.Context(), a, "x"); err != nil {
				t.Fatal(err)
			}
			check(t, a, "y")
			check(t, b, "x")
		}
	})
	t.Run("JoiningAgainReplaces", func(t *testing.T) {
		join(t, member(room(t), "x", "ann"), member(room(t), "x", "bob"))
		got, err := roster.Members(t.Context(), room(t))
		if err != nil || len(got) != 1 || got[0].User != "bob" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("ForgetEndsAllOfAConnection", func(t *testing.T) {
		for i := range 30 {
			join(t, member(fmt.Sprint(room(t), i), "gone", "ann"), member(fmt.Sprint(room(t), i), "stays", "bob"))
		}
		settle()
		for range 2 {
			if err := roster.Forget(t.Context(), "gone"); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 30 {
			check(t, fmt.Sprint(room(t), i), "stays")
		}
	})
	t.Run("ARoomNeverUsedIsEmpty", func(t *testing.T) { check(t, room(t)) })
	t.Run("ManyAtOnce", func(t *testing.T) {
		var wg sync.WaitGroup
		var want []string
		for i := range 100 {
			id := fmt.Sprintf("%03d", i)
			if i%3 > 0 {
				want = append(want, id)
			}
			wg.Go(func() {
				join(t, member(room(t), id, "u"))
				if i%3 == 0 {
					if err := roster.Leave(t.Context(), room(t), id); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		check(t, room(t), want...)
	})
}
