package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Grant is what a token allows: who somebody is, which rooms they may use, and until when.
type Grant struct {
	User     string
	AllRooms bool
	Rooms    []string // where not all: names, and patterns that end with *, as team-*
	Expires  time.Time
}

// The names of a grant's parts in an authorizer's context, whose values are strings
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html).
const (
	contextUser    = "user"
	contextRooms   = "rooms"   // a JSON list; not there where all are allowed
	contextExpires = "expires" // seconds since the epoch
)

// context is the grant on its way to the handlers.
func (g Grant) context() map[string]string {
	c := map[string]string{contextUser: g.User, contextExpires: strconv.FormatInt(g.Expires.Unix(), 10)}
	if !g.AllRooms {
		rooms := g.Rooms
		if rooms == nil {
			rooms = []string{}
		}
		b, _ := json.Marshal(rooms) // strings always encode
		c[contextRooms] = string(b)
	}
	return c
}

// FromContext reads the grant in requestContext.authorizer of an event. Without one, nobody has been let in.
func FromContext(context map[string]any) (Grant, error) {
	user, _ := context[contextUser].(string)
	expires, _ := context[contextExpires].(string)
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || user == "" {
		return Grant{}, errors.New("the event has no grant: is the authorizer attached to $connect?")
	}
	g := Grant{User: user, Expires: time.Unix(seconds, 0)}
	rooms, limited := context[contextRooms]
	if g.AllRooms = !limited; g.AllRooms {
		return g, nil
	}
	list, _ := rooms.(string)
	if err := json.Unmarshal([]byte(list), &g.Rooms); err != nil {
		return Grant{}, fmt.Errorf("the grant's rooms are no list: %w", err)
	}
	return g, nil
}

// Allows tells whether the grant covers a room. Names are compared byte for byte: letters that look alike, or that would be
// the same in another normal form, are different rooms, here as in the store. Only a * at the end of a pattern stands for
// any rest.
func (g Grant) Allows(room string) bool {
	if g.AllRooms {
		return true
	}
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

// isName tells whether a claim can be a user's name in the chat.
func isName(s string) bool {
	return s != "" && len(s) <= maxNameBytes && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
