package broadcast

import (
	"cmp"
	"context"
	"slices"

	"wschat/pkg/chat"
)

// Feed is a log of a room, as a broadcast sends it. What the log holds is numbered 1, 2, 3, … without a gap. An entry
// may stand for several of these numbers.
type Feed interface {
	// Read returns what stands after an index, oldest first, at most limit numbers. Some may have expired. It returns
	// nothing only if nothing is left.
	Read(ctx context.Context, after int64, limit int) ([]Entry, error)

	// Encode returns the frames that carry the entries, in order. There is at least one entry.
	Encode(entries []Entry) []chat.Frame
}

// Entry is one entry of a feed.
type Entry struct {
	Index   int64        // of the entry in its feed: the last number that it stands for
	After   int64        // the number before the first one that it stands for
	Message chat.Message // the message that the entry is about
	Rules   *chat.Rules  // the room's rules, if the entry is about them
	At      int64        // when the entry was stored, in seconds since the epoch; 0 if that is not known
}

// messages is the feed of a room's messages: each message is an entry under its own index.
type messages struct {
	log     chat.Log
	encoder chat.Encoder
	room    string
}

// Read returns the messages after an index.
func (f messages) Read(ctx context.Context, after int64, limit int) ([]Entry, error) {
	found, err := f.log.Read(ctx, f.room, chat.Span{After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(found))
	for i, m := range found {
		entries[i] = entryOf(m)
	}
	return entries, nil
}

// Encode returns frames of messages.
func (f messages) Encode(entries []Entry) []chat.Frame {
	page := chat.Page{Messages: make([]chat.Message, len(entries))}
	for i, e := range entries {
		page.Messages[i] = e.Message
	}
	return f.encoder.Messages(page)
}

// entryOf is a message as an entry of the feed of messages.
func entryOf(m chat.Message) Entry {
	return Entry{Index: m.Index, After: m.Index - 1, Message: m, At: m.CreateAt}
}

// from returns the entries from an index on. The entries are in the order of their indexes.
func from(entries []Entry, index int64) []Entry {
	i, _ := slices.BinarySearchFunc(entries, index, func(e Entry, index int64) int {
		return cmp.Compare(e.Index, index)
	})
	return entries[i:]
}
