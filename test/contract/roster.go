package contract

import (
	"fmt"
	"math"
	"reflect"
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
		return chat.Member{Room: room, ConnectionID: id, User: user, ConnectedAt: now, JoinedAt: now.Add(time.Second),
			ExpiresAt: time.Unix(now.Unix()+3600, 0), JoinID: math.MaxInt64}
	}
	join := func(t *testing.T, ms ...chat.Member) {
		t.Helper()
		for _, m := range ms {
			if _, err := roster.Join(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(t *testing.T, room string, want ...string) {
		t.Helper()
		members, err := roster.Members(t.Context(), room, 0)
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
		signedIn := member(room(t)+"3", "c1=", "sam")
		signedIn.UserID = "auth0|\x00\u00e9"
		for _, m := range []chat.Member{member(room(t), "c1=", "ann"), member(room(t)+"2", "c1=", ""), signedIn} {
			m.Opened = m.User != ""
			join(t, m)
			got, err := roster.Members(t.Context(), m.Room, 0)
			if err != nil || len(got) != 1 {
				t.Fatalf("got %v, %v", got, err)
			}
			if !same(got[0], m) {
				t.Errorf("got %+v, want %+v", got[0], m)
			}
		}
	})
	t.Run("LeaveEndsOneMembership", func(t *testing.T) {
		a, b := room(t)+"a", room(t)+"b"
		join(t, member(a, "x", "ann"), member(a, "y", "bob"), member(b, "x", "ann"))
		for _, want := range []chat.Member{member(a, "x", "ann"), {}} { // leaving again is no error
			if left, err := roster.Leave(t.Context(), a, "x"); err != nil || !same(left, want) {
				t.Fatalf("left %+v, %v; want %+v", left, err, want)
			}
			check(t, a, "y")
			check(t, b, "x")
		}
	})
	t.Run("JoiningAgainReplaces", func(t *testing.T) {
		for _, tc := range []struct{ before, joins chat.Member }{
			{chat.Member{}, member(room(t), "x", "ann")},
			{member(room(t), "x", "ann"), member(room(t), "x", "bob")},
		} {
			if before, err := roster.Join(t.Context(), tc.joins); err != nil || !same(before, tc.before) {
				t.Errorf("replaced %+v, %v; want %+v", before, err, tc.before)
			}
		}
		got, err := roster.Members(t.Context(), room(t), 0)
		if err != nil || len(got) != 1 || got[0].User != "bob" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("RemoveEndsJustTheMembershipThatWasRead", func(t *testing.T) { removeEndsWhatWasRead(t, roster) })
	t.Run("ForgetEndsAllOfAConnection", func(t *testing.T) {
		for i := range 30 {
			join(t, member(fmt.Sprint(room(t), i), "gone", "ann"), member(fmt.Sprint(room(t), i), "stays", "bob"))
		}
		settle()
		for _, want := range []int{30, 0} {
			left, err := roster.Forget(t.Context(), "gone")
			if err != nil || len(left) != want {
				t.Fatalf("left %d rooms, %v; want %d", len(left), err, want)
			}
			for _, m := range left {
				if !same(m, member(m.Room, "gone", "ann")) {
					t.Errorf("left %+v", m)
				}
			}
		}
		for i := range 30 {
			check(t, fmt.Sprint(room(t), i), "stays")
		}
	})
	t.Run("WhatTheTokenSaysComesBack", func(t *testing.T) {
		for i, patterns := range [][]string{nil, {}, {"in-*", "café"}} {
			m := member(fmt.Sprint(room(t), i), "a", "ann")
			m.Moderates, m.Patterns = i == 2, patterns
			join(t, m)
			if all, err := roster.Members(t.Context(), m.Room, 0); err != nil || len(all) != 1 || !same(all[0], m) {
				t.Errorf("%+v came back as %+v, %v", m, all, err)
			}
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
					if _, err := roster.Leave(t.Context(), room(t), id); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		check(t, room(t), want...)
		for most, n := range map[int]int{1: 1, 65: 65, 66: 66, 67: 66} {
			if some, err := roster.Members(t.Context(), room(t), most); err != nil || len(some) != n {
				t.Errorf("at most %d: got %d, %v", most, len(some), err)
			}
		}
	})
}

// removeEndsWhatWasRead removes memberships after they were written again, and then as they are. The second of two is
// another membership, even if it says the same at the same time; the last pair is from before they had names.
func removeEndsWhatWasRead(t *testing.T, roster chat.Roster) {
	at := time.UnixMilli(1795515136000)
	first := chat.Member{Room: room(t), ConnectionID: "x", User: "ann", ConnectedAt: at, JoinedAt: at,
		ExpiresAt: at.Add(time.Hour), JoinID: 1}
	again, later, unnamed := first, first, first
	again.JoinID = 2
	unnamed.JoinID = 0
	later.JoinedAt, later.JoinID = at.Add(time.Millisecond), 0
	for _, pair := range [][2]chat.Member{{first, again}, {unnamed, first}, {first, unnamed}, {unnamed, later}} {
		for _, m := range pair {
			if _, err := roster.Join(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		for _, remove := range []struct {
			what chat.Member
			ok   bool
		}{{pair[0], false}, {pair[1], true}, {pair[1], false}} {
			ok, err := roster.Remove(t.Context(), remove.what)
			if ok != remove.ok || err != nil {
				t.Errorf("%+v: removing %+v is %v, %v; want %v", pair, remove.what, ok, err, remove.ok)
			}
			left, err := roster.Members(t.Context(), first.Room, 0)
			if stays := remove.what.Same(pair[0]); err != nil || (len(left) == 1) != stays || stays &&
				!same(left[0], pair[1]) {
				t.Errorf("%+v: after removing %+v there are %+v, %v", pair, remove.what, left, err)
			}
		}
	}
}

// same reports whether two members are the same, to the millisecond.
func same(a, b chat.Member) bool {
	return a.Room == b.Room && a.ConnectionID == b.ConnectionID && a.User == b.User && a.UserID == b.UserID &&
		a.ConnectedAt.Equal(b.ConnectedAt) && a.JoinedAt.Equal(b.JoinedAt) && a.ExpiresAt.Equal(b.ExpiresAt) &&
		a.JoinID == b.JoinID && a.Opened == b.Opened && a.Moderates == b.Moderates &&
		reflect.DeepEqual(a.Patterns, b.Patterns)
}
