// Package localstore is the chat's Log in one file on this machine, and its Roster in memory beside it: messages are
// kept from run to run, memberships end with the process that holds the sockets. What becomes of messages, and how far
// users have read them, is kept with them.
package localstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
)

// buckets returns the names of all buckets.
func buckets() []string {
	return []string{messagesBucket, idsBucket, changesBucket, markersBucket, rulesBucket, directBucket, erasuresBucket,
		pingBucket}
}

// Buckets. A room is a bucket in each of the first two.
const (
	// room → index, 8 bytes, big endian → message, see seal; the bucket's sequence is the tail
	messagesBucket = "messages"
	idsBucket      = "ids" // room → idKey of the message → index as 8 bytes
	// room → number of a change, as the index → the message's index, 8 bytes; the bucket's sequence is the last number
	changesBucket  = "changes"
	markersBucket  = "markers"  // the user's id → room → marker
	rulesBucket    = "rules"    // room → see rulesIn
	directBucket   = "directs"  // two users' ids → their room
	erasuresBucket = "erasures" // the name of an erasure → how far it has come
	pingBucket     = "ping"     // the fixed row that Ping writes
)

// Log is a chat.Log, a chat.ChangeLog and a chat.ReadMarkers in one file.
type Log struct {
	db     *bolt.DB
	path   string
	logger *slog.Logger
	told   sync.Map // the rows that cannot be read and are in the log

	file    *dataFile
	guard   *guard
	writing sync.Mutex    // held while the file changes
	pinging sync.Mutex    // held while the file beside it is written
	closing chan struct{} // closed by Close
	watched chan struct{} // closed when watch has ended
}

var (
	_ chat.Log       = (*Log)(nil)
	_ chat.ChangeLog = (*Log)(nil)
)

// record is a message as it is kept. Its room is the bucket's name, its index the key.
type record struct {
	User           string     `json:"user_name"`
	UserID         string     `json:"user_id,omitempty"`
	Content        string     `json:"content"`
	CreateAt       int64      `json:"create_at"`
	ID             string     `json:"message_id,omitempty"`
	ReplyTo        int64      `json:"reply_to,omitempty"`
	Metadata       string     `json:"metadata,omitempty"`
	Version        int64      `json:"version,omitempty"`
	ContentVersion int64      `json:"content_version,omitempty"`
	EditedAt       int64      `json:"edited_at,omitempty"`
	DeletedAt      int64      `json:"deleted_at,omitempty"`
	Reactions      []reaction `json:"reactions,omitempty"`
}

// reaction is a chat.Reaction as it is kept.
type reaction struct {
	Reaction string   `json:"reaction"`
	Users    []person `json:"users"`
}

type person struct {
	Name string `json:"user_name"`
	ID   string `json:"user_id,omitempty"`
}

func recordOf(m chat.Message) record {
	r := record{
		User: m.User, UserID: m.UserID, Content: m.Content, CreateAt: m.CreateAt, ID: m.ID, ReplyTo: m.ReplyTo,
		Metadata: m.Metadata, Version: m.Version, ContentVersion: m.ContentVersion, EditedAt: m.EditedAt,
		DeletedAt: m.DeletedAt,
	}
	for _, given := range m.Reactions {
		kept := reaction{Reaction: given.Reaction}
		for _, u := range given.Users {
			kept.Users = append(kept.Users, person(u))
		}
		r.Reactions = append(r.Reactions, kept)
	}
	return r
}

func (r record) message(room string, index int64) chat.Message {
	m := chat.Message{
		Room: room, Index: index, User: r.User, UserID: r.UserID, Content: r.Content, CreateAt: r.CreateAt, ID: r.ID,
		ReplyTo: r.ReplyTo, Metadata: r.Metadata, Version: r.Version, ContentVersion: r.ContentVersion,
		EditedAt: r.EditedAt, DeletedAt: r.DeletedAt,
	}
	for _, kept := range r.Reactions {
		given := chat.Reaction{Reaction: kept.Reaction}
		for _, u := range kept.Users {
			given.Users = append(given.Users, chat.Person(u))
		}
		m.Reactions = append(m.Reactions, given)
	}
	return m
}

// Append stores a message; see chat.Log. It is on the disk when Append returns.
func (l *Log) Append(_ context.Context, m chat.Message) (stored chat.Message, repeat bool, err error) {
	type answer struct {
		stored chat.Message
		repeat bool
	}
	a, err := guarded(l.guard, func() (a answer, err error) {
		err = l.update(func(tx *bolt.Tx) (err error) {
			a.stored, a.repeat, err = l.appendIn(tx, m)
			return err
		})
		return a, err
	})
	if err != nil {
		return chat.Message{}, false, fmt.Errorf("append to room %q: %w", m.Room, err)
	}
	return a.stored, a.repeat, nil
}

func (l *Log) appendIn(tx *bolt.Tx, m chat.Message) (stored chat.Message, repeat bool, err error) {
	room, err := tx.Bucket([]byte(messagesBucket)).CreateBucketIfNotExists([]byte(m.Room))
	if err != nil {
		return stored, false, err
	}
	ids, err := tx.Bucket([]byte(idsBucket)).CreateBucketIfNotExists([]byte(m.Room))
	if err != nil {
		return stored, false, err
	}
	if m.ID != "" {
		if stored, repeat = l.repeated(room, ids, m); repeat {
			return stored, true, nil
		}
	}
	index, err := room.NextSequence()
	if err != nil {
		return stored, false, err
	}
	stored = m
	stored.Index = int64(index)
	if err := put(room, stored); err != nil || m.ID == "" {
		return stored, false, err
	}
	return stored, false, ids.Put(idKey(m), key(stored.Index))
}

// put writes a message's row.
func put(room *bolt.Bucket, m chat.Message) error {
	value, err := json.Marshal(recordOf(m))
	if err != nil {
		return err
	}
	k := key(m.Index)
	return room.Put(k, seal(m.Room, k, value))
}

// Read returns messages of a room; see chat.Log. In place of a message that cannot be read stands one that says so.
func (l *Log) Read(_ context.Context, room string, span chat.Span) ([]chat.Message, error) {
	found, err := view(l, func(tx *bolt.Tx) (found []chat.Message) {
		bucket := tx.Bucket([]byte(messagesBucket)).Bucket([]byte(room))
		if bucket == nil {
			return nil
		}
		for k, v := range rows(bucket.Cursor(), span) {
			if found = append(found, l.message(bucket, room, k, v)); len(found) == span.Limit {
				break
			}
		}
		return found
	})
	if err != nil {
		return nil, fmt.Errorf("read room %q: %w", room, err)
	}
	if span.Newest {
		slices.Reverse(found)
	}
	return found, nil
}

// Tail returns the index of the last message; see chat.Log.
func (l *Log) Tail(_ context.Context, room string) (int64, error) {
	tail, err := view(l, func(tx *bolt.Tx) int64 {
		if bucket := tx.Bucket([]byte(messagesBucket)).Bucket([]byte(room)); bucket != nil {
			return int64(bucket.Sequence())
		}
		return 0
	})
	if err != nil {
		return 0, fmt.Errorf("read the tail of room %q: %w", room, err)
	}
	return tail, nil
}

// view reads in a transaction.
func view[T any](l *Log, read func(tx *bolt.Tx) T) (T, error) {
	return guarded(l.guard, func() (found T, err error) {
		if err := l.file.inPlace(); err != nil {
			l.guard.fail(err)
			return found, err
		}
		err = l.db.View(func(tx *bolt.Tx) error {
			found = read(tx)
			return nil
		})
		return found, err
	})
}

// update writes in a transaction, and looks before and after it whether the file is still the one that was opened.
func (l *Log) update(write func(tx *bolt.Tx) error) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	err := l.file.intact()
	if err != nil {
		l.guard.fail(err)
		return err
	}
	failure := l.db.Update(write)
	if err = l.file.noteHeads(); err == nil {
		err = l.file.inPlace()
	}
	if err != nil {
		l.guard.fail(err)
	}
	return errors.Join(failure, err)
}

func key(index int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(index)) }

// indexOf is the index that a row's key stands for, 0 where it is no index.
func indexOf(key []byte) int64 {
	if len(key) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(key))
}

func decode(room string, key, value []byte) (chat.Message, error) {
	var r record
	text, err := unseal(room, key, value)
	if err != nil {
		return chat.Message{}, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return chat.Message{}, err
	}
	return r.message(room, indexOf(key)), nil
}
