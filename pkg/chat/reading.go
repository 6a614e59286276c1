package chat

import (
	"context"
	"errors"
	"slices"
	"time"

	"wschat/pkg/parallel"
)

// ReadMarker is how far a user has read a room.
type ReadMarker struct {
	Room string
	Read int64 // the index of the last message that was read; 0 for none
}

// ReadMarkers keep which rooms each signed-in user has joined or read, and how far. They belong to the user's id, so
// all devices of a user have the same. A marker that did not change for ReadMarkerLife is forgotten.
type ReadMarkers interface {
	// Begin makes a user's marker of a room, at an index, if there is none.
	Begin(ctx context.Context, userID, room string, index int64) error

	// Advance moves a user's marker of a room forward to an index, and never back. If there is none, it begins there.
	// It reports whether the marker moved.
	Advance(ctx context.Context, userID, room string, index int64) (moved bool, err error)

	// ReadMarker returns a user's marker of a room; without one, it is not ok.
	ReadMarker(ctx context.Context, userID, room string) (m ReadMarker, ok bool, err error)

	// ReadMarkers returns a user's markers by the names of their rooms, those after a name, at most limit.
	ReadMarkers(ctx context.Context, userID, after string, limit int) ([]ReadMarker, error)

	// ForgetRoom removes a user's marker of a room. That there is none is no error.
	ForgetRoom(ctx context.Context, userID, room string) error
}

// ReadMarkerLife is how long a marker is kept after its last change.
const ReadMarkerLife = 365 * 24 * time.Hour

const (
	// mostReaders is how many users a room may have for them to be told how far each of them has read.
	mostReaders = 10

	// tailReads is how many rooms are looked at at a time for a list of rooms.
	tailReads = 8
)

// Mark is somebody's wish to move a read marker.
type Mark struct {
	Room  string
	By    Person // with an id
	Index int64
	Ref   string // the client's own name for the request, which the answer repeats; "" for none
}

// MarkRead moves a user's marker of a room forward to an index. If it moved, the others in a room of at most
// mostReaders users are told, as a courtesy. If there is a ref, MarkRead confirms that it is done. It reports whether
// the marker moved.
func (s Service) MarkRead(ctx context.Context, connectionID string, m Mark) (moved bool, err error) {
	if err := checkSignedIn(m.By); err != nil {
		return false, err
	}
	if err := errors.Join(checkRoom(m.Room), checkOptionalName("ref", m.Ref)); err != nil {
		return false, err
	}
	if m.Index < 0 {
		return false, InvalidField("index", "must be a whole number, 0 or greater")
	}
	tail, err := s.Log.Tail(ctx, m.Room)
	if err != nil {
		return false, unavailable(markNotMoved, err)
	}
	if m.Index > tail {
		return false, InvalidField("index", "must be at most the index of the room's last message")
	}
	if moved, err = s.ReadMarkers.Advance(ctx, m.By.ID, m.Room, m.Index); err != nil {
		return false, unavailable(markNotMoved, err)
	}
	if moved {
		s.tellRead(ctx, connectionID, m)
	}
	return moved, s.done(ctx, connectionID, m.Ref)
}

const markNotMoved = "The marker was not moved. Send it again."

// checkSignedIn refuses what needs to know who somebody is: in the open chat, anybody acts under any name.
func checkSignedIn(p Person) error {
	if p.ID == "" {
		return &Error{Code: CodeForbidden,
			Message: "read markers and lists of rooms need a chat in which people sign in"}
	}
	return nil
}

// tellRead tells the others in a small room how far somebody has read, and in a larger one the user's other devices. It
// is one of the signals of which a room is sent a few in a second. Lists make good what was lost or dropped.
func (s Service) tellRead(ctx context.Context, connectionID string, m Mark) {
	if s.PresenceLimit == 0 {
		return
	}
	_, _ = s.relay(ctx, connectionID, m.Room, s.Encoder.HasRead(m), func(members []Member) ([]Member, error) {
		if len(members) <= s.PresenceLimit && len(users(slices.Clone(members))) <= mostReaders {
			return members, nil
		}
		return slices.DeleteFunc(members, func(other Member) bool { return other.UserID != m.By.ID }), nil
	})
}

// RoomsQuery asks for a part of the rooms that a user has joined or read.
type RoomsQuery struct {
	By    Actor  // with an id
	After string // the rooms whose names come after this one; "" for all
	Ref   string // the client's own name for the request, which the answer repeats; "" for none

	// ConnectedAt is when the asking connection was made. It is told of rooms that the user is added to or removed from
	// until MembershipEnds, if that is not zero.
	ConnectedAt, MembershipEnds time.Time
}

// RoomsPage is a part of a user's rooms, by name.
type RoomsPage struct {
	Rooms []RoomState
	More  bool   // there are more after these
	Ref   string // of the request that this answers
}

// RoomState is how far a room has come, and how far a user has read it.
type RoomState struct {
	ReadMarker
	Last int64    // the index of the room's last message; 0 if it has none
	View RoomView // what the user may know of the room's rules
}

// Rooms lists rooms that a user has joined or read and may be in now, at most MaxRoomsListed, and posts the list to the
// connection that asked. From then on the connection is told of rooms that the user is added to or removed from. The
// request is charged for each room.
func (s Service) Rooms(ctx context.Context, connectionID string, q RoomsQuery) (RoomsPage, error) {
	if err := checkSignedIn(q.By.Person); err != nil {
		return RoomsPage{}, err
	}
	if err := checkOptionalName("ref", q.Ref); err != nil {
		return RoomsPage{}, err
	}
	if q.After != "" {
		if err := checkRoom(q.After); err != nil {
			return RoomsPage{}, err
		}
	}
	if q.After == "" && !q.By.Program { // before the rooms are read, so that none is missed
		if err := s.openInbox(ctx, connectionID, q); err != nil {
			return RoomsPage{}, unavailable(notListed, err)
		}
	}
	page, err := s.rooms(ctx, q)
	if err != nil {
		return RoomsPage{}, unavailable(notListed, err)
	}
	return page, s.Reply(ctx, connectionID, s.Encoder.RoomList(page)...)
}

const notListed = "The rooms could not be read. Ask again."

// rooms reads a page with at least one room, unless there is none any more.
func (s Service) rooms(ctx context.Context, q RoomsQuery) (page RoomsPage, err error) {
	page.Ref = q.Ref
	for after, more := q.After, true; more && len(page.Rooms) == 0; {
		markers, err := s.ReadMarkers.ReadMarkers(ctx, q.By.ID, after, MaxRoomsListed+1)
		if err != nil {
			return page, err
		}
		if more = len(markers) > MaxRoomsListed; more {
			markers = markers[:MaxRoomsListed]
			after = markers[MaxRoomsListed-1].Room
		}
		page.More = more
		if s.Charge != nil {
			s.Charge(len(markers))
		}
		listed, errs := make([]*RoomState, len(markers)), make([]error, len(markers))
		parallel.ForEach(tailReads, len(markers), func(i int) { listed[i], errs[i] = s.listed(ctx, q.By, markers[i]) })
		if err := errors.Join(errs...); err != nil {
			return page, err
		}
		for _, r := range listed {
			if r != nil {
				page.Rooms = append(page.Rooms, *r)
			}
		}
	}
	return page, nil
}

// listed is a room as a list of a user's rooms has it; nil if the user may not be in it.
func (s Service) listed(ctx context.Context, by Actor, m ReadMarker) (*RoomState, error) {
	r := RoomState{ReadMarker: m}
	a, err := s.Admit(ctx, ActionJoinRoom, m.Room, by)
	// A room whose rules cannot be read takes the others in the list not down.
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeForbidden || errors.Is(err, ErrUnreadableRules) {
		return nil, nil
	}
	if err == nil {
		r.View = s.roomFor(a.rules, by, "")
		r.Last, err = s.Log.Tail(ctx, m.Room)
	}
	return &r, err
}

// remember has a room in the list of a user that joins it, beside what the caller does: wait for it at the end. What
// was in the room before counts as read. A failure is no failure of joining: the next join, and the next mark, make it
// good.
func (s Service) remember(ctx context.Context, m Member) <-chan error {
	return parallel.Go(func() error {
		if m.UserID == "" || s.ReadMarkers == nil {
			return nil
		}
		if _, ok, err := s.ReadMarkers.ReadMarker(ctx, m.UserID, m.Room); ok || err != nil {
			return err
		}
		return s.beginMarker(ctx, m.UserID, m.Room, 0)
	})
}

// beginMarker makes a user's marker of a room, if there is none, so that the last messages are not read: so many as
// unread says.
func (s Service) beginMarker(ctx context.Context, userID, room string, unread int64) error {
	tail, err := s.Log.Tail(ctx, room)
	if err != nil {
		return err
	}
	err = s.withoutErasing(ctx, []string{userID}, func(ctx context.Context) error {
		return s.ReadMarkers.Begin(ctx, userID, room, max(tail-unread, 0))
	})
	if isErasing(err) { // nobody has the list any more
		return nil
	}
	return err
}

// ForgetRoom removes a room from the list of a user's rooms.
func (s Service) ForgetRoom(ctx context.Context, by Person, room string) error {
	if err := errors.Join(checkSignedIn(by), checkRoom(room)); err != nil {
		return err
	}
	if err := s.ReadMarkers.ForgetRoom(ctx, by.ID, room); err != nil {
		return unavailable("The room could not be forgotten. Try again.", err)
	}
	return nil
}

// readersOf adds to the users of a small room how far each has read.
func (s Service) readersOf(ctx context.Context, room string, list []User) []User {
	if s.ReadMarkers == nil || len(list) > mostReaders {
		return list
	}
	parallel.ForEach(mostReaders, len(list), func(i int) {
		if list[i].ID == "" {
			return
		}
		if m, ok, err := s.ReadMarkers.ReadMarker(ctx, list[i].ID, room); ok && err == nil {
			list[i].Read = m.Read
		}
	})
	return list
}
