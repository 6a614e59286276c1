package contract

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/chat"
)

// Announcements tests a chat.Announcements.
func Announcements(t *testing.T, announcements chat.Announcements) {
	at := time.UnixMilli(time.Now().UnixMilli()) // milliseconds are what is promised to be kept of a time
	current := func(t *testing.T) chat.Announcement {
		t.Helper()
		a, err := announcements.Announcement(t.Context(), room(t))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	replace := func(t *testing.T, read, by chat.Announcement, want bool) {
		t.Helper()
		ok, err := announcements.Replace(t.Context(), room(t), read, by)
		if err == nil && !ok && want { // perhaps it is in place, and the answer was lost
			ok = current(t).By == by.By && current(t).Waiter == by.Waiter
		}
		if err != nil || ok != want {
			t.Errorf("replace %+v by %+v: %v, %v; want %v", read, by, ok, err, want)
		}
	}
	first := chat.Announcement{Version: 1, By: "ann", AnnouncedAt: at, OverLimit: true, Streak: 2}
	waited := chat.Announcement{Version: 1, By: "ann", AnnouncedAt: at, Waiter: "bob", WaiterUntil: at.Add(time.Second)}
	t.Run("WhatIsKept", func(t *testing.T) {
		if got := current(t); got != (chat.Announcement{}) {
			t.Errorf("a room in which nothing was announced has %+v", got)
		}
		for _, want := range []chat.Announcement{first, waited,
			{Version: 2, By: "bob", AnnouncedAt: at.Add(time.Second)}} {
			replace(t, current(t), want, true)
			got := current(t)
			if !got.AnnouncedAt.Equal(want.AnnouncedAt) || !got.WaiterUntil.Equal(want.WaiterUntil) {
				t.Errorf("kept %+v, want %+v", got, want)
			}
			got.AnnouncedAt, got.WaiterUntil = want.AnnouncedAt, want.WaiterUntil
			if got != want {
				t.Errorf("kept %+v, want %+v", got, want)
			}
		}
	})
	t.Run("OnlyWhatWasReadIsReplaced", func(t *testing.T) {
		replace(t, first, waited, false) // there is none
		replace(t, chat.Announcement{}, first, true)
		replace(t, chat.Announcement{}, first, false)
		replace(t, first, waited, true)
		replace(t, first, waited, false) // it has another waiter now
		replace(t, chat.Announcement{Version: 2, Waiter: "bob"}, first, false)
	})
	t.Run("AWaiterWhereNothingWasAnnounced", func(t *testing.T) {
		waiting := chat.Announcement{Waiter: "ann", WaiterUntil: at}
		replace(t, chat.Announcement{}, waiting, true)
		replace(t, chat.Announcement{}, first, false)
		replace(t, waiting, first, true)
	})
	t.Run("OfManyOne", func(t *testing.T) {
		for version := range int64(10) {
			before := current(t)
			var replaced atomic.Int32
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					ok, err := announcements.Replace(t.Context(), room(t), before,
						chat.Announcement{Version: version + 1, By: fmt.Sprint(i), AnnouncedAt: at})
					if err != nil {
						t.Error(err)
					} else if ok {
						replaced.Add(1)
					}
				})
			}
			all.Wait()
			if replaced.Load() != 1 {
				t.Fatalf("%d have replaced it", replaced.Load())
			}
		}
	})
}
