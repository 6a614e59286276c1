package localstore

import (
	"context"
	"maps"
	"slices"
	"sync"

	"wschat/pkg/chat"
)

// Roster is a chat.Roster in memory. The zero value is ready to use.
type Roster struct {
	mu    sync.Mutex
	rooms map[string]map[string]chat.Member // room → connection id
	conns map[string]map[string]bool        // connection id → rooms
}

var _ chat.Roster = (*Roster)(nil)

// Join adds a membership; see chat.Roster.
func (r *Roster) Join(_ context.Context, m chat.Member) (before chat.Member, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rooms == nil {
		r.rooms, r.conns = map[string]map[string]chat.Member{}, map[string]map[string]bool{}
	}
	if r.rooms[m.Room] == nil {
		r.rooms[m.Room] = map[string]chat.Member{}
	}
	if r.conns[m.ConnectionID] == nil {
		r.conns[m.ConnectionID] = map[string]bool{}
	}
	before = r.rooms[m.Room][m.ConnectionID]
	r.rooms[m.Room][m.ConnectionID] = m
	r.conns[m.ConnectionID][m.Room] = true
	return before, nil
}

// Leave removes a membership; see chat.Roster.
func (r *Roster) Leave(_ context.Context, room, connectionID string) (chat.Member, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leave(room, connectionID), nil
}

// Remove removes a membership as it was read; see chat.Roster.
func (r *Roster) Remove(_ context.Context, m chat.Member) (ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok = r.rooms[m.Room][m.ConnectionID].Same(m); ok {
		r.leave(m.Room, m.ConnectionID)
	}
	return ok, nil
}

// leave keeps no empty map behind: rooms and connections come and go for as long as the process runs.
func (r *Roster) leave(room, connectionID string) chat.Member {
	m := r.rooms[room][connectionID]
	delete(r.rooms[room], connectionID)
	if len(r.rooms[room]) == 0 {
		delete(r.rooms, room)
	}
	delete(r.conns[connectionID], room)
	if len(r.conns[connectionID]) == 0 {
		delete(r.conns, connectionID)
	}
	return m
}

// Rooms counts a connection's rooms; see chat.Roster.
func (r *Roster) Rooms(_ context.Context, connectionID string, most int) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(len(r.conns[connectionID]), most), nil
}

// Members returns a room's memberships; see chat.Roster.
func (r *Roster) Members(_ context.Context, room string, most int) ([]chat.Member, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	members := slices.Collect(maps.Values(r.rooms[room]))
	if most > 0 && len(members) > most {
		members = members[:most]
	}
	return members, nil
}

// Forget removes a connection from every room; see chat.Roster.
func (r *Roster) Forget(_ context.Context, connectionID string) (left []chat.Member, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for room := range maps.Clone(r.conns[connectionID]) {
		left = append(left, r.leave(room, connectionID))
	}
	return left, nil
}
