package broadcast

import (
	"context"
	"math"

	"wschat/pkg/chat"
)

// changes is the feed of what becomes of a room's messages. An entry is a message as it is now, and stands for the
// changes before its own that are not told by another: of many changes of one message, an entry tells all.
type changes struct {
	log     chat.ChangeLog
	encoder chat.Encoder
	room    string
}

// changesLease is the name of the lease of a room's changes. No room has such a name.
func changesLease(room string) string { return "changes\x00" + room }

// Read returns the changed messages after a change.
func (f changes) Read(ctx context.Context, after int64, limit int) ([]Entry, error) {
	for {
		found, err := f.log.Changes(ctx, f.room, after, limit)
		if err != nil {
			return nil, err
		}
		var entries []Entry
		for _, c := range found.Messages {
			entries = append(entries, entryOfChange(after, c))
			after = c.Change
		}
		if len(entries) > 0 || !found.More {
			return entries, nil
		}
		after = found.UpTo // these have expired
	}
}

// entryOfChange is a change as an entry of the feed, which comes after another one.
func entryOfChange(after int64, c chat.ChangedMessage) Entry {
	return Entry{After: after, Index: c.Change, Message: c.Message, Rules: c.Rules}
}

// last returns the number of the room's last change, in one read.
func (f changes) last(ctx context.Context) (int64, error) {
	found, err := f.log.Changes(ctx, f.room, math.MaxInt64-1, 1)
	return found.UpTo, err
}

// Encode returns frames of changes. If a message was read several times, its last state is sent.
func (f changes) Encode(entries []Entry) []chat.Frame {
	last := map[int64]int64{} // the message's index → its last change
	for _, e := range entries {
		last[e.Message.Index] = e.Index
	}
	page := chat.ChangesPage{Room: f.room, After: entries[0].After, UpTo: entries[len(entries)-1].Index}
	for _, e := range entries {
		if last[e.Message.Index] == e.Index {
			page.Messages = append(page.Messages,
				chat.ChangedMessage{Change: e.Index, Message: e.Message, Rules: e.Rules})
		}
	}
	return f.encoder.Changes(page)
}
