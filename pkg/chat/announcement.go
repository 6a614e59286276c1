package chat

import (
	"context"
	"crypto/rand"
	"time"

	"wschat/pkg/backoff"
	"wschat/pkg/deadline"
)

// Announcement is a room's record of the last list of members that was sent to it, and of the announcer that waits to
// send the next. The zero value means that no list was sent lately.
type Announcement struct {
	Version     int64     // counts the announcements
	By          string    // the announcer
	AnnouncedAt time.Time // when it began, before the members were read
	Waiter      string    // the announcer that waits for its turn; "" for none
	WaiterUntil time.Time // after this, others no longer rely on the waiter: it may have died
	OverLimit   bool      // the members were told that there are too many of them for a list
	Streak      int       // how many announcements came right after the one before, up to this one
}

// AnnouncementLife is how long a room keeps its announcement: longer than the life of any connection that got the
// list. After that the versions may begin again.
const AnnouncementLife = 3 * time.Hour

// Announcements keep an Announcement for each room, for AnnouncementLife after its last change.
type Announcements interface {
	// Announcement returns a room's announcement; the zero value if it has none. Every Replace that had returned
	// before is seen.
	Announcement(ctx context.Context, room string) (Announcement, error)

	// Replace is a compare-and-swap: it stores by if the room's announcement still has the version and the waiter of
	// read. It is not ok otherwise. After an error it is not known whether it stored anything.
	Replace(ctx context.Context, room string, read, by Announcement) (ok bool, err error)
}

const (
	// announcePause is the least time between the beginnings of two announcements in a room. The first few after a
	// quiet time are exempt: nobody waits when two or three people meet.
	announcePause = time.Second
	quick         = 3

	// waiterLife is how long others rely on a waiter.
	waiterLife = 3 * time.Second

	// calm is how many announcements in a row are accompanied by presence frames, for clients that know no lists. If
	// people come and go all the time, such clients must ask.
	calm = 8
)

// turnOf says what an announcer does next.
type turnOf int

const (
	announces turnOf = iota // it has the turn: it reads the members, and sends them
	replaces                // it tries to put its announcement in the place of what it read
	waits                   // it waits for its turn, and reads again
	leaves                  // another announcer reads the members after this one's change
)

// next is the rule by which announcers of a room take turns. An announcer begins after it has changed the roster.
// `first` is the announcement that it read first, `now` the one that it read last, and `me` is its name. An announcer
// that may not wait takes the turn at once.
//
// The members are read only after the turn was taken. So an announcer may leave if another has taken the turn
// since, or waits for it: that one sees the change.
func next(first, now Announcement, me string, at time.Time, mayWait bool) (turn turnOf, by Announcement) {
	due := now.Streak < quick || at.Sub(now.AnnouncedAt) >= announcePause || !mayWait
	switch {
	case now.By == me: // perhaps the answer was lost
		return announces, now
	case now.Version != first.Version:
		return leaves, now
	case now.Waiter == me && !due:
		return waits, now
	case now.Waiter != me && now.Waiter != "" && now.WaiterUntil.After(at):
		return leaves, now
	case due:
		by = Announcement{Version: now.Version + 1, By: me, AnnouncedAt: at, OverLimit: now.OverLimit}
		if now.Waiter != "" || at.Sub(now.AnnouncedAt) < announcePause {
			by.Streak = now.Streak + 1
		}
		return replaces, by
	}
	now.Waiter, now.WaiterUntil = me, at.Add(waiterLife)
	return replaces, now
}

// takeTurn takes an announcer's turn in a room. It is not ok if there is nothing to announce: another announcer reads
// the members after this one's change of the roster.
func (s Service) takeTurn(ctx context.Context, room string) (a Announcement, ok bool) {
	me, began := rand.Text(), s.Now()
	first, err := s.readAnnouncement(ctx, room)
	for read := first; err == nil; read, err = s.readAnnouncement(ctx, room) {
		mayWait := s.Now().Sub(began) < announcePause && deadline.LeavesMoreThan(ctx, announcePause+presenceBudget)
		turn, by := next(first, read, me, s.Now(), mayWait)
		switch turn {
		case announces:
			return read, true
		case leaves:
			return Announcement{}, false
		case waits:
			due := read.AnnouncedAt.Add(announcePause)
			_ = backoff.Sleep(ctx, min(due.Sub(s.Now()), began.Add(announcePause).Sub(s.Now())))
		case replaces:
			replaced, err := s.Announcements.Replace(ctx, room, read, by)
			if err != nil { // the next read reports whether it is in place
				_ = backoff.Sleep(ctx, retries().Pause(1))
			} else if replaced && by.By == me {
				return by, true
			}
		}
	}
	return Announcement{}, false
}

// readAnnouncement reads a room's announcement, and retries: others rely on the announcer that has the turn or waits
// for it.
func (s Service) readAnnouncement(ctx context.Context, room string) (Announcement, error) {
	return insistOn(ctx, func() (Announcement, error) { return s.Announcements.Announcement(ctx, room) })
}

// insistOn reads until it succeeds, or ctx ends.
func insistOn[T any](ctx context.Context, read func() (T, error)) (found T, err error) {
	err = keepTrying(ctx, func() error {
		found, err = read()
		return err
	})
	return found, err
}

// keepTrying tries what may be done twice, until it succeeds or ctx ends.
func keepTrying(ctx context.Context, try func() error) error {
	return retries().Retry(ctx, func(error) bool { return ctx.Err() == nil }, try)
}

// noteOverLimit notes whether the members have been told that there are too many of them, unless another announcer
// has taken its turn: that one tells them again.
func (s Service) noteOverLimit(ctx context.Context, room string, mine Announcement, over bool) error {
	for {
		read, err := s.readAnnouncement(ctx, room)
		if err != nil || read.Version != mine.Version || read.OverLimit == over {
			return err
		}
		by := read
		by.OverLimit = over
		if ok, err := s.Announcements.Replace(ctx, room, read, by); ok || err != nil {
			return err
		}
	}
}
