package protocol

import (
	"encoding/json"

	"wschat/pkg/chat"
)

// shownUsers is how many of the people with one reaction a frame names. It counts all of them.
const shownUsers = 20

// message is chat.Message on the wire.
type message struct {
	Room      string          `json:"room_name"`
	Index     int64           `json:"index"`
	User      string          `json:"user_name"`
	UserID    string          `json:"user_id,omitempty"`
	Content   string          `json:"content"`
	CreateAt  int64           `json:"create_at"`
	ID        string          `json:"message_id,omitempty"`
	ReplyTo   int64           `json:"reply_to,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
	Version   int64           `json:"version,omitempty"`
	EditedAt  int64           `json:"edited_at,omitempty"`
	DeletedAt int64           `json:"deleted_at,omitempty"`
	Reactions []reaction      `json:"reactions,omitempty"`
}

// reaction is chat.Reaction on the wire.
type reaction struct {
	Reaction string   `json:"reaction"`
	Count    int      `json:"count"`
	Users    []person `json:"users"` // the first shownUsers
}

type person struct {
	Name string `json:"user_name"`
	ID   string `json:"user_id,omitempty"`
}

func messageOf(m chat.Message) message {
	wire := message{
		Room: m.Room, Index: m.Index, User: m.User, UserID: m.UserID, Content: m.Content, CreateAt: m.CreateAt,
		ID: m.ID, ReplyTo: m.ReplyTo, Metadata: json.RawMessage(m.Metadata), Version: m.Version, EditedAt: m.EditedAt,
		DeletedAt: m.DeletedAt,
	}
	for _, given := range m.Reactions {
		r := reaction{Reaction: given.Reaction, Count: len(given.Users)}
		for _, u := range given.Users[:min(len(given.Users), shownUsers)] {
			r.Users = append(r.Users, person(u))
		}
		wire.Reactions = append(wire.Reactions, r)
	}
	return wire
}
