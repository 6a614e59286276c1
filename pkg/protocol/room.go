package protocol

import (
	"cmp"

	"wschat/pkg/chat"
)

// roomRules is chat.RoomView on the wire.
type roomRules struct {
	Room     string    `json:"room_name"`
	Version  int64     `json:"version"`
	Title    string    `json:"title,omitempty"`
	Topic    string    `json:"topic,omitempty"`
	Private  bool      `json:"private,omitempty"`
	ReadOnly bool      `json:"read_only,omitempty"`
	SlowMode int       `json:"slow_mode,omitempty"`
	Direct   bool      `json:"direct,omitempty"`
	With     *person   `json:"with,omitempty"`
	You      *standing `json:"you,omitempty"`
}

// standing is chat.Standing on the wire. A ban or a mute without an end has no time.
type standing struct {
	Name       string    `json:"user_name,omitempty"`
	ID         string    `json:"user_id,omitempty"`
	Role       chat.Role `json:"role,omitempty"`
	Banned     bool      `json:"banned,omitempty"`
	Muted      bool      `json:"muted,omitempty"`
	BannedTill int64     `json:"banned_until,omitempty"`
	MutedTill  int64     `json:"muted_until,omitempty"`
	Reason     string    `json:"reason,omitempty"`
}

func standingOf(s chat.Standing) standing {
	until := func(at int64) int64 {
		if at == chat.Forever {
			return 0
		}
		return at
	}
	return standing{
		Name: s.Name, Role: s.Role, Reason: cmp.Or(s.Reason, s.MuteReason),
		Banned: s.BannedUntil > 0, BannedTill: until(s.BannedUntil),
		Muted: s.MutedUntil > 0, MutedTill: until(s.MutedUntil),
	}
}

// removal is what somebody is told of a room that is not for them any more.
type removal struct {
	Room    string   `json:"room_name"`
	Version int64    `json:"version"`
	Removed standing `json:"removed"`
}

// Room makes {"room":…} frames of a room's rules, one unless they list people. Each is at most chat.MaxFrameBytes. A
// list is distributed over as many frames as it needs: "part" stands in every one but the last, "more" in the last.
func (Encoder) Room(v chat.RoomView) [][]byte {
	if v.Removed {
		frame := encode(struct {
			Room removal `json:"room"`
		}{removal{v.Rules.Room, v.Rules.Version, standingOf(v.Standing())}})
		return [][]byte{withFields(frame, refField(v.Ref))}
	}
	rules := encode(rulesOf(v))
	if !v.Lists {
		return [][]byte{[]byte(`{"room":` + string(rules) + part(v.Part, v.Ref) + refField(v.Ref) + "}")}
	}
	end := "]}"
	if v.More {
		end = `],"more":true}`
	}
	list := newList(`{"room":`+string(rules[:len(rules)-1])+`,"people":[`, "]}"+part(true, v.Ref)+refField(v.Ref)+"}",
		end+part(v.Part, v.Ref)+refField(v.Ref)+"}")
	for _, p := range v.People {
		person := standingOf(p.Standing)
		person.ID = p.UserID
		list.add(encode(person))
	}
	return list.frames()
}

// withFields adds fields, which begin with a comma, to an object.
func withFields(object []byte, fields string) []byte {
	return append(object[:len(object)-1:len(object)-1], fields+"}"...)
}

func rulesOf(v chat.RoomView) roomRules {
	r := v.Rules
	wire := roomRules{Room: r.Room, Version: r.Version, Title: r.Title, Topic: r.Topic, Private: r.Private,
		ReadOnly: r.ReadOnly, SlowMode: r.SlowMode, Direct: r.Direct}
	if v.Role == "" {
		return wire
	}
	you := standingOf(v.Standing())
	you.Name, you.Role = "", v.Role
	wire.You = &you
	if with, ok := v.With(); ok {
		wire.With = &person{Name: with.Name, ID: with.UserID}
	}
	return wire
}
