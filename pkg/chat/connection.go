package chat

import (
	"context"
	"errors"
	"time"
)

// Member is one connection's membership of one room.
type Member struct {
	Room         string
	ConnectionID string
	User         string    // the name; "" if the connection gave none
	UserID       string    // of the user who has signed in; "" in the open chat, and in rows from before there were ids
	ConnectedAt  time.Time // when the connection was made
	JoinedAt     time.Time // when it joined the room
	ExpiresAt    time.Time // when API Gateway must have closed the connection; the row is void from then on
	Moderates    bool      // the user moderates all rooms
	Patterns     []string  // the rooms that the token allows, as in an Actor; only in a user's inbox
	Opened       bool      // it was written through the open connection, not in its own $connect
	JoinID       int64     // names the writing of this membership; 0 in one from before there was such a name
}

// Same reports whether both are the same membership. A membership that was written again since is another one,
// whatever it says.
func (m Member) Same(other Member) bool {
	return m.Room == other.Room && m.ConnectionID == other.ConnectionID &&
		m.JoinID == other.JoinID && m.JoinedAt.Equal(other.JoinedAt)
}

// isUser reports whether two memberships are of one user. Ids decide it. A row without one is from the open chat, or
// from before there were ids: then the names do.
func (m Member) isUser(other Member) bool {
	if m.UserID == "" || other.UserID == "" {
		return m.User == other.User
	}
	return m.UserID == other.UserID
}

// ConnectionLife is how long a membership counts: API Gateway closes every connection after two hours
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html),
// and the rest is slack for clocks that differ.
const ConnectionLife = 2*time.Hour + 10*time.Minute

// Roster keeps who is in which room. One connection may be in many.
type Roster interface {
	// Join adds m, or replaces the same connection's membership of the same room, which it returns then; otherwise the
	// zero Member.
	Join(ctx context.Context, m Member) (before Member, err error)

	// Leave removes the membership that it finds, and returns it. If there is none, it returns the zero Member and
	// no error. If the connection joins again meanwhile, the later membership stays.
	Leave(ctx context.Context, room, connectionID string) (Member, error)

	// Remove removes a membership as it was read. It is not ok, and removes nothing, if the membership is not there
	// any more or was written again since.
	Remove(ctx context.Context, m Member) (ok bool, err error)

	// Members returns the memberships of a room, in no particular order: all of them if most is 0, otherwise at most
	// so many. It sees every Join that had returned before Members was called.
	Members(ctx context.Context, room string, most int) ([]Member, error)

	// Forget has a connection leave every room and returns what it removed, also if it fails on the way. It may miss
	// a room that was joined within the last moments: a caller that knows of one calls Leave.
	Forget(ctx context.Context, connectionID string) ([]Member, error)

	// Rooms counts the rooms that a connection is in, up to most. It may miss rooms that were joined or left within
	// the last moments.
	Rooms(ctx context.Context, connectionID string, most int) (int, error)
}

// Poster sends frames to connections.
type Poster interface {
	// Post sends one text frame to a connection, in one attempt. Its error wraps ErrGone if the connection is
	// closed, never existed, or is still in its own $connect: API Gateway does not tell these apart. It wraps
	// ErrTryAgain if another attempt may do better.
	Post(ctx context.Context, connectionID string, frame []byte) error

	// Close closes a connection. That it is closed already is no error.
	Close(ctx context.Context, connectionID string) error
}

// ErrGone says that a connection cannot be posted to and, unless it is in its own $connect, never can be again.
var ErrGone = errors.New("connection is gone")

// ErrTryAgain says that a post may be repeated: it was throttled, the client's buffer was full, or there was a
// failure on the way. In the last case it is not known whether the client got the frame.
var ErrTryAgain = errors.New("the post may be tried again")
