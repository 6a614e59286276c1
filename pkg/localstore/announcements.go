package localstore

import (
	"context"
	"sync"
	"time"

	"wschat/pkg/chat"
)

// Announcements is a chat.Announcements in memory. The zero value is ready to use.
type Announcements struct {
	mu    sync.Mutex
	rooms map[string]announcement
	swept time.Time
}

type announcement struct {
	chat.Announcement
	until time.Time
}

var _ chat.Announcements = (*Announcements)(nil)

// Announcement returns a room's announcement; see chat.Announcements.
func (a *Announcements) Announcement(_ context.Context, room string) (chat.Announcement, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rooms[room].Announcement, nil
}

// Replace replaces a room's announcement; see chat.Announcements.
func (a *Announcements) Replace(_ context.Context, room string, read, by chat.Announcement) (ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.sweep(now)
	if kept := a.rooms[room]; kept.Version != read.Version || kept.Waiter != read.Waiter {
		return false, nil
	}
	if a.rooms == nil {
		a.rooms = map[string]announcement{}
	}
	a.rooms[room] = announcement{by, now.Add(chat.AnnouncementLife)}
	return true, nil
}

// sweep forgets what is over, now and then: rooms come and go for as long as the process runs.
func (a *Announcements) sweep(now time.Time) {
	if now.Sub(a.swept) < chat.AnnouncementLife/4 {
		return
	}
	a.swept = now
	for room, kept := range a.rooms {
		if !kept.until.After(now) {
			delete(a.rooms, room)
		}
	}
}
