package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/broadcast"
)

// LeasesAPI is the part of *dynamodb.Client that Leases use. The function's role allows just these calls on
// the messages table beside those of LogAPI.
type LeasesAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput,
		error)
}

var _ LeasesAPI = (*dynamodb.Client)(nil)

// Leases is a broadcast.Leases on the messages table: a row for each room, under a key of its own. (The room's row
// at index 0 would not do: with a retention every message's transaction writes it, and the two would conflict.)
type Leases struct {
	api       LeasesAPI
	table     string
	retention time.Duration
}

var _ broadcast.Leases = (*Leases)(nil)

// NewLeases returns Leases on the table of that name, which must be as MessagesTable says. The retention is that of the
// Log on the same table.
func NewLeases(api LeasesAPI, table string, retention time.Duration) *Leases {
	return &Leases{api: api, table: table, retention: retention}
}

// leaseKey is the key of a room's lease. No room's name begins as it does.
func leaseKey(room string) item { return key("#lease\x00"+room, 0) }

// Acquire takes a room's lease; see broadcast.Leases. If the answer to an earlier try of the SDK's was lost, the
// owner has it already. A row that has expired counts as none, whether DynamoDB has removed it or not.
func (l *Leases) Acquire(ctx context.Context, room, owner string, start int64) (sent int64, ok bool, err error) {
	now := time.Now()
	live := "(attribute_not_exists(" + attrExpiresAt + ") OR " + attrExpiresAt + " > :second)"
	row, ok, err := l.take(ctx, room, owner, now, taking{
		sent: "if_not_exists(" + attrSent + ", :start)", start: start, condition: isFree + " AND " + live,
	})
	if err == nil && !ok && expired(row, now.Unix()) {
		void := attrExpiresAt + " <= :second"
		row, ok, err = l.take(ctx, room, owner, now, taking{
			sent: ":start", start: start, condition: "(" + isFree + " AND " + void + ") OR " + isOwner,
		})
	}
	if err != nil {
		return 0, false, fmt.Errorf("take the lease: %w", err)
	}
	return numberOf(row, attrSent), ok, nil
}

// taking is how a lease is taken: the update of the attribute sent, and the condition.
type taking struct {
	sent      string // an expression
	start     int64
	condition string
}

func (l *Leases) take(ctx context.Context, room, owner string, now time.Time, how taking) (row item, ok bool,
	err error) {
	update := "SET " + attrOwner + " = :owner, " + attrLeaseUntil + " = :until, " + attrSent + " = " + how.sent
	values := item{
		":owner": text(owner), ":now": number(now.UnixMilli()),
		":until": number(now.Add(broadcast.LeaseTime).UnixMilli()),
		":start": number(how.start), ":second": number(now.Unix()),
	}
	if l.retention > 0 {
		update += ", " + attrExpiresAt + " = :expires"
		values[":expires"] = number(now.Unix() + seconds(leaseLife(l.retention)))
	} else {
		update += " REMOVE " + attrExpiresAt
	}
	return l.update(ctx, &dynamodb.UpdateItemInput{
		Key:                                 leaseKey(room),
		UpdateExpression:                    &update,
		ConditionExpression:                 &how.condition,
		ExpressionAttributeValues:           values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
}

// isFree is the condition of a lease that may be taken.
const isFree = "(attribute_not_exists(" + attrOwner + ") OR " + attrLeaseUntil + " <= :now OR " + isOwner + ")"

const isOwner = attrOwner + " = :owner"

// Renew prolongs a lease; see broadcast.Leases.
func (l *Leases) Renew(ctx context.Context, room, owner string, sent int64) (ok bool, err error) {
	_, ok, err = l.update(ctx, &dynamodb.UpdateItemInput{
		Key:                 leaseKey(room),
		UpdateExpression:    aws.String("SET " + attrLeaseUntil + " = :until, " + attrSent + " = :sent"),
		ConditionExpression: aws.String(isOwner),
		ExpressionAttributeValues: item{
			":owner": text(owner), ":until": number(time.Now().Add(broadcast.LeaseTime).UnixMilli()),
			":sent": number(sent),
		},
	})
	if err != nil {
		return false, fmt.Errorf("prolong the lease: %w", err)
	}
	return ok, nil
}

// Sent returns what was noted in a lease; see broadcast.Leases.
func (l *Leases) Sent(ctx context.Context, room string) (int64, error) {
	out, err := l.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.table, Key: leaseKey(room),
		ConsistentRead: aws.Bool(true)})
	if err != nil {
		return 0, fmt.Errorf("get the lease: %w", err)
	}
	if expired(out.Item, time.Now().Unix()) {
		return 0, nil
	}
	return numberOf(out.Item, attrSent), nil
}

// Release gives a lease back; see broadcast.Leases.
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

// update updates a row if its condition holds. It returns the attributes that were asked for, of the new row or of
// the present one.
func (l *Leases) update(ctx context.Context, in *dynamodb.UpdateItemInput) (row item, ok bool, err error) {
	in.TableName = &l.table
	out, err := l.api.UpdateItem(ctx, in)
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return failed.Item, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return out.Attributes, true, nil
}
