package auth_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"wschat/infra/local/demoissuer"
	"wschat/pkg/auth"
)

// The table of who may use which room. What the handshake and the actions make of it is tested in infra/local.
func TestRoomPatterns(t *testing.T) {
	type row struct {
		rooms []string
		room  string
	}
	allow := []row{
		{[]string{"lobby"}, "lobby"},
		{[]string{"attic", "lobby"}, "lobby"},
		{[]string{"team-*"}, "team-1"},
		{[]string{"team-*"}, "team-"},
		{[]string{"*"}, "anything"},
		{[]string{"team-*"}, "team-*"},
		{[]string{"a*b"}, "a*b"},
		{[]string{"a**"}, "a*c"},
		{[]string{"\u00e9*"}, "\u00e9t\u00e9"},
	}
	deny := []row{
		{nil, "lobby"},
		{[]string{}, "lobby"},
		{[]string{""}, "lobby"},
		{[]string{"lobby"}, "Lobby"},
		{[]string{"Lobby"}, "lobby"},
		{[]string{"lobby"}, "lobby "},
		{[]string{"lobby"}, "lobbyx"},
		{[]string{"lobby"}, "lobb"},
		{[]string{"team-*"}, "team"},
		{[]string{"team-*"}, "Team-1"},
		{[]string{"a*b"}, "axb"},
		{[]string{"*b"}, "ab"},
		{[]string{"a**"}, "abc"},
		{[]string{"?"}, "a"},
		{[]string{"[a-z]"}, "a"},
		{[]string{"caf\u00e9"}, "cafe\u0301"},
		{[]string{"cafe\u0301*"}, "caf\u00e9"},
		{[]string{"lobby"}, "l\u043ebby"},
		{[]string{"\u212a"}, "K"},
	}
	for want, rows := range map[bool][]row{true: allow, false: deny} {
		for _, r := range rows {
			if got := (auth.Grant{Rooms: r.rooms}).Allows(r.room); got != want {
				t.Errorf("%q allow %q: %v", r.rooms, r.room, got)
			}
		}
	}
	if !(auth.Grant{AllRooms: true}).Allows("lobby") {
		t.Error("a token for all rooms does not allow one")
	}
}

func TestAContextThatIsNoGrantIsRefused(t *testing.T) {
	for _, context := range []map[string]any{
		nil,
		{},
		{"user": "ann"},
		{"expires": "1"},
		{"user": "", "expires": "1"},
		{"user": "ann", "expires": "soon"},
		{"user": "ann", "expires": 1.0},
		{"user": 7, "expires": "1"},
		{"user": "ann", "expires": "1", "rooms": "lobby"},
		{"user": "ann", "expires": "1", "rooms": []any{"lobby"}},
		{"user": "ann", "expires": "1", "rooms": nil},
	} {
		if g, err := auth.FromContext(context); err == nil {
			t.Errorf("%v gives %+v", context, g)
		}
	}
}

// FuzzRoomPatterns compares with the rule as a person would say it.
func FuzzRoomPatterns(f *testing.F) {
	f.Add("team-*", "team-1")
	f.Add("a*b", "axb")
	f.Add("*", "")
	f.Add("caf\u00e9", "cafe\u0301")
	f.Fuzz(func(t *testing.T, pattern, room string) {
		want := pattern == room
		if strings.HasSuffix(pattern, "*") && len(room) >= len(pattern)-1 && room[:len(pattern)-1] == pattern[:len(pattern)-1] {
			want = true
		}
		if got := (auth.Grant{Rooms: []string{pattern}}).Allows(room); got != want {
			t.Errorf("%q allows %q: %v", pattern, room, got)
		}
	})
}

// newDoor is an authorizer that trusts a demonstration provider.
func newDoor(t testing.TB) (*auth.Authorizer, *demoissuer.Issuer) {
	var issuer *demoissuer.Issuer
	srv := httptest.NewUnstartedServer(nil)
	srv.Start()
	t.Cleanup(srv.Close)
	issuer, err := demoissuer.New(srv.URL, "chat")
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = issuer
	a, err := auth.New(auth.Config{Issuer: srv.URL, Audience: "chat", RoomsClaim: "rooms", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return a, issuer
}

// ask asks the authorizer about a handshake that offers these subprotocols, and returns its decision and the grant.
func ask(t testing.TB, a *auth.Authorizer, offered string) (effect string, context map[string]any) {
	payload, err := json.Marshal(map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-north-1:123456789012:abc/dev/$connect",
		"multiValueHeaders": map[string][]string{"Sec-WebSocket-Protocol": {offered}},
		"requestContext":    map[string]string{"requestId": "r", "connectionId": "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		PrincipalID    string
		PolicyDocument struct {
			Statement []struct{ Action, Effect, Resource string }
		}
		Context map[string]any
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	s := got.PolicyDocument.Statement
	if len(s) != 1 || s[0].Action != "execute-api:Invoke" || !strings.HasSuffix(s[0].Resource, "/dev/$connect") || got.PrincipalID == "" {
		t.Fatalf("got %s", answer)
	}
	return s[0].Effect, got.Context
}

func TestAGrantSurvivesItsWay(t *testing.T) {
	a, issuer := newDoor(t)
	for _, rooms := range []any{[]string{"lobby", "team-*"}, []string{}, nil} {
		token, err := issuer.Token("ann", time.Hour, map[string]any{"rooms": rooms})
		if err != nil {
			t.Fatal(err)
		}
		if rooms == nil {
			continue // a claim that is null is none: the next test has it
		}
		effect, context := ask(t, a, "chat, "+token)
		g, err := auth.FromContext(context)
		if err != nil || effect != "Allow" {
			t.Fatal(effect, err)
		}
		if g.User != "ann" || g.AllRooms || !reflect.DeepEqual(g.Rooms, rooms) || time.Until(g.Expires) < 59*time.Minute || time.Until(g.Expires) > 61*time.Minute {
			t.Errorf("got %+v", g)
		}
	}
}

func TestWhatIsNoAuthorizersEventIsAnError(t *testing.T) {
	a, _ := newDoor(t)
	for _, payload := range []string{``, `{}`, `[]`, `{"type":"REQUEST"}`} {
		if answer, err := a.Invoke(context.Background(), []byte(payload)); err == nil {
			t.Errorf("%q: %s", payload, answer)
		}
	}
}

// FuzzToken: whatever is offered in the place of a good token, or made of one, nobody else is let in, and nothing breaks.
func FuzzToken(f *testing.F) {
	a, issuer := newDoor(f)
	good, err := issuer.Token("ann", 24*time.Hour, map[string]any{"rooms": []string{"lobby"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("chat, "+good, -1, byte(0))
	f.Add("chat, "+good, 10, byte('x'))
	f.Add("chat", 0, byte(0))
	f.Add("chat, a.b.c", 0, byte(0))
	f.Add("chat, eyJhbGciOiJub25lIn0.e30.", 0, byte(0))
	f.Fuzz(func(t *testing.T, offered string, at int, b byte) {
		if !utf8.ValidString(offered) {
			return // an event is JSON
		}
		// The corpus is of other runs, whose keys are gone: their tokens become this run's, changed at one place.
		if at >= 0 && at < len(good) {
			changed := []byte(good)
			changed[at] = b
			if b < ' ' || b > '~' || b == ',' || b == ' ' {
				return
			}
			offered = "chat, " + string(changed)
		}
		effect, context := ask(t, a, offered)
		if effect == "Deny" {
			if context != nil {
				t.Errorf("who is refused gets a grant: %v", context)
			}
			return
		}
		if strings.ReplaceAll(offered, " ", "") != "chat,"+good {
			t.Errorf("%q is let in", offered)
		}
	})
}
