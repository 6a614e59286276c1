package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"wschat/pkg/chat"
)

// Encoder makes the frames; it is the chat.Encoder of this protocol. HTML is not escaped: it would make frames
// longer, and a program that shows them must escape for its own medium in any case.
type Encoder struct{}

var _ chat.Encoder = Encoder{}

// Messages makes {"messages":[…]} frames of a page, at least one, each at most chat.MaxFrameBytes unless a single
// message is larger. "more", "expired" and "tail" stand in the last frame. If there is a ref, it stands in every
// frame, and "part" in every one but the last of the answer.
func (Encoder) Messages(page chat.Page) []chat.Frame {
	end := "]"
	if page.More {
		end += `,"more":true`
	}
	if page.Expired {
		end += `,"expired":true`
	}
	if page.ChangesUpTo > 0 {
		end += `,"changes_up_to":` + strconv.FormatInt(page.ChangesUpTo, 10)
	}
	if page.Tail != nil {
		end += `,"tail":` + strconv.FormatInt(*page.Tail, 10)
	}
	list := newList(`{"messages":[`, "]"+part(true, page.Ref)+refField(page.Ref)+"}",
		end+part(page.Part, page.Ref)+refField(page.Ref)+"}")
	frames := []chat.Frame{{}}
	for _, m := range page.Messages {
		if list.add(encode(messageOf(m))) {
			frames = append(frames, chat.Frame{})
		}
		frames[len(frames)-1].Last = m.Index
	}
	for i, text := range list.frames() {
		frames[i].Text = text
	}
	return frames
}

// Changes makes {"changes":…} frames of a page, at least one, each at most chat.MaxFrameBytes unless a single message
// is larger. Each frame goes on after the one before it: its "after" is that one's "up_to". "more" stands in the last
// frame, a ref in every one, and "part" in every one but the last of the answer. If the room's rules are among what
// changed, they come first, in a {"room":…} frame.
func (Encoder) Changes(page chat.ChangesPage) []chat.Frame {
	open := `{"changes":{"room_name":` + string(encode(page.Room)) + `,"messages":[`
	more := ""
	if page.More {
		more = `,"more":true`
	}
	end := func(after, upTo int64, more string, follows bool) string {
		return fmt.Sprintf(`],"after":%d,"up_to":%d%s}%s%s}`, after, upTo, more, part(follows, page.Ref),
			refField(page.Ref))
	}
	list := newList(open, "", end(math.MaxInt64, math.MaxInt64, more, true)) // the longest
	var upTo []int64                                                         // of the frames that are full
	after, last := page.After, page.After
	var frames []chat.Frame
	for _, c := range page.Messages {
		if c.Rules != nil {
			view := chat.RoomView{Rules: *c.Rules, Ref: page.Ref, Part: true}
			frames = append(frames, chat.Frame{Text: Encoder{}.Room(view)[0], Last: page.After})
			last = c.Change
			continue
		}
		list.next = end(after, last, "", true)
		if list.add(encode(messageOf(c.Message))) {
			upTo = append(upTo, last)
			after = last
		}
		last = c.Change
	}
	list.end = end(after, page.UpTo, more, page.Part)
	upTo = append(upTo, page.UpTo)
	for i, text := range list.frames() {
		frames = append(frames, chat.Frame{Text: text, Last: upTo[i]})
	}
	return frames
}

// Change makes a {"changes":…} frame of one message, as the answer to the client that changed it. It moves no
// cursor.
func (Encoder) Change(m chat.Message, ref string) []byte {
	return slices.Concat([]byte(`{"changes":{"room_name":`), encode(m.Room), []byte(`,"messages":[`),
		encode(messageOf(m)), []byte("]}"+refField(ref)+"}"))
}

// Members makes {"members":…} frames of the users in a room, at least one and at most `most`, each at most
// chat.MaxFrameBytes. "part" stands in every frame but the last; a version and a ref stand in every one. Users that
// do not fit are left out, and "more" in the last frame says so.
func (Encoder) Members(a chat.Attendance, most int) [][]byte {
	open, version, ref := `{"members":{"room_name":`+string(encode(a.Room)), "", refField(a.Ref)
	if a.Version > 0 {
		version = `,"version":` + strconv.FormatInt(a.Version, 10)
	}
	if a.OverLimit {
		return [][]byte{[]byte(open + version + `,"over_limit":true}` + ref + "}")}
	}
	const more = `,"more":true`
	end := "]" + version + "}"
	list := newList(open+`,"users":[`, end+`,"part":true`+ref+"}", end+more+ref+"}")
	for _, u := range a.Users {
		element := encode(user(u))
		if len(list.full) == most-1 && !list.fits(element) {
			return list.frames()
		}
		list.add(element)
	}
	list.end = end + ref + "}"
	return list.frames()
}

// user is chat.User on the wire.
type user struct {
	Name        string `json:"user_name"`
	ID          string `json:"user_id,omitempty"`
	Connections int    `json:"connections"`
	Read        int64  `json:"read,omitempty"`
}

// Presence makes a {"presence":…} frame.
func (Encoder) Presence(p chat.Presence) []byte {
	return encode(struct {
		Presence presence `json:"presence"`
		Part     bool     `json:"part,omitempty"`
		Ref      string   `json:"ref,omitempty"`
	}{presence{p.Room, p.User, p.UserID, p.Event}, p.Part && p.Ref != "", p.Ref})
}

type presence struct {
	Room   string             `json:"room_name"`
	User   string             `json:"user_name"`
	UserID string             `json:"user_id,omitempty"`
	Event  chat.PresenceEvent `json:"event"`
}

// Signal makes a {"signal":…} frame.
func (Encoder) Signal(s chat.Signal) []byte {
	return encode(struct {
		Signal signal `json:"signal"`
	}{signal{s.Room, s.User, s.UserID, s.Name, json.RawMessage(s.Data)}})
}

type signal struct {
	Room   string          `json:"room_name"`
	User   string          `json:"user_name"`
	UserID string          `json:"user_id,omitempty"`
	Name   string          `json:"name"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// HasRead makes a {"read":…} frame: how far somebody has read.
func (Encoder) HasRead(m chat.Mark) []byte {
	return encode(struct {
		Read read `json:"read"`
	}{read{m.Room, m.By.Name, m.By.ID, m.Index}})
}

type read struct {
	Room   string `json:"room_name"`
	User   string `json:"user_name"`
	UserID string `json:"user_id"`
	Index  int64  `json:"index"`
}

// RoomList makes {"rooms":…} frames of a part of a user's rooms, at least one, each at most chat.MaxFrameBytes. "part"
// stands in every one but the last, "more" in the last, and a ref in every one.
func (Encoder) RoomList(page chat.RoomsPage) [][]byte {
	ref, more := refField(page.Ref), ""
	if page.More {
		more = `,"more":true`
	}
	list := newList(`{"rooms":[`, "]"+part(true, page.Ref)+ref+"}", "]"+more+ref+"}")
	for _, r := range page.Rooms {
		wire := room{Name: r.Room, Last: r.Last, Read: r.Read}
		if r.View.Rules.Version > 0 {
			rules := rulesOf(r.View)
			wire.Title, wire.Private, wire.Direct, wire.With = rules.Title, rules.Private, rules.Direct, rules.With
		}
		list.add(encode(wire))
	}
	return list.frames()
}

type room struct {
	Name    string  `json:"room_name"`
	Last    int64   `json:"last"`
	Read    int64   `json:"read"`
	Title   string  `json:"title,omitempty"`
	Private bool    `json:"private,omitempty"`
	Direct  bool    `json:"direct,omitempty"`
	With    *person `json:"with,omitempty"` // of a direct room: the other person
}

// Done makes the {"done":{}} frame of an answer that says nothing else.
func (Encoder) Done(ref string) []byte { return []byte(`{"done":{}` + refField(ref) + "}") }

// Pong makes a {"pong":…} frame with the time in whole seconds since the epoch.
func (Encoder) Pong(at time.Time, ref string) []byte {
	return fmt.Appendf(nil, `{"pong":{"time":%d}%s}`, at.Unix(), refField(ref))
}

// part says that more frames of the same answer follow. Without a ref, no client could tell which frames they are.
func part(follows bool, ref string) string {
	if !follows || ref == "" {
		return ""
	}
	return `,"part":true`
}

func refField(ref string) string {
	if ref == "" {
		return ""
	}
	return `,"ref":` + string(encode(ref))
}

// list distributes the elements of a JSON array over as many frames as it needs.
type list struct {
	open, next, end string // how a frame begins, how one ends that another follows, and how the last one ends
	full            [][]byte
	frame           []byte
}

func newList(open, next, end string) *list {
	return &list{open: open, next: next, end: end, frame: []byte(open)}
}

// fits reports whether an element has room in the frame that the last one is in.
func (l *list) fits(element []byte) bool {
	return len(l.frame) == len(l.open) ||
		len(l.frame)+len(",")+len(element)+max(len(l.next), len(l.end)) <= chat.MaxFrameBytes
}

// add adds an element, and reports whether it begins another frame than the one before it is in.
func (l *list) add(element []byte) (another bool) {
	if another = !l.fits(element); another {
		l.full = append(l.full, append(l.frame, l.next...))
		l.frame = []byte(l.open)
	} else if len(l.frame) > len(l.open) {
		l.frame = append(l.frame, ',')
	}
	l.frame = append(l.frame, element...)
	return another
}

func (l *list) frames() [][]byte { return append(l.full, append(l.frame, l.end...)) }

// ErrorFrame is what a client is told of a refusal.
type ErrorFrame struct {
	Code      chat.Code `json:"code"`
	Message   string    `json:"message"`
	Action    string    `json:"action,omitempty"`     // the refused frame's, if it had one
	MessageID string    `json:"message_id,omitempty"` // the refused frame's, if it had one
	RequestID string    `json:"request_id"`           // to find the log line by
	// with chat.CodeConflict: the message as it is now
	Current *chat.Message `json:"-"`
	// with chat.CodeSlowMode: after which the same frame may be taken
	RetryAfter time.Duration `json:"-"`
	// the refused frame's, if it had one; beside the error, as in every answer
	Ref string `json:"-"`
}

// EncodeError makes an {"error":…} frame.
func EncodeError(e ErrorFrame) []byte {
	type refusal struct {
		ErrorFrame
		Current    *message `json:"current,omitempty"`
		RetryAfter int64    `json:"retry_after,omitempty"` // seconds, rounded up
	}
	r := refusal{ErrorFrame: e, RetryAfter: int64(math.Ceil(e.RetryAfter.Seconds()))}
	if e.Current != nil {
		current := messageOf(*e.Current)
		r.Current = &current
	}
	return encode(struct {
		Error refusal `json:"error"`
		Ref   string  `json:"ref,omitempty"`
	}{r, e.Ref})
}

// encode is json.Marshal without HTML escaping. What it is given always encodes.
func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("protocol: " + err.Error())
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
