package chat

import "context"

// Message is one line of a room's log, as it is now: it may have been changed since it was stored.
type Message struct {
	Room     string // the room's name, the log's key
	Index    int64  // 1, 2, 3, … within the room; 0 before it is stored
	User     string // the sender's name
	UserID   string // of the sender who had signed in; "" in the open chat, and in messages from before there were ids
	Content  string // "" once the message is deleted
	CreateAt int64  // whole seconds since the epoch
	ID       string // the sender's own message_id, stored once per room and sender; "" for none
	ReplyTo  int64  // the index of the message in the same room that this one answers; 0 for none
	Metadata string // what the sender's program says of the message: a JSON object; "" for none

	Version int64 // the number of its last change in the room's changes; 0 if it was never changed
	// ContentVersion is the number of the last change of its content; 0 if only reactions were changed.
	ContentVersion int64

	EditedAt  int64      // when the content was last edited, in seconds since the epoch; 0 for never
	DeletedAt int64      // when the message was deleted, in seconds since the epoch; 0 for never
	Reactions []Reaction // in the order in which they were first added
}

// Reaction is what some people think of a message, such as "👍".
type Reaction struct {
	Reaction string
	Users    []Person // in the order in which they added it, at least one
}

// Person is somebody who acts in a room.
type Person struct {
	Name string
	ID   string // "" in the open chat
}

// Is reports whether two are the same person: by their ids, or by their names if neither has an id.
func (p Person) Is(other Person) bool {
	if p.ID == "" && other.ID == "" {
		return p.Name == other.Name
	}
	return p.ID == other.ID
}

func (m Message) sender() Person { return Person{Name: m.User, ID: m.UserID} }

// IsFromBeforeIDs reports whether a repeat, which has a UserID, is the same message as a stored one that has its
// name and message id: the stored one has no UserID, and the same content. A name alone proves nothing.
func (m Message) IsFromBeforeIDs(repeat Message) bool {
	return m.UserID == "" && m.User == repeat.User && m.Content == repeat.Content
}

// Log keeps each room's messages.
//
// Its promise: a room's indexes are 1, 2, 3, … with no gap and no duplicate. A message at n is stored only if there
// was one at n-1. A stored message is never overwritten. Old messages may expire from the beginning, and the count
// goes on.
//
// A sender is known by the UserID or, if there is none, by the name.
//
// Implementations retry what is worth it, within ctx's deadline. They may return an *Error that says why they
// failed.
//
// An index is never used again, also after its message has expired. With a retention there is one exception: a room
// forgets its count two years after its last message, or later, and then begins again at 1.
type Log interface {
	// Append stores m as the next message of m.Room and returns it with its Index. If m.ID is set and the same
	// sender stored it before in m.Room, Append stores nothing and returns that message, with repeat true. A message
	// that was stored with no UserID is also the same sender's if its name and its content are the same: it may be
	// from before there were ids. After an error it is not known whether m was stored, except after CodeRoomBusy: it
	// was not.
	Append(ctx context.Context, m Message) (stored Message, repeat bool, err error)

	// Read returns the messages of a room whose index lies in span, oldest first and without a gap. If the store can
	// no longer read a message, one that says so stands at its index, always with the same sender and time. Read
	// sees every message whose Append had returned before Read was called.
	Read(ctx context.Context, room string, span Span) ([]Message, error)

	// Tail returns the index of the room's last message, also if that has expired; 0 for a room never used.
	Tail(ctx context.Context, room string) (int64, error)

	// Ping proves that the log can be written.
	Ping(ctx context.Context) error
}

// Span selects messages of one room by index.
type Span struct {
	After  int64 // only indexes greater than this; 0 for all
	Before int64 // only indexes less than this; 0 for no bound
	Limit  int   // at most so many, at least 1
	Newest bool  // if there are more than Limit: keep the newest of them, not the oldest
}

// Page is an answer out of a room's history.
type Page struct {
	Messages []Message // oldest first
	More     bool      // older messages remain (with Query.After: newer ones)
	Expired  bool      // what was asked for begins before the oldest message that is kept
	Tail     *int64    // with Query.After: the index of the room's last message, 0 for a room never used; otherwise nil
	Ref      string    // of the request that this answers; "" if it had none
	Part     bool      // frames of another kind follow in the same answer

	// ChangesUpTo is the number of the room's last change when a history that ends with the newest message was begun to
	// be read: what changes come after it, the messages may lack. 0 if there was none.
	ChangesUpTo int64
}
