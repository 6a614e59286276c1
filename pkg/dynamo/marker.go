package dynamo

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
)

// A message with an id has a marker: a row whose key has the room, the sender and the id. The transaction that
// stores the message requires that the marker is not there. So the message is stored once.
//
// Processes from before there were user ids know a sender by the name alone. While a new version is deployed, both
// kinds may store one message that was sent twice. So a message with a UserID has a second marker for a while, under
// the key that the older processes use: whichever kind comes second fails on it. What an older process left there
// stops a newer one, which then looks whether it is the same message (chat.Message.IsFromBeforeIDs). A marker of a
// newer process has the UserID and stops only older ones: for newer ones, two people of one name do not meet there.
//
// The second marker is one more row in a transaction: two write units. A condition check of it would cost the same,
// and would not stop the older processes.

// nameMarkerLife is how long a second marker counts: longer than an older process can be at work, also if the
// version before is deployed again.
const nameMarkerLife = 24 * time.Hour

// markers are the writes of a message's markers. expiresAt is the message's, in seconds since the epoch; 0 for never.
func (p put) markers(m chat.Message, expiresAt int64) (markers []*types.Put) {
	if m.ID == "" {
		return nil
	}
	const free = notTaken + " OR " + attrExpiresAt + " <= :now"
	now := time.Now()
	markers = append(markers, p.marker(markerRoom(m), m, expiresAt, free, now))
	// If there is a marker already that is another message's, it stays, and stops older processes as it is.
	if m.UserID != "" && !p.passed {
		soon := now.Add(nameMarkerLife).Unix()
		if expiresAt > 0 {
			soon = min(soon, expiresAt)
		}
		markers = append(markers, p.marker(nameMarkerRoom(m), m, soon, free+" OR attribute_exists("+attrUserID+")",
			now))
	}
	return markers
}

func (p put) marker(room string, m chat.Message, expiresAt int64, condition string, now time.Time) *types.Put {
	row := key(room, 0)
	row[attrStoredAt], row[attrPutID] = number(m.Index), text(p.id)
	if m.UserID != "" {
		row[attrUserID] = text(m.UserID)
	}
	if expiresAt > 0 {
		row[attrExpiresAt] = number(expiresAt)
	}
	return &types.Put{
		TableName: &p.table, Item: row,
		ConditionExpression:                 aws.String(condition),
		ExpressionAttributeValues:           item{":now": number(now.Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// markerRoom is the partition key of a message's marker. No room's name begins as it does. No name and no message id
// has a 0 byte; a user's id may have some, but stands between the first two and the last one.
func markerRoom(m chat.Message) string {
	if m.UserID == "" {
		return nameMarkerRoom(m)
	}
	return "#user\x00" + m.Room + "\x00" + m.UserID + "\x00" + m.ID
}

// nameMarkerRoom is the same of a sender that is known by the name.
func nameMarkerRoom(m chat.Message) string {
	return "#id\x00" + m.Room + "\x00" + m.User + "\x00" + m.ID
}
