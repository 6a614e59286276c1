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

	"wschat/pkg/awsclient"
	"wschat/pkg/chat"
)

// How long Append goes on where others take each next index before it does.
const (
	firstPause = 4 * time.Millisecond
	mostPause  = 500 * time.Millisecond

	// deadlineReserve is left of the caller's time for what comes after a message is stored.
	deadlineReserve = 3 * time.Second

	// appendTimeout bounds it where the caller has no deadline.
	appendTimeout = 25 * time.Second
)

// Append stores a message; see chat.Log.
//
// The put is conditional on the index being free, so of all who try the same next index one stores, and the others learn
// the tail again. Nothing is put at an index before the one before it has been seen to be taken.
func (l *Log) Append(ctx context.Context, m chat.Message) (stored chat.Message, repeat bool, err error) {
	deadline := time.Now().Add(appendTimeout)
	if d, ok := ctx.Deadline(); ok {
		deadline = d.Add(-deadlineReserve)
	}
	putID := rand.Text()
	tail, known := l.tails.get(m.Room)
	for attempt := 1; ; attempt++ {
		if !known {
			if tail, err = l.Tail(ctx, m.Room); err != nil {
				return chat.Message{}, false, err
			}
		}
		m.Index = tail + 1
		result, err := l.put(ctx, m, putID)
		switch {
		case err != nil:
			return chat.Message{}, false, err
		case result.stored:
			l.tails.set(m.Room, m.Index)
			return m, false, nil
		case result.repeatOf > 0:
			stored, err := l.get(ctx, m, result.repeatOf)
			return stored, true, err
		}
		known = false
		pause := awsclient.Backoff(attempt, firstPause, mostPause)
		if time.Now().Add(pause).After(deadline) {
			return chat.Message{}, false, &chat.Error{
				Code:    chat.CodeRoomBusy,
				Message: "Too many people send to this room at once; nothing was stored. Send it again in a while.",
				Err:     fmt.Errorf("index %d was taken at attempt %d", m.Index, attempt),
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return chat.Message{}, false, err
		}
	}
}

// putResult is what became of an attempt to store a message. The zero value means that the index was taken, or that
// another transaction was at the same rows: nothing is stored.
type putResult struct {
	stored   bool
	repeatOf int64 // the index at which the message id was stored before
}

// put tries to store a message at m.Index.
func (l *Log) put(ctx context.Context, m chat.Message, putID string) (putResult, error) {
	row := key(m.Room, m.Index)
	row[attrUser], row[attrContent], row[attrCreateAt] = text(m.User), text(m.Content), number(m.CreateAt)
	row[attrPutID] = text(putID)
	if m.ID != "" {
		row[attrMessageID] = text(m.ID)
	}
	if l.retention > 0 {
		row[attrExpiresAt] = number(m.CreateAt + int64(l.retention/time.Second))
	}
	if m.ID == "" && l.retention == 0 {
		return l.putAlone(ctx, row, putID)
	}
	return l.putTogether(ctx, m, row, putID)
}

// notTaken is the condition of a new row. A failed one returns the row that is there.
const notTaken = "attribute_not_exists(" + attrRoom + ")"

func (l *Log) putAlone(ctx context.Context, row item, putID string) (putResult, error) {
	_, err := l.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &l.table,
		Item:                                row,
		ConditionExpression:                 aws.String(notTaken),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return putResult{stored: true}, nil
	}
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		// Where the row is this call's own, an earlier try of the SDK's stored it and the answer was lost.
		return putResult{stored: textOf(failed.Item, attrPutID) == putID}, nil
	}
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return putResult{}, nil
	}
	return putResult{}, fmt.Errorf("put a message: %w", err)
}

// putTogether stores a message with what must be stored with it: the marker of its id, and, where messages expire, the
// room's last index.
func (l *Log) putTogether(ctx context.Context, m chat.Message, row item, putID string) (putResult, error) {
	writes := []types.TransactWriteItem{{Put: &types.Put{
		TableName: &l.table, Item: row, ConditionExpression: aws.String(notTaken),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
	marker := -1 // its place in writes
	if m.ID != "" {
		marker = len(writes)
		id := key(markerRoom(m), 0)
		id[attrStoredAt], id[attrPutID] = number(m.Index), text(putID)
		if at, ok := row[attrExpiresAt]; ok {
			id[attrExpiresAt] = at
		}
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{
			TableName: &l.table, Item: id, ConditionExpression: aws.String(notTaken),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}})
	}
	if l.retention > 0 {
		writes = append(writes, types.TransactWriteItem{Update: &types.Update{
			TableName: &l.table, Key: key(m.Room, 0),
			UpdateExpression:          aws.String("SET " + attrLastIndex + " = :index"),
			ConditionExpression:       aws.String("attribute_not_exists(" + attrLastIndex + ") OR " + attrLastIndex + " < :index"),
			ExpressionAttributeValues: item{":index": number(m.Index)},
		}})
	}
	// The SDK adds a client request token, by which DynamoDB knows its retries for ten minutes.
	_, err := l.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	if err == nil {
		return putResult{stored: true}, nil
	}
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return putResult{}, fmt.Errorf("put a message with its id or the room's row: %w", err)
	}
	return judge(canceled.CancellationReasons, marker, putID, err)
}

// judge reads why a transaction was cancelled: a reason for each of its writes, in their order.
func judge(reasons []types.CancellationReason, marker int, putID string, err error) (putResult, error) {
	for i, reason := range reasons {
		if textOf(reason.Item, attrPutID) == putID { // stored by an earlier try whose answer was lost
			return putResult{stored: true}, nil
		}
		if i == marker && aws.ToString(reason.Code) == conditionFailed {
			return putResult{repeatOf: numberOf(reason.Item, attrStoredAt)}, nil
		}
	}
	for _, reason := range reasons {
		switch aws.ToString(reason.Code) {
		case "", "None", conditionFailed, "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
		default:
			return putResult{}, fmt.Errorf("put a message with its id or the room's row: %w", err)
		}
	}
	return putResult{}, nil
}

// conditionFailed is a cancellation reason's code
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
const conditionFailed = "ConditionalCheckFailed"

// markerRoom is the partition key of the row that must not exist when a message with an id is stored. No name in it can
// contain the separator, and no room's name begins as it does.
func markerRoom(m chat.Message) string { return "#id\x00" + m.Room + "\x00" + m.User + "\x00" + m.ID }

// get returns the message that is stored at an index. Where it has expired, and its marker not yet, what is sent again
// stands for it.
func (l *Log) get(ctx context.Context, m chat.Message, index int64) (chat.Message, error) {
	out, err := l.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.table, Key: key(m.Room, index), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return chat.Message{}, fmt.Errorf("get the message that was sent before: %w", err)
	}
	if len(out.Item) == 0 {
		m.Index = index
		return m, nil
	}
	return message(m.Room, out.Item), nil
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
