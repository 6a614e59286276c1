package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
)

// ReadMarkersAPI is the part of *dynamodb.Client that ReadMarkers use. The function's role allows these calls on the
// connections table.
type ReadMarkersAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput,
		error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

var _ ReadMarkersAPI = (*dynamodb.Client)(nil)

// ReadMarkers is a chat.ReadMarkers on the connections table. Each user has a partition of its own, with a row for each
// room. So the rooms of a user are one Query, in the order of their names.
type ReadMarkers struct {
	api   ReadMarkersAPI
	table string
}

var _ chat.ReadMarkers = (*ReadMarkers)(nil)

// NewReadMarkers returns ReadMarkers on the table of that name, which must be as ConnectionsTable says.
func NewReadMarkers(api ReadMarkersAPI, table string) *ReadMarkers {
	return &ReadMarkers{api: api, table: table}
}

// markersOf is the partition key of a user's markers. No room's name begins as it does.
func markersOf(userID string) string { return "#read\x00" + userID }

// markerKey is the key of a user's marker of a room. No connection's id begins as its sort key does. The index by
// connection has these rows in as many partitions as there are rooms; a marker that moves does not touch it.
func markerKey(userID, room string) item {
	return item{attrRoom: text(markersOf(userID)), attrConnectionID: text("#" + room)}
}

// Begin makes a marker; see chat.ReadMarkers.
func (r *ReadMarkers) Begin(ctx context.Context, userID, room string, index int64) error {
	_, err := r.put(ctx, userID, room, index, "")
	return err
}

// Advance moves a marker forward; see chat.ReadMarkers. A try of the SDK's whose answer was lost has moved it: then it
// did not move for this caller, and nobody is told of it, which is no more than a lost courtesy.
func (r *ReadMarkers) Advance(ctx context.Context, userID, room string, index int64) (moved bool, err error) {
	return r.put(ctx, userID, room, index, " OR #read < :read")
}

// put writes a marker if there is none, or if the further condition holds. It reports whether it did.
func (r *ReadMarkers) put(ctx context.Context, userID, room string, index int64, or string) (done bool, err error) {
	row := markerKey(userID, room)
	row[attrRead] = number(index)
	row[attrExpiresAt] = number(time.Now().Add(chat.ReadMarkerLife).Unix())
	values := item{":now": number(time.Now().Unix())}
	if or != "" {
		values[":read"] = number(index)
	}
	_, err = r.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &r.table, Item: row,
		// A row that has expired may be there for days. Then it counts no more.
		ConditionExpression:       aws.String("attribute_not_exists(#read) OR " + attrExpiresAt + " <= :now" + or),
		ExpressionAttributeNames:  map[string]string{"#read": attrRead},
		ExpressionAttributeValues: values,
	})
	if _, failed := errors.AsType[*types.ConditionalCheckFailedException](err); failed {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("move a read marker: %w", err)
	}
	return true, nil
}

// ReadMarker returns a marker; see chat.ReadMarkers.
func (r *ReadMarkers) ReadMarker(ctx context.Context, userID, room string) (m chat.ReadMarker, ok bool, err error) {
	out, err := r.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &r.table, Key: markerKey(userID, room)})
	if err != nil {
		return m, false, fmt.Errorf("read a read marker: %w", err)
	}
	if len(out.Item) == 0 || expired(out.Item, time.Now().Unix()) {
		return m, false, nil
	}
	return chat.ReadMarker{Room: room, Read: numberOf(out.Item, attrRead)}, true, nil
}

// ReadMarkers returns markers by the names of their rooms; see chat.ReadMarkers. The read is strongly consistent: a
// user sees what another device of the same user has marked.
func (r *ReadMarkers) ReadMarkers(ctx context.Context, userID, after string, limit int) ([]chat.ReadMarker, error) {
	var found []chat.ReadMarker
	in := &dynamodb.QueryInput{
		TableName: &r.table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(limit)),
		KeyConditionExpression: aws.String(attrRoom + " = :user AND " + attrConnectionID + " > :after"),
		ExpressionAttributeValues: item{":user": text(markersOf(userID)),
			":after": text("#" + after)},
	}
	now := time.Now().Unix()
	err := eachRow(ctx, r.api.Query, in, func(row item) bool {
		if !expired(row, now) {
			room := textOf(row, attrConnectionID)[len("#"):]
			found = append(found, chat.ReadMarker{Room: room, Read: numberOf(row, attrRead)})
		}
		return len(found) < limit
	})
	if err != nil {
		return nil, fmt.Errorf("query the read markers of a user: %w", err)
	}
	return found, nil
}

// ForgetRoom removes a marker; see chat.ReadMarkers.
func (r *ReadMarkers) ForgetRoom(ctx context.Context, userID, room string) error {
	_, err := r.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &r.table, Key: markerKey(userID, room)})
	if err != nil {
		return fmt.Errorf("delete a read marker: %w", err)
	}
	return nil
}
