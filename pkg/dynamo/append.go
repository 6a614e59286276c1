package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/backoff"
	"wschat/pkg/chat"
	"wschat/pkg/telemetry"
)

// How long Append goes on while other senders take each next index.
const (
	// nextTries is the last attempt after which the next index is tried at once. Up to about 150 messages a second
	// in a room, that is better than reading the tail again. Beyond, it only makes the contention worse
	// (BenchmarkSequencer).
	nextTries = 4

	// writeTimeout bounds it, together with two thirds of the caller's time. The rest is for sending the message.
	writeTimeout = 25 * time.Second
)

// Append stores a message; see chat.Log.
//
// The put is conditional on the index being free. Of all senders that try the same index one stores. The others try
// the next index, or read the tail again. Nothing is put at an index before the index before it was seen to be
// taken.
func (l *Log) Append(ctx context.Context, m chat.Message) (stored chat.Message, repeat bool, err error) {
	deadline := writeDeadline(ctx)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	put := put{Log: l, id: rand.Text()}
	tail, known := l.tails.get(m.Room)
	recent := false // the tail is as of this call, not of one before
	pauses := 0
	for attempt := 1; ; attempt++ {
		if !known {
			if tail, err = l.Tail(ctx, m.Room); err != nil {
				return chat.Message{}, false, err
			}
			l.tails.compare(m.Room, tail)
			recent = true
		}
		m.Index = tail + 1
		result, err := put.try(ctx, m)
		switch {
		case err != nil:
			return chat.Message{}, false, err
		case result.older > 0:
			stored, found, err := l.get(ctx, m.Room, result.older)
			if err != nil || found && stored.IsFromBeforeIDs(m) {
				return stored, err == nil, err
			}
			put.passed = true // it is another message, and stays where it is
			continue
		case result.repeat:
			stored, found, err := l.get(ctx, m.Room, result.index)
			if err == nil && !found {
				err = fmt.Errorf("the message that was sent before is not at index %d, where its marker says",
					result.index)
			}
			return stored, true, err
		case result.index > 0:
			m.Index = result.index
			l.tails.set(m.Room, m.Index)
			return m, false, nil
		}
		telemetry.FromContext(ctx).Add(telemetry.Conflicts, 1)
		if !result.conflict && recent && attempt <= nextTries {
			tail, known = m.Index, true
			continue
		}
		// After a conflict the same index is tried again, and no other before another sender's message is seen
		// there: the conflict may have been with an earlier try of this call, and then the next index would get a
		// second message.
		known = result.conflict
		pauses++
		pause := betweenAttempts().Pause(pauses)
		if time.Now().Add(pause).After(deadline) {
			return chat.Message{}, false, outOfTime(m.Index, attempt, result)
		}
		if err := backoff.Sleep(ctx, pause); err != nil {
			return chat.Message{}, false, err
		}
	}
}

// betweenAttempts is the pause between two attempts to write what others write, too. With shorter or longer ones, a
// busy room stores fewer messages and changes.
func betweenAttempts() backoff.Policy {
	return backoff.Policy{First: 4 * time.Millisecond, Most: 250 * time.Millisecond}
}

// writeDeadline is when a write that others keep from succeeding is given up.
func writeDeadline(ctx context.Context) time.Time {
	most := writeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)*2/3)
	}
	return time.Now().Add(most)
}

// outOfTime is the error of an Append that has tried for as long as it may. It says that nothing was stored only if
// that is known.
func outOfTime(index int64, attempt int, last putResult) error {
	if last.conflict {
		return fmt.Errorf("other transactions were at index %d, or DynamoDB was throttled, up to attempt %d", index,
			attempt)
	}
	return &chat.Error{
		Code:    chat.CodeRoomBusy,
		Message: "Too many people send to this room at once; nothing was stored. Send it again in a while.",
		Err:     fmt.Errorf("index %d was taken at attempt %d", index, attempt),
	}
}

// putResult is the outcome of an attempt to store a message. The zero value means that another message is at the
// index.
type putResult struct {
	index    int64 // where the message is stored; 0 for nowhere
	repeat   bool  // it has been there before: another call stored a message with the same id
	older    int64 // where a message is that has the same name and id and no UserID; 0 for nowhere
	conflict bool  // others were at the same rows in that moment, and nothing is known of the index
}

// put is one call's attempts to store a message.
type put struct {
	*Log
	id     string // by which the call recognises what it has stored
	passed bool   // the marker under the sender's name is another message's
}

// try tries to store a message at m.Index.
func (p put) try(ctx context.Context, m chat.Message) (putResult, error) {
	row := key(m.Room, m.Index)
	row[attrUser], row[attrContent], row[attrCreateAt] = text(m.User), text(m.Content), number(m.CreateAt)
	row[attrPutID] = text(p.id)
	if m.UserID != "" {
		row[attrUserID] = text(m.UserID)
	}
	if m.ID != "" {
		row[attrMessageID] = text(m.ID)
	}
	if m.ReplyTo > 0 {
		row[attrReplyTo] = number(m.ReplyTo)
	}
	if m.Metadata != "" {
		row[attrMetadata] = text(m.Metadata)
	}
	if p.retention > 0 {
		row[attrExpiresAt] = number(m.CreateAt + seconds(p.retention))
	}
	if m.ID == "" && p.retention == 0 {
		return p.alone(ctx, row)
	}
	return p.together(ctx, m, row)
}

// notTaken is the condition of a new row. A failed one returns the row that is there.
const notTaken = "attribute_not_exists(" + attrRoom + ")"

func (p put) alone(ctx context.Context, row item) (putResult, error) {
	_, err := p.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &p.table,
		Item:                                row,
		ConditionExpression:                 aws.String(notTaken),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return putResult{index: numberOf(row, attrIndex)}, nil
	}
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		// If the row is this call's own, an earlier try of the SDK's stored it and the answer was lost.
		if textOf(failed.Item, attrPutID) == p.id {
			return putResult{index: numberOf(row, attrIndex)}, nil
		}
		return putResult{}, nil
	}
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return putResult{conflict: true}, nil
	}
	return putResult{}, fmt.Errorf("put a message: %w", err)
}

// together stores a message in one transaction with the markers of its id and, with a retention, the room's last
// index.
func (p put) together(ctx context.Context, m chat.Message, row item) (putResult, error) {
	writes := []types.TransactWriteItem{{Put: &types.Put{
		TableName: &p.table, Item: row, ConditionExpression: aws.String(notTaken),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
	for _, marker := range p.markers(m, numberOf(row, attrExpiresAt)) {
		writes = append(writes, types.TransactWriteItem{Put: marker})
	}
	if p.retention > 0 {
		writes = append(writes, types.TransactWriteItem{Update: &types.Update{
			TableName: &p.table, Key: key(m.Room, 0),
			UpdateExpression: aws.String("SET " + attrLastIndex + " = :index, " + attrExpiresAt + " = :expires"),
			ConditionExpression: aws.String("attribute_not_exists(" + attrLastIndex + ") OR " + attrLastIndex +
				" < :index"),
			ExpressionAttributeValues: item{
				":index": number(m.Index), ":expires": number(m.CreateAt + seconds(roomLife(p.retention))),
			},
		}})
	}
	// The SDK adds a client request token, by which DynamoDB knows its retries for ten minutes.
	_, err := p.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	if err == nil {
		return putResult{index: m.Index}, nil
	}
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return putResult{}, fmt.Errorf("put a message with its id or the room's row: %w", err)
	}
	return judge(canceled.CancellationReasons, m, p.id, err)
}

// judge reads why a transaction was cancelled: a reason for each of its writes, in their order, with the row that
// was in the way. m is the message that the transaction would have stored.
func judge(reasons []types.CancellationReason, m chat.Message, putID string, err error) (putResult, error) {
	var result putResult
	taken := false
	for _, reason := range reasons {
		at := numberOf(reason.Item, attrStoredAt) // of a marker
		switch code := aws.ToString(reason.Code); {
		case textOf(reason.Item, attrPutID) == putID:
			// An earlier try stored a row that is this call's own, and its answer was lost. The row may be at
			// another index than this one.
			return putResult{index: max(at, numberOf(reason.Item, attrIndex))}, nil
		case code == conditionFailed && at > 0 && textOf(reason.Item, attrRoom) == markerRoom(m):
			return putResult{index: at, repeat: true}, nil
		case code == conditionFailed && at > 0:
			result.older = at
		case code == conditionFailed:
			taken = true
		case !mayBeRepeated(code):
			return putResult{}, fmt.Errorf("put a message with its id or the room's row: %w", err)
		}
	}
	result.conflict = !taken
	return result, nil
}

// mayBeRepeated reports whether a write of a cancelled transaction may be taken when it is tried again.
func mayBeRepeated(code string) bool {
	switch code {
	case "", "None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
		return true
	}
	return false
}

// conditionFailed is a cancellation reason's code
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
const conditionFailed = "ConditionalCheckFailed"

// get returns the message that is stored at an index, and whether there is one.
func (l *Log) get(ctx context.Context, room string, index int64) (m chat.Message, found bool, err error) {
	row, err := l.row(ctx, room, index)
	if err != nil {
		return chat.Message{}, false, err
	}
	return message(room, row), len(row) > 0, nil
}
