package chat

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"time"
)

// Rules are the rules of a room: what it is called, who may do what in it, and what is held against whom. A room
// without rules has Version 0; there everybody that the token lets in is a member, and nobody is the owner.
type Rules struct {
	Room     string
	Version  int64 // the number of their last change in the room's changes; 0 for a room without rules
	Title    string
	Topic    string
	Private  bool                // only people with a role are let in
	Direct   bool                // the private room of two people, to which nobody else is ever let in
	ReadOnly bool                // only moderators and owners write
	SlowMode int                 // seconds between two messages of one member; 0 for none
	People   map[string]Standing // by user id: those with a role, a ban or a mute
}

// Standing is what the rules say of one person.
type Standing struct {
	Name        string // as the person was called when the rules last named it; "" if that is not known
	Role        Role   // "" for none
	BannedUntil int64  // seconds since the epoch; 0 for no ban
	MutedUntil  int64  // seconds since the epoch; 0 for no mute
	Reason      string // of the ban; "" for none
	MuteReason  string // of the mute; "" for none
}

// Forever is the end of a ban or mute without an end.
const Forever int64 = math.MaxInt64

// Role is what somebody is in a room. Each role may do what the roles below it may.
type Role string

// The roles that rules give.
const (
	RoleOwner     Role = "owner"
	RoleModerator Role = "moderator"
	RoleMember    Role = "member"
	RoleReader    Role = "reader"
)

// The roles of those who are not let in.
const (
	RoleBanned   Role = "banned"
	RoleStranger Role = "stranger" // to a private room
)

// Roles returns all roles, the one with the fewest rights first.
func Roles() []Role {
	return []Role{RoleStranger, RoleBanned, RoleReader, RoleMember, RoleModerator, RoleOwner}
}

// rank is a role's place in Roles.
func (r Role) rank() int {
	for i, role := range Roles() {
		if r == role {
			return i
		}
	}
	return 0
}

// IsGiven reports whether it is a role that rules give.
func (r Role) IsGiven() bool {
	return r == RoleReader || r == RoleMember || r == RoleModerator || r == RoleOwner
}

// Reaches reports whether a role has the rights of another.
func (r Role) Reaches(other Role) bool { return r.rank() >= other.rank() }

// Actor is somebody who has signed in, with what the token says.
type Actor struct {
	Person
	Program   bool // a program that the owner of the chat lets do everything
	Moderates bool // moderates all rooms but direct ones
	// Patterns are the rooms that the token allows: names, and patterns that end with *; nil for every room.
	Patterns []string
}

// Covers reports whether patterns cover a room, both in their canonical form. Names are compared byte for byte. A * at
// the end of a pattern stands for any rest.
func Covers(patterns []string, room string) bool {
	for _, pattern := range patterns {
		prefix, isPattern := strings.CutSuffix(pattern, "*")
		if room == pattern || isPattern && strings.HasPrefix(room, prefix) {
			return true
		}
	}
	return false
}

// RoleIn is what the rules make of somebody at a time, without what keeps a member from writing.
func (r Rules) RoleIn(userID string, moderates bool, at time.Time) Role {
	person := r.People[userID]
	role := person.Role
	if role == "" && !r.Private {
		role = RoleMember
	}
	if moderates && !r.Direct && !role.Reaches(RoleModerator) {
		role = RoleModerator
	}
	switch {
	case person.BannedUntil > at.Unix() && !role.Reaches(RoleModerator):
		if r.Private { // it does not exist for those who are not let in
			return RoleStranger
		}
		return RoleBanned
	case role == "":
		return RoleStranger
	}
	return role
}

// roleOf is what the rules make of an actor at a time. A program is like an owner in every room.
func (r Rules) roleOf(by Actor, at time.Time) Role {
	if by.Program {
		return RoleOwner
	}
	return r.RoleIn(by.ID, by.Moderates, at)
}

// effective is what somebody can do now: somebody who is muted can only read, as can a member of a room that is
// read-only.
func (r Rules) effective(userID string, moderates bool, at time.Time) Role {
	role := r.RoleIn(userID, moderates, at)
	if role == RoleMember && (r.ReadOnly || r.People[userID].MutedUntil > at.Unix()) {
		return RoleReader
	}
	return role
}

// Admits reports whether somebody may be in the room at all.
func (r Rules) Admits(userID string, moderates bool, at time.Time) bool {
	return r.RoleIn(userID, moderates, at).Reaches(RoleReader)
}

// Equal reports whether two rules are the same in every field.
func (r Rules) Equal(other Rules) bool {
	return r.Room == other.Room && r.Version == other.Version && r.Title == other.Title && r.Topic == other.Topic &&
		r.Private == other.Private && r.Direct == other.Direct && r.ReadOnly == other.ReadOnly &&
		r.SlowMode == other.SlowMode && maps.Equal(r.People, other.People)
}

// with returns rules in which a person's standing is another. A person without role, ban and mute is no longer in them.
func (r Rules) with(userID string, s Standing) Rules {
	r.People = maps.Clone(r.People)
	if r.People == nil {
		r.People = map[string]Standing{}
	}
	r.put(userID, s)
	return r
}

// put sets a person's standing in the map of the rules, which nobody else must hold.
func (r Rules) put(userID string, s Standing) {
	if s.BannedUntil == 0 {
		s.Reason = ""
	}
	if s.MutedUntil == 0 {
		s.MuteReason = ""
	}
	if s.Role == "" && s.BannedUntil == 0 && s.MutedUntil == 0 {
		delete(r.People, userID)
	} else {
		r.People[userID] = s
	}
}

// RuleStore keeps the rules of rooms.
//
// Rules change as messages do: a change takes the next number in the room's changes, and names index 0. Both are
// stored together, or neither is.
type RuleStore interface {
	// Rules returns a room's rules as they are after every ChangeRules that had returned before; without any, Rules
	// with Version 0. For rules that are damaged, or of a later version of this program, the error wraps
	// ErrUnreadableRules.
	Rules(ctx context.Context, room string) (Rules, error)

	// ChangeRules stores what change makes of a room's rules, and returns them as they are then. It is like
	// ChangeLog.Change.
	ChangeRules(ctx context.Context, room string, change func(Rules) (Rules, error)) (Rules, error)

	// DirectRoom returns the name of the direct room of two people. If they have none yet, it is the one given.
	DirectRoom(ctx context.Context, one, other, name string) (string, error)

	// TakeTurn lets a user write in a room with slow mode, if the user has not done so for a while; otherwise it
	// returns how long to wait. Writing again what has the same message id does not wait.
	TakeTurn(ctx context.Context, room, userID, messageID string, every time.Duration) (wait time.Duration, err error)
}

// ErrUnreadableRules says that a room has rules which this program cannot read.
var ErrUnreadableRules = errors.New("the rules of the room cannot be read")

// isReserved reports whether a room's name can only be one that the chat has made up, for a direct room.
func isReserved(room string) bool { return strings.HasPrefix(room, "@") }
