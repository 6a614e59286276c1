// Package localstore is the chat's Log in one file on this machine, and its Roster in memory beside it: messages are
// kept from run to run, memberships end with the process that holds the sockets.
package localstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"wschat/pkg/chat"
)

// Buckets. A room is a bucket in each of the first two.
const (
	messagesBucket = "messages" // room → index as 8 bytes, big endian → message as JSON; the bucket's sequence is the tail
	idsBucket      = "ids"      // room → idKey of the message → index as 8 bytes
	pingBucket     = "ping"     // the fixed row that Ping writes
)

// lockTimeout is how long Open waits for another process to let go of the file.
const lockTimeout = time.Second

// Log is a chat.Log in one file.
type Log struct{ db *bolt.DB }

var _ chat.Log = (*Log)(nil)

// OpenLog opens or creates the file and its folder, and checks the whole file, so that damage is met here and not in the
// middle of a conversation. The error says in one line what is wrong with which file.
func OpenLog(path string) (*Log, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the folder of the data file: %w", err)
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := check(db); err != nil {
		_ = db.Close()
		return nil, corrupt(path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{messagesBucket, idsBucket, pingBucket} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("prepare the data file %s: %w", path, err)
	}
	return &Log{db: db}, nil
}

func open(path string) (db *bolt.DB, err error) {
	defer func() { // bbolt panics on some damage
		if p := recover(); p != nil {
			err = corrupt(path, p)
		}
	}()
	db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, FreelistType: bolt.FreelistMapType})
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("the data file %s is in use by another process: stop it, or choose another file", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the data file %s may not be read and written by this user: %w", path, err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrInvalidMapping):
		return nil, corrupt(path, err)
	}
	return nil, fmt.Errorf("open the data file %s: %w", path, err)
}

func corrupt(path string, cause any) error {
	return fmt.Errorf("the data file %s is damaged or no data file of this program (%v): move it away, or choose another file",
		path, cause)
}

// check reads every page that the file says it has.
func check(db *bolt.DB) error {
	return db.View(func(tx *bolt.Tx) error {
		info, err := os.Stat(db.Path())
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() { // reading past the end of a mapped file is a fault, not an error
			return fmt.Errorf("it has %d bytes where %d belong", info.Size(), tx.Size())
		}
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return first
	})
}

// Close closes the file, after the transactions that are under way.
func (l *Log) Close() error { return l.db.Close() }

// record is a message as it is kept. Its room is the bucket's name, its index the key.
type record struct {
	User     string `json:"user_name"`
	UserID   string `json:"user_id,omitempty"`
	Content  string `json:"content"`
	CreateAt int64  `json:"create_at"`
	ID       string `json:"message_id,omitempty"`
}

// Append stores a message; see chat.Log. It is on the disk when Append returns.
func (l *Log) Append(_ context.Context, m chat.Message) (stored chat.Message, repeat bool, err error) {
	err = l.db.Update(func(tx *bolt.Tx) error {
		stored, repeat = m, false
		room, err := tx.Bucket([]byte(messagesBucket)).CreateBucketIfNotExists([]byte(m.Room))
		if err != nil {
			return err
		}
		ids, err := tx.Bucket([]byte(idsBucket)).CreateBucketIfNotExists([]byte(m.Room))
		if err != nil {
			return err
		}
		if m.ID != "" {
			if stored, repeat, err = storedBefore(ids, room, m); err != nil || repeat {
				return err
			}
			stored = m
		}
		index, err := room.NextSequence()
		if err != nil {
			return err
		}
		stored.Index = int64(index)
		value, err := json.Marshal(record{User: m.User, UserID: m.UserID, Content: m.Content, CreateAt: m.CreateAt, ID: m.ID})
		if err != nil {
			return err
		}
		if err := room.Put(key(stored.Index), value); err != nil || m.ID == "" {
			return err
		}
		return ids.Put(idKey(m), key(stored.Index))
	})
	if err != nil {
		return chat.Message{}, false, fmt.Errorf("append to room %q: %w", m.Room, err)
	}
	return stored, repeat, nil
}

// storedBefore looks for the message that a repeat is of: under its sender's id, and then under the sender's name, as
// messages without ids are kept.
func storedBefore(ids, room *bolt.Bucket, m chat.Message) (stored chat.Message, repeat bool, err error) {
	if at := ids.Get(idKey(m)); at != nil {
		stored, err = decode(m.Room, at, room.Get(at))
		return stored, true, err
	}
	older := m
	older.UserID = ""
	at := ids.Get(idKey(older))
	if at == nil {
		return chat.Message{}, false, nil
	}
	stored, err = decode(m.Room, at, room.Get(at))
	return stored, stored.IsFromBeforeIDs(m), err
}

// idKey is the key of a message in the bucket of ids. No name and no message id has a 0 byte, and no name is empty: so the
// keys of ids, which may have such bytes, and those of names are all different.
func idKey(m chat.Message) []byte {
	if m.UserID == "" {
		return []byte(m.User + "\x00" + m.ID)
	}
	return []byte("\x00" + m.UserID + "\x00" + m.ID)
}

// Read returns messages of a room; see chat.Log.
func (l *Log) Read(_ context.Context, room string, span chat.Span) ([]chat.Message, error) {
	var found []chat.Message
	err := l.db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(messagesBucket)).Bucket([]byte(room))
		if bucket == nil {
			return nil
		}
		for k, v := range rows(bucket.Cursor(), span) {
			m, err := decode(room, k, v)
			if err != nil {
				return err
			}
			if found = append(found, m); len(found) == span.Limit {
				break
			}
		}
		return nil
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
func (l *Log) Tail(_ context.Context, room string) (tail int64, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		if bucket := tx.Bucket([]byte(messagesBucket)).Bucket([]byte(room)); bucket != nil {
			tail = int64(bucket.Sequence())
		}
		return nil
	})
	return tail, err
}

// Ping writes a fixed row.
func (l *Log) Ping(context.Context) error {
	err := l.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(pingBucket)).Put([]byte("ping"), nil)
	})
	if err != nil {
		return fmt.Errorf("write the ping row: %w", err)
	}
	return nil
}

func key(index int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(index)) }

func decode(room string, key, value []byte) (chat.Message, error) {
	var r record
	if len(key) != 8 {
		return chat.Message{}, fmt.Errorf("a row has the key %x, which is no index", key)
	}
	index := int64(binary.BigEndian.Uint64(key))
	if err := json.Unmarshal(value, &r); err != nil {
		return chat.Message{}, fmt.Errorf("message %d: %w", index, err)
	}
	return chat.Message{Room: room, Index: index, User: r.User, UserID: r.UserID, Content: r.Content,
		CreateAt: r.CreateAt, ID: r.ID}, nil
}
