package localstore

import (
	"context"
	"sync"
	"time"

	"wschat/pkg/broadcast"
)

// Leases is a broadcast.Leases in memory. The zero value is ready to use.
type Leases struct {
	mu    sync.Mutex
	rooms map[string]lease
}

type lease struct {
	owner string // "" if nobody has it
	until time.Time
	sent  int64
}

var _ broadcast.Leases = (*Leases)(nil)

// Acquire takes a room's lease; see broadcast.Leases.
func (l *Leases) Acquire(_ context.Context, room, owner string, start int64) (sent int64, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	r, known := l.rooms[room]
	if known && r.owner != "" && r.owner != owner && now.Before(r.until) {
		return 0, false, nil
	}
	if !known {
		r.sent = start
	}
	if l.rooms == nil {
		l.rooms = map[string]lease{}
	}
	l.rooms[room] = lease{owner, now.Add(broadcast.LeaseTime), r.sent}
	return r.sent, true, nil
}

// Renew prolongs a lease; see broadcast.Leases.
func (l *Leases) Renew(_ context.Context, room, owner string, sent int64) (ok bool, err error) {
	return l.replace(room, owner, lease{owner, time.Now().Add(broadcast.LeaseTime), sent}), nil
}

// Sent returns what was noted in a lease; see broadcast.Leases.
func (l *Leases) Sent(_ context.Context, room string) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rooms[room].sent, nil
}

// Release gives a lease back; see broadcast.Leases.
func (l *Leases) Release(_ context.Context, room, owner string, sent int64) error {
	l.replace(room, owner, lease{sent: sent})
	return nil
}

func (l *Leases) replace(room, owner string, by lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.rooms[room]
	if before.owner != owner {
		return false
	}
	if by.sent == 0 {
		by.sent = before.sent
	}
	l.rooms[room] = by
	return true
}
