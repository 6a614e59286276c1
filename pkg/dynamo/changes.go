package dynamo

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"wschat/pkg/backoff"
	"wschat/pkg/chat"
	"wschat/pkg/parallel"
)

const (
	// changedRows is how many rows of changed messages are read at once.
	changedRows = 16

	// latestChanges is how many of a room's last changes LastChange waits for to be visible in the messages.
	latestChanges = 10

	// mostChangedBytes is how many bytes of messages are read for one part, or changedRows messages more. An answer has
	// no room for more.
	mostChangedBytes = chat.MaxAnswerFrames * chat.MaxFrameBytes
)

// Changes returns the messages that a part of a room's changes names; see chat.ChangeLog.
//
// A reader may see a pointer before the row of its message: DynamoDB's reads outside of transactions see the writes of
// one, each by itself
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-isolation-table).
// So a row whose version is below a pointer's is read again.
func (l *Log) Changes(ctx context.Context, room string, after int64, limit int) (chat.Changes, error) {
	tail, err := l.Tail(ctx, changesRoom(room)) // before the pointers: of those up to it, the missing ones have expired
	if err != nil || after >= tail {
		return chat.Changes{UpTo: tail}, err
	}
	found, err := l.pointers(ctx, room, part{first: after + 1, last: math.MaxInt64, most: limit + 1})
	if err != nil {
		return chat.Changes{}, err
	}
	changes := chat.Changes{UpTo: tail}
	if changes.More = len(found) > limit; changes.More {
		found = found[:limit]
		changes.UpTo = found[limit-1].change
	} else if len(found) > 0 {
		changes.UpTo = max(tail, found[len(found)-1].change)
	}
	messages, upTo, err := l.changed(ctx, room, found)
	changes.Messages = messages
	if upTo > 0 {
		changes.UpTo, changes.More = upTo, true
	}
	return changes, err
}

// LastChange returns the number of the last change; see chat.ChangeLog.
func (l *Log) LastChange(ctx context.Context, room string) (int64, error) {
	tail, err := l.Tail(ctx, changesRoom(room))
	if err != nil || tail == 0 {
		return 0, err
	}
	found, err := l.pointers(ctx, room, part{first: 1, last: tail, most: latestChanges, newest: true})
	if err != nil {
		return 0, err
	}
	slices.Reverse(found)
	_, _, err = l.changed(ctx, room, found)
	return tail, err
}

// pointer is one of a room's changes.
type pointer struct {
	change int64 // its number
	index  int64 // the message's
}

// pointers returns a part of a room's changes. Those that have expired are left out.
func (l *Log) pointers(ctx context.Context, room string, p part) (found []pointer, err error) {
	r := reader{Log: l, room: changesRoom(room)}
	now := time.Now().Unix()
	err = r.query(ctx, p, func(row item) (more bool) {
		if !expired(row, now) {
			found = append(found, pointer{change: numberOf(row, attrIndex), index: numberOf(row, attrMessageIndex)})
		}
		return true
	})
	return found, err
}

// changed returns the messages that pointers name, as they are now, in the order of their last pointers. The pointers
// are in the order of their numbers. Messages that have expired are left out. If there are more bytes than
// mostChangedBytes, it returns a part, and the number of the last change of that; otherwise upTo is 0.
func (l *Log) changed(ctx context.Context, room string, pointers []pointer) (found []chat.ChangedMessage, upTo int64,
	err error) {
	last := map[int64]int64{} // the message's index → its last change
	for _, p := range pointers {
		last[p.index] = p.change
	}
	wanted := slices.DeleteFunc(slices.Clone(pointers), func(p pointer) bool { return last[p.index] != p.change })
	now := time.Now().Unix()
	bytes := 0
	for batch := range slices.Chunk(wanted, changedRows) {
		if bytes >= mostChangedBytes {
			return found, upTo, nil
		}
		rows, errs := make([]item, len(batch)), make([]error, len(batch))
		parallel.ForEach(len(batch), len(batch), func(i int) { rows[i], errs[i] = l.rowSince(ctx, room, batch[i]) })
		if err := errors.Join(errs...); err != nil {
			return nil, 0, err
		}
		for i, row := range rows {
			if batch[i].index == 0 {
				// Rules that cannot be read let nobody in, and need not be told.
				if rules, err := rulesOf(room, row); err == nil && rules.Version > 0 {
					found = append(found, chat.ChangedMessage{Change: batch[i].change, Rules: &rules})
				}
				bytes += len(textOf(row, attrRules))
				continue
			}
			if len(row) > 0 && !expired(row, now) {
				found = append(found, chat.ChangedMessage{Change: batch[i].change, Message: message(room, row)})
				for _, name := range []string{attrContent, attrMetadata, attrReactions} {
					bytes += len(textOf(row, name))
				}
			}
		}
		upTo = batch[len(batch)-1].change
	}
	return found, 0, nil
}

// rowSince returns the row of a message, or of the room's rules, as it is since a change. A row that stays older for
// long is no reader's race, but was restored or written by another program, and is returned as it is.
func (l *Log) rowSince(ctx context.Context, room string, p pointer) (row item, err error) {
	const tries = 12 // almost a second
	pauses := backoff.Policy{First: 5 * time.Millisecond, Most: 100 * time.Millisecond}
	if p.index == 0 {
		room = rulesRoom(room)
	}
	for try := 1; ; try++ {
		row, err = l.row(ctx, room, p.index)
		if err != nil || len(row) == 0 || numberOf(row, attrVersion) >= p.change || try == tries {
			return row, err
		}
		if err := backoff.Sleep(ctx, pauses.Pause(try)); err != nil {
			return nil, err
		}
	}
}
