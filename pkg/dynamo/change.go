package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/backoff"
	"wschat/pkg/chat"
	"wschat/pkg/parallel"
	"wschat/pkg/telemetry"
)

// A room's changes have a partition of their own: a row for each change, a pointer, with the index of the message. The
// message's row holds the state and, as its version, the number of its last change. One transaction writes both: the
// pointer at the tail + 1, which must not be there, and the message's row, which must have the version that was read.
// So of all that change the room at once, one succeeds, and the others begin again. With a retention, the transaction
// also writes the number of the last change at index 0 of the partition, because pointers expire with their messages.

// changesRoom is the partition key of a room's changes. No room's name begins as it does.
func changesRoom(room string) string { return "#changes\x00" + room }

// Change changes a message; see chat.ChangeLog.
func (l *Log) Change(ctx context.Context, room string, index int64,
	change func(chat.Message) (chat.Message, error)) (stored chat.Message, err error) {
	var now current
	read := func(ctx context.Context) (err error) {
		now, err = l.current(ctx, room, index)
		return err
	}
	err = l.swap(ctx, room, index, read, func(tail int64) (*changing, error) {
		to, err := change(now.message)
		if stored = now.message; err != nil || now.message.Equal(to) {
			return nil, err
		}
		// A read sees the items of a transaction one by one: the row may be newer than the pointers.
		stored = now.message.Changed(to, max(tail, now.message.Version)+1)
		update, err := l.update(now, stored)
		return &changing{version: stored.Version, expiresAt: now.expiresAt, update: update}, err
	})
	return stored, err
}

// swap changes what is at an index of a room. Again and again it has read read that, and prepare make an attempt of it,
// given the number of the room's last change, until an attempt is stored. If prepare makes none, there is nothing to
// change.
func (l *Log) swap(ctx context.Context, room string, index int64, read func(ctx context.Context) error,
	prepare func(tail int64) (*changing, error)) error {
	deadline := writeDeadline(ctx)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	putID := rand.Text()
	for attempt := 1; ; attempt++ {
		if attempt > 1 {
			pause := betweenAttempts().Pause(attempt - 1)
			if time.Now().Add(pause).After(deadline) {
				return busyWithChanges(index, attempt)
			}
			if err := backoff.Sleep(ctx, pause); err != nil {
				return err
			}
		}
		var tail int64
		tailRead := parallel.Go(func() (err error) {
			tail, err = l.Tail(ctx, changesRoom(room))
			return err
		})
		err := read(ctx)
		if tailErr := <-tailRead; err == nil {
			err = tailErr
		}
		if err != nil {
			return err
		}
		c, err := prepare(tail)
		if c == nil || err != nil {
			return err
		}
		c.Log, c.putID, c.room, c.index = l, putID, room, index
		stored, err := c.insist(ctx, deadline)
		if err != nil || stored {
			return err
		}
		telemetry.FromContext(ctx).Add(telemetry.Conflicts, 1)
	}
}

func busyWithChanges(index int64, attempts int) error {
	return &chat.Error{
		Code:    chat.CodeRoomBusy,
		Message: "Too many messages of this room are changed at once; nothing was changed. Try again in a while.",
		Err:     fmt.Errorf("others changed the room at each of %d attempts to change message %d", attempts, index),
	}
}

// current is a message's row as it was read.
type current struct {
	message   chat.Message
	expiresAt int64 // seconds since the epoch; 0 for never
}

// current reads a message.
func (l *Log) current(ctx context.Context, room string, index int64) (current, error) {
	row, err := l.row(ctx, room, index)
	if err != nil {
		return current{}, err
	}
	if index < 1 || len(row) == 0 || expired(row, time.Now().Unix()) {
		return current{}, chat.ErrNoMessage
	}
	return current{message: message(room, row), expiresAt: numberOf(row, attrExpiresAt)}, nil
}

func (l *Log) row(ctx context.Context, room string, index int64) (item, error) {
	out, err := l.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.table, Key: key(room, index),
		ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("get message %d: %w", index, err)
	}
	return out.Item, nil
}

// changing is one attempt of a change of what is at an index of a room.
type changing struct {
	*Log
	putID     string // by which the call recognises what it has stored
	room      string
	index     int64         // of the message; 0 for the room's rules
	version   int64         // the number of the change
	expiresAt int64         // of the pointer: seconds since the epoch; 0 for never
	update    *types.Update // the write of the row, if that is still as it was read
}

// insist repeats the identical transaction until it is known whether it is stored. After a conflict or an unknown
// answer that is not known: a try of it may still be under way. It is decided as soon as the pointer is there.
func (c changing) insist(ctx context.Context, deadline time.Time) (stored bool, err error) {
	for try := 1; ; try++ {
		outcome, err := c.try(ctx)
		if outcome != undecided {
			return outcome == done, err
		}
		pause := betweenAttempts().Pause(try)
		if time.Now().Add(pause).After(deadline) {
			return false, fmt.Errorf("it is not known whether message %d was changed: %w", c.index, err)
		}
		if sleepErr := backoff.Sleep(ctx, pause); sleepErr != nil {
			return false, errors.Join(err, sleepErr)
		}
	}
}

// outcome is what became of a transaction.
type outcome int

const (
	undecided  outcome = iota // perhaps it is stored, or will be
	done                      // it is stored
	lost                      // it is not stored, and never will be: another change came first
	impossible                // DynamoDB does not take it
)

// try writes the pointer and the row in one transaction.
func (c changing) try(ctx context.Context) (outcome, error) {
	pointer := key(changesRoom(c.room), c.version)
	pointer[attrMessageIndex], pointer[attrPutID] = number(c.index), text(c.putID)
	if c.expiresAt > 0 {
		pointer[attrExpiresAt] = number(c.expiresAt)
	}
	writes := []types.TransactWriteItem{
		{Put: &types.Put{TableName: &c.table, Item: pointer, ConditionExpression: aws.String(notTaken),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}},
		{Update: c.update},
	}
	if c.retention > 0 {
		writes = append(writes, types.TransactWriteItem{Update: c.count()})
	}
	_, err := c.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	if err == nil {
		return done, nil
	}
	err = fmt.Errorf("change message %d: %w", c.index, err)
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return undecided, err
	}
	switch outcome := c.judge(canceled.CancellationReasons); outcome {
	case undecided, impossible:
		return outcome, err
	default:
		return outcome, nil
	}
}

// judge reads why a transaction was cancelled: a reason for each of its writes, in their order.
func (c changing) judge(reasons []types.CancellationReason) outcome {
	failed := func(i int) bool { return i < len(reasons) && aws.ToString(reasons[i].Code) == conditionFailed }
	switch {
	case failed(0) && textOf(reasons[0].Item, attrPutID) == c.putID:
		return done // by a try whose answer was lost
	case failed(0):
		return lost // another change has the number
	case failed(1) || failed(2):
		// The pointer is not there, so no try is stored. None will be: the message's version and the room's count only
		// grow.
		return lost
	}
	for _, reason := range reasons {
		if !mayBeRepeated(aws.ToString(reason.Code)) {
			return impossible
		}
	}
	return undecided
}

// update is the write of a message's row, if it has the version that was read.
func (l *Log) update(from current, to chat.Message) (*types.Update, error) {
	values := item{
		":content": text(to.Content), ":version": number(to.Version), ":read": number(from.message.Version),
		":now": number(time.Now().Unix()),
	}
	set, remove := "SET "+attrContent+" = :content, "+attrVersion+" = :version", ""
	for _, n := range []struct {
		attribute string
		value     int64
	}{
		{attrContentVersion, to.ContentVersion}, {attrEditedAt, to.EditedAt}, {attrDeletedAt, to.DeletedAt},
	} {
		if n.value == 0 {
			remove += ", " + n.attribute
			continue
		}
		set += ", " + n.attribute + " = :" + n.attribute
		values[":"+n.attribute] = number(n.value)
	}
	reactions, err := encodeReactions(to.Reactions)
	if err != nil {
		return nil, err
	}
	type textual struct{ attribute, value string }
	texts := []textual{{attrMetadata, to.Metadata}, {attrReactions, reactions}}
	if to.DeletedAt != 0 {
		texts = append(texts, textual{attrUser, to.User}, textual{attrUserID, to.UserID}, textual{attrMessageID, to.ID})
	}
	for _, s := range texts {
		if s.value == "" {
			remove += ", " + s.attribute
			continue
		}
		set += ", " + s.attribute + " = :" + s.attribute
		values[":"+s.attribute] = text(s.value)
	}
	if remove != "" {
		set += " REMOVE " + remove[len(", "):]
	}
	asRead := attrVersion + " = :read"
	if from.message.Version == 0 {
		asRead = "attribute_not_exists(" + attrVersion + ")"
		delete(values, ":read")
	}
	return &types.Update{
		TableName: &l.table, Key: key(to.Room, to.Index), UpdateExpression: &set, ExpressionAttributeValues: values,
		ConditionExpression: aws.String("attribute_exists(" + attrRoom + ") AND " + asRead + " AND " +
			"(attribute_not_exists(" + attrExpiresAt + ") OR " + attrExpiresAt + " > :now)"),
	}, nil
}

// count is the write of the number of the room's last change.
func (c changing) count() *types.Update {
	return &types.Update{
		TableName: &c.table, Key: key(changesRoom(c.room), 0),
		UpdateExpression: aws.String("SET " + attrLastIndex + " = :index, " + attrExpiresAt + " = :expires"),
		ConditionExpression: aws.String("attribute_not_exists(" + attrLastIndex + ") OR " + attrLastIndex +
			" < :index"),
		ExpressionAttributeValues: item{
			":index": number(c.version), ":expires": number(time.Now().Unix() + seconds(roomLife(c.retention))),
		},
	}
}

// reaction is chat.Reaction as it is stored: in JSON, so that a row has one attribute for all of them.
type reaction struct {
	Reaction string   `json:"r"`
	Users    []person `json:"u"`
}

type person struct {
	Name string `json:"n"`
	ID   string `json:"i,omitempty"`
}

func encodeReactions(reactions []chat.Reaction) (string, error) {
	if len(reactions) == 0 {
		return "", nil
	}
	rows := make([]reaction, len(reactions))
	for i, r := range reactions {
		rows[i].Reaction = r.Reaction
		for _, u := range r.Users {
			rows[i].Users = append(rows[i].Users, person(u))
		}
	}
	b, err := json.Marshal(rows)
	return string(b), err
}

// decodeReactions reads what encodeReactions made. What another program may have written there counts as none.
func decodeReactions(s string) (reactions []chat.Reaction) {
	var rows []reaction
	if s == "" || json.Unmarshal([]byte(s), &rows) != nil {
		return nil
	}
	for _, row := range rows {
		r := chat.Reaction{Reaction: row.Reaction}
		for _, u := range row.Users {
			r.Users = append(r.Users, chat.Person(u))
		}
		reactions = append(reactions, r)
	}
	return reactions
}
