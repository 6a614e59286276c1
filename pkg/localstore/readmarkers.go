package localstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
)

var _ chat.ReadMarkers = (*Log)(nil)

// marker is a read marker as it is kept: the index, and when it expires in seconds since the epoch, 8 bytes each.
type marker struct{ read, expiresAt int64 }

const markerBytes = 16

func (m marker) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(m.read))
	return binary.BigEndian.AppendUint64(b, uint64(m.expiresAt))
}

// markerOf reads a marker. One that has expired, or that is damaged, is none.
func markerOf(b []byte) (m marker, ok bool) {
	if len(b) != markerBytes {
		return m, false
	}
	m = marker{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}
	return m, m.read >= 0 && m.expiresAt > time.Now().Unix()
}

// Begin makes a marker; see chat.ReadMarkers.
func (l *Log) Begin(_ context.Context, userID, room string, index int64) error {
	_, err := l.putMarker(userID, room, index, func(int64) bool { return false })
	return err
}

// Advance moves a marker forward; see chat.ReadMarkers.
func (l *Log) Advance(_ context.Context, userID, room string, index int64) (moved bool, err error) {
	return l.putMarker(userID, room, index, func(before int64) bool { return before < index })
}

// putMarker writes a marker if there is none, or if the one that is there may be replaced. It reports whether it did.
func (l *Log) putMarker(userID, room string, index int64, mayReplace func(before int64) bool) (done bool, err error) {
	done, err = guarded(l.guard, func() (done bool, err error) {
		err = l.update(func(tx *bolt.Tx) error {
			rooms, err := tx.Bucket([]byte(markersBucket)).CreateBucketIfNotExists([]byte(userID))
			if err != nil {
				return err
			}
			before, ok := markerOf(rooms.Get([]byte(room)))
			if done = !ok || mayReplace(before.read); !done {
				return nil
			}
			now := marker{index, time.Now().Add(chat.ReadMarkerLife).Unix()}
			return rooms.Put([]byte(room), now.encode())
		})
		return done, err
	})
	if err != nil {
		return false, fmt.Errorf("write a read marker: %w", err)
	}
	return done, nil
}

// ReadMarker returns a marker; see chat.ReadMarkers.
func (l *Log) ReadMarker(_ context.Context, userID, room string) (m chat.ReadMarker, ok bool, err error) {
	found, err := view(l, func(tx *bolt.Tx) []byte {
		if rooms := tx.Bucket([]byte(markersBucket)).Bucket([]byte(userID)); rooms != nil {
			return bytes.Clone(rooms.Get([]byte(room)))
		}
		return nil
	})
	if err != nil {
		return m, false, fmt.Errorf("read a read marker: %w", err)
	}
	kept, ok := markerOf(found)
	return chat.ReadMarker{Room: room, Read: kept.read}, ok, nil
}

// ReadMarkers returns markers by the names of their rooms; see chat.ReadMarkers.
func (l *Log) ReadMarkers(_ context.Context, userID, after string, limit int) ([]chat.ReadMarker, error) {
	found, err := view(l, func(tx *bolt.Tx) (found []chat.ReadMarker) {
		rooms := tx.Bucket([]byte(markersBucket)).Bucket([]byte(userID))
		if rooms == nil {
			return nil
		}
		c := rooms.Cursor()
		for k, v := c.Seek([]byte(after)); k != nil && len(found) < limit; k, v = c.Next() {
			if m, ok := markerOf(v); ok && string(k) != after {
				found = append(found, chat.ReadMarker{Room: string(k), Read: m.read})
			}
		}
		return found
	})
	if err != nil {
		return nil, fmt.Errorf("read the read markers of a user: %w", err)
	}
	return found, nil
}

// ForgetRoom removes a marker; see chat.ReadMarkers.
func (l *Log) ForgetRoom(_ context.Context, userID, room string) error {
	_, err := guarded(l.guard, func() (none struct{}, err error) {
		return none, l.update(func(tx *bolt.Tx) error {
			if rooms := tx.Bucket([]byte(markersBucket)).Bucket([]byte(userID)); rooms != nil {
				return rooms.Delete([]byte(room))
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("delete a read marker: %w", err)
	}
	return nil
}
