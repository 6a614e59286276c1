package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
)

// RosterAPI is the part of *dynamodb.Client that a Roster uses. The function's role allows just these calls on the
// connections table, and of them only Query on its index.
type RosterAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput,
		error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

var _ RosterAPI = (*dynamodb.Client)(nil)

// Roster is a chat.Roster on the connections table.
type Roster struct {
	api   RosterAPI
	table string
}

var _ chat.Roster = (*Roster)(nil)

// NewRoster returns a Roster on the table of that name, which must be as ConnectionsTable says.
func NewRoster(api RosterAPI, table string) *Roster { return &Roster{api: api, table: table} }

// Join adds a membership; see chat.Roster.
func (r *Roster) Join(ctx context.Context, m chat.Member) (before chat.Member, err error) {
	row := item{
		attrRoom:         text(m.Room),
		attrConnectionID: text(m.ConnectionID),
		attrConnectedAt:  number(m.ConnectedAt.UnixMilli()),
		attrJoinedAt:     number(m.JoinedAt.UnixMilli()),
		attrExpiresAt:    number(m.ExpiresAt.Unix()),
	}
	if m.User != "" {
		row[attrUser] = text(m.User)
	}
	if m.UserID != "" {
		row[attrUserID] = text(m.UserID)
	}
	if m.Moderates {
		row[attrModerates] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if m.Patterns != nil {
		row[attrPatterns] = &types.AttributeValueMemberL{}
		for _, pattern := range m.Patterns {
			list := row[attrPatterns].(*types.AttributeValueMemberL)
			list.Value = append(list.Value, text(pattern))
		}
	}
	if m.Opened {
		row[attrOpened] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if m.JoinID != 0 {
		row[attrJoinID] = number(m.JoinID)
	}
	out, err := r.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &r.table, Item: row,
		ReturnValues: types.ReturnValueAllOld})
	if err != nil {
		return chat.Member{}, fmt.Errorf("put the membership of connection %s: %w", m.ConnectionID, err)
	}
	return memberOf(out.Attributes), nil
}

// Leave removes a membership; see chat.Roster. It reads the row and deletes just that one: a delete that arrives late,
// or that is repeated because its answer was lost, must not hit a later membership.
func (r *Roster) Leave(ctx context.Context, room, connectionID string) (chat.Member, error) {
	out, err := r.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &r.table, Key: memberKey(room, connectionID), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return chat.Member{}, fmt.Errorf("get a membership of connection %s: %w", connectionID, err)
	}
	m := memberOf(out.Item)
	if m.ConnectionID == "" {
		return chat.Member{}, nil
	}
	was, err := r.remove(ctx, m)
	if err != nil || was == replaced {
		return chat.Member{}, err
	}
	return m, nil // also if the row is missing: it was there before, and an earlier try may have deleted it
}

// Remove removes a membership as it was read; see chat.Roster.
func (r *Roster) Remove(ctx context.Context, m chat.Member) (ok bool, err error) {
	was, err := r.remove(ctx, m)
	return err == nil && was == removed, err
}

// removal is the outcome of a conditional delete of a row.
type removal int

const (
	removed  removal = iota
	missing          // there is no row
	replaced         // there is another, which was written later
)

// remove deletes a row if it is still the one that was read.
func (r *Roster) remove(ctx context.Context, m chat.Member) (removal, error) {
	// A row without a name was written by a version of the chat that did not name them; it may have been replaced by
	// another.
	condition, values := attrJoinID+" = :id", item{":id": number(m.JoinID)}
	if m.JoinID == 0 {
		condition = "attribute_not_exists(" + attrJoinID + ") AND " + attrJoinedAt + " = :at"
		values = item{":at": number(m.JoinedAt.UnixMilli())}
	}
	_, err := r.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                           &r.table,
		Key:                                 memberKey(m.Room, m.ConnectionID),
		ConditionExpression:                 &condition,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	switch {
	case err == nil:
		return removed, nil
	case ok && len(failed.Item) == 0:
		return missing, nil
	case ok:
		return replaced, nil
	}
	return missing, fmt.Errorf("delete a membership of connection %s: %w", m.ConnectionID, err)
}

func memberKey(room, connectionID string) item {
	return item{attrRoom: text(room), attrConnectionID: text(connectionID)}
}

// memberOf reads a row; if there is none, it is the zero Member.
func memberOf(row item) chat.Member {
	if len(row) == 0 {
		return chat.Member{}
	}
	_, opened := row[attrOpened]
	_, moderates := row[attrModerates]
	var patterns []string
	if list, ok := row[attrPatterns].(*types.AttributeValueMemberL); ok {
		patterns = []string{}
		for _, pattern := range list.Value {
			if s, ok := pattern.(*types.AttributeValueMemberS); ok {
				patterns = append(patterns, s.Value)
			}
		}
	}
	return chat.Member{
		Room:         textOf(row, attrRoom),
		ConnectionID: textOf(row, attrConnectionID),
		User:         textOf(row, attrUser),
		UserID:       textOf(row, attrUserID),
		ConnectedAt:  time.UnixMilli(numberOf(row, attrConnectedAt)),
		JoinedAt:     time.UnixMilli(numberOf(row, attrJoinedAt)),
		ExpiresAt:    time.Unix(numberOf(row, attrExpiresAt), 0),
		Moderates:    moderates,
		Patterns:     patterns,
		Opened:       opened,
		JoinID:       numberOf(row, attrJoinID),
	}
}

// Members returns a room's memberships; see chat.Roster. The read is strongly consistent: a member that joined before a
// message was stored must be found when the members are read after that.
func (r *Roster) Members(ctx context.Context, room string, most int) ([]chat.Member, error) {
	var members []chat.Member
	in := &dynamodb.QueryInput{
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String(attrRoom + " = :room"),
		ExpressionAttributeValues: item{":room": text(room)},
	}
	if most > 0 {
		in.Limit = aws.Int32(int32(min(most, math.MaxInt32)))
	}
	err := r.query(ctx, in, func(row item) bool {
		members = append(members, memberOf(row))
		return most == 0 || len(members) < most
	})
	if err != nil {
		return nil, fmt.Errorf("query the members of a room: %w", err)
	}
	return members, nil
}

// Rooms counts a connection's rooms; see chat.Roster. It reads the index, whose rows are small: about half a read unit.
func (r *Roster) Rooms(ctx context.Context, connectionID string, most int) (n int, err error) {
	err = r.query(ctx, &dynamodb.QueryInput{
		IndexName:                 aws.String(ByConnection),
		KeyConditionExpression:    aws.String(attrConnectionID + " = :id"),
		ExpressionAttributeValues: item{":id": text(connectionID)},
		Limit:                     aws.Int32(int32(min(most, math.MaxInt32))),
	}, func(item) bool {
		n++
		return n < most
	})
	if err != nil {
		return 0, fmt.Errorf("query the rooms of connection %s: %w", connectionID, err)
	}
	return n, nil
}

// Forget removes a connection from every room; see chat.Roster. A global secondary index is read, and those cannot be
// read with strong consistency: what it misses is removed when a post to it answers that the connection is gone, or by
// its TTL.
func (r *Roster) Forget(ctx context.Context, connectionID string) (left []chat.Member, err error) {
	var rooms []string
	err = r.query(ctx, &dynamodb.QueryInput{
		IndexName:                 aws.String(ByConnection),
		KeyConditionExpression:    aws.String(attrConnectionID + " = :id"),
		ExpressionAttributeValues: item{":id": text(connectionID)},
	}, func(row item) bool {
		rooms = append(rooms, textOf(row, attrRoom))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("query the rooms of connection %s: %w", connectionID, err)
	}
	for _, room := range rooms {
		m, err := r.Leave(ctx, room, connectionID)
		if err != nil {
			return left, err
		}
		if m.ConnectionID != "" {
			left = append(left, m)
		}
	}
	return left, nil
}

// query calls use for every row of every page, until it returns false.
func (r *Roster) query(ctx context.Context, in *dynamodb.QueryInput, use func(row item) bool) error {
	in.TableName = &r.table
	return eachRow(ctx, r.api.Query, in, use)
}

// eachRow calls use for every row of every page of a query, until it returns false.
func eachRow(
	ctx context.Context,
	query func(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error),
	in *dynamodb.QueryInput, use func(row item) bool,
) error {
	for {
		out, err := query(ctx, in)
		if err != nil {
			return err
		}
		for _, row := range out.Items {
			if !use(row) {
				return nil
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
