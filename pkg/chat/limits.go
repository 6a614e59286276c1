package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the wire format. Sizes are bytes of UTF-8.
const (
	MaxContentBytes = 16 << 10 // a message's content
	MaxFrameBytes   = 32 << 10 // one encoded frame: API Gateway's own limit and the unit it bills
	MaxAnswerFrames = 8        // frames of messages and members in one answer: 256 KB
	MaxNameBytes    = 128      // a room name, a user name (both in their canonical form), a message id
	DefaultHistory  = 10       // messages in a history reply that names no limit
	MaxHistory      = 100      // messages in one history reply
	DefaultChanges  = 100      // changes that an answer looks at if the request names no limit
	MaxChanges      = 500      // changes that one answer looks at

	MaxReactionBytes = 32   // a reaction
	MaxReactions     = 20   // different reactions to one message
	MaxReactingUsers = 500  // people with reactions to one message
	MaxMetadataBytes = 1024 // a message's metadata
	MaxSignalBytes   = 1024 // a signal's data
	MaxRoomsListed   = 50   // rooms in one list of a user's rooms
)

// checkName refuses names and ids that are empty, too long, or with control characters.
func checkName(field, name string) error {
	switch {
	case name == "":
		return InvalidField(field, "must not be empty")
	case len(name) > MaxNameBytes:
		return InvalidField(field, fmt.Sprintf("must be at most %d bytes, not %d", MaxNameBytes, len(name)))
	case !utf8.ValidString(name):
		return InvalidField(field, "must be valid UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return InvalidField(field, "must not contain control characters")
	}
	return nil
}

// checkOptionalName allows the empty name, which stands for none.
func checkOptionalName(field, name string) error {
	if name == "" {
		return nil
	}
	return checkName(field, name)
}

func checkContent(content string) error {
	switch {
	case content == "":
		return InvalidField("content", "must not be empty")
	case len(content) > MaxContentBytes:
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf(
			"content must be at most %d bytes, not %d", MaxContentBytes, len(content))}
	case !utf8.ValidString(content):
		return InvalidField("content", "must be valid UTF-8")
	}
	return nil
}
