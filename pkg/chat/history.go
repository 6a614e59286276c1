package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Query asks for a part of a room's history: the last messages, those before an index, or those after one.
type Query struct {
	Room   string
	Limit  int    // at most so many messages, 1 to MaxHistory
	After  *int64 // from the one after this index on, oldest first; not together with Before
	Before *int64 // the last ones before this index
	Ref    string // the client's own name for the request, which the answer repeats; "" for none
}

// History reads a part of a room's log and posts it to the connection that asked, in at most MaxAnswerFrames.
func (s Service) History(ctx context.Context, connectionID string, q Query) (Page, error) {
	if err := checkQuery(q); err != nil {
		return Page{}, err
	}
	page, _, err := s.history(ctx, connectionID, q, false)
	return page, err
}

// history is History without the checks, and returns the number of frames, too; part says that frames of another kind
// follow in the same answer.
func (s Service) history(ctx context.Context, connectionID string, q Query, part bool) (page Page, frames int,
	err error) {
	upTo, err := s.lastChange(ctx, q)
	if err == nil {
		page, err = s.page(ctx, q)
	}
	if err != nil {
		return Page{}, 0, unavailable("The room's history could not be read. Ask again.", err)
	}
	page.ChangesUpTo = upTo
	page.Ref, page.Part = q.Ref, part
	texts := s.encode(&page, q.After == nil)
	return page, len(texts), s.Reply(ctx, connectionID, texts...)
}

// lastChange returns the number of the room's last change before its last messages are read, for a client that holds
// nothing yet.
func (s Service) lastChange(ctx context.Context, q Query) (int64, error) {
	if s.Changes == nil || q.After != nil || q.Before != nil {
		return 0, nil
	}
	return s.Changes.LastChange(ctx, q.Room)
}

// encode encodes a page in at most MaxAnswerFrames. Messages that do not fit are taken out of the page: the oldest
// of a history that ends with the newest, otherwise the newest.
func (s Service) encode(page *Page, newest bool) [][]byte {
	frames := s.Encoder.Messages(*page)
	for excess := len(frames) - MaxAnswerFrames; excess > 0; excess = len(frames) - MaxAnswerFrames {
		if newest {
			page.Messages = from(page.Messages, frames[excess-1].Last+1)
			page.Expired = false
		} else {
			page.Messages = page.Messages[:len(page.Messages)-len(from(page.Messages,
				frames[MaxAnswerFrames-1].Last+1))]
		}
		page.More = true
		frames = s.Encoder.Messages(*page)
	}
	return textsOf(frames)
}

func textsOf(frames []Frame) [][]byte {
	texts := make([][]byte, len(frames))
	for i, f := range frames {
		texts[i] = f.Text
	}
	return texts
}

// from returns the messages from an index on. The messages are in the order of their indexes.
func from(messages []Message, index int64) []Message {
	i, _ := slices.BinarySearchFunc(messages, index, func(m Message, index int64) int {
		return cmp.Compare(m.Index,
			index)
	})
	return messages[i:]
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
	page, tail, err := s.read(ctx, q.Room, span)
	if err == nil && q.After != nil {
		page.Tail = &tail
	}
	return page, err
}

// read reads a span, and the room's tail, which is right only for a span that is not the newest.
func (s Service) read(ctx context.Context, room string, span Span) (page Page, tail int64, err error) {
	found, err := s.Log.Read(ctx, room, span)
	if err != nil {
		return Page{}, 0, err
	}
	if len(found) == 0 {
		return s.readNothing(ctx, room, span)
	}
	page, tail = pageOf(found, span), found[len(found)-1].Index
	if page.More && !span.Newest {
		tail, err = s.Log.Tail(ctx, room)
	}
	return page, tail, err
}

// readNothing tells a span that holds nothing yet from one whose messages have expired: the latter lies below the tail.
// A message may have been stored since the first look, so it looks again before it says expired.
func (s Service) readNothing(ctx context.Context, room string, span Span) (page Page, tail int64, err error) {
	if tail, err = s.Log.Tail(ctx, room); err != nil || tail <= span.After {
		return Page{}, tail, err
	}
	found, err := s.Log.Read(ctx, room, span)
	if err != nil || len(found) == 0 {
		return Page{Expired: err == nil}, tail, err
	}
	return pageOf(found, span), max(tail, found[len(found)-1].Index), nil
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
