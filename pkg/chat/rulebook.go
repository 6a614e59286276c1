package chat

import (
	"context"
	"sync"
	"time"
)

const (
	// rulesLife is how long a process goes by the rules that it has read. What is allowed by them must be stored within
	// RightsGrace of the reading.
	rulesLife = 2 * time.Second

	// refusalLife is how long it refuses by them: what somebody is allowed, holds at once.
	refusalLife = 250 * time.Millisecond

	// RightsGrace is how long after a right has ended something may still be done by it.
	RightsGrace = 5 * time.Second

	// mostRulesKept is how many rooms' rules a process keeps at once, with mostPeopleKept people in all of them, which
	// are about 10 MB.
	mostRulesKept  = 1000
	mostPeopleKept = 50_000
)

// RuleBook is the rules of rooms, as one process knows them: a RuleStore behind a cache. Its methods may be called
// concurrently.
type RuleBook struct {
	RuleStore
	now func() time.Time

	mu     sync.Mutex
	rooms  map[string]readRules
	people int // in all of them
}

// readRules are rules and the time when their reading began.
type readRules struct {
	rules Rules
	asOf  time.Time
}

// NewRuleBook returns the book of a store. now tells the time.
func NewRuleBook(store RuleStore, now func() time.Time) *RuleBook {
	return &RuleBook{RuleStore: store, now: now, rooms: map[string]readRules{}}
}

// recent returns a room's rules as they were at most life ago. The processor may have stood still since they were
// read, and the monotonic clock with it, so the wall clock counts.
func (b *RuleBook) recent(ctx context.Context, room string, life time.Duration) (readRules, error) {
	now := b.now().Round(0)
	b.mu.Lock()
	kept, ok := b.rooms[room]
	b.mu.Unlock()
	if age := now.Sub(kept.asOf); ok && age >= 0 && age <= life {
		return kept, nil
	}
	rules, err := b.Rules(ctx, room)
	if err != nil {
		return readRules{}, unavailable("The rules of the room could not be read. Try again.", err)
	}
	read := readRules{rules, now}
	b.keep(room, read)
	return read, nil
}

// fresh returns a room's rules as they are now.
func (b *RuleBook) fresh(ctx context.Context, room string) (Rules, error) {
	read, err := b.recent(ctx, room, -1)
	return read.rules, err
}

// keep keeps rules, unless others were read later.
func (b *RuleBook) keep(room string, read readRules) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rooms[room].asOf.After(read.asOf) {
		return
	}
	b.forget(room)
	if b.isFull(read) {
		for name, kept := range b.rooms {
			if read.asOf.Sub(kept.asOf) > rulesLife {
				b.forget(name)
			}
		}
		if b.isFull(read) {
			clear(b.rooms)
			b.people = 0
		}
	}
	b.rooms[room] = read
	b.people += len(read.rules.People)
}

func (b *RuleBook) isFull(more readRules) bool {
	return len(b.rooms) >= mostRulesKept || b.people+len(more.rules.People) > mostPeopleKept
}

func (b *RuleBook) forget(room string) {
	b.people -= len(b.rooms[room].rules.People)
	delete(b.rooms, room)
}

// ChangeRules changes a room's rules, and knows them from then on; see RuleStore.
func (b *RuleBook) ChangeRules(ctx context.Context, room string, change func(Rules) (Rules, error)) (Rules, error) {
	began := b.now().Round(0)
	rules, err := b.RuleStore.ChangeRules(ctx, room, change)
	if err == nil {
		b.keep(room, readRules{rules, began})
	}
	return rules, err
}
