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
func (r *Roster) Join(_ context.Context, m chat.Member) error {
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
	r.rooms[m.Room][m.ConnectionID] = m
	r.conns[m.ConnectionID][m.Room] = true
	return nil
}

// Leave removes a membership; see chat.Roster.
func (r *Roster) Leave(_ context.Context, room, connectionID string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave(room, connectionID)
	return nil
}

// leave keeps no empty map behind: rooms and connections come and go for as long as the process runs.
func (r *Roster) leave(room, connectionID string) {
	delete(r.rooms[room], connectionID)
	if len(r.rooms[room]) == 0 {
		delete(r.rooms, room)
	}
	delete(r.conns[connectionID], room)
	if len(r.conns[connectionID]) == 0 {
		delete(r.conns, connectionID)
	}
}

// Members returns a room's memberships; see chat.Roster.
func (r *Roster) Members(_ context.Context, room string) ([]chat.Member, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.rooms[room])), nil
}

// Forget removes a connection from every room; see chat.Roster.
func (r *Roster) Forget(_ context.Context, connectionID string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for room := range maps.Clone(r.conns[connectionID]) {
		r.leave(room, connectionID)
	}
	return nil
}
