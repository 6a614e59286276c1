package chat

import (
	"cmp"
	"fmt"
	"maps"
	"time"
)

// mayModerate refuses what the actor has no right to, by the rules as they are in the moment of the change.
func (r Rules) mayModerate(m Moderation, now time.Time) error {
	if m.action == ActionCreateRoom {
		if r.Version > 0 && !r.madeBy(m) {
			return taken(m.Room)
		}
		return nil
	}
	if err := r.refuse(m.action, m.by, now); err != nil {
		return err
	}
	if r.Direct {
		return forbidden("a direct room has no moderators, and always the same two people")
	}
	if m.UserID == "" {
		return nil
	}
	mine, theirs := r.roleOf(m.by, now), r.People[m.UserID].Role
	switch {
	case m.action == ActionRemoveMember && !r.Private && theirs == RoleReader && mine != RoleOwner:
		// The person would be a member then.
		return forbidden("in an open room, only an owner can let a reader write again")
	case m.UserID == m.by.ID && !m.by.Program:
		if m.action != ActionRemoveMember && m.action != ActionSetRole {
			return InvalidField("user_id", "must be of somebody else")
		}
	case !mine.Reaches(leastForOthers(m.action)), mine != RoleOwner && theirs.Reaches(mine):
		return forbidden("in this room your role does not let you do that to this person")
	}
	return nil
}

// madeBy reports whether rules are what a repeated createRoom has made.
func (r Rules) madeBy(m Moderation) bool {
	made, err := createRoom(Rules{Room: r.Room}, m, time.Time{})
	made.Version = r.Version
	return err == nil && r.Equal(made)
}

// changeOfRules returns what a moderation makes of rules at a time.
type changeOfRules func(Rules, Moderation, time.Time) (Rules, error)

// changesOfRules returns what each action makes of rules.
func changesOfRules() map[Action]changeOfRules {
	of := func(change func(Standing, Moderation, time.Time) Standing) changeOfRules {
		return func(r Rules, m Moderation, now time.Time) (Rules, error) {
			return r.with(m.UserID, m.named(change(r.People[m.UserID], m, now))), nil
		}
	}
	return map[Action]changeOfRules{
		ActionCreateRoom: createRoom,
		ActionSetRoom:    setRoom,
		ActionAddMember:  addMember,
		ActionSetRole:    setRole,
		ActionRemoveMember: of(func(s Standing, _ Moderation, _ time.Time) Standing {
			s.Role = ""
			return s
		}),
		ActionBanUser: of(func(s Standing, m Moderation, now time.Time) Standing {
			s.Role, s.BannedUntil, s.Reason = "", m.end(now), m.Reason
			return s
		}),
		ActionUnbanUser: of(func(s Standing, _ Moderation, _ time.Time) Standing {
			s.BannedUntil = 0
			return s
		}),
		ActionMuteUser: of(func(s Standing, m Moderation, now time.Time) Standing {
			s.MutedUntil, s.MuteReason = m.end(now), m.Reason
			return s
		}),
		ActionUnmuteUser: of(func(s Standing, _ Moderation, _ time.Time) Standing {
			s.MutedUntil = 0
			return s
		}),
	}
}

func createRoom(r Rules, m Moderation, _ time.Time) (Rules, error) {
	r.Private, r.People = m.Private, map[string]Standing{}
	if m.Title != nil {
		r.Title = *m.Title
	}
	for _, member := range m.Members {
		r.People[member] = Standing{Role: RoleMember}
	}
	r.People[m.by.ID] = Standing{Name: m.by.Name, Role: RoleOwner}
	return r, nil
}

func setRoom(r Rules, m Moderation, _ time.Time) (Rules, error) {
	set(&r.Title, m.Title)
	set(&r.Topic, m.Topic)
	set(&r.SlowMode, m.SlowMode)
	set(&r.ReadOnly, m.ReadOnly)
	return r, nil
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// addMember gives a person without a role that of a member. It ends no ban.
func addMember(r Rules, m Moderation, now time.Time) (Rules, error) {
	person := r.People[m.UserID]
	if person.BannedUntil > now.Unix() {
		return r, unbanFirst()
	}
	person.Role = cmp.Or(person.Role, RoleMember)
	return r.with(m.UserID, m.named(person)), nil
}

// setRole gives a person another role. In a private room the person must have one.
func setRole(r Rules, m Moderation, now time.Time) (Rules, error) {
	person := r.People[m.UserID]
	switch {
	case !m.Role.IsGiven():
		return r, InvalidField("role", "must be owner, moderator, member or reader")
	case person.BannedUntil > now.Unix():
		return r, unbanFirst()
	case person.Role == "" && r.Private:
		return r, InvalidField("user_id", "must be of a member of the room; add the person first")
	}
	person.Role = m.Role
	return r.with(m.UserID, m.named(person)), nil
}

func unbanFirst() error {
	return forbidden("this person is banned from the room; unban the person first")
}

// end is when a ban or a mute of a moderation ends, in seconds since the epoch.
func (m Moderation) end(now time.Time) int64 {
	if m.Seconds == 0 {
		return Forever
	}
	return now.Unix() + m.Seconds
}

// named is a standing with the name that the actor gives the person, if any.
func (m Moderation) named(s Standing) Standing {
	s.Name = cmp.Or(m.Name, s.Name)
	return s
}

// check refuses rules that have become too large, or that have lost their last owner.
func (r Rules) check(before Rules) error {
	members, sanctions, owners, ownersBefore := 0, 0, 0, 0
	for _, p := range r.People {
		if p.Role != "" {
			members++
		}
		if p.BannedUntil != 0 || p.MutedUntil != 0 {
			sanctions++
		}
		if p.Role == RoleOwner {
			owners++
		}
	}
	for _, p := range before.People {
		if p.Role == RoleOwner {
			ownersBefore++
		}
	}
	switch {
	case owners == 0 && ownersBefore > 0:
		return forbidden("a room keeps an owner: make somebody else the owner first")
	case members > MaxRoomMembers:
		return tooLarge(fmt.Sprintf("at most %d people can have a role in a room", MaxRoomMembers))
	case sanctions > MaxSanctions:
		return tooLarge(fmt.Sprintf("at most %d people can be banned or muted in a room", MaxSanctions))
	}
	return nil
}

// withoutPast leaves out the bans and mutes that are over.
func (r Rules) withoutPast(now time.Time) Rules {
	all := r.People
	isCopy := false
	for id, p := range all {
		left := p
		if p.BannedUntil <= now.Unix() {
			left.BannedUntil = 0
		}
		if p.MutedUntil <= now.Unix() {
			left.MutedUntil = 0
		}
		if left == p {
			continue
		}
		if !isCopy {
			r.People, isCopy = maps.Clone(all), true
		}
		r.put(id, left)
	}
	return r
}
