// Package chat is what a chat is: rooms that are logs of messages, connections that are members of rooms, and the use
// cases on them. It knows neither AWS nor JSON; what it needs of them it asks for in its interfaces.
package chat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Service carries out the use cases. Its fields are read only, so one value serves any number of goroutines,
// and a copy with another Poster is cheap.
type Service struct {
	Log    Log    // required
	Roster Roster // required
	Leases Leases // required
	Poster Poster // required

	// Encoder makes the frames that clients receive. Required.
	Encoder Encoder

	// MaxRooms is how many rooms one connection may be in; 0 means any number.
	MaxRooms int

	// PresenceLimit is how many connections a room may have for comings and goings to be announced in it; 0 announces
	// none.
	PresenceLimit int

	// Now tells the time. Required.
	Now func() time.Time

	// Workers is how many posts of one broadcast are under way at once; with those that hang it may be four times as many. Required,
	// at least 1.
	Workers int
}

// Encoder makes frames. Each is at most MaxFrameBytes, but for a message that is larger by itself.
type Encoder interface {
	Messages(Page) []Frame
	Members(Attendance) [][]byte
	Presence(Presence) []byte
}

// Frame is a frame of messages.
type Frame struct {
	Text []byte
	Last int64 // the index of the last message in it; 0 for none
}

// Draft is a message that somebody wants to send.
type Draft struct {
	Room    string
	User    string
	Content string
	ID      string // optional: makes sending it again safe
}

// Sent says what became of a Draft.
type Sent struct {
	Message  Message  // as it is stored
	Repeat   bool     // it had been stored before
	Delivery Delivery // of this message and of others, where this sender was the room's broadcaster, and of the reply

	StoredAfter time.Duration // from the beginning of Send
	PostedAfter time.Duration // from there until the last post of the first round was taken; 0 for none, and where another was the broadcaster
}

// Send stores a message and sees that it is sent to every member of its room, and to the sender even where it is no member.
//
// The members are read after the message is stored: whoever joined before is among them, whoever joins later finds the
// message in history. Who sends it is either this sender, as the room's broadcaster, or the broadcaster that there is
// already: it looks for more before it stops, and finds this message, which was stored before it was seen that there is one.
//
// A draft whose ID was stored before stores nothing, and is answered with the stored message. A sender repeats what was
// not acknowledged, and then it may be that nobody was sent it: like every sender, this one sends to the room what was not.
func (s Service) Send(ctx context.Context, connectionID string, d Draft) (Sent, error) {
	if err := s.checkDraft(d); err != nil {
		return Sent{}, err
	}
	began := s.Now()
	stored, repeat, err := s.Log.Append(ctx, Message{
		Room: d.Room, User: d.User, Content: d.Content, ID: d.ID, CreateAt: began.Unix(),
	})
	if err != nil {
		return Sent{}, unavailable(unconfirmed(d), err)
	}
	sent := Sent{Message: stored, Repeat: repeat, StoredAfter: s.Now().Sub(began)}
	b := newBroadcast(s, stored.Room)
	members, isBroadcaster, err := b.begin(ctx, stored.Index)
	if err != nil {
		return sent, notSent(err)
	}
	var replied <-chan error
	if repeat || !slices.ContainsFunc(members, func(m Member) bool { return m.ConnectionID == connectionID }) {
		replied = beside(func() error { // the broadcast does not wait for it
			return s.Reply(ctx, connectionID, s.Encoder.Messages(Page{Messages: []Message{stored}})[0].Text)
		})
	}
	if isBroadcaster {
		err = b.run(ctx, stored, members)
		if !b.posted.IsZero() {
			sent.PostedAfter = b.posted.Sub(began)
		}
	}
	sent.Delivery = b.delivery
	if replied != nil {
		sent.Delivery.countReply(<-replied)
	}
	if err != nil {
		return sent, notSent(err)
	}
	return sent, nil
}

func notSent(err error) error {
	return &Error{Code: CodeNotSent, Err: err,
		Message: "The message is stored, but could not be sent to the room; its members will find it in history."}
}

// unconfirmed tells the sender of a draft of which it is not known whether it was stored what to do.
func unconfirmed(d Draft) string {
	const sentence = "The message could not be confirmed as stored. "
	if d.ID == "" {
		return sentence + "Look into the room's history before you send it again, or give it a message_id."
	}
	return sentence + "Send it again with the same message_id and it is stored once."
}

func (s Service) checkDraft(d Draft) error {
	err := errors.Join(checkRoom(d.Room), checkName("user_name", d.User), checkContent(d.Content),
		checkOptionalName("message_id", d.ID))
	if err != nil {
		return err
	}
	// Escaping can make an encoded message six times as long as its content, so the frame itself is measured, at the
	// longest that it can ever be: nothing is stored that could not be sent.
	longest := Message{Room: d.Room, Index: math.MaxInt64, User: d.User, Content: d.Content, ID: d.ID, CreateAt: math.MaxInt64}
	page := Page{Messages: []Message{longest}, More: true, Expired: true, Ref: strings.Repeat(`"`, MaxNameBytes)}
	if len(s.Encoder.Messages(page)[0].Text) > MaxFrameBytes {
		return &Error{Code: CodeTooLarge, Message: "content is too large: encoded as JSON, the message must fit into 32 KB"}
	}
	return nil
}

// Query asks for a part of a room's history: the last messages, those before an index, or those after one.
type Query struct {
	Room   string
	Limit  int    // at most so many messages, 1 to MaxHistory
	After  *int64 // from the one after this index on, oldest first; not together with Before
	Before *int64 // the last ones before this index
	Ref    string // the client's own name for the request, which the answer repeats; "" for none
}

// History reads a part of a room's log and posts it to the connection that asked, in as many frames as it needs.
func (s Service) History(ctx context.Context, connectionID string, q Query) (Page, error) {
	if err := checkQuery(q); err != nil {
		return Page{}, err
	}
	page, err := s.page(ctx, q)
	if err != nil {
		return Page{}, unavailable("The room's history could not be read. Ask again.", err)
	}
	page.Ref = q.Ref
	var frames [][]byte
	for _, f := range s.Encoder.Messages(page) {
		frames = append(frames, f.Text)
	}
	return page, s.Reply(ctx, connectionID, frames...)
}

func checkQuery(q Query) error {
	switch {
	case q.Limit < 1 || q.Limit > MaxHistory:
		return InvalidField("limit", fmt.Sprintf("must be a whole number from 1 to %d", MaxHistory))
	case q.After != nil && q.Before != nil:
		return InvalidField("after", "must not be given together with before")
	case q.After != nil && *q.After < 0:
		return InvalidField("after", "must be a whole number, 0 or greater")
	case q.Before != nil && *q.Before < 1:
		return InvalidField("before", "must be a whole number, 1 or greater")
	}
	return errors.Join(checkRoom(q.Room), checkOptionalName("ref", q.Ref))
}

func (s Service) page(ctx context.Context, q Query) (Page, error) {
	span := Span{Limit: q.Limit + 1, Newest: q.After == nil} // one more than asked for shows whether more remain
	if q.After != nil {
		span.After = *q.After
	}
	if q.Before != nil {
		if *q.Before == 1 {
			return Page{}, nil // nothing can stand before the first message, and Span has no such bound
		}
		span.Before = *q.Before
	}
	found, err := s.Log.Read(ctx, q.Room, span)
	if err != nil {
		return Page{}, err
	}
	if len(found) == 0 {
		return s.emptyPage(ctx, q.Room, span)
	}
	return pageOf(found, span), nil
}

// emptyPage tells a span that holds nothing yet from one whose messages have expired: the latter lies below the tail.
// A message may have been stored since the first look, so it looks again before it says expired.
func (s Service) emptyPage(ctx context.Context, room string, span Span) (Page, error) {
	tail, err := s.Log.Tail(ctx, room)
	if err != nil || tail <= span.After {
		return Page{}, err
	}
	found, err := s.Log.Read(ctx, room, span)
	if err != nil || len(found) == 0 {
		return Page{Expired: err == nil}, err
	}
	return pageOf(found, span), nil
}

// pageOf makes a page of what was found for a span whose limit is one more than was asked for.
func pageOf(found []Message, span Span) Page {
	limit := span.Limit - 1
	more := len(found) > limit
	if more && span.Newest {
		return Page{Messages: found[1:], More: true}
	}
	// The log has no gaps: where the first message is not the first that was asked for, those before it have expired.
	page := Page{Messages: found, More: more, Expired: found[0].Index > span.After+1}
	if more {
		page.Messages = found[:limit]
	}
	return page
}

// Connect makes a new connection a member of a room. An empty room is none: the connection may join one later. The
// membership ends at the given time at the latest; the zero time is no bound.
func (s Service) Connect(ctx context.Context, connectionID, room, user string, until time.Time) error {
	if room == "" {
		return checkOptionalName("user_name", user)
	}
	// The time is taken here, not from the event: it marks how long the connection may still be in its own $connect, and
	// that began long ago where the function had a cold start. Where the store was slow the row is written again, so that
	// it is young when the handshake is answered, and there again if a fan-out has taken the connection for gone meanwhile.
	for {
		m := Member{Room: room, ConnectionID: connectionID, User: user, ConnectedAt: s.Now(), ExpiresAt: until}
		if _, err := s.join(ctx, &m); err != nil {
			return err
		}
		if s.Now().Sub(m.ConnectedAt) < handshakeGrace/2 {
			s.announceJoin(ctx, m, Member{})
			return nil
		}
	}
}

// Join makes a connection a member of one more room, and confirms it where there is a ref. The room is told, if the user is
// new there. m.JoinedAt and m.ExpiresAt are set here; where the latter is set already, the membership ends then at the
// latest.
func (s Service) Join(ctx context.Context, m Member, ref string) error {
	if err := checkOptionalName("ref", ref); err != nil {
		return err
	}
	if err := s.checkRooms(ctx, m.ConnectionID); err != nil {
		return err
	}
	before, err := s.join(ctx, &m)
	if err != nil {
		return err
	}
	err = s.confirm(ctx, m.ConnectionID, Presence{m.Room, m.User, Joined, ref})
	s.announceJoin(ctx, m, before)
	return err
}

// join writes the membership, and returns what it replaced.
func (s Service) join(ctx context.Context, m *Member) (before Member, err error) {
	if err := errors.Join(checkRoom(m.Room), checkOptionalName("user_name", m.User)); err != nil {
		return Member{}, err
	}
	m.JoinedAt = s.Now()
	if end := m.ConnectedAt.Add(ConnectionLife); m.ExpiresAt.IsZero() || end.Before(m.ExpiresAt) {
		m.ExpiresAt = end
	}
	if before, err = s.Roster.Join(ctx, *m); err != nil {
		return Member{}, unavailable("The room could not be joined. Try again.", err)
	}
	return before, nil
}

// checkRooms refuses one more room to a connection that is in as many as it may be. Joining again counts as one more: nobody
// who is at the limit needs that. It is a bound against abuse, not a promise: rooms that are joined at the same moment may
// exceed it.
func (s Service) checkRooms(ctx context.Context, connectionID string) error {
	if s.MaxRooms == 0 {
		return nil
	}
	n, err := s.Roster.Rooms(ctx, connectionID, s.MaxRooms)
	if err != nil {
		return unavailable("The room could not be joined. Try again.", err)
	}
	if n >= s.MaxRooms {
		return &Error{Code: CodeTooManyRooms, Message: fmt.Sprintf("one connection may be in at most %d rooms; leave one first", s.MaxRooms)}
	}
	return nil
}

// Close closes a connection.
func (s Service) Close(ctx context.Context, connectionID string) error {
	return s.Poster.Close(ctx, connectionID)
}

// Leave ends a connection's membership of one room, and confirms it where there is a ref. The room is told, if the user
// has no other connection there. Leaving a room that was not joined is no error.
func (s Service) Leave(ctx context.Context, connectionID, room, ref string) error {
	if err := errors.Join(checkRoom(room), checkOptionalName("ref", ref)); err != nil {
		return err
	}
	left, err := s.Roster.Leave(ctx, room, connectionID)
	if err != nil {
		return unavailable("The room could not be left. Try again.", err)
	}
	err = s.confirm(ctx, connectionID, Presence{room, left.User, Left, ref})
	s.announceLeave(ctx, left)
	return err
}

// confirm answers a request that has a ref.
func (s Service) confirm(ctx context.Context, connectionID string, p Presence) error {
	if p.Ref == "" {
		return nil
	}
	return s.Reply(ctx, connectionID, s.Encoder.Presence(p))
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

// Ping proves that messages can be stored.
func (s Service) Ping(ctx context.Context) error {
	if err := s.Log.Ping(ctx); err != nil {
		return unavailable("The messages table cannot be written.", err)
	}
	return nil
}
