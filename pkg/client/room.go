package client

import (
	"context"
	"iter"
)

const (
	// firstMessages is how many messages a room delivers at first, unless an option says something else.
	firstMessages = 50

	// page is how many messages are fetched at once, and mostChanges how many changes are looked at.
	page, mostChanges = 100, 500

	// mostEvents is how many events wait for the program, about. The room fetches the rest when it has caught up.
	mostEvents = 1000

	// mostAhead bounds the messages that are kept because they arrived early. The rest is fetched.
	mostAhead = 1000

	// mostHeld is how many of the last messages are compared with those that come later under the same index.
	mostHeld = 200

	// mostVersions is of how many messages a room remembers the version, those that changed last.
	mostVersions = 10_000
)

// JoinOption is a choice in Client.Join.
type JoinOption func(*joinOptions)

type joinOptions struct {
	history int   // how many messages are delivered at first
	after   int64 // from which index on; -1 for the last ones
	hidden  bool
}

// History says how many of the room's last messages are delivered at first: 0 to 100. Without it, 50 are. A bot that
// answers only what is new takes 0.
func History(n int) JoinOption {
	return func(o *joinOptions) { o.history, o.after = min(max(n, 0), page), -1 }
}

// After says that all messages after an index are delivered: a program that keeps the index of the last message that it
// has worked on misses none while it does not run. 0 delivers all that the room has.
func After(index int64) JoinOption { return func(o *joinOptions) { o.after = max(index, 0) } }

// Hidden joins without a name, in an open chat: the lists of members do not show the user, and no Members, Presence,
// Signal and Read come. That costs less in a room with many programs. With a token, the name is the token's.
func Hidden() JoinOption { return func(o *joinOptions) { o.hidden = true } }

// Room is a room that a client has joined. Client.Join makes it.
type Room struct {
	c       *Client
	options joinOptions

	// ctx ends with the room. Its cause is an *Error.
	ctx  context.Context
	end  context.CancelCauseFunc
	wake chan struct{} // gets a value when there are events, or none will come any more
	due  chan struct{} // gets a value when something is to be fetched
	turn chan struct{} // has a value while a message is in flight

	// The client's mutex guards what is below.

	name    string
	conn    *conn                   // on which the room is entered; nil if there is none
	change  chan struct{}           // closed, and replaced, when conn changes
	running int                     // goroutines of the room
	gone    chan struct{}           // closed when the room has ended, and all its goroutines
	leaving bool                    // whether the membership is to end with the room
	waiting map[string]sendingState // by message id

	events []Event
	behind bool // whether something was dropped because too many events wait

	log      logState
	rules    *Rules // without what they say of this user
	members  *int64 // the version of the last list, on memberOf
	memberOf *conn
}

func newRoom(c *Client, name string, options []JoinOption) *Room {
	r := &Room{c: c, name: name, options: joinOptions{history: firstMessages, after: -1},
		wake: make(chan struct{}, 1), due: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		change: make(chan struct{}), gone: make(chan struct{}), waiting: map[string]sendingState{}}
	for _, option := range options {
		option(&r.options)
	}
	r.log.clear()
	r.ctx, r.end = context.WithCancelCause(context.Background())
	context.AfterFunc(r.ctx, r.ended)
	return r
}

// ended tidies up after the end of the room.
func (r *Room) ended() {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.c.rooms[r.name] == r {
		delete(r.c.rooms, r.name)
	}
	if r.running == 0 {
		r.closeGone()
	}
	signal(r.wake)
}

func (r *Room) closeGone() {
	select {
	case <-r.gone:
	default:
		close(r.gone)
	}
}

// Name returns the room's name, as the chat spells it once the room was entered.
func (r *Room) Name() string {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	return r.name
}

// Last returns the index of the last message that was made ready for Events: 0 before the room was entered, and in an
// empty room.
func (r *Room) Last() int64 {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	return r.log.last
}

// Err returns nil while the room is joined. Then it returns why it is not: an *Error, with CodeClosed if it was left or
// the client was closed, "forbidden" if this user may not be in it, or another code of the chat.
func (r *Room) Err() error {
	if r.ctx.Err() == nil {
		return nil
	}
	return causeOf(r.ctx)
}

// Events returns what happens in the room, in order, until ctx ends or the room does: then Err says why. The loop over
// it may take its time, and may call any method of the room. A second loop goes on where the first one ended.
func (r *Room) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			e, err := r.Next(ctx)
			if err != nil || !yield(e) {
				return
			}
		}
	}
}

// Next waits for the next event. Its error is that of ctx, or that of Err: then no event will come any more.
func (r *Room) Next(ctx context.Context) (Event, error) {
	for {
		e, ok := r.pop()
		switch {
		case ok:
			return e, nil
		case r.ctx.Err() != nil:
			signal(r.wake) // for others that wait
			return nil, causeOf(r.ctx)
		}
		select {
		case <-r.wake:
		case <-r.ctx.Done():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pop takes the first event. When few are left, what was dropped is fetched.
func (r *Room) pop() (Event, bool) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if len(r.events) == 0 {
		return nil, false
	}
	e := r.events[0]
	r.events[0] = nil
	r.events = r.events[1:]
	if len(r.events) > 0 {
		signal(r.wake)
	}
	if r.behind && len(r.events) < mostEvents/2 {
		r.behind = false
		r.log.refresh, r.log.changesDue = true, true
		signal(r.due)
	}
	return e, true
}

// signal puts a value into a channel with room for one, unless it has one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// The methods from here on, to the end of the file, are called with the client's mutex.

func (r *Room) emit(e Event) {
	r.events = append(r.events, e)
	signal(r.wake)
}

// isFull reports whether so many events wait that the room must learn nothing more for now. What it drops, it fetches
// later: the chat keeps everything.
func (r *Room) isFull() bool {
	if len(r.events) < mostEvents {
		return false
	}
	r.behind = true
	return true
}

// courtesy takes news that nobody fetches again. It must not take the place of what must not be lost.
func (r *Room) courtesy(e Event) {
	if r.ctx.Err() == nil && len(r.events) < mostEvents/2 {
		r.emit(e)
	}
}

// listed takes a list of members. On one connection, the greatest version counts.
func (r *Room) listed(conn *conn, m Members) {
	if r.memberOf != conn {
		r.members, r.memberOf = nil, conn
	}
	if m.Version != nil {
		if r.members != nil && *m.Version < *r.members {
			return
		}
		r.members = m.Version
	}
	r.courtesy(m)
}

// ruled takes the rules of the room. What they say of this user is not in all of them.
func (r *Room) ruled(rules Rules) {
	if r.ctx.Err() != nil || r.rules != nil && rules.Version < r.rules.Version {
		return
	}
	if rules.Removed != nil {
		r.emit(rules)
		sentence := "This user was removed from the room."
		if rules.Removed.Banned {
			sentence = "This user is banned from the room. " + rules.Removed.Reason
		}
		r.end(&Error{Code: "forbidden", Message: sentence})
		return
	}
	isNews := r.rules == nil || rules.Version > r.rules.Version || rules.You != nil
	r.rules = &rules
	if isNews {
		r.emit(rules)
	}
}

// interrupt notes that the room is not entered any more.
func (r *Room) interrupt(conn *conn) {
	if r.conn == conn {
		r.conn = nil
		r.changedConn()
	}
}

func (r *Room) changedConn() {
	close(r.change)
	r.change = make(chan struct{})
}

// userField is the name for a frame; nil until the chat has said the name in a token.
func (r *Room) userField() any {
	if r.c.user == "" {
		return nil
	}
	return r.c.user
}

// entered waits for a connection on which the room is entered.
func (r *Room) entered(ctx context.Context) (*conn, error) {
	for {
		r.c.mu.Lock()
		conn, change := r.conn, r.change
		r.c.mu.Unlock()
		if conn != nil && conn.ctx.Err() == nil {
			return conn, nil
		}
		select {
		case <-change:
		case <-r.ctx.Done():
			return nil, causeOf(r.ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
