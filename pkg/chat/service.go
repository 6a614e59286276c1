// Package chat is what a chat is: rooms that are logs of messages, connections that are members of rooms, and the
// use cases on them. It knows neither AWS nor JSON. Its interfaces say what it needs of them.
package chat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"wschat/pkg/parallel"
)

// Service carries out the use cases. Its fields are only read, so one value serves any number of goroutines. A copy
// with another Poster is cheap.
type Service struct {
	Log Log // required
	// Changes keep what becomes of the messages in Log. Required by the use cases that change messages or read changes.
	// Without them, messages stay as they are.
	Changes ChangeLog
	Roster  Roster // required
	Poster  Poster // required

	// Broadcaster sends what Send has stored. Required for Send.
	Broadcaster Broadcaster

	// Announcements are required for Signal and MarkRead, and if PresenceLimit is not 0.
	Announcements Announcements

	// ReadMarkers are required where people sign in. Without them, nobody has any.
	ReadMarkers ReadMarkers

	// Rules are the rules of rooms. Required where people sign in. Without them, no room has any.
	Rules *RuleBook

	// PersonalData is what ExportUser and EraseUser need.
	PersonalData PersonalData

	// Reviewer looks at what people write, before it is stored. Optional.
	Reviewer Reviewer

	// Encoder makes the frames that clients receive. Required.
	Encoder Encoder

	// MaxRooms is how many rooms one connection may be in; 0 means any number.
	MaxRooms int

	// PresenceLimit is how many connections a room may have for its members to be announced in it, and for signals to
	// be sent in it; with 0 there are neither.
	PresenceLimit int

	// Charge is told how many frames an answer to a request has, before they are posted. Optional.
	Charge func(frames int)

	// Now tells the time. Required.
	Now func() time.Time

	// Workers is how many posts of one broadcast are in flight at once. While posts hang, it may be four times as many.
	// Required, at least 1.
	Workers int
}

// Encoder makes frames. Each is at most MaxFrameBytes, but for a message that is larger by itself.
type Encoder interface {
	Messages(Page) []Frame
	Changes(ChangesPage) []Frame // at least one
	Change(m Message, ref string) []byte
	Members(a Attendance, most int) [][]byte // at most so many frames
	Presence(Presence) []byte
	Signal(Signal) []byte
	HasRead(Mark) []byte
	RoomList(RoomsPage) [][]byte // at least one
	Room(RoomView) [][]byte      // at least one
	Exported(Exported) []byte
	Erased(e Erased, ref string) []byte
	Done(ref string) []byte
	Pong(at time.Time, ref string) []byte
}

// Frame is a frame of messages or changes.
type Frame struct {
	Text []byte
	Last int64 // the index of the last message in it, or the number of the last change; 0 for none
}

// Draft is a message that somebody wants to send.
type Draft struct {
	Admission
	Room     string
	User     string // the sender's name
	UserID   string // of the signed-in sender; "" in the open chat
	Content  string
	ID       string // optional: makes sending it again safe
	ReplyTo  int64  // the index of the message that it answers; 0 for none
	Metadata string // a JSON object; "" for none
}

// Sent says what became of a Draft.
type Sent struct {
	Message  Message  // as it is stored
	Repeat   bool     // it had been stored before
	Delivery Delivery // of this message and of others, if this sender was the room's broadcaster, and of the reply

	// StoredAfter is the time from the beginning of Send until the message was stored. PostedAfter is the time from the
	// beginning of Send until the last post of the first round was taken; 0 if there was none, or if another sender was
	// the broadcaster.
	StoredAfter time.Duration
	PostedAfter time.Duration
}

// Send stores a message. It sees that the message is sent to every member of its room, and to the sender even if it
// is no member.
//
// The members are read after the message is stored. A connection that joined before is among them, and one that joins
// later finds the message in history. Either this sender sends it, as the room's broadcaster, or the present
// broadcaster does: that one looks for more before it stops, and finds this message, which was stored before this
// sender looked at the lease.
//
// A draft whose ID was stored before stores nothing, and is answered with the stored message. A sender repeats what
// was not acknowledged, and perhaps nobody was sent it: so Send also sends the room whatever was not sent.
func (s Service) Send(ctx context.Context, connectionID string, d Draft) (Sent, error) {
	if err := s.checkDraft(d); err != nil {
		return Sent{}, err
	}
	if err := s.checkReplyTo(ctx, d); err != nil {
		return Sent{}, err
	}
	if err := s.takeTurnToWrite(ctx, d); err != nil {
		return Sent{}, err
	}
	content, err := s.review(ctx, Review{
		Room: d.Room, By: Person{Name: d.User, ID: d.UserID}, Content: d.Content, MessageID: d.ID,
	})
	if err != nil {
		return Sent{}, err
	}
	if d.Content != content {
		d.Content = content
		if err := s.checkDraft(d); err != nil {
			return Sent{}, unusable(err)
		}
	}
	began := s.Now()
	stored, repeat, err := s.append(ctx, d)
	if err != nil {
		return Sent{}, unavailable(unconfirmed(d), err)
	}
	sent := Sent{Message: stored, Repeat: repeat, StoredAfter: s.Now().Sub(began)}
	var replied, called <-chan error
	sent.Delivery, err = s.Broadcaster.Broadcast(ctx, s, stored, func(members []Member) {
		if other, ok := d.absent(members); ok {
			called = parallel.Go(func() error { return s.callAbsent(ctx, d, other) })
		}
		if repeat || !slices.ContainsFunc(members, func(m Member) bool { return m.ConnectionID == connectionID }) {
			replied = parallel.Go(func() error { // the broadcast does not wait for it
				return s.Reply(ctx, connectionID, s.Encoder.Messages(Page{Messages: []Message{stored}})[0].Text)
			})
		}
	})
	s.announceLeave(ctx, s.prune(ctx, sent.Delivery.Gone)...)
	if at := sent.Delivery.PostedAt; !at.IsZero() {
		sent.PostedAfter = at.Sub(began)
	}
	if replied != nil {
		sent.Delivery.countReply(<-replied)
	}
	if called != nil {
		err = errors.Join(err, <-called)
	}
	if sent.Delivery.Rounds > 0 { // one look in a round of messages is enough
		s.sendLeft(ctx, d.Room, &sent.Delivery)
	}
	if err != nil {
		return sent, notSent(err)
	}
	return sent, nil
}

// append stores a draft, for as long as it is admitted.
func (s Service) append(ctx context.Context, d Draft) (stored Message, repeat bool, err error) {
	err = s.within(ctx, d.Admission, func(ctx context.Context, _ Admission) (err error) {
		stored, repeat, err = s.Log.Append(ctx, Message{
			Room: d.Room, User: d.User, UserID: d.UserID, Content: d.Content, ID: d.ID, CreateAt: s.Now().Unix(),
			ReplyTo: d.ReplyTo, Metadata: d.Metadata,
		})
		return err
	})
	return stored, repeat, err
}

// takeTurnToWrite refuses a message that comes too soon after the sender's last one in a room with slow mode.
// Moderators are exempt.
func (s Service) takeTurnToWrite(ctx context.Context, d Draft) error {
	every := time.Duration(d.rules.SlowMode) * time.Second
	if every == 0 || d.role.Reaches(RoleModerator) {
		return nil
	}
	var wait time.Duration
	err := s.withoutErasing(ctx, []string{d.UserID}, func(ctx context.Context) (err error) {
		wait, err = s.Rules.TakeTurn(ctx, d.Room, d.UserID, d.ID, every)
		return err
	})
	switch {
	case err != nil:
		return unavailable("The message was not stored. Send it again.", err)
	case wait > 0:
		return &Error{Code: CodeSlowMode, RetryAfter: wait, Message: fmt.Sprintf(
			"slow mode: one message every %d seconds; try again in a while", d.rules.SlowMode)}
	}
	return nil
}

// sendLeft sends a room the changes that were left unsent, and adds what became of them to a delivery. A failure is no
// failure of the message: the next one tries again.
func (s Service) sendLeft(ctx context.Context, room string, d *Delivery) {
	if s.Changes == nil {
		return
	}
	left, err := s.Broadcaster.BroadcastLeft(ctx, s, room)
	s.announceLeave(ctx, s.prune(ctx, left.Gone)...)
	d.Posts += left.Posts
	d.Delivered += left.Delivered
	d.Gone = append(d.Gone, left.Gone...)
	if err = errors.Join(err, left.Err); err != nil && d.Err == nil {
		d.Err = err
	}
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
	err := errors.Join(checkRoom(d.Room), checkUser(d.User), checkContent(d.Content),
		checkOptionalName("message_id", d.ID))
	if len(d.Metadata) > MaxMetadataBytes {
		err = errors.Join(err, tooLarge(
			fmt.Sprintf("metadata must be at most %d bytes of JSON, not %d", MaxMetadataBytes, len(d.Metadata))))
	}
	if err != nil {
		return err
	}
	// Escaping can make an encoded message six times as long as its content, so the frame itself is measured, at the
	// longest that it can ever be: nothing is stored that could not be sent.
	longest := Message{Room: d.Room, Index: math.MaxInt64, User: d.User, UserID: d.UserID, Content: d.Content, ID: d.ID,
		CreateAt: math.MaxInt64, ReplyTo: d.ReplyTo, Metadata: d.Metadata}
	page := Page{Messages: []Message{longest}, More: true, Expired: true, Tail: &longest.Index,
		Ref: strings.Repeat(`"`, MaxNameBytes), Part: true}
	if len(s.Encoder.Messages(page)[0].Text) > MaxFrameBytes {
		return &Error{Code: CodeTooLarge, Message: "content is too large: encoded as JSON, the message must fit " +
			"into 32 KB"}
	}
	return nil
}

// checkReplyTo refuses an answer to a message that there is not yet.
func (s Service) checkReplyTo(ctx context.Context, d Draft) error {
	if d.ReplyTo == 0 {
		return nil
	}
	tail, err := s.Log.Tail(ctx, d.Room)
	switch {
	case err != nil:
		return unavailable("The message was not stored. Send it again.", err)
	case d.ReplyTo < 1 || d.ReplyTo > tail:
		return InvalidField("reply_to", "must be the index of a message that the room has")
	}
	return nil
}

// Close closes a connection.
func (s Service) Close(ctx context.Context, connectionID string) error {
	return s.Poster.Close(ctx, connectionID)
}

// Pong answers a connection that asks whether it is still heard. It reads and writes nothing.
func (s Service) Pong(ctx context.Context, connectionID, ref string) error {
	if err := checkOptionalName("ref", ref); err != nil {
		return err
	}
	return s.Reply(ctx, connectionID, s.Encoder.Pong(s.Now(), ref))
}

// Ping proves that messages can be stored.
func (s Service) Ping(ctx context.Context) error {
	if err := s.Log.Ping(ctx); err != nil {
		return unavailable("The messages table cannot be written.", err)
	}
	return nil
}
