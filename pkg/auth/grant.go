package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Grant is what a token allows: who somebody is, which rooms they may use, and until when.
type Grant struct {
	User    string
	Rooms   []string // names, and patterns that end with *, as team-*; * alone is every room
	Expires time.Time
}

// The names of a grant's parts in an authorizer's context, whose values are strings
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html).
const (
	contextUser    = "user"    // as JSON
	contextRooms   = "rooms"   // as a JSON list
	contextExpires = "expires" // seconds since the epoch
)

// context is the grant on its way to the handlers. What is not ASCII is escaped: API Gateway does not say what becomes of it,
// and two names that became one would be a hole.
func (g Grant) context() map[string]string {
	rooms := g.Rooms
	if rooms == nil {
		rooms = []string{}
	}
	return map[string]string{
		contextUser: asciiJSON(g.User), contextRooms: asciiJSON(rooms), contextExpires: strconv.FormatInt(g.Expires.Unix(), 10),
	}
}

// asciiJSON encodes strings, or lists of them.
func asciiJSON(v any) string {
	b, _ := json.Marshal(v) // they always encode
	var ascii strings.Builder
	for _, r := range string(b) {
		switch {
		case r < utf8.RuneSelf:
			ascii.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&ascii, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&ascii, `\u%04x`, r)
		}
	}
	return ascii.String()
}

// FromContext reads the grant in requestContext.authorizer of an event. Without every part of one, nobody has been let in.
func FromContext(context map[string]any) (g Grant, err error) {
	user, _ := context[contextUser].(string)
	rooms, _ := context[contextRooms].(string)
	expires, _ := context[contextExpires].(string)
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err = errors.Join(err, json.Unmarshal([]byte(user), &g.User), json.Unmarshal([]byte(rooms), &g.Rooms)); err != nil || g.User == "" {
		return Grant{}, errors.New("the event has no grant: is the authorizer attached to $connect?")
	}
	g.Expires = time.Unix(seconds, 0)
	return g, nil
}

// Allows tells whether the grant covers a room. Names are compared byte for byte: letters that look alike, or that would be
// the same in another normal form, are different rooms, here as in the store. Only a * at the end of a pattern stands for
// any rest.
func (g Grant) Allows(room string) bool {
	for _, pattern := range g.Rooms {
		prefix, isPattern := strings.CutSuffix(pattern, "*")
		if room == pattern || isPattern && strings.HasPrefix(room, prefix) {
			return true
		}
	}
	return false
}

// maxNameBytes is the chat's own limit for names.
const maxNameBytes = 128

// isName tells whether a claim can be a user's name in the chat: without control characters, and without those that show
// nothing or turn the text around, but for the two that join letters where a script needs it.
func isName(s string) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	return s != "" && len(s) <= maxNameBytes && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != zeroWidthNonJoiner && r != zeroWidthJoiner
	})
}
