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

// AnnouncementsAPI is the part of *dynamodb.Client that Announcements use. The function's role allows just these
// calls on the connections table beside those of RosterAPI.
type AnnouncementsAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

var _ AnnouncementsAPI = (*dynamodb.Client)(nil)

// Announcements is a chat.Announcements on the connections table: a row for each room, under a key of its own.
type Announcements struct {
	api   AnnouncementsAPI
	table string
}

var _ chat.Announcements = (*Announcements)(nil)

// NewAnnouncements returns Announcements on the table of that name, which must be as ConnectionsTable says.
func NewAnnouncements(api AnnouncementsAPI, table string) *Announcements {
	return &Announcements{api: api, table: table}
}

// announcementKey is the key of a room's announcement. No room's name begins like it. The index by connection has
// these rows in as many partitions as there are rooms.
func announcementKey(room string) item {
	name := text("#presence\x00" + room)
	return item{attrRoom: name, attrConnectionID: name}
}

// Announcement returns a room's announcement; see chat.Announcements.
func (a *Announcements) Announcement(ctx context.Context, room string) (chat.Announcement, error) {
	out, err := a.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &a.table, Key: announcementKey(room), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return chat.Announcement{}, fmt.Errorf("read a room's announcement: %w", err)
	}
	row := out.Item
	if len(row) == 0 {
		return chat.Announcement{}, nil
	}
	return chat.Announcement{
		Version:     numberOf(row, attrVersion),
		By:          textOf(row, attrBy),
		AnnouncedAt: time.UnixMilli(numberOf(row, attrAnnouncedAt)),
		Waiter:      textOf(row, attrWaiter),
		WaiterUntil: time.UnixMilli(numberOf(row, attrWaiterUntil)),
		OverLimit:   numberOf(row, attrOverLimit) == 1,
		Streak:      int(numberOf(row, attrStreak)),
	}, nil
}

// Replace replaces a room's announcement; see chat.Announcements. If the answer to an earlier try of the SDK's was
// lost, it is not ok, and the caller finds its own row when it reads again.
func (a *Announcements) Replace(ctx context.Context, room string, read, by chat.Announcement) (ok bool, err error) {
	row := announcementKey(room)
	row[attrVersion] = number(by.Version)
	row[attrAnnouncedAt] = number(by.AnnouncedAt.UnixMilli())
	row[attrWaiterUntil] = number(by.WaiterUntil.UnixMilli())
	row[attrExpiresAt] = number(time.Now().Add(chat.AnnouncementLife).Unix())
	row[attrBy], row[attrWaiter] = text(by.By), text(by.Waiter)
	row[attrOverLimit], row[attrStreak] = number(0), number(int64(by.Streak))
	if by.OverLimit {
		row[attrOverLimit] = number(1)
	}
	condition, values := "#version = :version AND "+attrWaiter+" = :waiter", item{":version": number(read.Version),
		":waiter": text(read.Waiter)}
	if read.Version == 0 && read.Waiter == "" {
		condition += " OR attribute_not_exists(#version)"
	}
	_, err = a.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &a.table, Item: row, ConditionExpression: &condition, ExpressionAttributeValues: values,
		ExpressionAttributeNames: map[string]string{"#version": attrVersion},
	})
	if _, failed := errors.AsType[*types.ConditionalCheckFailedException](err); failed {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("replace a room's announcement: %w", err)
	}
	return true, nil
}
