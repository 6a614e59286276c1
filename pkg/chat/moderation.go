package chat

import (
	"context"
	"errors"
	"slices"

	"wschat/pkg/parallel"
)

// Limits of rules. Sizes are bytes of UTF-8.
const (
	MaxTitleBytes  = 128
	MaxTopicBytes  = 1024
	MaxReasonBytes = 256
	MaxUserIDBytes = 255
	MaxSlowMode    = 6 * 60 * 60          // seconds
	MaxBanSeconds  = 10 * 365 * 24 * 3600 // of a ban or a mute with an end
	MaxRoomMembers = 1000                 // people with a role in one room
	MaxSanctions   = 1000                 // people with a ban or a mute in one room
	MaxPeople      = 100                  // people in one answer about a room
)

// Moderation is somebody's wish to change the rules of a room. Which fields count depends on the action.
type Moderation struct {
	Admission
	Room string
	Ref  string // the client's own name for the request, which the answer repeats; "" for none

	UserID  string // of the person that it is about; "" in createRoom and setRoom
	Name    string // what the room's people call that person, if the actor says so
	Role    Role   // setRole and addMember
	Seconds int64  // how long a ban or a mute lasts; 0 for ever
	Reason  string // of a ban or a mute

	Title, Topic *string  // createRoom (the title) and setRoom; nil leaves it
	SlowMode     *int     // setRoom; nil leaves it
	ReadOnly     *bool    // setRoom; nil leaves it
	Private      bool     // createRoom
	Members      []string // createRoom: ids of others who are members from the beginning
}

// Moderated says what became of a Moderation.
type Moderated struct {
	Rules    Rules    // as they are now
	Same     bool     // they were so already, and nothing was stored
	Until    int64    // the end of a ban or a mute, in seconds since the epoch; 0 if it has none
	Removed  int      // connections that are no longer in the room
	Delivery Delivery // of the change to the room's members, and of the answer
}

// Moderate changes the rules of a room and tells its members. It answers with the room as it is then. The connections
// of people that may no longer be in the room are removed from it, and are sent nothing more of the room but that.
//
// A moderation that changes nothing may be a repeat of one that was not acknowledged. So it removes and tells as well.
func (s Service) Moderate(ctx context.Context, connectionID string, m Moderation) (Moderated, error) {
	m.Title, m.Topic, m.Reason = composed(m.Title), composed(m.Topic), compose(m.Reason)
	if err := s.checkModeration(ctx, m); err != nil {
		return Moderated{}, err
	}
	done := Moderated{}
	apply := changesOfRules()[m.action]
	var before Rules
	change := func(r Rules) (Rules, error) {
		before = r
		now := s.Now()
		if m.Seconds > 0 {
			done.Until = m.end(now)
		}
		if err := r.mayModerate(m, now); err != nil {
			return r, err
		}
		to, err := apply(r, m, now)
		if err == nil {
			to = to.withoutPast(now)
			err = to.check(r)
		}
		done.Same = err == nil && r.Equal(to)
		return to, err
	}
	var rules Rules
	err := s.withoutErasing(ctx, m.people(), func(ctx context.Context) (err error) {
		rules, err = s.Rules.ChangeRules(ctx, m.Room, change)
		return err
	})
	if err != nil {
		return Moderated{}, unavailable("The change could not be confirmed as stored. Ask for it again.", err)
	}
	done.Rules = rules
	return done, s.settle(ctx, connectionID, m, before, &done)
}

// settle carries the rules of a room out: it answers the actor, tells the people that the moderation is about, removes
// those that may no longer be in the room, and tells the others. before are the rules before the moderation.
//
// Another moderation may have come since. So all but the answer goes by the rules as they are after the members were
// read: each membership that this leaves in place is one that the rules admit, or that was written later, and judged by
// the one that wrote it.
func (s Service) settle(ctx context.Context, connectionID string, m Moderation, before Rules, done *Moderated) error {
	replied := parallel.Go(func() error {
		return s.Reply(ctx, connectionID, s.Encoder.Room(s.roomFor(done.Rules, m.by, m.Ref))...)
	})
	people := m.people()
	if s.Charge != nil {
		s.Charge(len(people))
	}
	members, err := insistOn(ctx, func() ([]Member, error) { return s.Roster.Members(ctx, m.Room, 0) })
	rules, rulesErr := s.Rules.fresh(ctx, m.Room)
	if rulesErr != nil {
		rules = done.Rules
	}
	errs := make([]error, len(people))
	parallel.ForEach(s.Workers, len(people), func(i int) { errs[i] = s.list(ctx, people[i], rules) })
	now := s.Now()
	outside := slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return rules.Admits(m.UserID, m.Moderates, now)
	})
	about := slices.DeleteFunc(members, func(m Member) bool { return !slices.Contains(people, m.UserID) })
	s.tellPeople(ctx, rules, slices.Concat(about, outside, s.inboxes(ctx, people, before, rules)))
	removed, removeErr := s.removeAll(ctx, outside)
	done.Removed = len(removed)
	var broadcast error
	if done.Rules.Version > 0 {
		done.Delivery, broadcast = s.Broadcaster.BroadcastChange(ctx, s,
			m.Room, ChangedMessage{Change: done.Rules.Version, Rules: &done.Rules})
		s.announceLeave(ctx, s.prune(ctx, done.Delivery.Gone)...)
	}
	s.announceLeave(ctx, removed...)
	done.Delivery.countReply(<-replied)
	if err := errors.Join(append(errs, err, removeErr, broadcast)...); err != nil {
		return &Error{Code: CodeNotSent, Err: err, Message: "The change is stored, and counts within five seconds, " +
			"but not everybody could be told. Ask for it again."}
	}
	return nil
}

// people are the ids of the people that a moderation is about.
func (m Moderation) people() []string {
	if m.action == ActionCreateRoom {
		return append([]string{m.by.ID}, m.Members...)
	}
	if m.UserID == "" {
		return nil
	}
	return []string{m.UserID}
}

// list has a room in the list of a user's rooms if the user has a role in it, and not if the user is kept out.
func (s Service) list(ctx context.Context, userID string, r Rules) error {
	if !r.Admits(userID, false, s.Now()) {
		return s.ReadMarkers.ForgetRoom(ctx, userID, r.Room)
	}
	if r.People[userID].Role == "" {
		return nil
	}
	return s.beginMarker(ctx, userID, r.Room, 0)
}

// removeAll removes memberships as they were read, and returns those that it removed.
func (s Service) removeAll(ctx context.Context, members []Member) (removed []Member, err error) {
	errs, gone := make([]error, len(members)), make([]bool, len(members))
	parallel.ForEach(s.Workers, len(members), func(i int) { gone[i], errs[i] = s.Roster.Remove(ctx, members[i]) })
	for i, m := range members {
		if gone[i] {
			removed = append(removed, m)
		}
	}
	return removed, errors.Join(errs...)
}

// tellPeople tells members, and connections with an inbox, what a room is for them now: each once.
func (s Service) tellPeople(ctx context.Context, r Rules, members []Member) {
	seen := map[string]bool{}
	members = slices.DeleteFunc(withoutVoid(members, s.Now()), func(m Member) bool {
		twice := seen[m.ConnectionID]
		seen[m.ConnectionID] = true
		return twice
	})
	type reader struct {
		id        string
		moderates bool
	}
	frames := map[reader][]byte{}
	for _, m := range members {
		if of := (reader{m.UserID, m.Moderates}); frames[of] == nil {
			by := Actor{Person: Person{Name: m.User, ID: m.UserID}, Moderates: m.Moderates}
			frames[of] = s.Encoder.Room(s.roomFor(r, by, ""))[0]
		}
	}
	s.tell(ctx, members, func(ctx context.Context, m Member) error {
		return s.insist(ctx, m.ConnectionID, frames[reader{m.UserID, m.Moderates}])
	})
}
