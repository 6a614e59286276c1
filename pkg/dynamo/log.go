package dynamo

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/chat"
)

// LogAPI is what a Log calls of *dynamodb.Client. The function's role allows just these calls on the messages table.
type LogAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

var _ LogAPI = (*dynamodb.Client)(nil)

// Log is a chat.Log on the messages table.
type Log struct {
	api       LogAPI
	table     string
	retention time.Duration
	tails     tails
}

var _ chat.Log = (*Log)(nil)

// NewLog returns a Log on the table of that name, which must be as MessagesTable says. Messages expire after the
// retention; with 0 they are kept for ever.
//
// A room that was given a retention remembers its last index in a row of its own. Once there was a retention, go on with
// one, however long: without, that row is not kept up to date. What was stored without a retention stays in the table,
// but is out of sight as soon as what came after it expires.
func NewLog(api LogAPI, table string, retention time.Duration) *Log {
	return &Log{api: api, table: table, retention: retention}
}

// Read returns messages of a room; see chat.Log.
func (l *Log) Read(ctx context.Context, room string, span chat.Span) ([]chat.Message, error) {
	found, err := l.read(ctx, room, span)
	if err != nil || len(found) == 0 || !span.Newest || span.Before == 0 || found[len(found)-1].Index == span.Before-1 {
		return found, err
	}
	// The message just before the bound is not there. Either the bound lies beyond the end of the log, or that message has
	// expired out of turn and is gone, and what is before it counts as expired with it.
	tail, err := l.Tail(ctx, room)
	if err != nil || tail > found[len(found)-1].Index {
		return nil, err
	}
	return found, nil
}

func (l *Log) read(ctx context.Context, room string, span chat.Span) ([]chat.Message, error) {
	first, last := span.After+1, int64(math.MaxInt64)
	if span.Before > 0 {
		last = span.Before - 1
	}
	if first < 1 || first > last { // past the last index there can be, or nothing between the bounds
		return nil, nil
	}
	in := &dynamodb.QueryInput{
		TableName:                 &l.table,
		ConsistentRead:            aws.Bool(true), // what was stored before is seen: a client that catches up misses nothing
		KeyConditionExpression:    aws.String(attrRoom + " = :room AND #index BETWEEN :first AND :last"),
		ExpressionAttributeNames:  map[string]string{"#index": attrIndex}, // index is a reserved word
		ExpressionAttributeValues: item{":room": text(room), ":first": number(first), ":last": number(last)},
		ScanIndexForward:          aws.Bool(!span.Newest),
		Limit:                     aws.Int32(int32(span.Limit)),
	}
	found := run{newest: span.Newest, now: time.Now().Unix()}
	for {
		out, err := l.api.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("query messages: %w", err)
		}
		for _, row := range out.Items {
			if !found.add(room, row) {
				return found.ascending(span.Limit), nil
			}
		}
		if len(found.messages) >= span.Limit || len(out.LastEvaluatedKey) == 0 {
			return found.ascending(span.Limit), nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
		in.Limit = nil
		if len(found.messages) > 0 {
			in.Limit = aws.Int32(int32(span.Limit - len(found.messages)))
		} // else all have expired so far, and it may be many more: whole pages get through them faster
	}
}

// run is the newest messages that follow one another without a gap. Gaps come of messages that expire out of turn, as when
// a retention is set and older messages have none; what is before a gap counts as expired with it.
type run struct {
	newest   bool // rows come newest first
	now      int64
	messages []chat.Message // in the order of the rows
}

// add takes the next row; false where no further row can belong to the run.
func (r *run) add(room string, row item) bool {
	m := message(room, row)
	gap := expired(row, r.now)
	if n := len(r.messages); n > 0 && !gap {
		last := r.messages[n-1].Index
		gap = r.newest && m.Index != last-1 || !r.newest && m.Index != last+1
	}
	switch {
	case gap && r.newest:
		return false
	case gap:
		r.messages = nil
	}
	if !expired(row, r.now) {
		r.messages = append(r.messages, m)
	}
	return true
}

func (r *run) ascending(limit int) []chat.Message {
	if r.newest {
		slices.Reverse(r.messages)
	}
	return r.messages[:min(limit, len(r.messages))]
}

// expired tells whether a row's time is over. DynamoDB removes such rows only after a while, and in no order.
func expired(row item, now int64) bool {
	at := numberOf(row, attrExpiresAt)
	return at != 0 && at <= now
}

func message(room string, row item) chat.Message {
	return chat.Message{
		Room:     room,
		Index:    numberOf(row, attrIndex),
		User:     textOf(row, attrUser),
		Content:  textOf(row, attrContent),
		CreateAt: numberOf(row, attrCreateAt),
		ID:       textOf(row, attrMessageID),
	}
}

// Tail returns the index of the last message; see chat.Log.
func (l *Log) Tail(ctx context.Context, room string) (int64, error) {
	out, err := l.api.Query(ctx, &dynamodb.QueryInput{
		TableName:                 &l.table,
		ConsistentRead:            aws.Bool(true), // an older tail would only be refused by the put that follows
		KeyConditionExpression:    aws.String(attrRoom + " = :room"),
		ExpressionAttributeValues: item{":room": text(room)},
		ScanIndexForward:          aws.Bool(false),
		Limit:                     aws.Int32(1),
	})
	if err != nil {
		return 0, fmt.Errorf("query the last message: %w", err)
	}
	if len(out.Items) == 0 {
		return 0, nil
	}
	newest := out.Items[0]
	tail := max(numberOf(newest, attrIndex), numberOf(newest, attrLastIndex))
	if l.retention == 0 && numberOf(newest, attrExpiresAt) == 0 {
		return tail, nil
	}
	// The row that was last may have expired and be gone while this one, older, is not: the room's own row knows.
	own, err := l.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.table, Key: key(room, 0), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return 0, fmt.Errorf("get the room's row: %w", err)
	}
	return max(tail, numberOf(own.Item, attrLastIndex)), nil
}

func key(room string, index int64) item { return item{attrRoom: text(room), attrIndex: number(index)} }

// Ping writes a fixed row.
func (l *Log) Ping(ctx context.Context) error {
	if _, err := l.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.table, Item: key("#ping", 0)}); err != nil {
		return fmt.Errorf("put the ping row: %w", err)
	}
	return nil
}
