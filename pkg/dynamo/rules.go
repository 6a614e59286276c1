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

	"wschat/pkg/chat"
	"wschat/pkg/storedrules"
)

var _ chat.RuleStore = (*Rules)(nil)

// Rules is a chat.RuleStore on both tables. A room's rules are a row of the messages table, and they change as messages
// do: a transaction writes the row and the next of the room's changes. When people wrote last in rooms with slow mode
// is in the connections table.
type Rules struct {
	log         *Log
	api         AnnouncementsAPI // of the connections table
	connections string
}

// NewRules returns the rules of the rooms of a log. The connections table must be as ConnectionsTable says.
func NewRules(log *Log, api AnnouncementsAPI, connections string) *Rules {
	return &Rules{log: log, api: api, connections: connections}
}

// rulesRoom is the partition key of a room's rules. No room's name begins as it does.
func rulesRoom(room string) string { return "#rules\x00" + room }

// Rules returns a room's rules; see chat.RuleStore.
func (r *Rules) Rules(ctx context.Context, room string) (chat.Rules, error) {
	row, err := r.log.row(ctx, rulesRoom(room), 0)
	if err != nil {
		return chat.Rules{}, err
	}
	return rulesOf(room, row)
}

func rulesOf(room string, row item) (chat.Rules, error) {
	if len(row) == 0 {
		return chat.Rules{Room: room}, nil
	}
	return storedrules.Decode(room, numberOf(row, attrVersion), textOf(row, attrRules))
}

// ChangeRules changes a room's rules; see chat.RuleStore.
func (r *Rules) ChangeRules(ctx context.Context, room string, change func(chat.Rules) (chat.Rules, error)) (
	stored chat.Rules, err error) {
	var now chat.Rules
	read := func(ctx context.Context) (err error) {
		now, err = r.Rules(ctx, room)
		return err
	}
	err = r.log.swap(ctx, room, 0, read, func(tail int64) (*changing, error) {
		to, err := change(now)
		if err != nil {
			return nil, err
		}
		if stored = now; now.Equal(to) {
			return nil, nil
		}
		stored = to
		stored.Version = max(tail, now.Version) + 1
		update, err := r.update(now, stored)
		return &changing{version: stored.Version, expiresAt: r.log.pointerEnd(), update: update}, err
	})
	return stored, err
}

// update is the write of the row of a room's rules, if it is still as it was read.
func (r *Rules) update(from, to chat.Rules) (*types.Update, error) {
	kept, err := storedrules.Encode(to)
	if err != nil {
		return nil, err
	}
	values := item{":rules": text(kept), ":version": number(to.Version), ":read": number(from.Version)}
	asRead := "#version = :read"
	if from.Version == 0 {
		asRead = "attribute_not_exists(#version)"
		delete(values, ":read")
	}
	return &types.Update{
		TableName: &r.log.table, Key: key(rulesRoom(to.Room), 0),
		UpdateExpression:          aws.String("SET " + attrRules + " = :rules, #version = :version"),
		ConditionExpression:       &asRead,
		ExpressionAttributeNames:  map[string]string{"#version": attrVersion},
		ExpressionAttributeValues: values,
	}, nil
}

// directKey is the key of the row with the name of two people's room.
func directKey(one, other string) item {
	return key(directRoom(storedrules.Pair(one, other)), 0)
}

// directRoom is the partition key of two people's row. No room's name begins as it does.
func directRoom(pair string) string { return "#direct\x00" + pair }

// turnsRoom is the partition key of when people wrote last in a room. No room's name begins as it does.
func turnsRoom(room string) string { return "#turns\x00" + room }

// DirectRoom returns the name of two people's room; see chat.RuleStore.
func (r *Rules) DirectRoom(ctx context.Context, one, other, name string) (string, error) {
	row := directKey(one, other)
	out, err := r.log.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &r.log.table, Key: row,
		ConsistentRead: aws.Bool(true)})
	if err != nil {
		return "", fmt.Errorf("get the name of a direct room: %w", err)
	}
	if found := textOf(out.Item, attrDirectRoom); found != "" {
		return found, nil
	}
	if len(out.Item) > 0 {
		return "", errors.New("the row of a direct room has no name")
	}
	row[attrDirectRoom] = text(name)
	_, err = r.log.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &r.log.table, Item: row, ConditionExpression: aws.String("attribute_not_exists(" + attrRoom + ")"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return textOf(failed.Item, attrDirectRoom), nil // the other one was faster, or the answer to a try was lost
	}
	if err != nil {
		return "", fmt.Errorf("put the name of a direct room: %w", err)
	}
	return name, nil
}

// TakeTurn lets a user write; see chat.RuleStore.
func (r *Rules) TakeTurn(ctx context.Context, room, userID, messageID string, every time.Duration) (time.Duration,
	error) {
	now := time.Now()
	putID := rand.Text()
	row := item{
		attrRoom: text(turnsRoom(room)), attrConnectionID: text("#" + userID),
		attrAnnouncedAt: number(now.UnixMilli()), attrPutID: text(putID),
		attrExpiresAt: number(now.Add(chat.MaxSlowMode * time.Second).Unix()),
	}
	values := item{":before": number(now.Add(-every).UnixMilli())}
	condition := "attribute_not_exists(" + attrAnnouncedAt + ") OR " + attrAnnouncedAt + " <= :before"
	if messageID != "" {
		row[attrMessageID] = text(messageID)
	}
	_, err := r.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &r.connections, Item: row, ConditionExpression: &condition, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		isRepeat := messageID != "" && textOf(failed.Item, attrMessageID) == messageID
		if isRepeat || textOf(failed.Item, attrPutID) == putID { // or the answer to a try of the SDK's was lost
			return 0, nil
		}
		last := time.UnixMilli(numberOf(failed.Item, attrAnnouncedAt))
		return max(last.Add(every).Sub(now), time.Millisecond), nil
	}
	if err != nil {
		return 0, fmt.Errorf("take a turn to write: %w", err)
	}
	return 0, nil
}

// pointerEnd is when a change of rules may be forgotten, in seconds since the epoch: with the message that might have
// been stored at the same moment. 0 is never.
func (l *Log) pointerEnd() int64 {
	if l.retention == 0 {
		return 0
	}
	return time.Now().Unix() + seconds(l.retention)
}
