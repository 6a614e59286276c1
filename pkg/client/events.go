package client

import "encoding/json"

// Event is what happens in a room: one of Message, Change, Ready, Expired, Reset, Members, Presence, Signal, Read and
// Rules. There may be more kinds in later versions, so a switch over them ignores those that it does not know.
type Event interface{ isEvent() }

// Message is a message of a room. As an Event it is new: each message comes once, in the order of its index.
type Message struct {
	Room      string          `json:"room_name"`
	Index     int64           `json:"index"` // 1, 2, 3, … in its room
	UserName  string          `json:"user_name"`
	UserID    string          `json:"user_id,omitempty"` // tells two users of one name apart; "" in an open chat
	Content   string          `json:"content"`           // "" if the message was deleted
	CreateAt  int64           `json:"create_at"`         // when it was stored, in seconds since the epoch
	ID        string          `json:"message_id,omitempty"`
	ReplyTo   int64           `json:"reply_to,omitempty"`   // the index of the message that it answers; 0 for none
	Metadata  json.RawMessage `json:"metadata,omitempty"`   // an object for the sender's own program, or nil
	Version   int64           `json:"version,omitempty"`    // the number of its last change in its room; 0 for none
	EditedAt  int64           `json:"edited_at,omitempty"`  // in seconds since the epoch; 0 if it was not
	DeletedAt int64           `json:"deleted_at,omitempty"` // the same
	Reactions []Reaction      `json:"reactions,omitempty"`
}

// Reaction is one reaction to a message, such as 👍.
type Reaction struct {
	Reaction string `json:"reaction"`
	Count    int    `json:"count"` // how many users have it
	Users    []User `json:"users"` // the first 20 of them
}

// User is somebody in a room, or somebody with a reaction.
type User struct {
	Name        string `json:"user_name"`             // "" for all connections without a name together
	ID          string `json:"user_id,omitempty"`     // "" in an open chat
	Connections int    `json:"connections,omitempty"` // how many the user has in the room
	Read        int64  `json:"read,omitempty"`        // up to which index the user has read, in a small room
}

// Change is a message that was edited or deleted, or whose reactions have changed, as it is now. It can be any message
// up to the last delivered one, also one that is older than the first delivered one.
type Change struct{ Message }

// Ready says that the messages that were in the room at first are delivered. Later ones are new. After a Reset, it
// comes again.
type Ready struct{}

// Expired says that these messages expired before they could be delivered.
type Expired struct{ From, To int64 } // indexes

// Reset says that the room's log went back, as after the restore of an older table. The messages that were delivered up
// to Last, an index, are void. The present ones are delivered as at first, with a Ready at the end.
type Reset struct{ Last int64 }

// Members are the users in the room. The chat sends the list when somebody comes or goes, about once a second at most,
// to rooms of up to 100 connections.
type Members struct {
	Room      string `json:"room_name"`
	Users     []User `json:"users"`
	Version   *int64 `json:"version,omitempty"`    // on one connection, the greatest counts; nil from an older chat
	OverLimit bool   `json:"over_limit,omitempty"` // the room is too large, and no list is sent: call Room.Members
}

// Presence says that a user came or went. It is a courtesy: it may come twice or never. The list of Members is right.
type Presence struct {
	Room     string `json:"room_name"`
	UserName string `json:"user_name"`
	UserID   string `json:"user_id,omitempty"`
	Event    string `json:"event"` // "joined" or "left"
}

// Signal is something that happens now and is not kept, such as "typing". It is a courtesy, and may be lost.
type Signal struct {
	Room     string          `json:"room_name"`
	UserName string          `json:"user_name"`
	UserID   string          `json:"user_id,omitempty"`
	Name     string          `json:"name"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// Read says that a user has read up to an index. It is a courtesy, and may be lost.
type Read struct {
	Room     string `json:"room_name"`
	UserName string `json:"user_name"`
	UserID   string `json:"user_id"`
	Index    int64  `json:"index"`
}

// Rules are the rules of the room, where people sign in. Of two, the one with the greater version counts, and comes.
type Rules struct {
	Room     string    `json:"room_name"`
	Version  int64     `json:"version"` // 0 in a room without rules
	Title    string    `json:"title,omitempty"`
	Topic    string    `json:"topic,omitempty"`
	Private  bool      `json:"private,omitempty"`
	ReadOnly bool      `json:"read_only,omitempty"`
	SlowMode int       `json:"slow_mode,omitempty"` // seconds between two messages of one member
	Direct   bool      `json:"direct,omitempty"`
	You      *Standing `json:"you,omitempty"` // what they say of this user; nil if nothing of that has changed

	Removed *Standing `json:"removed,omitempty"` // not nil if the room is not for this user any more
}

// Standing is what the rules of a room say of a user.
type Standing struct {
	Role        string `json:"role,omitempty"` // "owner", "moderator", "member", "reader", or ""
	Banned      bool   `json:"banned,omitempty"`
	BannedUntil int64  `json:"banned_until,omitempty"` // seconds since the epoch; 0 for no end
	Muted       bool   `json:"muted,omitempty"`
	MutedUntil  int64  `json:"muted_until,omitempty"` // seconds since the epoch; 0 for no end
	Reason      string `json:"reason,omitempty"`      // of the ban or the mute
}

func (Message) isEvent()  {}
func (Ready) isEvent()    {}
func (Expired) isEvent()  {}
func (Reset) isEvent()    {}
func (Members) isEvent()  {}
func (Presence) isEvent() {}
func (Signal) isEvent()   {}
func (Read) isEvent()     {}
func (Rules) isEvent()    {}
