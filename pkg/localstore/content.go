package localstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// damage is what is wrong with single rows of a file whose pages are right.
type damage struct {
	lost   int    // messages that cannot be read
	first  string // where the first of them is
	strays int    // entries of ids that are missing or lead to another message
}

// look counts the damage. Its error tells what does not concern single rows only.
func (d *damage) look(tx *bolt.Tx) error {
	err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if b == nil {
			return fmt.Errorf("%q in it is no bucket", name)
		}
		if slices.Contains(buckets(), string(name)) {
			return nil
		}
		return fmt.Errorf("there is a bucket %q in it", name)
	})
	if err != nil {
		return err
	}
	messages, ids := tx.Bucket([]byte(messagesBucket)), tx.Bucket([]byte(idsBucket))
	if messages == nil || ids == nil {
		if messages != nil || ids != nil || tx.Bucket([]byte(pingBucket)) != nil {
			return errors.New("one of its buckets is missing")
		}
		return nil
	}
	if err := sameRooms(messages, ids); err != nil {
		return err
	}
	if err := lookAtChanges(tx.Bucket([]byte(changesBucket)), messages, tx.Bucket([]byte(rulesBucket))); err != nil {
		return err
	}
	return messages.ForEachBucket(func(name []byte) error {
		room := string(name)
		if err := d.lookAtRows(messages.Bucket(name), ids.Bucket(name), room); err != nil {
			return fmt.Errorf("room %q: %w", room, err)
		}
		return d.lookAtIDs(messages.Bucket(name), ids.Bucket(name), room)
	})
}

// sameRooms reports whether two buckets hold buckets of the same names, and nothing else.
func sameRooms(messages, ids *bolt.Bucket) error {
	for _, pair := range [][2]*bolt.Bucket{{messages, ids}, {ids, messages}} {
		err := pair[0].ForEach(func(name, value []byte) error {
			if value != nil || pair[1].Bucket(name) == nil {
				return fmt.Errorf("room %q is there in part", name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lookAtRows checks that a room's rows are numbered up to the tail without a gap, that each can be read, and that it is
// found by its id.
func (d *damage) lookAtRows(rows, ids *bolt.Bucket, room string) error {
	var last int64
	err := rows.ForEach(func(k, v []byte) error {
		index := indexOf(k)
		if v == nil || index < 1 || last > 0 && index != last+1 {
			return fmt.Errorf("the row after message %d has the key %x", last, k)
		}
		last = index
		m, err := decode(room, k, v)
		if err != nil {
			if d.lost++; d.lost == 1 {
				d.first = fmt.Sprintf("message %d of room %q", index, room)
			}
			return nil
		}
		if m.ID != "" && !bytes.Equal(ids.Get(idKey(m)), k) {
			d.strays++
		}
		return nil
	})
	if err == nil && last != int64(rows.Sequence()) {
		err = fmt.Errorf("its last message is %d, and the count is %d", last, rows.Sequence())
	}
	return err
}

// lookAtChanges checks that each room's changes are numbered up to the count without a gap, and that each names a
// message or the room's rules. Files from before there were changes have no such bucket.
func lookAtChanges(changes, messages, rules *bolt.Bucket) error {
	if changes == nil {
		return nil
	}
	return changes.ForEachBucket(func(name []byte) error {
		room, rows := changes.Bucket(name), messages.Bucket(name)
		last := int64(0)
		err := room.ForEach(func(k, v []byte) error {
			last++
			ofRules := bytes.Equal(v, key(0)) && rules != nil && rules.Get(name) != nil
			if indexOf(k) != last || len(v) != 8 || !ofRules && (rows == nil || rows.Get(v) == nil) {
				return fmt.Errorf("change %d has the key %x and names the message %x", last, k, v)
			}
			return nil
		})
		if err == nil && last != int64(room.Sequence()) {
			err = fmt.Errorf("its last change is %d, and their count is %d", last, room.Sequence())
		}
		if err != nil {
			return fmt.Errorf("room %q: %w", name, err)
		}
		return nil
	})
}

// lookAtIDs counts the entries that do not lead to their message. If the message cannot be read, they may be right.
func (d *damage) lookAtIDs(rows, ids *bolt.Bucket, room string) error {
	return ids.ForEach(func(k, v []byte) error {
		value := rows.Get(v)
		m, err := decode(room, v, value)
		if value == nil || err == nil && !bytes.Equal(idKey(m), k) {
			d.strays++
		}
		return nil
	})
}

// log writes a line for each kind of damage.
func (d *damage) log(logger *slog.Logger, path string) {
	if d.lost > 0 {
		logger.Error("messages in the data file cannot be read and are shown as damaged",
			slog.String("file", path), slog.Int("messages", d.lost), slog.String("first", d.first))
	}
	if d.strays > 0 {
		logger.Warn("message ids in the data file are damaged: a message that is sent again may be stored twice",
			slog.String("file", path), slog.Int("entries", d.strays))
	}
}
