package protocol

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"wschat/pkg/chat"
)

// Moderation reads a frame that changes the rules of a room. Fields that its action does not have are not looked at.
func (f Frame) Moderation(action chat.Action) (m chat.Moderation, err error) {
	if m.Room, err = f.requiredString("room_name"); err != nil {
		return m, err
	}
	if m.Ref, err = f.Ref(); err != nil {
		return m, err
	}
	for _, read := range fieldsOf()[action] {
		if err := read(f, &m); err != nil {
			return m, err
		}
	}
	return m, nil
}

// field reads a field into a moderation.
type field func(Frame, *chat.Moderation) error

// fieldsOf returns the fields of each action that changes rules, beside those that all have.
func fieldsOf() map[chat.Action][]field {
	name := func(f Frame, m *chat.Moderation) (err error) {
		m.Name, err = f.optionalString("name")
		return err
	}
	end := func(f Frame, m *chat.Moderation) error {
		seconds, err := f.optionalInt("seconds")
		if err == nil && seconds != nil {
			if m.Seconds = *seconds; m.Seconds < 1 {
				m.Seconds = -1 // 0 stands for no end, which must not be said by mistake
			}
		}
		return err
	}
	reason := func(f Frame, m *chat.Moderation) (err error) {
		m.Reason, err = f.optionalString("reason")
		return err
	}
	return map[chat.Action][]field{
		chat.ActionCreateRoom: {title, func(f Frame, m *chat.Moderation) (err error) {
			if m.Private, err = f.optionalBool("private"); err == nil {
				m.Members, err = f.strings("members")
			}
			return err
		}},
		chat.ActionSetRoom:      {title, topic, slowMode, readOnly},
		chat.ActionAddMember:    {userID, name},
		chat.ActionRemoveMember: {userID},
		chat.ActionSetRole: {userID, name, func(f Frame, m *chat.Moderation) error {
			role, err := f.requiredString("role")
			m.Role = chat.Role(role)
			return err
		}},
		chat.ActionBanUser:    {userID, name, end, reason},
		chat.ActionUnbanUser:  {userID},
		chat.ActionMuteUser:   {userID, name, end, reason},
		chat.ActionUnmuteUser: {userID},
	}
}

func userID(f Frame, m *chat.Moderation) (err error) {
	m.UserID, err = f.requiredString("user_id")
	return err
}

func title(f Frame, m *chat.Moderation) (err error) {
	m.Title, err = f.text("title")
	return err
}

func topic(f Frame, m *chat.Moderation) (err error) {
	m.Topic, err = f.text("topic")
	return err
}

func readOnly(f Frame, m *chat.Moderation) error {
	if f["read_only"] == nil {
		return nil
	}
	b, err := f.optionalBool("read_only")
	m.ReadOnly = &b
	return err
}

func slowMode(f Frame, m *chat.Moderation) error {
	given, err := f.optionalInt("slow_mode")
	if err != nil || given == nil {
		return err
	}
	seconds := int(max(-1, min(*given, math.MaxInt32))) // what is out of range stays so on 32 bits
	m.SlowMode = &seconds
	return nil
}

// text is nil if the field is not there.
func (f Frame) text(name string) (*string, error) {
	if f[name] == nil {
		return nil, nil
	}
	s, err := f.string(name)
	return &s, err
}

// strings reads a list of texts; nil if the field is not there.
func (f Frame) strings(name string) (list []string, err error) {
	raw, ok := f[name]
	if !ok {
		return nil, nil
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return nil, chat.InvalidField(name, "must be a list of strings")
	}
	for _, element := range elements {
		s, err := Frame{name: element}.string(name)
		if err != nil {
			return nil, chat.InvalidField(name, "must be a list of strings")
		}
		list = append(list, s)
	}
	return list, nil
}

// RoomQuery reads a getRoom frame.
func (f Frame) RoomQuery() (q chat.RoomQuery, err error) {
	if q.Room, err = f.requiredString("room_name"); err != nil {
		return q, err
	}
	if q.People, err = f.optionalBool("people"); err != nil {
		return q, err
	}
	if q.After, err = f.string("after"); err != nil {
		return q, err
	}
	q.Ref, err = f.Ref()
	return q, err
}

// Direct reads an openDirect frame.
func (f Frame) Direct() (d chat.Direct, err error) {
	if d.UserID, err = f.requiredString("user_id"); err != nil {
		return d, err
	}
	if d.Name, err = f.optionalString("name"); err != nil {
		return d, err
	}
	d.Ref, err = f.Ref()
	return d, err
}

// Actor reads as which user a program acts. The id is in user_id, or in by_user_id in a frame whose user_id is another
// person's; "" for none.
func (f Frame) Actor() (p chat.Person, err error) {
	field := f.actorField()
	if p.ID, err = f.string(field); err != nil {
		return p, err
	}
	if len(p.ID) > chat.MaxUserIDBytes {
		return p, chat.InvalidField(field, fmt.Sprintf("must be at most %d bytes", chat.MaxUserIDBytes))
	}
	p.Name, err = f.optionalString("user_name")
	return p, err
}

func (f Frame) actorField() string {
	action := chat.Action(f.Text("action"))
	isAboutOne := slices.ContainsFunc(chat.Rights(), func(r chat.Right) bool {
		return r.Action == action && r.Others != "" && fieldsOf()[action] != nil
	})
	if isAboutOne || action == chat.ActionOpenDirect || action == ExportUser || action == EraseUser {
		return "by_user_id"
	}
	return "user_id"
}
