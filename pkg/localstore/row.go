package localstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
)

// What stands in place of a message whose row cannot be read. Its index stays, so the room's log has no gap.
const (
	lostUser    = "(unknown)"
	lostContent = "[This message is damaged in the chat's data file and cannot be shown.]"
)

// sumBytes is the length of what seal adds to a record.
const sumBytes = 1 + 2*crc32.Size

// seal makes a row's value: the record as JSON, a line feed, and a checksum (CRC-32C, hexadecimal) of the room, the key
// and the record. A flipped bit in a text is still JSON, and a row may end up under another key or in another room.
func seal(room string, key, record []byte) []byte {
	return fmt.Appendf(record, "\n%08x", checksum(room, key, record))
}

// unseal returns the record of a row's value. Rows of older versions have no checksum: they end with the record's
// brace.
func unseal(room string, key, value []byte) (record []byte, err error) {
	if bytes.HasSuffix(value, []byte("}")) {
		return value, checkUnsealed(value)
	}
	return unsealAs(room, key, value)
}

// unsealAs returns the record of a value that seal has made.
func unsealAs(room string, key, value []byte) (record []byte, err error) {
	end := len(value) - sumBytes
	if end < 0 || string(value[end:]) != fmt.Sprintf("\n%08x", checksum(room, key, value[:end])) {
		return nil, errors.New("its checksum is wrong")
	}
	return value[:end], nil
}

// checkUnsealed finds what can be found of the damage in a record without a checksum.
func checkUnsealed(value []byte) error {
	var r record
	switch err := json.Unmarshal(value, &r); {
	case err != nil:
		return err
	case !utf8.Valid(value): // Unmarshal takes it
		return errors.New("it is no UTF-8")
	case r.User == "" || r.Content == "":
		return errors.New("it lacks its sender or its content")
	}
	return nil
}

func checksum(room string, key, record []byte) uint32 {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for _, part := range [][]byte{binary.AppendUvarint(nil, uint64(len(room))), []byte(room), key, record} {
		_, _ = sum.Write(part) // a hash returns no error
	}
	return sum.Sum32()
}

// message is a row's message or, where the row cannot be read, what stands in its place. The log then gets one line for
// the row. It carries the time of a message beside it, always the same: clients tell by the sender and the time whether
// a message is the one that they hold.
func (l *Log) message(rows *bolt.Bucket, room string, key, value []byte) chat.Message {
	m, err := decode(room, key, value)
	if err == nil {
		return m
	}
	m = chat.Message{Room: room, Index: indexOf(key), User: lostUser, Content: lostContent}
	m.CreateAt = timeNear(rows, room, key)
	if _, told := l.told.LoadOrStore(room+"\x00"+string(key), true); !told {
		l.logger.Error("a message cannot be read and is shown as damaged", slog.String("file", l.path),
			slog.String("room_name", room), slog.Int64("index", m.Index), slog.String("error", err.Error()))
	}
	return m
}

// timeNear returns when the last readable message before a key was created, or else the first one after it, or 0.
func timeNear(rows *bolt.Bucket, room string, key []byte) int64 {
	c := rows.Cursor()
	for _, step := range []func() (k, v []byte){c.Prev, c.Next} {
		c.Seek(key)
		for k, v := step(); k != nil; k, v = step() {
			if m, err := decode(room, k, v); err == nil {
				return m.CreateAt
			}
		}
	}
	return 0
}

// idKey is the key of a message in the bucket of ids. No name and no message id has a 0 byte, and no name is empty:
// so the keys of ids, which may have such bytes, and those of names are all different.
func idKey(m chat.Message) []byte {
	if m.UserID == "" {
		return []byte(m.User + "\x00" + m.ID)
	}
	return []byte("\x00" + m.UserID + "\x00" + m.ID)
}

// repeated returns what is stored of a message with an id: under its sender's id, or under the sender's name, as
// messages without user ids are kept.
func (l *Log) repeated(rows, ids *bolt.Bucket, m chat.Message) (stored chat.Message, ok bool) {
	if stored, ok = l.storedUnder(rows, ids, m); ok || m.UserID == "" {
		return stored, ok
	}
	older := m
	older.UserID = ""
	stored, ok = l.storedUnder(rows, ids, older)
	return stored, ok && stored.IsFromBeforeIDs(m)
}

// storedUnder returns the message that has the id of m. An entry that leads to no row, or to another message, is
// damaged and counts as none; a row that cannot be read may well be the message.
func (l *Log) storedUnder(rows, ids *bolt.Bucket, m chat.Message) (stored chat.Message, ok bool) {
	key := ids.Get(idKey(m))
	value := rows.Get(key)
	if len(key) != 8 || value == nil {
		return chat.Message{}, false
	}
	if other, err := decode(m.Room, key, value); err == nil && !bytes.Equal(idKey(other), idKey(m)) {
		return chat.Message{}, false
	}
	return l.message(rows, m.Room, key, value), true
}
