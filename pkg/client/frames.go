package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// frameBytes is the size limit of a frame. API Gateway closes a connection that sends a larger one.
const frameBytes = 32 << 10

// frame is what the chat sends: one key of its own, and what describes an answer. Keys that are not here are ignored.
type frame struct {
	Messages []Message    `json:"messages"`
	Changes  *changesPart `json:"changes"`
	Members  *Members     `json:"members"`
	Presence *Presence    `json:"presence"`
	Signal   *Signal      `json:"signal"`
	Read     *Read        `json:"read"`
	Rules    *Rules       `json:"room"`
	Pong     *pong        `json:"pong"`
	Error    *refusal     `json:"error"`

	Ref         string `json:"ref"`
	Part        bool   `json:"part"`
	More        bool   `json:"more"`
	Expired     bool   `json:"expired"`
	ChangesUpTo *int64 `json:"changes_up_to"`
	Tail        *int64 `json:"tail"`

	// API Gateway's own frame says that something failed, and not what.
	GatewayMessage string `json:"message"`
	ConnectionID   string `json:"connectionId"`

	raw []byte
}

type changesPart struct {
	Room     string    `json:"room_name"`
	After    *int64    `json:"after"`
	UpTo     *int64    `json:"up_to"`
	Messages []Message `json:"messages"`
	More     bool      `json:"more"`
}

type pong struct {
	Time int64 `json:"time"` // seconds since the epoch
}

type refusal struct {
	Code       string   `json:"code"`
	Message    string   `json:"message"`
	Action     string   `json:"action"`
	MessageID  string   `json:"message_id"`
	RequestID  string   `json:"request_id"`
	Current    *Message `json:"current"`
	RetryAfter float64  `json:"retry_after"` // seconds
}

func (r refusal) err() *Error {
	return &Error{Code: r.Code, Message: r.Message, RequestID: r.RequestID, Current: r.Current,
		RetryAfter: time.Duration(r.RetryAfter * float64(time.Second))}
}

// answer is the answer to one request, assembled from its frames.
type answer struct {
	frames      []*frame
	hasMessages bool
	messages    []Message
	changes     *changesPart
	members     *Members
	presence    *Presence
	rules       *Rules
	changesUpTo int64
	tail        *int64
	more        bool
	expired     bool
}

func assemble(frames []*frame) *answer {
	a := &answer{frames: frames}
	for _, f := range frames {
		if f.Messages != nil {
			a.hasMessages = true
			a.messages = append(a.messages, f.Messages...)
		}
		a.addChanges(f.Changes)
		if f.Members != nil {
			users := f.Members.Users
			if a.members != nil {
				users = append(a.members.Users, users...)
			}
			members := *f.Members
			members.Users = users
			a.members = &members
		}
		if f.Presence != nil {
			a.presence = f.Presence
		}
		if f.Rules != nil {
			a.rules = f.Rules
		}
		if f.ChangesUpTo != nil {
			a.changesUpTo = *f.ChangesUpTo
		}
		if f.Tail != nil {
			a.tail = f.Tail
		}
		a.more, a.expired = a.more || f.More, a.expired || f.Expired
	}
	return a
}

func (a *answer) addChanges(part *changesPart) {
	if part == nil {
		return
	}
	all := *part
	if a.changes != nil {
		all.After, all.Messages = a.changes.After, append(a.changes.Messages, part.Messages...)
	}
	a.changes = &all
}

// raw returns the frames as they came.
func (a *answer) raw() []json.RawMessage {
	all := make([]json.RawMessage, len(a.frames))
	for i, f := range a.frames {
		all[i] = f.raw
	}
	return all
}

// fields are those of a request. A nil one is left out.
type fields map[string]any

// encode makes a request.
func encode(action string, f fields, ref string) ([]byte, error) {
	all := fields{"action": action}
	if ref != "" {
		all["ref"] = ref
	}
	for name, value := range f {
		if value != nil {
			all[name] = value
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(all); err != nil {
		return nil, &Error{Code: CodeInvalidArgument, Message: "The request cannot be written as JSON.", Err: err}
	}
	if b.Len() > frameBytes {
		return nil, &Error{Code: CodeTooLarge,
			Message: fmt.Sprintf("The request has %d bytes, and a frame at most %d.", b.Len(), frameBytes)}
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
