package chat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Connect makes a new connection a member of a room. With an empty room it does nothing: the connection may join one
// later. Connect sets the times of the membership. If m.ExpiresAt is set, the membership ends then at the latest.
func (s Service) Connect(ctx context.Context, m Member) error {
	if m.Room == "" {
		return checkOptionalUser(m.User)
	}
	until := m.ExpiresAt
	// If the store was slow, or the announcement had to wait, the row is written again. So it is there again if a
	// broadcaster has taken the connection for gone meanwhile, and a broadcaster that has not begins its grace anew.
	// The clock is this process's alone.
	for announced := false; ; announced = true {
		m.ConnectedAt, m.ExpiresAt = s.Now(), until
		if _, _, err := s.join(ctx, &m); err != nil {
			return err
		}
		if !announced {
			remembered := s.remember(ctx, m)
			s.announceJoin(ctx, m, Member{})
			<-remembered
		}
		if s.Now().Sub(m.ConnectedAt) < slowestJoin {
			return nil
		}
	}
}

// CatchUp is what a new member asks for together with joining. As one request, nothing falls between the two, and a
// client that comes back to many rooms sends one frame for each.
type CatchUp struct {
	Messages *Query        // a part of the room's history; nil for none. Its Room and Ref are set by Join
	Changes  *ChangesQuery // a part of the room's changes; nil for none. Its Room and Ref are set by Join
	Members  bool          // who is in the room
	Rules    bool          // the room's rules, and the user's own role
	Ref      string        // the client's own name for the request, which each frame of the answer repeats; "" for none
}

// Join makes a connection a member of one more room. If there is a ref or something else is asked for, it confirms
// that, and then answers with the messages, the changes and the members, as far as asked for. It tells the room if
// the user is new there. It sets m.JoinedAt, m.JoinID, m.Opened and m.ExpiresAt. If m.ExpiresAt is set already, the
// membership ends then at the latest.
//
// An error after the membership is stored leaves it in place.
func (s Service) Join(ctx context.Context, m Member, ask CatchUp) error {
	if ask.Messages != nil {
		q := *ask.Messages
		q.Room, q.Ref = m.Room, ask.Ref
		if err := checkQuery(q); err != nil {
			return err
		}
		ask.Messages = &q
	}
	if ask.Changes != nil {
		q := *ask.Changes
		q.Room, q.Ref = m.Room, ask.Ref
		if err := checkChangesQuery(q); err != nil {
			return err
		}
		ask.Changes = &q
	}
	if err := checkOptionalName("ref", ask.Ref); err != nil {
		return err
	}
	if err := s.checkRooms(ctx, m.ConnectionID); err != nil {
		return err
	}
	m.Opened = true
	before, rules, err := s.join(ctx, &m)
	if err != nil {
		return err
	}
	remembered, named := s.remember(ctx, m), s.nameInDirectRoom(ctx, rules, m)
	answering, cancel := context.WithCancel(ctx)
	if s.Rules != nil {
		answering, cancel = context.WithDeadline(ctx, m.JoinedAt.Add(RightsGrace))
	}
	defer cancel()
	err = s.answerJoin(answering, m, rules, ask)
	s.announceJoin(ctx, m, before)
	<-remembered
	<-named
	return err
}

// answerJoin sends a new member what it asked for.
func (s Service) answerJoin(ctx context.Context, m Member, rules Rules, ask CatchUp) error {
	ask.Rules = ask.Rules && s.Rules != nil
	after := ask.Messages != nil || ask.Changes != nil || ask.Members // more follows the rules
	more := after || ask.Rules
	if ask.Ref == "" && !more {
		return nil
	}
	confirmation := Presence{Room: m.Room, User: m.User, UserID: m.UserID, Event: Joined, Ref: ask.Ref, Part: more}
	if err := s.Reply(ctx, m.ConnectionID, s.Encoder.Presence(confirmation)); err != nil {
		return err
	}
	if ask.Rules {
		view := s.roomFor(rules, Actor{Person: Person{Name: m.User, ID: m.UserID}, Moderates: m.Moderates}, ask.Ref)
		view.Part = after
		if err := s.Reply(ctx, m.ConnectionID, s.Encoder.Room(view)...); err != nil {
			return err
		}
	}
	frames := 0
	if ask.Messages != nil {
		var err error
		part := ask.Changes != nil || ask.Members
		if _, frames, err = s.history(ctx, m.ConnectionID, *ask.Messages, part); err != nil {
			return err
		}
	}
	if ask.Changes != nil {
		_, more, err := s.changesSince(ctx, m.ConnectionID, *ask.Changes, max(1, MaxAnswerFrames-frames), ask.Members)
		if err != nil {
			return err
		}
		frames += more
	}
	if ask.Members {
		_, err := s.members(ctx, m.ConnectionID, m.Room, ask.Ref, max(1, MaxAnswerFrames-frames))
		return err
	}
	return nil
}

// join writes the membership, and returns what it replaced, and the room's rules. The rules are read after the row is
// written: either this reading sees a ban, or the one that bans sees the row.
func (s Service) join(ctx context.Context, m *Member) (before Member, rules Rules, err error) {
	if err := errors.Join(checkRoom(m.Room), checkOptionalUser(m.User)); err != nil {
		return Member{}, Rules{}, err
	}
	m.begin(s.Now(), m.ExpiresAt)
	if before, err = s.Roster.Join(ctx, *m); err != nil {
		return Member{}, Rules{}, unavailable(notJoined, err)
	}
	if s.Rules == nil {
		return before, Rules{}, nil
	}
	if rules, err = s.Rules.fresh(ctx, m.Room); err == nil {
		_, err = s.checkErasing(ctx, m.UserID) // as it was two seconds ago at most: the eraser comes later
	}
	if err == nil {
		by := Actor{Person: Person{Name: m.User, ID: m.UserID}, Moderates: m.Moderates}
		err = rules.refuse(ActionJoinRoom, by, s.Now())
	}
	if err != nil {
		_, removeErr := s.Roster.Remove(ctx, *m)
		return Member{}, Rules{}, errors.Join(unavailable(notJoined, err), removeErr)
	}
	return before, rules, nil
}

const notJoined = "The room could not be joined. Try again."

// begin sets the times of a membership that begins. It ends with the connection, and if until is not zero, then at the
// latest.
func (m *Member) begin(now, until time.Time) {
	m.JoinedAt, m.JoinID = now, 1+rand.Int64N(math.MaxInt64)
	m.ExpiresAt = m.ConnectedAt.Add(ConnectionLife)
	if !until.IsZero() && until.Before(m.ExpiresAt) {
		m.ExpiresAt = until
	}
}

// checkRooms refuses one more room to a connection that is in as many rooms as it may be. Joining a room again
// counts as one more. It is a bound against abuse, not a promise: rooms that are joined at the same moment may
// exceed it.
func (s Service) checkRooms(ctx context.Context, connectionID string) error {
	if s.MaxRooms == 0 {
		return nil
	}
	most := s.MaxRooms
	if s.Rules != nil {
		most++ // the inbox
	}
	n, err := s.Roster.Rooms(ctx, connectionID, most)
	if err != nil {
		return unavailable(notJoined, err)
	}
	if n >= most {
		return &Error{Code: CodeTooManyRooms,
			Message: fmt.Sprintf("one connection may be in at most %d rooms; leave one first", s.MaxRooms)}
	}
	return nil
}

// Leave ends a connection's membership of one room, and confirms it if there is a ref. It tells the room if the user
// has no other connection there. Leaving a room that was not joined is no error.
func (s Service) Leave(ctx context.Context, connectionID, room, ref string) error {
	if err := errors.Join(checkRoom(room), checkOptionalName("ref", ref)); err != nil {
		return err
	}
	left, err := s.Roster.Leave(ctx, room, connectionID)
	if err != nil {
		return unavailable("The room could not be left. Try again.", err)
	}
	if ref != "" {
		p := Presence{Room: room, User: left.User, UserID: left.UserID, Event: Left, Ref: ref}
		err = s.Reply(ctx, connectionID, s.Encoder.Presence(p))
	}
	s.announceLeave(ctx, left)
	return err
}

// Disconnect ends every membership of a connection that is closed.
func (s Service) Disconnect(ctx context.Context, connectionID string) error {
	left, err := s.Roster.Forget(ctx, connectionID)
	s.announceLeave(ctx, left...)
	if err != nil {
		return unavailable("The connection's rooms could not be left; they are once they are posted to.", err)
	}
	return nil
}
