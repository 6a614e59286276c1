package chat

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// Presence says that a user came to a room or went from it.
type Presence struct {
	Room  string
	User  string // "" for a connection that gave no name
	Event PresenceEvent
	Ref   string // of the request that this answers; "" in what the others in the room are sent
	Part  bool   // more frames of the same answer follow
}

// PresenceEvent is what a user did.
type PresenceEvent string

// The events.
const (
	Joined PresenceEvent = "joined"
	Left   PresenceEvent = "left"
)

// User is somebody in a room.
type User struct {
	Name        string // "" for all connections that gave no name
	Connections int    // how many of the user's connections are in the room
}

// Attendance is who is in a room.
type Attendance struct {
	Room  string
	Users []User // by name
	Ref   string // of the request that this answers
}

// DefaultPresenceLimit is how many connections a room may have for comings and goings to be announced in it.
const DefaultPresenceLimit = 100

// presenceBudget is how long an announcement may take: it must not hold up the handshake that it is made in.
const presenceBudget = time.Second

// departuresBudget is how long those of all who are gone at once may take.
const departuresBudget = 3 * time.Second

// Members reads who is in a room and posts it to the connection that asked, in as many frames as it needs.
func (s Service) Members(ctx context.Context, connectionID, room, ref string) (Attendance, error) {
	if err := errors.Join(checkRoom(room), checkOptionalName("ref", ref)); err != nil {
		return Attendance{}, err
	}
	return s.members(ctx, connectionID, room, ref)
}

func (s Service) members(ctx context.Context, connectionID, room, ref string) (Attendance, error) {
	members, err := s.Roster.Members(ctx, room, 0)
	if err != nil {
		return Attendance{}, unavailable("The room's members could not be read. Ask again.", err)
	}
	a := Attendance{Room: room, Users: users(s.present(members)), Ref: ref}
	return a, s.Reply(ctx, connectionID, s.Encoder.Members(a)...)
}

// users counts the connections of each user.
func users(members []Member) []User {
	counts := map[string]int{}
	for _, m := range members {
		counts[m.User]++
	}
	list := make([]User, 0, len(counts))
	for name, n := range counts {
		list = append(list, User{name, n})
	}
	slices.SortFunc(list, func(a, b User) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// present leaves out the memberships that are void: past their two hours, and not yet removed by the store.
func (s Service) present(members []Member) []Member {
	now := s.Now()
	return slices.DeleteFunc(members, func(m Member) bool { return !m.ExpiresAt.After(now) })
}

// announceJoin tells a room that a member came, unless its user was there already. before is what the membership
// replaced, if anything.
//
// Where connections of one user come at once, the one that joined first announces it: it always finds itself the first, and
// so a coming is never missed. It may be announced twice where clocks differ or one did not see the other yet.
func (s Service) announceJoin(ctx context.Context, m, before Member) {
	if before.ConnectionID != "" && before.User != m.User {
		s.announceLeave(ctx, before)
	}
	if m.User == "" || (before.ConnectionID != "" && before.User == m.User) {
		return
	}
	s.announce(ctx, Presence{Room: m.Room, User: m.User, Event: Joined}, m.ConnectionID, func(other Member) bool {
		return other.JoinedAt.Before(m.JoinedAt) || (other.JoinedAt.Equal(m.JoinedAt) && other.ConnectionID < m.ConnectionID)
	})
}

// announceLeave tells rooms that members went, of users who have no other connection there. Where the last connections
// of a user go at once, it may be announced twice.
func (s Service) announceLeave(ctx context.Context, gone ...Member) {
	ctx, cancel := context.WithTimeout(ctx, departuresBudget)
	defer cancel()
	silent := map[string]bool{} // rooms
	for _, m := range gone {    // one after the other: each is posted to many at once
		if m.User != "" && ctx.Err() == nil && !silent[m.Room] {
			silent[m.Room] = !s.announce(ctx, Presence{Room: m.Room, User: m.User, Event: Left}, m.ConnectionID, func(Member) bool { return true })
		}
	}
}

// announce posts a presence to everybody in its room but one connection, unless the room is too large for it, or
// another connection of the user is there of which silencedBy is true. A room of N tells every coming to N, so that its
// members' comings cost the square of N: the members are read only up to the limit.
//
// It is a courtesy: each member is posted to once, and whoever misses it finds out when it asks for the members. Above all it
// does not wait for connections that are in their own $connect, which may be waiting for this one. False says that nothing is
// announced in this room.
func (s Service) announce(ctx context.Context, p Presence, butTo string, silencedBy func(other Member) bool) bool {
	if s.PresenceLimit == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, presenceBudget)
	defer cancel()
	members, err := s.Roster.Members(ctx, p.Room, s.PresenceLimit+1)
	if err != nil || len(members) > s.PresenceLimit {
		return false
	}
	to := slices.DeleteFunc(s.present(members), func(m Member) bool { return m.ConnectionID == butTo })
	if slices.ContainsFunc(to, func(m Member) bool { return m.User == p.User && silencedBy(m) }) {
		return true
	}
	errs := make([]error, len(to))
	frame := s.Encoder.Presence(p)
	forEach(s.Workers, len(to), func(i int) { errs[i] = s.Poster.Post(ctx, to[i].ConnectionID, frame) })
	var gone []Member
	for i, m := range to {
		if isClosed(m, errs[i]) { // of others a broadcaster finds out, which has the time
			gone = append(gone, m)
		}
	}
	s.prune(ctx, gone)
	return true
}
