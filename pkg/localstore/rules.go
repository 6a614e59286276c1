package localstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
	"wschat/pkg/storedrules"
)

// Rules is a chat.RuleStore: the rules of the rooms are in the file of a Log, and when people wrote last in rooms with
// slow mode is in memory.
type Rules struct {
	*Log
	turns turns
}

var _ chat.RuleStore = (*Rules)(nil)

// NewRules returns the rules of the rooms of a log.
func NewRules(l *Log) *Rules { return &Rules{Log: l} }

// Rules returns a room's rules; see chat.RuleStore.
func (r *Rules) Rules(_ context.Context, room string) (chat.Rules, error) {
	type found struct {
		rules chat.Rules
		err   error
	}
	f, err := view(r.Log, func(tx *bolt.Tx) (f found) {
		f.rules, f.err = rulesIn(tx, room)
		return f
	})
	if err = errors.Join(err, f.err); err != nil {
		return chat.Rules{}, fmt.Errorf("read the rules of room %q: %w", room, err)
	}
	return f.rules, nil
}

// rulesIn reads a room's rules: their version, 8 bytes, and their text, sealed as messages are.
func rulesIn(tx *bolt.Tx, room string) (chat.Rules, error) {
	value := tx.Bucket([]byte(rulesBucket)).Get([]byte(room))
	if value == nil {
		return chat.Rules{Room: room}, nil
	}
	if len(value) < 8 {
		return chat.Rules{}, fmt.Errorf("%w: they are cut off", chat.ErrUnreadableRules)
	}
	text, err := unsealAs(room, value[:8], value[8:])
	if err != nil {
		return chat.Rules{}, fmt.Errorf("%w: %w", chat.ErrUnreadableRules, err)
	}
	return storedrules.Decode(room, indexOf(value[:8]), string(text))
}

// ChangeRules changes a room's rules; see chat.RuleStore. They are on the disk when ChangeRules returns.
func (r *Rules) ChangeRules(_ context.Context, room string, change func(chat.Rules) (chat.Rules, error)) (chat.Rules,
	error) {
	var refused error
	rules, err := guarded(r.guard, func() (rules chat.Rules, err error) {
		err = r.update(func(tx *bolt.Tx) (err error) {
			rules, err, refused = changeRulesIn(tx, room, change)
			return err
		})
		return rules, err
	})
	if err != nil {
		return chat.Rules{}, fmt.Errorf("change the rules of room %q: %w", room, err)
	}
	return rules, refused
}

// changeRulesIn changes a room's rules in a transaction. err is the file's, and refused why nothing was to be changed.
func changeRulesIn(tx *bolt.Tx, room string, change func(chat.Rules) (chat.Rules, error)) (rules chat.Rules, err,
	refused error) {
	now, refused := rulesIn(tx, room)
	if refused != nil {
		return rules, nil, refused
	}
	to, refused := change(now)
	if refused != nil || now.Equal(to) {
		return now, nil, refused
	}
	text, refused := storedrules.Encode(to)
	if refused != nil {
		return now, nil, refused
	}
	changes, err := tx.Bucket([]byte(changesBucket)).CreateBucketIfNotExists([]byte(room))
	if err != nil {
		return now, err, nil
	}
	number, err := changes.NextSequence()
	if err != nil {
		return now, err, nil
	}
	to.Version = int64(number)
	version := binary.BigEndian.AppendUint64(nil, number)
	value := append(version[:8:8], seal(room, version, []byte(text))...)
	return to, errors.Join(changes.Put(version, key(0)), tx.Bucket([]byte(rulesBucket)).Put([]byte(room), value)), nil
}

// DirectRoom returns the name of two people's room; see chat.RuleStore.
func (r *Rules) DirectRoom(_ context.Context, one, other, name string) (string, error) {
	pair := []byte(storedrules.Pair(one, other))
	name, err := guarded(r.guard, func() (string, error) {
		return name, r.update(func(tx *bolt.Tx) error {
			directs := tx.Bucket([]byte(directBucket))
			if found := directs.Get(pair); found != nil {
				name = string(found)
				return nil
			}
			return directs.Put(pair, []byte(name))
		})
	})
	if err != nil {
		return "", fmt.Errorf("name a direct room: %w", err)
	}
	return name, nil
}

// TakeTurn lets a user write; see chat.RuleStore.
func (r *Rules) TakeTurn(_ context.Context, room, userID, messageID string, every time.Duration) (time.Duration,
	error) {
	return r.turns.take(turnOf{room, userID}, messageID, every, time.Now()), nil
}

// turns are when people wrote last in rooms with slow mode. The zero value is ready to use.
type turns struct {
	mu    sync.Mutex
	last  map[turnOf]turn
	swept time.Time
}

type turnOf struct{ room, userID string }

type turn struct {
	at, until time.Time
	messageID string
}

func (t *turns) take(whose turnOf, messageID string, every time.Duration, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.swept) > time.Minute { // people come and go for as long as the process runs
		t.swept = now
		maps.DeleteFunc(t.last, func(_ turnOf, last turn) bool { return !last.until.After(now) })
	}
	last, ok := t.last[whose]
	if wait = last.at.Add(every).Sub(now); ok && wait > 0 {
		if messageID != "" && messageID == last.messageID {
			return 0
		}
		return wait
	}
	if t.last == nil {
		t.last = map[turnOf]turn{}
	}
	t.last[whose] = turn{at: now, until: now.Add(every), messageID: messageID}
	return 0
}
