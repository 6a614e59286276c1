package chat

import (
	"context"
	"errors"
	"fmt"
)

// ChangesQuery asks for a part of a room's changes.
type ChangesQuery struct {
	Room  string
	After int64  // from the one after this number on
	Limit int    // at most so many changes, 1 to MaxChanges
	Ref   string // the client's own name for the request, which the answer repeats; "" for none
}

// ChangesPage is a part of a room's changes: an answer, or what a broadcast sends.
type ChangesPage struct {
	Room     string
	After    int64            // the number of the last change before it
	UpTo     int64            // the number of its last change; less than After if the room has not had as many
	Messages []ChangedMessage // in the order of their changes
	More     bool             // later changes remain
	Ref      string           // of the request that this answers; "" if it had none
	Part     bool             // frames of another kind follow in the same answer
}

// GetChanges reads a part of a room's changes and posts it to the connection that asked, in at most MaxAnswerFrames.
func (s Service) GetChanges(ctx context.Context, connectionID string, q ChangesQuery) (ChangesPage, error) {
	if err := checkChangesQuery(q); err != nil {
		return ChangesPage{}, err
	}
	page, _, err := s.changesSince(ctx, connectionID, q, MaxAnswerFrames, false)
	return page, err
}

func checkChangesQuery(q ChangesQuery) error {
	switch {
	case q.Limit < 1 || q.Limit > MaxChanges:
		return InvalidField("limit", fmt.Sprintf("must be a whole number from 1 to %d", MaxChanges))
	case q.After < 0:
		return InvalidField("after", "must be a whole number, 0 or greater")
	}
	return errors.Join(checkRoom(q.Room), checkOptionalName("ref", q.Ref))
}

// changesSince is GetChanges without the checks, in at most so many frames. It returns the number of frames, too; part
// says that frames of another kind follow in the same answer.
func (s Service) changesSince(ctx context.Context, connectionID string, q ChangesQuery, most int, part bool) (
	page ChangesPage, frames int, err error) {
	found, err := s.Changes.Changes(ctx, q.Room, q.After, q.Limit)
	if err != nil {
		return ChangesPage{}, 0, unavailable("The room's changes could not be read. Ask again.", err)
	}
	page = ChangesPage{Room: q.Room, After: q.After, UpTo: found.UpTo, Messages: found.Messages, More: found.More,
		Ref: q.Ref, Part: part}
	encoded := s.Encoder.Changes(page)
	if len(encoded) > most { // what does not fit is left for the next request
		last := encoded[most-1].Last
		page.UpTo, page.More = last, true
		for i, c := range page.Messages {
			if c.Change > last {
				page.Messages = page.Messages[:i]
				break
			}
		}
		encoded = s.Encoder.Changes(page)
	}
	return page, len(encoded), s.Reply(ctx, connectionID, textsOf(encoded)...)
}
