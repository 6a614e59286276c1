package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"

	"wschat/pkg/parallel"
)

// RoomView is what somebody is told of a room's rules.
type RoomView struct {
	Rules   Rules    // People are not told but where Listed says so
	For     Person   // the person that is told; no ID for everybody in the room
	Role    Role     // the person's; "" for everybody in the room
	Removed bool     // the person may not be in the room, and is told nothing of it but that
	People  []Listed // a part of the people in the rules
	Lists   bool     // the view has such a part, also if it is empty
	More    bool     // more people come after these
	Ref     string   // of the request that this answers
	Part    bool     // frames of another kind follow in the same answer
}

// Standing is what the rules say of the person that is told.
func (v RoomView) Standing() Standing { return v.Rules.People[v.For.ID] }

// Listed is one person in a list of a room's people.
type Listed struct {
	UserID string
	Standing
}

// RoomQuery asks for a room's rules.
type RoomQuery struct {
	Admission
	Room   string
	People bool   // also for the people in them
	After  string // those whose ids come after this one
	Ref    string // the client's own name for the request, which the answer repeats; "" for none
}

// Room answers with a room's rules and the asking person's own role and, if asked for, with people that have a role.
// Moderators also see the people who are banned or muted.
func (s Service) Room(ctx context.Context, connectionID string, q RoomQuery) (RoomView, error) {
	if s.Rules == nil {
		return RoomView{}, forbidden("rooms have rules only in a chat in which people sign in")
	}
	if err := errors.Join(checkRoom(q.Room), checkOptionalName("ref", q.Ref)); err != nil {
		return RoomView{}, err
	}
	rules := q.rules
	if q.People { // of after what the asking person may just have changed
		var err error
		if rules, err = s.Rules.fresh(ctx, q.Room); err != nil {
			return RoomView{}, unavailable("The room could not be read. Ask again.", err)
		}
	}
	view := s.roomFor(rules, q.by, q.Ref)
	if view.Lists = q.People && !view.Removed; view.Lists {
		view.People, view.More = view.Rules.people(q.After, view.Role.Reaches(RoleModerator))
	}
	return view, s.Reply(ctx, connectionID, s.Encoder.Room(view)...)
}

// people returns at most MaxPeople of the people in rules, by id, and whether there are more.
func (r Rules) people(after string, moderates bool) (list []Listed, more bool) {
	for _, id := range slices.Sorted(maps.Keys(r.People)) {
		person := r.People[id]
		if !moderates {
			person = Standing{Name: person.Name, Role: person.Role}
		}
		if id <= after || person == (Standing{Name: person.Name}) {
			continue
		}
		if len(list) == MaxPeople {
			return list, true
		}
		list = append(list, Listed{UserID: id, Standing: person})
	}
	return list, false
}

// roomFor is the view that somebody has of a room. Bans and mutes that are over are not in it.
func (s Service) roomFor(r Rules, by Actor, ref string) RoomView {
	r = r.withoutPast(s.Now())
	role := r.roleOf(by, s.Now())
	return RoomView{Rules: r, For: by.Person, Role: role, Removed: !role.Reaches(RoleReader), Ref: ref}
}

// Direct is somebody's wish to talk with one other person.
type Direct struct {
	By     Actor
	UserID string // the other's
	Name   string // what the other is called, as far as By knows; "" if that is not known
	Ref    string // the client's own name for the request, which the answer repeats; "" for none
}

// OpenDirect answers with the direct room of two people, and makes it if there is none yet. The two always have the
// same room. The other one is told of it while nobody has written there.
func (s Service) OpenDirect(ctx context.Context, connectionID string, d Direct) (RoomView, error) {
	if s.Rules == nil {
		return RoomView{}, forbidden("direct rooms are only in a chat in which people sign in")
	}
	err := errors.Join(checkUserID(d.UserID), checkOptionalUserField("name", d.Name), checkOptionalName("ref", d.Ref))
	if err == nil && d.UserID == d.By.ID {
		err = InvalidField("user_id", "must be of somebody else")
	}
	if err != nil {
		return RoomView{}, err
	}
	var rules Rules
	err = s.withoutErasing(ctx, []string{d.By.ID, d.UserID}, func(ctx context.Context) (err error) {
		rules, err = s.directRoom(ctx, d)
		return err
	})
	if err != nil {
		return RoomView{}, unavailable("The room could not be opened. Try again.", err)
	}
	for _, userID := range []string{d.By.ID, d.UserID} { // again in case it failed before
		if err := s.list(ctx, userID, rules); err != nil {
			return RoomView{}, unavailable("The room could not be listed. Try again.", err)
		}
	}
	if tail, err := s.Log.Tail(ctx, rules.Room); tail == 0 && err == nil { // with messages, the other one knows it
		s.tellPeople(ctx, rules, s.inbox(ctx, d.UserID, rules))
	}
	view := s.roomFor(rules, d.By, d.Ref)
	return view, s.Reply(ctx, connectionID, s.Encoder.Room(view)...)
}

// directRoom finds the room of two people, or makes it. Names are those that each was called last.
func (s Service) directRoom(ctx context.Context, d Direct) (Rules, error) {
	one, other := min(d.By.ID, d.UserID), max(d.By.ID, d.UserID)
	room, err := s.Rules.DirectRoom(ctx, one, other, "@"+rand.Text())
	if err != nil {
		return Rules{}, err
	}
	return s.Rules.ChangeRules(ctx, room, func(r Rules) (Rules, error) {
		r.Private, r.Direct = true, true
		r = r.with(d.By.ID, Standing{Name: d.By.Name, Role: RoleMember})
		them := r.People[d.UserID]
		if them.Name == "" {
			them.Name = d.Name
		}
		them.Role = RoleMember
		return r.with(d.UserID, them), nil
	})
}

// absent returns the other person of a direct room if none of that person's connections is among its members.
func (d Draft) absent(present []Member) (other Listed, ok bool) {
	if !d.rules.Direct {
		return Listed{}, false
	}
	for _, other := range d.rules.others(d.UserID) {
		if !slices.ContainsFunc(present, func(m Member) bool { return m.UserID == other.UserID }) {
			return other, true
		}
	}
	return Listed{}, false
}

// callAbsent tells the other person of a direct room that somebody has written there, while that person is not in it.
// The person may have left the room, which is in the list again then.
func (s Service) callAbsent(ctx context.Context, d Draft, other Listed) error {
	err := keepTrying(ctx, func() error { return s.beginMarker(ctx, other.UserID, d.Room, 1) })
	if err == nil { // a person that is told finds the room in the list
		s.tellPeople(ctx, d.rules, s.inbox(ctx, other.UserID, d.rules))
	}
	return err
}

// nameInDirectRoom puts the present name of a person that joins a direct room into its rules. A failure is no failure
// of joining.
func (s Service) nameInDirectRoom(ctx context.Context, r Rules, m Member) <-chan error {
	return parallel.Go(func() error {
		if person, ok := r.People[m.UserID]; !r.Direct || !ok || m.User == "" || person.Name == m.User {
			return nil
		}
		_, err := s.Rules.ChangeRules(ctx, r.Room, func(r Rules) (Rules, error) {
			person, ok := r.People[m.UserID]
			if !ok { // the person was erased meanwhile
				return r, nil
			}
			person.Name = m.User
			return r.with(m.UserID, person), nil
		})
		return err
	})
}

// others are the people in a direct room beside one.
func (r Rules) others(userID string) (others []Listed) {
	for _, id := range slices.Sorted(maps.Keys(r.People)) {
		if id != userID {
			others = append(others, Listed{UserID: id, Standing: r.People[id]})
		}
	}
	return others
}

// With is the other person in a direct room.
func (v RoomView) With() (other Listed, ok bool) {
	if !v.Rules.Direct {
		return Listed{}, false
	}
	others := v.Rules.others(v.For.ID)
	if len(others) != 1 {
		return Listed{}, false
	}
	return others[0], true
}
