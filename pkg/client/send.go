package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"
)

// Draft is a message to be sent.
type Draft struct {
	Content string // not empty; at most 16 KB of UTF-8

	// ID is the message_id. The chat stores a message once for each id, room and sender, however often it is sent, also
	// by another process. So derive it from the cause of the message, if there is one; "" for a new random id.
	ID string

	ReplyTo  int64 // the index of the message that this one answers; 0 for none
	Metadata any   // what JSON says as an object of at most 1 KB, for your own program; nil for none
}

// sendingState is what becomes of a message in flight.
type sendingState struct {
	stored chan Message // has room for one
	failed chan error   // has room for one
}

// Send sends a message, and returns it as it is stored. SendDraft says more.
func (r *Room) Send(ctx context.Context, content string) (Message, error) {
	return r.SendDraft(ctx, Draft{Content: content})
}

// SendDraft sends a message, and returns it as it is stored. One message of a room is in flight at a time, in the order
// of the calls. After an interruption, and after a refusal that passes, it is sent again until it is stored.
//
// The error is an *Error if the chat refuses the message for good, if the room ends or the client does. It is that of
// ctx if ctx ends first. Then the message may be stored or not: to find out, send it again with the same ID.
func (r *Room) SendDraft(ctx context.Context, d Draft) (Message, error) {
	if d.ID == "" {
		d.ID = rand.Text()
	}
	more, err := metadata(d.Metadata)
	if err != nil {
		return Message{}, err
	}
	f := fields{"content": d.Content, "message_id": d.ID}
	if d.ReplyTo != 0 {
		f["reply_to"] = d.ReplyTo
	}
	if more != nil {
		f["metadata"] = more
	}
	select { // those that wait to put a value into a channel get their turn in the order in which they came
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-r.ctx.Done():
		return Message{}, causeOf(r.ctx)
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
	s := r.expect(d.ID)
	defer r.unexpect(d.ID)
	for attempt := 1; ; attempt++ {
		m, conn, err := r.try(ctx, f, d.ID, s)
		if err == nil {
			return m, nil
		}
		if !isPassing(err) || r.ctx.Err() != nil {
			return Message{}, err
		}
		m, ok, err := r.waitToSend(ctx, conn, s, err, attempt)
		if ok || err != nil {
			return m, err
		}
	}
}

// try sends the message once, when the room is entered, and waits for what becomes of it.
func (r *Room) try(ctx context.Context, f fields, id string, s sendingState) (Message, *conn, error) {
	conn, err := r.entered(ctx)
	if err != nil {
		return Message{}, nil, err
	}
	select {
	case m := <-s.stored: // it was found in the log when the room was entered again
		return m, conn, nil
	default:
	}
	r.c.mu.Lock()
	f["room_name"], f["user_name"] = r.name, r.userField()
	r.c.mu.Unlock()
	b, err := encode("sendMessage", f, "")
	if err != nil {
		return Message{}, conn, err
	}
	defer conn.forget(id)
	if err := conn.send(ctx, b, id); err != nil {
		return Message{}, conn, err
	}
	// A dead connection would be noticed earlier. After that time, the chat is there and has lost the message.
	patience := time.NewTimer(r.c.timing.patience)
	defer patience.Stop()
	select {
	case m := <-s.stored:
		return m, conn, nil
	case err := <-s.failed:
		return Message{}, conn, err
	case <-patience.C:
		return Message{}, conn, errUnavailable("The chat did not say that the message is stored.")
	case <-conn.ctx.Done():
		return Message{}, conn, causeOf(conn.ctx)
	case <-r.ctx.Done():
		return Message{}, conn, causeOf(r.ctx)
	case <-ctx.Done():
		return Message{}, conn, ctx.Err()
	}
}

// waitToSend is the pause before a message is sent again. It ends early if the message turns out to be stored.
func (r *Room) waitToSend(ctx context.Context, conn *conn, s sendingState, why error, attempt int) (
	m Message, stored bool, err error) {
	pause := r.c.timing.pauses.Pause(attempt)
	if e, ok := errors.AsType[*Error](why); ok && e.RetryAfter > 0 {
		pause = e.RetryAfter
	} else if conn.ctx.Err() != nil {
		pause = 0
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case m := <-s.stored:
		return m, true, nil
	case <-timer.C:
	case <-r.ctx.Done():
		return Message{}, false, causeOf(r.ctx)
	case <-ctx.Done():
		return Message{}, false, ctx.Err()
	}
	select {
	case <-s.failed: // of the attempt before
	default:
	}
	return Message{}, false, nil
}

func (r *Room) expect(id string) sendingState {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	s := sendingState{stored: make(chan Message, 1), failed: make(chan error, 1)}
	r.waiting[id] = s
	return s
}

func (r *Room) unexpect(id string) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	delete(r.waiting, id)
}

// stored recognises a message that was sent: it is stored now. Another user's message can have the same id. The caller
// holds the client's mutex.
func (r *Room) stored(m Message) bool {
	s, ok := r.waiting[m.ID]
	switch {
	case !ok || m.ID == "":
		return false
	case m.UserID != "" || r.c.named: // otherwise the chat may spell this user's name in another way
		if !r.c.isMe(m) {
			return false
		}
	}
	select {
	case s.stored <- m:
	default:
	}
	return true
}

// sendFailed takes the refusal of a message; of all that are in flight if id is "". The caller holds the client's
// mutex.
func (r *Room) sendFailed(id string, err error) {
	for waiting, s := range r.waiting {
		if id != "" && id != waiting {
			continue
		}
		select {
		case s.failed <- err:
		default:
		}
	}
}

// metadata checks what a program adds to a message.
func metadata(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, &Error{Code: CodeInvalidArgument, Message: "The metadata cannot be written as JSON.", Err: err}
	}
	return b, nil
}
