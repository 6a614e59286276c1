package localstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
	"wschat/pkg/storedrules"
)

var (
	_ chat.PersonFinder    = (*Log)(nil)
	_ chat.ErasureProgress = (*Log)(nil)
	_ chat.PersonFinder    = (*Roster)(nil)
)

// Find finds what a part of the file holds of a person; see chat.PersonFinder. Messages come first. What is beside them
// is in the part with the last ones. Read markers are there, too.
func (l *Log) Find(_ context.Context, of chat.Person, from string, most int) (found chat.Found, err error) {
	begin := position{}
	if from != "" && json.Unmarshal([]byte(from), &begin) != nil {
		return found, chat.BadPosition()
	}
	found, err = view(l, func(tx *bolt.Tx) chat.Found {
		f := finding{tx: tx, of: of, most: most}
		if next := f.messages(begin); next != (position{}) {
			text, _ := json.Marshal(next) // a text and a number
			f.found.Next = string(text)
			return f.found
		}
		f.rules()
		f.markers()
		return f.found
	})
	if err != nil {
		return found, fmt.Errorf("look for a person: %w", err)
	}
	return found, nil
}

// position is where a part begins: after a message of a room.
type position struct {
	Room  string `json:"room"`
	Index int64  `json:"index"`
}

// finding is one Find.
type finding struct {
	tx    *bolt.Tx
	of    chat.Person
	most  int
	found chat.Found
}

// messages looks at messages, and returns where to go on; the zero position if there are no more.
func (f *finding) messages(begin position) (next position) {
	all := f.tx.Bucket([]byte(messagesBucket))
	rooms := all.Cursor()
	for name, _ := rooms.Seek([]byte(begin.Room)); name != nil; name, _ = rooms.Next() {
		room, after := string(name), int64(0)
		if room == begin.Room {
			after = begin.Index
		}
		c := all.Bucket(name).Cursor()
		for k, v := c.Seek(key(after + 1)); k != nil; k, v = c.Next() {
			if f.found.Looked == f.most {
				return next
			}
			f.found.Looked++
			next = position{room, indexOf(k)}
			m, err := decode(room, k, v)
			switch {
			case err != nil:
				f.found.Damaged++
			case m.Has(f.of):
				f.found.Messages = append(f.found.Messages, m)
			}
		}
	}
	return position{}
}

// rules finds rules that name the person, and the person's direct rooms.
func (f *finding) rules() {
	if f.of.ID == "" {
		return
	}
	_ = f.tx.Bucket([]byte(rulesBucket)).ForEach(func(room, _ []byte) error { // which returns what this returns
		switch rules, err := rulesIn(f.tx, string(room)); {
		case err != nil:
			f.found.Damaged++
		case rules.Names(f.of):
			f.found.Rules = append(f.found.Rules, string(room))
		}
		return nil
	})
	_ = f.tx.Bucket([]byte(directBucket)).ForEach(func(pair, _ []byte) error {
		if storedrules.IsOfPair(string(pair), f.of.ID) {
			f.own(directBucket, pair)
		}
		return nil
	})
}

// markers finds read markers.
func (f *finding) markers() {
	all := f.tx.Bucket([]byte(markersBucket))
	if rooms := all.Bucket([]byte(f.of.ID)); f.of.ID != "" && rooms != nil {
		_ = rooms.ForEach(func(room, _ []byte) error {
			f.own(markersBucket, []byte(f.of.ID), room)
			return nil
		})
	}
}

// own adds a row that is to be deleted: the names of its buckets, and its key.
func (f *finding) own(bucket string, path ...[]byte) {
	name, _ := json.Marshal(append([][]byte{[]byte(bucket)}, path...)) // bytes
	f.found.Rows = append(f.found.Rows, string(name))
}

// Delete deletes a row; see chat.PersonFinder. An empty bucket of a user's read markers goes with the last of them.
func (l *Log) Delete(_ context.Context, row string) error {
	var path [][]byte
	if err := json.Unmarshal([]byte(row), &path); err != nil || len(path) < 2 {
		return fmt.Errorf("there is no row %q", row)
	}
	_, err := guarded(l.guard, func() (none struct{}, err error) {
		return none, l.update(func(tx *bolt.Tx) error {
			parent := tx.Bucket(path[0])
			if len(path) == 2 {
				return parent.Delete(path[1])
			}
			rows := parent.Bucket(path[1])
			if rows == nil {
				return nil
			}
			if err := rows.Delete(path[2]); err != nil {
				return err
			}
			if k, _ := rows.Cursor().First(); k == nil && string(path[0]) == markersBucket {
				return parent.DeleteBucket(path[1])
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("delete a person's row: %w", err)
	}
	return nil
}

// Erasure returns how far an erasure has come; see chat.ErasureProgress.
func (l *Log) Erasure(_ context.Context, name string) (state chat.ErasureState, err error) {
	kept, err := view(l, func(tx *bolt.Tx) []byte {
		return bytes.Clone(tx.Bucket([]byte(erasuresBucket)).Get([]byte(name)))
	})
	if err == nil && kept != nil {
		err = json.Unmarshal(kept, &state)
	}
	if err != nil {
		return state, fmt.Errorf("read the progress of an erasure: %w", err)
	}
	return state, nil
}

// KeepErasure keeps how far an erasure has come; see chat.ErasureProgress. Here it is kept until the erasure ends.
func (l *Log) KeepErasure(_ context.Context, name string, state chat.ErasureState) error {
	progress, err := json.Marshal(state)
	if err != nil {
		return err
	}
	_, err = guarded(l.guard, func() (none struct{}, err error) {
		return none, l.update(func(tx *bolt.Tx) error {
			if state.Done {
				return tx.Bucket([]byte(erasuresBucket)).Delete([]byte(name))
			}
			return tx.Bucket([]byte(erasuresBucket)).Put([]byte(name), progress)
		})
	})
	if err != nil {
		return fmt.Errorf("keep the progress of an erasure: %w", err)
	}
	return nil
}

// Find finds the memberships of a person; see chat.PersonFinder. There is one part.
func (r *Roster) Find(_ context.Context, of chat.Person, _ string, _ int) (found chat.Found, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, members := range r.rooms {
		for _, m := range members {
			found.Looked++
			if (chat.Person{Name: m.User, ID: m.UserID}).Is(of) {
				found.Members = append(found.Members, m)
			}
		}
	}
	return found, nil
}

// Delete deletes nothing: Find returns no rows.
func (r *Roster) Delete(context.Context, string) error { return nil }
