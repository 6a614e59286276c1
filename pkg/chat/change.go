package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"wschat/pkg/parallel"
)

// Act is somebody's wish to change a message.
type Act struct {
	Admission
	Room  string
	Index int64  // the message's
	By    Person // with an id if people sign in
	Ref   string // the client's own name for the request, which the answer repeats; "" for none
}

// Changed says what became of an Act.
type Changed struct {
	Message     Message       // as it is now
	Same        bool          // it was so already, and nothing was stored
	Delivery    Delivery      // of this change and of others, if this call was the broadcaster, and of the reply
	StoredAfter time.Duration // the time until the change was stored
}

// Edit gives a message another content. With ifVersion, the content must not have changed after that version of the
// message: otherwise it is refused with CodeConflict, unless it is what is asked for already. So a late repeat does not
// undo a newer edit.
func (s Service) Edit(ctx context.Context, connectionID string, a Act, content string, ifVersion *int64) (Changed,
	error) {
	if err := errors.Join(a.check(), checkContent(content)); err != nil {
		return Changed{}, err
	}
	content, err := s.reviewEdit(ctx, a, content)
	if err != nil {
		return Changed{}, err
	}
	return s.change(ctx, connectionID, a, func(a Act, m Message) (Message, error) {
		if err := a.mayWrite(m); err != nil {
			return m, err
		}
		switch {
		case m.DeletedAt != 0:
			return m, conflict("the message is deleted", m)
		case m.Content == content:
			return m, nil
		case ifVersion != nil && m.ContentVersion > *ifVersion:
			return m, conflict("the message was edited since the version that this edit is of", m)
		}
		m.Content, m.EditedAt = content, s.Now().Unix()
		return m, nil
	})
}

// Delete leaves a tombstone of a message: without content, reactions and metadata.
func (s Service) Delete(ctx context.Context, connectionID string, a Act) (Changed, error) {
	return s.change(ctx, connectionID, a, func(a Act, m Message) (Message, error) {
		if err := a.mayWrite(m); err != nil || m.DeletedAt != 0 {
			return m, err
		}
		return m.deleted(s.Now()), nil
	})
}

// AddReaction adds somebody's reaction to a message.
func (s Service) AddReaction(ctx context.Context, connectionID string, a Act, reaction string) (Changed, error) {
	if err := checkReaction(reaction); err != nil {
		return Changed{}, err
	}
	return s.change(ctx, connectionID, a, func(a Act, m Message) (Message, error) {
		if err := a.mayReact(m); err != nil {
			return m, err
		}
		if m.DeletedAt != 0 {
			return m, conflict("the message is deleted", m)
		}
		return m.withReaction(reaction, a.By)
	})
}

// RemoveReaction takes somebody's reaction to a message back.
func (s Service) RemoveReaction(ctx context.Context, connectionID string, a Act, reaction string) (Changed, error) {
	if err := checkReaction(reaction); err != nil {
		return Changed{}, err
	}
	return s.change(ctx, connectionID, a, func(a Act, m Message) (Message, error) {
		if err := a.mayReact(m); err != nil {
			return m, err
		}
		return m.withoutReaction(reaction, a.By), nil
	})
}

// change carries out an act, answers it with the message as it is then, and sees that the room is sent the change.
//
// An act that changes nothing may be a repeat of one that was not acknowledged, and whose change perhaps nobody was
// sent. So the room is sent what was not sent then, too.
func (s Service) change(ctx context.Context, connectionID string, a Act,
	change func(Act, Message) (Message, error)) (Changed, error) {
	if err := a.check(); err != nil {
		return Changed{}, err
	}
	began := s.Now()
	changed := Changed{}
	var stored Message
	err := s.within(ctx, a.Admission, func(ctx context.Context, admission Admission) (err error) {
		a.Admission = admission
		stored, err = s.Changes.Change(ctx, a.Room, a.Index, func(m Message) (Message, error) {
			to, err := change(a, m)
			if changed.Same = err == nil && m.Equal(to); err != nil || changed.Same || to.DeletedAt != 0 {
				return to, err
			}
			return to, s.checkSize(to)
		})
		return err
	})
	switch {
	case errors.Is(err, ErrNoMessage):
		return Changed{}, InvalidField("index", "must be the index of a message that the room has and keeps")
	case err != nil:
		return Changed{}, unavailable("The change could not be confirmed as stored. Ask for it again.", err)
	}
	changed.Message, changed.StoredAfter = stored, s.Now().Sub(began)
	replied := parallel.Go(func() error { // the broadcast does not wait for it
		return s.Reply(ctx, connectionID, s.Encoder.Change(stored, a.Ref))
	})
	if stored.Version > 0 {
		changed.Delivery, err = s.Broadcaster.BroadcastChange(ctx, s, a.Room,
			ChangedMessage{Change: stored.Version, Message: stored})
		s.announceLeave(ctx, s.prune(ctx, changed.Delivery.Gone)...)
	}
	changed.Delivery.countReply(<-replied)
	if err != nil {
		return changed, &Error{Code: CodeNotSent, Err: err, Message: "The change is stored, but could not be sent to " +
			"the room; its members will learn of it when they catch up."}
	}
	return changed, nil
}

// check refuses an act that can be of no message.
func (a Act) check() error {
	if a.Index < 1 {
		return InvalidField("index", "must be a whole number, 1 or greater")
	}
	return errors.Join(checkRoom(a.Room), checkUser(a.By.Name), checkOptionalName("ref", a.Ref))
}

// deleted returns the tombstone of a message.
func (m Message) deleted(now time.Time) Message {
	m.Content, m.Metadata, m.Reactions, m.EditedAt = "", "", nil, 0
	m.DeletedAt = cmp.Or(m.DeletedAt, now.Unix())
	return m
}

// mayWrite refuses to edit or delete the message of somebody else. In the open chat anybody can act under any name, so
// a message of somebody who had signed in is not changed there. Where people sign in, a message without an id could be
// anybody's, so moderators alone change it.
func (a Act) mayWrite(m Message) error {
	if a.actsOnOthers() || m.sender().Is(a.By) {
		return nil
	}
	return &Error{Code: CodeForbidden, Message: "only its sender may change this message"}
}

// mayReact refuses a reaction to a message of the other kind of chat, as mayWrite does.
func (a Act) mayReact(m Message) error {
	if a.role.Reaches(RoleModerator) || (m.UserID == "") == (a.By.ID == "") {
		return nil
	}
	return &Error{Code: CodeForbidden, Message: "this message was sent before or without sign-in, and is not changed"}
}

// conflict is the refusal of a change to a message that is no longer what it was.
func conflict(sentence string, now Message) error {
	return &Error{Code: CodeConflict, Message: sentence, Current: &now}
}

// withReaction returns a message with one reaction more.
func (m Message) withReaction(reaction string, by Person) (Message, error) {
	at := slices.IndexFunc(m.Reactions, func(r Reaction) bool { return r.Reaction == reaction })
	if at >= 0 && slices.ContainsFunc(m.Reactions[at].Users, by.Is) {
		return m, nil
	}
	people := map[Person]bool{by.key(): true}
	for _, r := range m.Reactions {
		for _, u := range r.Users {
			people[u.key()] = true
		}
	}
	switch {
	case at < 0 && len(m.Reactions) >= MaxReactions:
		return m, tooLarge(fmt.Sprintf("a message can have at most %d different reactions", MaxReactions))
	case len(people) > MaxReactingUsers:
		return m, tooLarge(fmt.Sprintf("at most %d people can react to a message", MaxReactingUsers))
	}
	m.Reactions = slices.Clone(m.Reactions)
	if at < 0 {
		m.Reactions = append(m.Reactions, Reaction{Reaction: reaction, Users: []Person{by}})
	} else {
		m.Reactions[at].Users = append(slices.Clone(m.Reactions[at].Users), by)
	}
	return m, nil
}

// withoutReaction returns a message with one reaction less.
func (m Message) withoutReaction(reaction string, by Person) Message {
	var left []Reaction
	for _, r := range m.Reactions {
		if r.Reaction == reaction {
			r.Users = slices.DeleteFunc(slices.Clone(r.Users), by.Is)
		}
		if len(r.Users) > 0 {
			left = append(left, r)
		}
	}
	m.Reactions = left
	return m
}

// key is the same for all that are the same person.
func (p Person) key() Person {
	if p.ID != "" {
		p.Name = ""
	}
	return p
}

// checkSize refuses what a message would become if it did not fit into one frame any more.
func (s Service) checkSize(m Message) error {
	m.Version, m.EditedAt = math.MaxInt64, math.MaxInt64
	ref := strings.Repeat(`"`, MaxNameBytes)
	after := int64(math.MaxInt64)
	page := ChangesPage{Room: m.Room, After: after, More: true, UpTo: after, Ref: ref, Part: true,
		Messages: []ChangedMessage{{Change: after, Message: m}}}
	history := Page{Messages: []Message{m}, More: true, Expired: true, Tail: &after, ChangesUpTo: after, Ref: ref,
		Part: true}
	if max(len(s.Encoder.Changes(page)[0].Text), len(s.Encoder.Messages(history)[0].Text)) > MaxFrameBytes {
		return tooLarge("encoded as JSON, the message with its reactions must fit into 32 KB")
	}
	return nil
}

func tooLarge(sentence string) error { return &Error{Code: CodeTooLarge, Message: sentence} }

func checkReaction(reaction string) error {
	const field = "reaction"
	if len(reaction) > MaxReactionBytes {
		return InvalidField(field, fmt.Sprintf("must be at most %d bytes, not %d", MaxReactionBytes, len(reaction)))
	}
	if err := checkForm(field, reaction); err != nil {
		return err
	}
	if !strings.ContainsFunc(reaction, isSeen) {
		return InvalidField(field, mustBeSeen)
	}
	return nil
}
