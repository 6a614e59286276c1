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

// LeasesAPI is what Leases call of *dynamodb.Client. The function's role allows just this call on the messages table beside
// those of LogAPI.
type LeasesAPI interface {
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

var _ LeasesAPI = (*dynamodb.Client)(nil)

// Leases is a chat.Leases on the messages table: a row for each room, under a key of its own. (Not the room's row at index 0:
// with a retention every message's transaction writes that one, and the two would get in each other's way.)
type Leases struct {
	api   LeasesAPI
	table string
}

var _ chat.Leases = (*Leases)(nil)

// NewLeases returns Leases on the table of that name, which must be as MessagesTable says.
func NewLeases(api LeasesAPI, table string) *Leases { return &Leases{api: api, table: table} }

// leaseKey is the key of a room's lease. No room's name begins as it does.
func leaseKey(room string) item { return key("#lease\x00"+room, 0) }

// Acquire takes a room's lease; see chat.Leases. Where the answer to an earlier try of the SDK's was lost, the owner has it
// already.
func (l *Leases) Acquire(ctx context.Context, room, owner string, start int64) (sent int64, ok bool, err error) {
	now := time.Now()
	row, ok, err := l.update(ctx, &dynamodb.UpdateItemInput{
		Key:                 leaseKey(room),
		UpdateExpression:    aws.String("SET " + attrOwner + " = :owner, " + attrLeaseUntil + " = :until, " + attrSent + " = if_not_exists(" + attrSent + ", :start)"),
		ConditionExpression: aws.String("attribute_not_exists(" + attrOwner + ") OR " + attrLeaseUntil + " <= :now OR " + isOwner),
		ExpressionAttributeValues: item{
			":owner": text(owner), ":now": number(now.UnixMilli()), ":until": number(now.Add(chat.LeaseTime).UnixMilli()), ":start": number(start),
		},
		ReturnValues: types.ReturnValueAllNew,
	})
	if err != nil {
		return 0, false, fmt.Errorf("take the lease: %w", err)
	}
	return numberOf(row, attrSent), ok, nil
}

const isOwner = attrOwner + " = :owner"

// Renew prolongs a lease; see chat.Leases.
func (l *Leases) Renew(ctx context.Context, room, owner string, sent int64) (ok bool, err error) {
	_, ok, err = l.update(ctx, &dynamodb.UpdateItemInput{
		Key:                 leaseKey(room),
		UpdateExpression:    aws.String("SET " + attrLeaseUntil + " = :until, " + attrSent + " = :sent"),
		ConditionExpression: aws.String(isOwner),
		ExpressionAttributeValues: item{
			":owner": text(owner), ":until": number(time.Now().Add(chat.LeaseTime).UnixMilli()), ":sent": number(sent),
		},
	})
	if err != nil {
		return false, fmt.Errorf("prolong the lease: %w", err)
	}
	return ok, nil
}

// Release gives a lease back; see chat.Leases.
func (l *Leases) Release(ctx context.Context, room, owner string, sent int64) error {
	update := "REMOVE " + attrOwner + ", " + attrLeaseUntil
	values := item{":owner": text(owner)}
	if sent > 0 {
		update += " SET " + attrSent + " = :sent"
		values[":sent"] = number(sent)
	}
	_, _, err := l.update(ctx, &dynamodb.UpdateItemInput{
		Key:                       leaseKey(room),
		UpdateExpression:          &update,
		ConditionExpression:       aws.String(isOwner),
		ExpressionAttributeValues: values,
	})
	if err != nil {
		return fmt.Errorf("give the lease back: %w", err)
	}
	return nil
}

// update updates a row where its condition holds, and returns what was asked for of it.
func (l *Leases) update(ctx context.Context, in *dynamodb.UpdateItemInput) (row item, ok bool, err error) {
	in.TableName = &l.table
	out, err := l.api.UpdateItem(ctx, in)
	if _, failed := errors.AsType[*types.ConditionalCheckFailedException](err); failed {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return out.Attributes, true, nil
}
