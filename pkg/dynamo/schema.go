package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Key is one attribute of a table's or an index's key.
type Key struct {
	Name string
	Type types.ScalarAttributeType
}

// Table is what a table must be for this package.
type Table struct {
	PartitionKey Key
	SortKey      Key
	// IndexName is the name of a global secondary index with the keys projected only; "" for none.
	IndexName         string
	IndexPartitionKey Key
	// TTL is the attribute that holds when a row expires, in seconds since the epoch.
	TTL string
}

// The attributes.
const (
	attrRoom         = "room_name"
	attrConnectionID = "connection_id"
	attrIndex        = "index"
	attrMessageID    = "message_id"
	attrUser         = "user_name"
	attrUserID       = "user_id" // of the sender, or the member, who had signed in
	attrContent      = "content"
	attrCreateAt     = "create_at"    // seconds since the epoch
	attrConnectedAt  = "connected_at" // milliseconds since the epoch
	attrJoinedAt     = "joined_at"    // milliseconds since the epoch
	attrJoinID       = "join_id"      // what a Join's row is recognised by
	attrOpened       = "opened"       // true where the row was written through the open connection; otherwise not there
	attrModerates    = "moderates"    // true where the member moderates all rooms; otherwise not there
	attrPatterns     = "patterns"     // of an inbox: the rooms that the token allows; not there for every room
	attrExpiresAt    = "expires_at"   // seconds since the epoch
	attrPutID        = "put_id"       // what Append recognises its own row by
	attrLastIndex    = "last_index"   // of a room's own row: the index of its last message
	attrStoredAt     = "stored_at"    // of a marker row: the index of the message that has the id
	attrOwner        = "lease_owner"  // of a lease: its owner; absent if there is none
	attrLeaseUntil   = "lease_until"  // of a lease: milliseconds since the epoch
	attrSent         = "sent"         // of a lease: the index up to which everything has been sent
	// of an announcement: how many there have been; of a message: the number of its last change, absent if it has none
	attrVersion        = "version"
	attrContentVersion = "content_version" // of a message: the number of the last change of its content
	attrEditedAt       = "edited_at"       // seconds since the epoch
	attrDeletedAt      = "deleted_at"      // seconds since the epoch
	attrMetadata       = "metadata"        // of a message: a JSON object
	attrReactions      = "reactions"       // of a message: JSON, see reaction
	attrReplyTo        = "reply_to"        // of a message: the index of the one that it answers
	attrMessageIndex   = "message_index"   // of a change: the index of the message
	attrRules          = "room_rules"      // of a room's rules: see package storedrules
	attrDirectRoom     = "direct_room"     // of two people: the name of their room
	attrRead           = "read"            // of a read marker: the index of the last message that was read
	attrProgress       = "progress"        // of an erasure: how far it has come
	attrBy             = "announcer"       // of an announcement: the last announcer
	// of an announcement, and of a turn to write in slow mode: milliseconds since the epoch
	attrAnnouncedAt = "announced_at"
	attrWaiter      = "waiter"       // of an announcement: the next announcer; "" for none
	attrWaiterUntil = "waiter_until" // of an announcement: milliseconds since the epoch
	attrStreak      = "streak"       // of an announcement: how many came right after the one before
	// of an announcement: 1 where the members know that there are too many of them for a list
	attrOverLimit = "over_limit"
)

// ByConnection is the name of the connections table's index.
const ByConnection = "by_connection"

// ConnectionsTable is the table of members: a row for each connection in each room. The rooms' announcements and the
// users' read markers stand beside them, under room names that begin with #.
func ConnectionsTable() Table {
	return Table{
		PartitionKey:      Key{attrRoom, types.ScalarAttributeTypeS},
		SortKey:           Key{attrConnectionID, types.ScalarAttributeTypeS},
		IndexName:         ByConnection,
		IndexPartitionKey: Key{attrConnectionID, types.ScalarAttributeTypeS},
		TTL:               attrExpiresAt,
	}
}

// MessagesTable is the table of messages: a row for each message of each room, and the room's own row at index 0.
// Changes, markers of message ids and leases stand beside them, under room names that begin with #.
func MessagesTable() Table {
	return Table{
		PartitionKey: Key{attrRoom, types.ScalarAttributeTypeS},
		SortKey:      Key{attrIndex, types.ScalarAttributeTypeN},
		TTL:          attrExpiresAt,
	}
}
