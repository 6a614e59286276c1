package chat

import (
	"context"
	"errors"
	"time"

	"wschat/pkg/deadline"
)

// PersonalData is what the stores hold of single people.
type PersonalData struct {
	Log      PersonFinder // messages, reactions, rules, and what stands beside them
	Roster   PersonFinder // memberships, read markers, and what stands beside them
	Progress ErasureProgress
}

// PersonFinder finds what one store holds of a person, by reading all that it holds. A person is known by the id or,
// where there is none, by the name.
type PersonFinder interface {
	// Find returns what a part of the store, of at most so many rows, holds of a person. from is Next of the part
	// before; "" for the first one. What changes meanwhile may be missed.
	Find(ctx context.Context, of Person, from string, most int) (Found, error)

	// Delete deletes a row that Find has returned. That it is gone already is no error.
	Delete(ctx context.Context, row string) error
}

// Found is what a part of a store holds of a person.
type Found struct {
	Messages []Message // that the person sent, or reacted to
	Rules    []string  // the names of rooms whose rules name the person
	Members  []Member
	Rows     []string // of nobody else: read markers, markers of message ids and the like; what they are is the store's
	Damaged  int      // rows that could not be read
	Looked   int      // rows that were looked at
	Next     string   // where the next part begins; "" after the last one
}

// ErasureProgress keeps how far erasures have come, for a month at least.
type ErasureProgress interface {
	// Erasure returns what KeepErasure kept last under a key; the zero state if that is nothing.
	Erasure(ctx context.Context, key string) (ErasureState, error)

	// KeepErasure keeps a state under a key, and forgets one that is done.
	KeepErasure(ctx context.Context, key string, state ErasureState) error
}

// ErasureState is how far an erasure has come.
type ErasureState struct {
	Erased
	Began  time.Time
	Stores int    // how many of the stores were read to the end
	Next   string // where to go on in the next one
}

// Has reports whether a person sent a message, or reacted to it.
func (m Message) Has(p Person) bool { return m.sender().Is(p) || m.reactionsBy(p) > 0 }

// Names reports whether rules name a person.
func (r Rules) Names(p Person) bool {
	_, ok := r.People[p.ID]
	return ok && p.ID != ""
}

// Export asks for the messages that a person has sent.
type Export struct {
	Of    Person // known by the id or, if it is "", by the name
	After string // Next of the answer before; "" for the first part
	Ref   string // the client's own name for the request, which the answer repeats; "" for none
}

// Exported is a part of the messages that a person has sent, by no order of rooms, but those of a room by index.
type Exported struct {
	Messages []Message // as they are now
	Looked   int       // rows that were looked at
	Next     string    // where the next part begins; "" after the last one
	Ref      string
}

// How much a part of an export is: less than 3 MB, also if each of the last rows is as long as a frame.
const (
	exportBytes = 1 << 20 // after which it ends
	exportRows  = 50      // that are looked at at once
)

// ExportUser posts a part of the messages that a person has sent: as much as a moderate answer holds and the time
// allows.
func (s Service) ExportUser(ctx context.Context, connectionID string, e Export) (Exported, error) {
	if err := errors.Join(checkSubject(e.Of), checkOptionalName("ref", e.Ref)); err != nil {
		return Exported{}, err
	}
	part := Exported{Next: e.After, Ref: e.Ref}
	bytes := 0
	enough, cancel := deadline.TwoThirds(ctx)
	defer cancel()
	for {
		found, err := s.PersonalData.Log.Find(ctx, e.Of, part.Next, exportRows)
		if err != nil {
			return Exported{}, unavailable("The messages could not be read. Ask again.", err)
		}
		for _, m := range found.Messages {
			if m.sender().Is(e.Of) {
				part.Messages = append(part.Messages, m)
				bytes += len(s.Encoder.Messages(Page{Messages: []Message{m}})[0].Text)
			}
		}
		part.Looked += found.Looked
		part.Next = found.Next
		if part.Next == "" || bytes > exportBytes || enough.Err() != nil {
			return part, s.Reply(ctx, connectionID, s.Encoder.Exported(part))
		}
	}
}

// checkSubject refuses somebody that is not known by an id or a name.
func checkSubject(p Person) error {
	switch {
	case p.ID == "" && p.Name == "":
		return MissingField("user_id")
	case p.ID != "":
		return checkUserID(p.ID)
	}
	return checkUser(p.Name)
}

// BadPosition is the error of a Find that cannot begin where it was asked to.
func BadPosition() error { return InvalidField("after", "must be what an answer had as next") }
