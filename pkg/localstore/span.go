package localstore

import (
	"bytes"
	"iter"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
)

// rows walks a room's rows inside a span: upwards from its beginning or, for the newest, downwards from its end.
// It does not count them.
func rows(c *bolt.Cursor, span chat.Span) iter.Seq2[[]byte, []byte] {
	if span.Newest {
		return func(yield func(k, v []byte) bool) {
			for k, v := last(c, span.Before); k != nil && bytes.Compare(k, key(span.After)) > 0; k, v = c.Prev() {
				if !yield(k, v) {
					return
				}
			}
		}
	}
	return func(yield func(k, v []byte) bool) {
		for k, v := c.Seek(key(span.After + 1)); k != nil; k, v = c.Next() {
			if span.Before > 0 && bytes.Compare(k, key(span.Before)) >= 0 || !yield(k, v) {
				return
			}
		}
	}
}

// last is the last row before an index, or of all where before is 0.
func last(c *bolt.Cursor, before int64) (k, v []byte) {
	if before > 0 {
		if k, _ := c.Seek(key(before)); k != nil {
			return c.Prev()
		}
	}
	return c.Last()
}
