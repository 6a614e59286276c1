package chat

import (
	"context"
	"errors"
	"slices"
)

// ChangeLog keeps what becomes of the messages of each room: its second log, beside the Log of its messages.
//
// Its promise: a room's changes are numbered 1, 2, 3, … with no gap and no duplicate. Each names one message, and
// holds nothing of it. The message itself is stored as it is after its last change, with that change's number as its
// Version. Change number and message are stored together, or neither is. With a retention, a change expires with its
// message, and the count goes on.
//
// Implementations retry what is worth it, within ctx's deadline. They may return an *Error that says why they failed.
type ChangeLog interface {
	// Change stores what change makes of a message, and returns the message as it is then. Change may be called
	// several times: each time another change has come first, with the message as it is now. Stored are the fields
	// Content, EditedAt, DeletedAt, Metadata and Reactions, and User, UserID and ID of a message that has become a
	// tombstone; Changed gives the message its Version.
	//
	// If change returns the same message, nothing is stored. If change returns an error, nothing is stored, and that
	// error is returned. ErrNoMessage says that there is no message at the index, or none any more. After CodeRoomBusy
	// nothing was stored; after another error it is not known.
	Change(ctx context.Context, room string, index int64, change func(Message) (Message, error)) (Message, error)

	// Changes returns the messages that the changes after a number name, as they are now: each once, in the order of
	// their last changes. It looks at no more than limit changes, at least 1. It sees every change whose Change had
	// returned before.
	Changes(ctx context.Context, room string, after int64, limit int) (Changes, error)

	// LastChange returns the number of the room's last change, also if that has expired; 0 if there was none. A Read
	// that begins later returns no message as it was before that change.
	LastChange(ctx context.Context, room string) (int64, error)
}

// ErrNoMessage says that there is no message at an index, or that it has expired.
var ErrNoMessage = errors.New("there is no such message")

// Changes are a part of a room's changes.
type Changes struct {
	Messages []ChangedMessage
	// UpTo is the number of the last change that was looked at: what comes after it is still to be read. It is the
	// number after which was asked if there is no later change, and less if the room has not had as many changes.
	UpTo int64
	More bool // there are later changes
}

// ChangedMessage is a message, and one of its changes. The message may have been changed again since. A change of
// index 0 is one of the room's rules.
type ChangedMessage struct {
	Change  int64 // the number of the change
	Message Message
	Rules   *Rules // in the place of the message; nil for a message
}

// Equal reports whether two messages are the same in every field.
func (m Message) Equal(other Message) bool {
	sameUsers := func(a, b Reaction) bool { return a.Reaction == b.Reaction && slices.Equal(a.Users, b.Users) }
	if !slices.EqualFunc(m.Reactions, other.Reactions, sameUsers) {
		return false
	}
	return m.Room == other.Room && m.Index == other.Index && m.User == other.User && m.UserID == other.UserID &&
		m.Content == other.Content && m.CreateAt == other.CreateAt && m.ID == other.ID && m.ReplyTo == other.ReplyTo &&
		m.Metadata == other.Metadata && m.Version == other.Version && m.ContentVersion == other.ContentVersion &&
		m.EditedAt == other.EditedAt && m.DeletedAt == other.DeletedAt
}

// Changed returns a message as it is after change number version, which leaves it with the fields of to that a change
// may set.
func (m Message) Changed(to Message, version int64) Message {
	if m.Content != to.Content || m.DeletedAt != to.DeletedAt {
		m.ContentVersion = version
	}
	m.Version = version
	m.Content, m.Metadata, m.Reactions = to.Content, to.Metadata, to.Reactions
	m.EditedAt, m.DeletedAt = to.EditedAt, to.DeletedAt
	if to.DeletedAt != 0 {
		m.User, m.UserID, m.ID = to.User, to.UserID, to.ID
	}
	return m
}
