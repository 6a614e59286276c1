package chat

import (
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
	if m.UserID == "" {
		return r.mayBeModerated()
	}
	if m.UserID == m.by.ID && !m.by.Program {
		if m.action != ActionRemoveMember && m.action != ActionSetRole {
			return InvalidField("user_id", "must be of somebody else")
		}
		if err := r.staysReader(m, r.People[m.UserID].Role, RoleReader); err != nil {
			return err
		}
		return r.mayBeModerated()
	}
	mine, theirs := r.roleOf(m.by, now), r.People[m.UserID].Role
	if err := r.staysReader(m, theirs, mine); err != nil {
		return err
	}
	if !mine.Reaches(rightTo(m.action).Others) || mine != RoleOwner && theirs.Reaches(mine) {
		return forbidden("in this room your role does not let you do that to this person")
	}
	return r.mayBeModerated()
}

// staysReader refuses to take the role of a reader from somebody in an open room, who would be a member then. Owners
// may.
func (r Rules) staysReader(m Moderation, theirs, mine Role) error {
	if m.action == ActionRemoveMember && !r.Private && theirs == RoleReader && mine != RoleOwner {
		return forbidden("in an open room, only an owner can let a reader write again")
	}
	return nil
}

// mayBeModerated refuses to change a direct room, whose people are always the same.
func (r Rules) mayBeModerated() error {
	if r.Direct {
		return forbidden("a direct room has no moderators, and always the same two people")
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
			before := r.People[m.UserID]
			after := change(before, m, now)
			if m.Name != "" {
				after.Name = m.Name
			}
			return r.with(m.UserID, after), nil
		}
	}
	end := func(m Moderation, now time.Time) int64 {
		if m.Seconds == 0 {
			return Forever
		}
		return now.Unix() + m.Seconds
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
			s.Role, s.BannedUntil, s.Reason = "", end(m, now), m.Reason
			return s
		}),
		ActionUnbanUser: of(func(s Standing, _ Moderation, _ time.Time) Standing {
			s.BannedUntil = 0
			return s
		}),
		ActionMuteUser: of(func(s Standing, m Moderation, now time.Time) Standing {
			s.MutedUntil, s.MuteReason = end(m, now), m.Reason
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

// addMember gives somebody who has none the role of a member. It ends no ban.
func addMember(r Rules, m Moderation, now time.Time) (Rules, error) {
	person := r.People[m.UserID]
	if person.BannedUntil > now.Unix() {
		return r, forbidden("this person is banned from the room; unban the person first")
	}
	if person.Role == "" {
		person.Role = RoleMember
	}
	if m.Name != "" {
		person.Name = m.Name
	}
	return r.with(m.UserID, person), nil
}

// setRole gives somebody another role. In a private room it must be somebody who has one.
func setRole(r Rules, m Moderation, now time.Time) (Rules, error) {
	if !m.Role.IsGiven() {
		return r, InvalidField("role", "must be owner, moderator, member or reader")
	}
	person := r.People[m.UserID]
	switch {
	case person.BannedUntil > now.Unix():
		return r, forbidden("this person is banned from the room; unban the person first")
	case person.Role == "" && r.Private:
		return r, InvalidField("user_id", "must be of a member of the room; add the person first")
	}
	person.Role = m.Role
	if m.Name != "" {
		person.Name = m.Name
	}
	return r.with(m.UserID, person), nil
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
	for id, p := range maps.Clone(r.People) {
		if p.BannedUntil != 0 && p.BannedUntil <= now.Unix() || p.MutedUntil != 0 && p.MutedUntil <= now.Unix() {
			if p.BannedUntil <= now.Unix() {
				p.BannedUntil = 0
			}
			if p.MutedUntil <= now.Unix() {
				p.MutedUntil = 0
			}
			r = r.with(id, p)
		}
	}
	return r
}
