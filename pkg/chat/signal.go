package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Signal is something that happens in a room now, such as that somebody types. It is not kept.
type Signal struct {
	Room   string
	User   string // the sender's name
	UserID string // of the signed-in sender; "" in the open chat
	Name   string // what happens
	Data   string // JSON; "" for none
}

const (
	// signalsPerWindow is how many signals of all its members a room is sent in signalWindow. The others are dropped.
	signalsPerWindow = 5
	signalWindow     = time.Second

	// signalAttempts is how often a signal tries to be one of them while others do.
	signalAttempts = 3
)

// Signal sends a signal to the others in its room that have a name. It is a courtesy: each is posted to once, and of
// many signals in a second most are dropped, which is no error. If there is a ref, Signal confirms that it is done. It
// reports whether the signal was sent.
func (s Service) Signal(ctx context.Context, connectionID string, sig Signal, ref string) (sent bool, err error) {
	if err := checkSignal(sig, ref); err != nil {
		return false, err
	}
	named := func(members []Member) ([]Member, error) {
		if len(members) > s.PresenceLimit {
			return nil, &Error{Code: CodeRoomTooLarge,
				Message: fmt.Sprintf("signals are sent in rooms of at most %d connections", s.PresenceLimit)}
		}
		return members, nil
	}
	if sent, err = s.relay(ctx, connectionID, sig.Room, s.Encoder.Signal(sig), named); err != nil {
		return false, err
	}
	return sent, s.done(ctx, connectionID, ref)
}

func checkSignal(sig Signal, ref string) error {
	if len(sig.Data) > MaxSignalBytes {
		return tooLarge(fmt.Sprintf("data must be at most %d bytes of JSON, not %d", MaxSignalBytes, len(sig.Data)))
	}
	return errors.Join(checkRoom(sig.Room), checkUser(sig.User), checkForm("name", sig.Name),
		checkOptionalName("ref", ref))
}

// done confirms a request that has no other answer, if it has a ref.
func (s Service) done(ctx context.Context, connectionID, ref string) error {
	if ref == "" {
		return nil
	}
	return s.Reply(ctx, connectionID, s.Encoder.Done(ref))
}

// relay sends a courtesy to others in a room, unless the room has been sent enough of them lately. pick is given the
// room's members, at most one more than PresenceLimit, and returns those that are to be told, or a refusal. Those
// without a name are not told.
func (s Service) relay(ctx context.Context, connectionID, room string, frame []byte,
	pick func([]Member) ([]Member, error)) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*presenceBudget)
	defer cancel()
	window, err := s.signals(ctx, room)
	if err != nil {
		return false, err
	}
	if _, left := nextSignal(window, s.Now()); !left {
		return false, nil // before the members are read, which costs more
	}
	members, err := s.Present(ctx, room, s.PresenceLimit+1)
	if err != nil {
		return false, unavailable(signalNotSent, err)
	}
	picked, err := pick(members)
	if err != nil {
		return false, err
	}
	others := slices.DeleteFunc(picked, func(m Member) bool { return m.User == "" || m.ConnectionID == connectionID })
	if len(others) == 0 {
		return true, nil
	}
	if sent, err = s.takeSignal(ctx, room, window); err != nil || !sent {
		return false, err
	}
	s.tell(ctx, others, func(ctx context.Context, m Member) error { return s.Poster.Post(ctx, m.ConnectionID, frame) })
	return true, nil
}

const signalNotSent = "The signal was not sent. Send it again."

// signals reads how many signals a room was sent lately. It is kept as an announcement is, under a name that no room
// has: AnnouncedAt is the beginning of the window, and Streak the number of the signals in it.
func (s Service) signals(ctx context.Context, room string) (Announcement, error) {
	window, err := s.Announcements.Announcement(ctx, signalsOf(room))
	if err != nil {
		return Announcement{}, unavailable(signalNotSent, err)
	}
	return window, nil
}

func signalsOf(room string) string { return "signals\x00" + room }

// takeSignal counts a signal. It returns false if the room is sent enough of them without it.
func (s Service) takeSignal(ctx context.Context, room string, window Announcement) (ok bool, err error) {
	for range signalAttempts {
		by, left := nextSignal(window, s.Now())
		if !left {
			return false, nil
		}
		if ok, err = s.Announcements.Replace(ctx, signalsOf(room), window, by); err != nil {
			return false, unavailable(signalNotSent, err)
		}
		if ok {
			return true, nil
		}
		if window, err = s.signals(ctx, room); err != nil {
			return false, err
		}
	}
	return false, nil
}

// nextSignal is a room's window with one signal more, and whether the room may be sent it. The clocks of two processes
// differ, so a window may begin in the future.
func nextSignal(window Announcement, at time.Time) (by Announcement, left bool) {
	by = Announcement{Version: window.Version + 1, AnnouncedAt: window.AnnouncedAt, Streak: window.Streak + 1}
	if at.Sub(window.AnnouncedAt).Abs() >= signalWindow {
		by.AnnouncedAt, by.Streak = at, 1
	}
	return by, by.Streak <= signalsPerWindow
}
