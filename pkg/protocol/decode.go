// Package protocol is the wire format: the JSON frames that clients and the chat exchange. It decodes them, checks
// their shape, and encodes them. pkg/chat says what the values must be.
package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"wschat/pkg/chat"
)

// The actions: values of a frame's "action" field, which are the WebSocket API's route keys.
const (
	SendMessage       = string(chat.ActionSendMessage)
	GetRecentMessages = string(chat.ActionGetRecentMessages)
	JoinRoom          = string(chat.ActionJoinRoom)
	LeaveRoom         = string(chat.ActionLeaveRoom)
	GetMembers        = string(chat.ActionGetMembers)
	Ping              = string(chat.ActionPing)
	EditMessage       = string(chat.ActionEditMessage)
	DeleteMessage     = string(chat.ActionDeleteMessage)
	AddReaction       = string(chat.ActionAddReaction)
	RemoveReaction    = string(chat.ActionRemoveReaction)
	GetChanges        = string(chat.ActionGetChanges)
	Signal            = string(chat.ActionSignal)
	MarkRead          = string(chat.ActionMarkRead)
	GetRooms          = string(chat.ActionGetRooms)
	CreateRoom        = string(chat.ActionCreateRoom)
	SetRoom           = string(chat.ActionSetRoom)
	GetRoom           = string(chat.ActionGetRoom)
	AddMember         = string(chat.ActionAddMember)
	RemoveMember      = string(chat.ActionRemoveMember)
	SetRole           = string(chat.ActionSetRole)
	BanUser           = string(chat.ActionBanUser)
	UnbanUser         = string(chat.ActionUnbanUser)
	MuteUser          = string(chat.ActionMuteUser)
	UnmuteUser        = string(chat.ActionUnmuteUser)
	OpenDirect        = string(chat.ActionOpenDirect)
)

// Frame is a client's frame: a JSON object whose fields have not been looked at yet. Field names are matched exactly,
// unknown ones are ignored, null counts as missing, and of a name that is repeated the last one counts. The names of
// rooms and users come out of it in their canonical form (see chat.CanonicalRoom), or not at all.
type Frame map[string]json.RawMessage

// vouched is a field that marks a frame whose user_name SetUser has set. Decode lets no client set it.
const vouched = "\x00vouched"

// Decode reads a frame. Its error is a *chat.Error with chat.CodeInvalidJSON.
func Decode(body string) (Frame, error) {
	if !utf8.ValidString(body) {
		return nil, invalidJSON("the body is not valid UTF-8")
	}
	var f Frame
	if err := json.Unmarshal([]byte(body), &f); err != nil || f == nil {
		return nil, invalidJSON("the body is not a JSON object")
	}
	for name, value := range f {
		if bytes.Equal(value, []byte("null")) {
			delete(f, name)
		}
	}
	delete(f, vouched)
	return f, nil
}

func invalidJSON(sentence string) error {
	return &chat.Error{Code: chat.CodeInvalidJSON, Message: sentence}
}

// Room is the room that a frame names, whatever its action; "" if it names none, or if no room can have that name.
func (f Frame) Room() string {
	s, _ := f.optionalString("room_name")
	return s
}

// SetUser puts the name in a token, in its canonical form, in the place of the frame's own user_name, and reports
// whether that was another.
func (f Frame) SetUser(name string) (other bool) {
	if f["user_name"] != nil {
		given, err := f.string("user_name")
		if err == nil {
			given, err = chat.CanonicalTokenUser(given)
		}
		other = err != nil || given != name
	}
	f["user_name"], f[vouched] = encode(name), encode(true)
	return other
}

// Text returns a field for an error frame to quote; "" if it is no string or too long to be quoted.
func (f Frame) Text(name string) string {
	s, err := f.string(name)
	if err != nil || len(s) > chat.MaxNameBytes {
		return ""
	}
	return s
}

// Draft reads a sendMessage frame.
func (f Frame) Draft() (d chat.Draft, err error) {
	if d.Room, err = f.requiredString("room_name"); err != nil {
		return d, err
	}
	if d.User, err = f.requiredString("user_name"); err != nil {
		return d, err
	}
	if d.Content, err = f.requiredString("content"); err != nil {
		return d, err
	}
	if d.ID, err = f.optionalString("message_id"); err != nil {
		return d, err
	}
	if _, given := f["message_id"]; given && d.ID == "" {
		return d, chat.InvalidField("message_id", "must not be empty")
	}
	replyTo, err := f.optionalInt("reply_to")
	if err != nil {
		return d, err
	}
	if replyTo != nil {
		if d.ReplyTo = *replyTo; d.ReplyTo < 1 {
			return d, chat.InvalidField("reply_to", "must be a whole number, 1 or greater")
		}
	}
	if d.Metadata, err = f.json("metadata"); err == nil && d.Metadata != "" && d.Metadata[0] != '{' {
		err = chat.InvalidField("metadata", "must be an object")
	}
	return d, err
}

// deepest is how many objects and arrays of a client's own JSON may lie in each other. Programs that read JSON have
// bounds, too.
const deepest = 16

// json reads a field of any type as compact JSON; "" if there is none.
func (f Frame) json(field string) (string, error) {
	raw, ok := f[field]
	if !ok {
		return "", nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", chat.InvalidField(field, "must be valid JSON")
	}
	depth, inText := 0, false
	for i := 0; i < compact.Len(); i++ {
		switch c := compact.Bytes()[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case !inText && (c == '{' || c == '['):
			if depth++; depth > deepest {
				return "", chat.InvalidField(field, fmt.Sprintf("must have at most %d levels", deepest))
			}
		case !inText && (c == '}' || c == ']'):
			depth--
		}
	}
	return compact.String(), nil
}

// Signal reads a signal frame.
func (f Frame) Signal() (s chat.Signal, ref string, err error) {
	if s.Room, err = f.requiredString("room_name"); err != nil {
		return s, "", err
	}
	if s.User, err = f.requiredString("user_name"); err != nil {
		return s, "", err
	}
	if s.Name, err = f.requiredString("name"); err != nil {
		return s, "", err
	}
	if s.Data, err = f.json("data"); err != nil {
		return s, "", err
	}
	ref, err = f.Ref()
	return s, ref, err
}

// Act reads what an editMessage, deleteMessage, addReaction or removeReaction frame is about.
func (f Frame) Act() (a chat.Act, err error) {
	if a.Room, err = f.requiredString("room_name"); err != nil {
		return a, err
	}
	if a.By.Name, err = f.requiredString("user_name"); err != nil {
		return a, err
	}
	if a.Index, err = f.requiredInt("index"); err != nil {
		return a, err
	}
	a.Ref, err = f.Ref()
	return a, err
}

// Mark reads a markRead frame.
func (f Frame) Mark() (m chat.Mark, err error) {
	if m.Room, err = f.requiredString("room_name"); err != nil {
		return m, err
	}
	if m.By.Name, err = f.requiredString("user_name"); err != nil {
		return m, err
	}
	if m.Index, err = f.requiredInt("index"); err != nil {
		return m, err
	}
	m.Ref, err = f.Ref()
	return m, err
}

// RoomsQuery reads a getRooms frame.
func (f Frame) RoomsQuery() (q chat.RoomsQuery, err error) {
	if q.After, err = f.string("after"); err == nil && q.After != "" {
		q.After, err = chat.CanonicalRoom(q.After)
	}
	if err != nil {
		return q, err
	}
	q.Ref, err = f.Ref()
	return q, err
}

// Forget reports whether a leaveRoom frame asks to forget the room.
func (f Frame) Forget() (bool, error) { return f.optionalBool("forget") }

// Edit reads what an editMessage frame asks for beside its Act.
func (f Frame) Edit() (content string, ifVersion *int64, err error) {
	if content, err = f.requiredString("content"); err != nil {
		return "", nil, err
	}
	ifVersion, err = f.optionalInt("if_version")
	return content, ifVersion, err
}

// Reaction reads the reaction of an addReaction or removeReaction frame.
func (f Frame) Reaction() (string, error) { return f.requiredString("reaction") }

// ChangesQuery reads a getChanges frame.
func (f Frame) ChangesQuery() (q chat.ChangesQuery, err error) {
	if q.Room, err = f.requiredString("room_name"); err != nil {
		return q, err
	}
	if q.After, err = f.requiredInt("after"); err != nil {
		return q, err
	}
	if q.Limit, err = f.limit(chat.DefaultChanges, chat.MaxChanges); err != nil {
		return q, err
	}
	q.Ref, err = f.Ref()
	return q, err
}

// limit reads a limit. What is over the most becomes just over it, so that it stays out of range on 32 bits.
func (f Frame) limit(usual, most int) (int, error) {
	given, err := f.optionalInt("limit")
	if err != nil || given == nil {
		return usual, err
	}
	return int(max(-1, min(*given, int64(most)+1))), nil
}

// Query reads a getRecentMessages frame.
func (f Frame) Query() (q chat.Query, err error) {
	if q.Room, err = f.requiredString("room_name"); err != nil {
		return q, err
	}
	if q.Limit, q.After, err = f.limitAndAfter(); err != nil {
		return q, err
	}
	if q.Before, err = f.optionalInt("before"); err != nil {
		return q, err
	}
	q.Ref, err = f.Ref()
	return q, err
}

func (f Frame) limitAndAfter() (limit int, after *int64, err error) {
	if limit, err = f.limit(chat.DefaultHistory, chat.MaxHistory); err != nil {
		return 0, nil, err
	}
	after, err = f.optionalInt("after")
	return limit, after, err
}

// CatchUp reads what a joinRoom frame asks for beside the membership.
func (f Frame) CatchUp() (c chat.CatchUp, err error) {
	if c.Ref, err = f.Ref(); err != nil {
		return c, err
	}
	if c.Members, err = f.optionalBool("members"); err != nil {
		return c, err
	}
	changesAfter, err := f.optionalInt("changes_after")
	if err != nil {
		return c, err
	}
	if changesAfter != nil {
		c.Changes = &chat.ChangesQuery{After: *changesAfter, Limit: chat.MaxChanges}
	}
	if c.Rules, err = f.optionalBool("rules"); err != nil {
		return c, err
	}
	if f["limit"] == nil && f["after"] == nil {
		return c, nil
	}
	q := chat.Query{}
	if q.Limit, q.After, err = f.limitAndAfter(); err != nil {
		return c, err
	}
	c.Messages = &q
	return c, nil
}

// Ref reads the client's own name for its request, which any frame may have; "" if it has none.
func (f Frame) Ref() (string, error) { return f.optionalString("ref") }

// Membership is what a joinRoom, leaveRoom or getMembers frame asks for.
type Membership struct {
	Room string
	User string // "" if it is not given
	Ref  string // the client's own name for the request; "" if it is not given
}

// Membership reads a joinRoom, leaveRoom or getMembers frame.
func (f Frame) Membership() (m Membership, err error) {
	if m.Room, err = f.requiredString("room_name"); err != nil {
		return m, err
	}
	if m.User, err = f.optionalString("user_name"); err != nil {
		return m, err
	}
	m.Ref, err = f.Ref()
	return m, err
}

func (f Frame) requiredString(name string) (string, error) {
	if _, ok := f[name]; !ok {
		return "", chat.MissingField(name)
	}
	return f.optionalString(name)
}

// optionalString returns a field; the names of rooms and users in their canonical form.
func (f Frame) optionalString(name string) (string, error) {
	s, err := f.string(name)
	switch {
	case err != nil:
		return "", err
	case name == "room_name":
		return chat.CanonicalRoom(s)
	case name == "user_name" && f[vouched] == nil:
		return chat.CanonicalUser(s)
	}
	return s, nil
}

// string returns a field as it was sent, and "" for none.
func (f Frame) string(name string) (string, error) {
	raw, ok := f[name]
	if !ok {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", chat.InvalidField(name, "must be a string")
	}
	if hasLoneSurrogate(raw) {
		return "", chat.InvalidField(name, "must be valid Unicode, without half a surrogate pair")
	}
	return s, nil
}

// optionalBool is false if the field is not there.
func (f Frame) optionalBool(name string) (b bool, err error) {
	if raw, ok := f[name]; ok && json.Unmarshal(raw, &b) != nil {
		return false, chat.InvalidField(name, "must be true or false")
	}
	return b, nil
}

func (f Frame) optionalInt(name string) (*int64, error) {
	raw, ok := f[name]
	if !ok {
		return nil, nil
	}
	var n int64
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, chat.InvalidField(name, "must be a whole number")
	}
	return &n, nil
}

func (f Frame) requiredInt(name string) (int64, error) {
	n, err := f.optionalInt(name)
	if err == nil && n == nil {
		err = chat.MissingField(name)
	}
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// hasLoneSurrogate finds \uD800 to \uDFFF escapes that are no pair in a valid JSON string. They stand for no character,
// and encoding/json would replace them without a word, so that what is stored is not what was sent.
func hasLoneSurrogate(raw []byte) bool {
	high := false // the escape just before was the first half of a pair
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++ // at the letter of the escape
		if raw[i] != 'u' {
			if high {
				return true
			}
			continue
		}
		unit, _ := strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
		i += 4
		low := unit >= 0xDC00 && unit <= 0xDFFF
		if low != high {
			return true
		}
		high = unit >= 0xD800 && unit <= 0xDBFF
	}
	return high
}
