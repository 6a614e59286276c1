package localstore

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
)

// errDamaged says that a message is not changed because its row cannot be read.
var errDamaged = &chat.Error{Code: chat.CodeUnavailable,
	Message: "This message is damaged in the chat's data file and cannot be changed."}

// Change changes a message; see chat.ChangeLog. It is on the disk when Change returns. No other change comes between.
func (l *Log) Change(_ context.Context, room string, index int64,
	change func(chat.Message) (chat.Message, error)) (chat.Message, error) {
	var refused error
	m, err := guarded(l.guard, func() (m chat.Message, err error) {
		err = l.update(func(tx *bolt.Tx) (err error) {
			m, err, refused = changeIn(tx, room, index, change)
			return err
		})
		return m, err
	})
	if err != nil {
		return chat.Message{}, fmt.Errorf("change message %d of room %q: %w", index, room, err)
	}
	return m, refused
}

// changeIn changes a message in a transaction. err is the file's, and refused why nothing was to be changed.
func changeIn(tx *bolt.Tx, room string, index int64,
	change func(chat.Message) (chat.Message, error)) (m chat.Message, err, refused error) {
	rows := tx.Bucket([]byte(messagesBucket)).Bucket([]byte(room))
	if rows == nil || index < 1 {
		return m, nil, chat.ErrNoMessage
	}
	value := rows.Get(key(index))
	if value == nil {
		return m, nil, chat.ErrNoMessage
	}
	m, err = decode(room, key(index), value)
	if err != nil {
		return m, nil, errDamaged
	}
	to, refused := change(m)
	if refused != nil || m.Equal(to) {
		return m, nil, refused
	}
	changes, err := tx.Bucket([]byte(changesBucket)).CreateBucketIfNotExists([]byte(room))
	if err != nil {
		return m, err, nil
	}
	number, err := changes.NextSequence()
	if err != nil {
		return m, err, nil
	}
	before := m
	m = m.Changed(to, int64(number))
	if before.ID != "" && m.ID == "" {
		if err := tx.Bucket([]byte(idsBucket)).Bucket([]byte(room)).Delete(idKey(before)); err != nil {
			return m, err, nil
		}
	}
	return m, errors.Join(changes.Put(key(m.Version), key(index)), put(rows, m)), nil
}

// Changes returns the messages that a part of a room's changes names; see chat.ChangeLog.
func (l *Log) Changes(_ context.Context, room string, after int64, limit int) (chat.Changes, error) {
	found, err := view(l, func(tx *bolt.Tx) (found chat.Changes) {
		rows := tx.Bucket([]byte(messagesBucket)).Bucket([]byte(room))
		changes := tx.Bucket([]byte(changesBucket)).Bucket([]byte(room))
		if changes == nil {
			return found
		}
		found.UpTo = int64(changes.Sequence())
		found.More = found.UpTo-after > int64(limit)
		if found.More {
			found.UpTo = after + int64(limit)
		}
		last := map[string]int64{} // the message's key → its last change
		c := changes.Cursor()
		for k, v := c.Seek(key(after + 1)); k != nil && indexOf(k) <= found.UpTo; k, v = c.Next() {
			last[string(v)] = indexOf(k)
		}
		for k, v := c.Seek(key(after + 1)); k != nil && indexOf(k) <= found.UpTo; k, v = c.Next() {
			if last[string(v)] != indexOf(k) {
				continue
			}
			if indexOf(v) == 0 {
				// Rules that cannot be read let nobody in, and need not be told.
				if rules, err := rulesIn(tx, room); err == nil {
					found.Messages = append(found.Messages, chat.ChangedMessage{Change: indexOf(k), Rules: &rules})
				}
			} else if rows != nil {
				found.Messages = append(found.Messages, chat.ChangedMessage{
					Change: indexOf(k), Message: l.message(rows, room, v, rows.Get(v)),
				})
			}
		}
		return found
	})
	if err != nil {
		return chat.Changes{}, fmt.Errorf("read the changes of room %q: %w", room, err)
	}
	return found, nil
}

// LastChange returns the number of the last change; see chat.ChangeLog.
func (l *Log) LastChange(_ context.Context, room string) (int64, error) {
	last, err := view(l, func(tx *bolt.Tx) int64 {
		if changes := tx.Bucket([]byte(changesBucket)).Bucket([]byte(room)); changes != nil {
			return int64(changes.Sequence())
		}
		return 0
	})
	if err != nil {
		return 0, fmt.Errorf("read the last change of room %q: %w", room, err)
	}
	return last, nil
}
