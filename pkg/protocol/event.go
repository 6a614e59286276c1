package protocol

import "wschat/pkg/chat"

// The types of events.
const (
	MessageStored  = "MessageStored"
	MessageChanged = "MessageChanged"
)

// EventType is the type of the event that says that a message is now as it is.
func EventType(m chat.Message) string {
	if m.Version == 0 {
		return MessageStored
	}
	return MessageChanged
}

// EncodeEvent makes the detail of an event: a message as in every frame, with its version, and the event's type.
func EncodeEvent(m chat.Message) []byte {
	return encode(struct {
		Type string `json:"type"`
		message
		Version int64 `json:"version"` // also 0
	}{EventType(m), messageOf(m), m.Version})
}
