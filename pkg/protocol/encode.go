package protocol

import (
	"bytes"
	"encoding/json"

	"wschat/pkg/chat"
)

// message is chat.Message on the wire.
type message struct {
	Room     string `json:"room_name"`
	Index    int64  `json:"index"`
	User     string `json:"user_name"`
	Content  string `json:"content"`
	CreateAt int64  `json:"create_at"`
	ID       string `json:"message_id,omitempty"`
}

const (
	messagesOpen  = `{"messages":[`
	messagesClose = `]}`
	// longestClose is how a history reply's last frame may end.
	longestClose = `],"more":true,"expired":true}`
)

// EncodeMessages makes {"messages":[…]} frames of a page, at least one, each at most chat.MaxFrameBytes unless a single
// message is larger. "more" and "expired" stand in the last frame. HTML is not escaped: it would make messages longer,
// and whoever shows them must escape for their own medium in any case.
func EncodeMessages(page chat.Page) [][]byte {
	var frames [][]byte
	frame := []byte(messagesOpen)
	for _, m := range page.Messages {
		encoded := encode(message(m))
		if len(frame) > len(messagesOpen) {
			if len(frame)+len(",")+len(encoded)+len(longestClose) > chat.MaxFrameBytes {
				frames = append(frames, append(frame, messagesClose...))
				frame = []byte(messagesOpen)
			} else {
				frame = append(frame, ',')
			}
		}
		frame = append(frame, encoded...)
	}
	frame = append(frame, ']')
	if page.More {
		frame = append(frame, `,"more":true`...)
	}
	if page.Expired {
		frame = append(frame, `,"expired":true`...)
	}
	return append(frames, append(frame, '}'))
}

// ErrorFrame is what a client is told of a refusal.
type ErrorFrame struct {
	Code      chat.Code `json:"code"`
	Message   string    `json:"message"`
	Action    string    `json:"action,omitempty"`     // the refused frame's, where it had one
	MessageID string    `json:"message_id,omitempty"` // the refused frame's, where it had one
	RequestID string    `json:"request_id"`           // to find the log line by
}

// EncodeError makes an {"error":…} frame.
func EncodeError(e ErrorFrame) []byte {
	return encode(map[string]ErrorFrame{"error": e})
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
