package dynamo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/chat"
)

// LogAPI is the part of *dynamodb.Client that a Log uses. The function's role allows just these calls on the
// messages table.
type LogAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput,
		...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

var _ LogAPI = (*dynamodb.Client)(nil)

// Log is a chat.Log and a chat.ChangeLog on the messages table.
type Log struct {
	api       LogAPI
	table     string
	retention time.Duration
	tails     tails
}

var (
	_ chat.Log       = (*Log)(nil)
	_ chat.ChangeLog = (*Log)(nil)
)

// NewLog returns a Log on the table of that name, which must be as MessagesTable says. Messages expire after the
// retention; with 0 they are kept for ever.
//
// With a retention, a room remembers its last index in a row of its own, for at least two years after its last
// message. That row counts as long as it is there. Once there was a retention, go on with one, however long: without
// one, that row is not kept up to date. Messages that were stored without a retention stay in the table, but are out
// of sight as soon as later ones expire.
func NewLog(api LogAPI, table string, retention time.Duration) *Log {
	return &Log{api: api, table: table, retention: retention}
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
	// The row that was the last one may have expired and be gone, while this older one is not. The room's own row
	// knows.
	own, err := l.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.table, Key: key(room, 0),
		ConsistentRead: aws.Bool(true)})
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

// expired reports whether a row's time is over. DynamoDB removes expired rows late, and in no order.
func expired(row item, now int64) bool {
	at := numberOf(row, attrExpiresAt)
	return at != 0 && at <= now
}

func message(room string, row item) chat.Message {
	return chat.Message{
		Room:           room,
		Index:          numberOf(row, attrIndex),
		User:           textOf(row, attrUser),
		UserID:         textOf(row, attrUserID),
		Content:        textOf(row, attrContent),
		CreateAt:       numberOf(row, attrCreateAt),
		ID:             textOf(row, attrMessageID),
		ReplyTo:        numberOf(row, attrReplyTo),
		Metadata:       jsonOf(row, attrMetadata),
		Version:        numberOf(row, attrVersion),
		ContentVersion: numberOf(row, attrContentVersion),
		EditedAt:       numberOf(row, attrEditedAt),
		DeletedAt:      numberOf(row, attrDeletedAt),
		Reactions:      decodeReactions(textOf(row, attrReactions)),
	}
}
