package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"wschat/pkg/chat"
)

// Grant is what a token allows: the user, the rooms that the user may use, and the end. Names and patterns are in
// their canonical form, both in a grant of the authorizer and in one from an event. An id stays as it came.
type Grant struct {
	ID      string   // tells users apart: 1 to MaxIDBytes bytes, of any characters
	IDClaim string   // the claim that it is from
	User    string   // the display name
	Rooms   []string // names, and patterns that end with *, as team-*; * alone is every room
	Expires time.Time

	Moderates bool // the user moderates all rooms
}

// MaxIDBytes is how long a user's id may be, which is how long a subject may be
// (https://openid.net/specs/openid-connect-core-1_0.html#IDToken).
const MaxIDBytes = 255

// checkID refuses what cannot tell users apart. Half a surrogate pair and bytes that are no UTF-8 are decoded as
// U+FFFD, all as the same: two users would be one.
func checkID(id string) error {
	switch {
	case id == "":
		return errors.New("it is empty")
	case len(id) > MaxIDBytes:
		return fmt.Errorf("it has %d bytes, more than %d", len(id), MaxIDBytes)
	case strings.ContainsRune(id, utf8.RuneError):
		return errors.New("it is not valid Unicode, or has the character U+FFFD")
	}
	return nil
}

// canonical returns the grant with its name and its patterns in their canonical form. The error says why the name is
// not allowed.
func (g Grant) canonical() (Grant, error) {
	user, err := chat.CanonicalTokenUser(g.User)
	if err == nil && user == "" {
		err = errors.New("the name is empty")
	}
	rooms := make([]string, len(g.Rooms))
	for i, pattern := range g.Rooms {
		rooms[i] = chat.CanonicalPattern(pattern)
	}
	g.User, g.Rooms = user, rooms
	return g, err
}

// The names of a grant's parts in an authorizer's context, whose values are strings
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html).
const (
	contextID      = "user_id"  // as JSON
	contextIDClaim = "id_claim" // as it is
	contextUser    = "user"     // as JSON
	contextRooms   = "rooms"    // as a JSON list
	contextExpires = "expires"  // seconds since the epoch
	contextRole    = "role"     // roleModerator, or not there

	// contextSubject is the token's subject, which API Gateway adds as it is.
	contextSubject = "principalId"
)

// context is the grant on its way to the handlers. Characters beyond ASCII are escaped: API Gateway does not say
// what becomes of them, and two names that became one would be a hole.
func (g Grant) context() map[string]string {
	context := map[string]string{
		contextID:      asciiJSON(g.ID),
		contextIDClaim: g.IDClaim,
		contextUser:    asciiJSON(g.User),
		contextRooms:   asciiJSON(g.Rooms),
		contextExpires: strconv.FormatInt(g.Expires.Unix(), 10),
	}
	if g.Moderates {
		context[contextRole] = roleModerator
	}
	return context
}

// roleModerator is the value of the claim with roles that lets a user moderate all rooms.
const roleModerator = "moderator"

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

// FromContext reads the grant in requestContext.authorizer of an event. Without every part of one, nobody has been let
// in. But a grant with no id is from before grants had one: the id is the subject then.
func FromContext(context map[string]any) (g Grant, err error) {
	user, _ := context[contextUser].(string)
	rooms, _ := context[contextRooms].(string)
	expires, _ := context[contextExpires].(string)
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if errors.Join(err, json.Unmarshal([]byte(user), &g.User), json.Unmarshal([]byte(rooms), &g.Rooms)) != nil {
		return Grant{}, errors.New("the event has no grant: is the authorizer attached to $connect?")
	}
	g.Expires, g.Moderates = time.Unix(seconds, 0), context[contextRole] == roleModerator
	if g.ID, g.IDClaim, err = idOf(context); err != nil {
		return Grant{}, fmt.Errorf("the event's grant has no user's id: %w", err)
	}
	if g, err = g.canonical(); err != nil {
		return Grant{}, fmt.Errorf("the event's grant names nobody: %w", err)
	}
	return g, nil
}

// idOf reads a user's id, and the claim that it is from.
func idOf(context map[string]any) (id, claim string, err error) {
	raw, ok := context[contextID]
	if !ok {
		id, _ = context[contextSubject].(string)
		return id, DefaultIDClaim, checkID(id)
	}
	text, _ := raw.(string)
	claim, _ = context[contextIDClaim].(string)
	err = json.Unmarshal([]byte(text), &id)
	return id, claim, errors.Join(err, checkID(id))
}

// Allows reports whether the grant covers a room, whose name must be in its canonical form.
//
// Names are compared byte for byte: letters that only look alike are different rooms, here as in the store. Only a * at
// the end of a pattern stands for any rest. Both sides are in their canonical form, so it does not matter how a letter
// was typed, in the claim or in the room: every form of café* allows every form of café-1. It also means that a letter
// with an accent is another letter than the one without: cafe* allows neither form of café, although one of them begins
// with the letters of cafe. Only a mark that makes no letter of its own, as an acute on a q, counts as a part of the
// rest.
func (g Grant) Allows(room string) bool {
	return chat.Covers(g.Rooms, room)
}
