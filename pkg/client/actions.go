package client

import (
	"context"
	"encoding/json"
	"errors"
)

// Edit gives a message of this user another content, and returns it as it is then. Of m, only Index and Version count:
// give the message as the edit takes it. If its content has changed since, the error is an *Error with the code
// "conflict", and its Current is the message as it is now.
//
// This and all methods below that change something repeat what breaks off, or fails for now, until ctx ends. Nothing is
// done twice by that. Their error is an *Error, or that of ctx.
func (r *Room) Edit(ctx context.Context, m Message, content string) (Message, error) {
	return r.act(ctx, "editMessage", fields{"index": m.Index, "content": content, "if_version": m.Version})
}

// Delete deletes the message at an index, and returns what remains: a Message with DeletedAt and without content.
func (r *Room) Delete(ctx context.Context, index int64) (Message, error) {
	return r.act(ctx, "deleteMessage", fields{"index": index})
}

// React adds this user's reaction, such as "👍", to the message at an index, once. It returns the message as it is
// then.
func (r *Room) React(ctx context.Context, index int64, reaction string) (Message, error) {
	return r.act(ctx, "addReaction", fields{"index": index, "reaction": reaction})
}

// Unreact takes this user's reaction back. It returns the message as it is then.
func (r *Room) Unreact(ctx context.Context, index int64, reaction string) (Message, error) {
	return r.act(ctx, "removeReaction", fields{"index": index, "reaction": reaction})
}

// act changes a message.
func (r *Room) act(ctx context.Context, action string, f fields) (Message, error) {
	a, err := r.ask(ctx, action, f)
	if e, ok := errors.AsType[*Error](err); ok && e.Current != nil {
		r.learnLater(*e.Current)
	}
	if err != nil {
		return Message{}, err
	}
	if a.changes == nil || len(a.changes.Messages) == 0 {
		return Message{}, errUnavailable("The chat did not answer with the message.")
	}
	m := a.changes.Messages[0]
	r.learnLater(m)
	return m, nil
}

// learnLater takes a state of a message, unless too many events wait: then the room fetches it in its time.
func (r *Room) learnLater(m Message) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.ctx.Err() == nil && !r.isFull() {
		r.learnKnown(m)
	}
}

// Members returns the users in the room, as they are now. Two people with one name are two users.
func (r *Room) Members(ctx context.Context) ([]User, error) {
	a, err := r.ask(ctx, "getMembers", nil)
	if err != nil {
		return nil, err
	}
	if a.members == nil {
		return nil, errUnavailable("The chat did not answer with the members.")
	}
	return a.members.Users, nil
}

// MarkRead moves this user's read marker forward to an index, and never back. It needs sign-in: in an open chat, the
// error has the code "forbidden".
func (r *Room) MarkRead(ctx context.Context, index int64) error {
	_, err := r.ask(ctx, "markRead", fields{"index": index})
	return err
}

// Signal tells the others in the room of something that happens now and is not kept, such as "typing". Data is what
// JSON says in at most 1 KB; nil for none. A signal is a courtesy: it is sent once, and nobody says whether it arrived.
// The error is an *Error with CodeUnavailable if the room is not entered at the moment.
func (r *Room) Signal(ctx context.Context, name string, data any) error {
	r.c.mu.Lock()
	conn := r.conn
	f := fields{"room_name": r.name, "user_name": r.userField(), "name": name, "data": data}
	r.c.mu.Unlock()
	if conn == nil {
		return errUnavailable("There is no connection.")
	}
	b, err := encode("signal", f, "")
	if err != nil {
		return err
	}
	return conn.send(ctx, b, "")
}

// Span is a part of a room's log. The zero value are its last messages.
type Span struct {
	Before int64 // the last messages before this index; 0 for no such limit
	After  int64 // the first messages after this index; 0 for no such limit. Without Before only
	Limit  int   // at most so many, 1 to 100; 0 for 100
}

// Page is what is in a Span, oldest first.
type Page struct {
	Messages []Message
	More     bool // there are more messages in that direction
	Expired  bool // the span begins before the oldest message that is kept
}

// History reads a part of the room's log. It emits no Message, and does not move Last. Its messages are never older
// than what a Change has said.
func (r *Room) History(ctx context.Context, s Span) (Page, error) {
	f := fields{"limit": page}
	if s.Limit != 0 {
		f["limit"] = s.Limit
	}
	if s.Before != 0 {
		f["before"] = s.Before
	}
	if s.After != 0 {
		f["after"] = s.After
	}
	r.c.mu.Lock()
	r.log.histories++
	r.c.mu.Unlock()
	a, err := r.ask(ctx, "getRecentMessages", f)
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.log.histories--
	defer r.forgetStates()
	if err != nil {
		return Page{}, err
	}
	for i, m := range a.messages {
		if newest, ok := r.log.newest[m.Index]; ok && newest.Version > m.Version {
			a.messages[i] = newest
		}
	}
	return Page{Messages: a.messages, More: a.more, Expired: a.expired}, nil
}

// Do sends any request of pkg/protocol that is about a room, such as setRoom or muteUser, and returns the frames of its
// answer. The request needs no room_name and no user_name. What breaks off, or fails for now, is repeated until ctx
// ends, so the request must be one that may be repeated. It is not for sendMessage: use SendDraft.
func (r *Room) Do(ctx context.Context, action string, request map[string]any) ([]json.RawMessage, error) {
	a, err := r.ask(ctx, action, request)
	if err != nil {
		return nil, err
	}
	return a.raw(), nil
}

// ask asks about the room, when it is entered, until there is an answer.
func (r *Room) ask(ctx context.Context, action string, request fields) (*answer, error) {
	for attempt := 1; ; attempt++ {
		conn, err := r.entered(ctx)
		if err != nil {
			return nil, err
		}
		f := fields{}
		for name, value := range request {
			f[name] = value
		}
		r.c.mu.Lock()
		f["room_name"], f["user_name"] = r.name, r.userField()
		r.c.mu.Unlock()
		a, err := conn.ask(ctx, action, f)
		switch {
		case err == nil:
			return a, nil
		case r.ctx.Err() != nil:
			return nil, causeOf(r.ctx)
		case !isPassing(err):
			return nil, err
		}
		if err := r.c.pause(ctx, conn, attempt); err != nil {
			return nil, err
		}
	}
}

// Leave leaves the room for good, and waits until the chat has answered, the connection has ended, and the membership
// with it, or ctx ends. Its error is that of ctx. What is not sent yet returns an *Error with CodeClosed.
func (r *Room) Leave(ctx context.Context) error {
	r.c.mu.Lock()
	if r.ctx.Err() == nil {
		r.leaving = true
		r.end(errClosed("The room was left."))
		delete(r.c.rooms, r.name)
	}
	r.c.mu.Unlock()
	select {
	case <-r.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
