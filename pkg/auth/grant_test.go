package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"wschat/pkg/auth"
	"wschat/pkg/chat"
)

// allows reports whether a token with these patterns allows a room, both in any form.
func allows(t *testing.T, rooms []string, room string) bool {
	t.Helper()
	grant, err := auth.FromContext(map[string]any{"principalId": "u1", "user": `"ann"`, "expires": "1",
		"rooms": jsonOf(t, rooms)})
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := chat.CanonicalRoom(room)
	return err == nil && grant.Allows(canonical)
}

// The table of tokens and the rooms that they allow. What the handshake and the actions make of it is tested in
// pkg/localchat.
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
		// All forms of a name are one.
		{[]string{"caf\u00e9"}, "cafe\u0301"},
		{[]string{"cafe\u0301"}, "caf\u00e9"},
		{[]string{"cafe\u0301*"}, "caf\u00e9"},
		{[]string{"cafe\u0301*"}, "caf\u00e9-1"},
		{[]string{"caf\u00e9*"}, "cafe\u0301-1"},
		{[]string{"caf*"}, "cafe\u0301"},
		{[]string{"\u212a*"}, "K1"},
		{[]string{"\u1112\u1161\u11ab*"}, "\ud55c\uad6d"},
		{[]string{"e\u0301\u0323*"}, "e\u0323\u0301x"},
		{[]string{"cafe*"}, "cafeterias"},
		// A mark that makes no letter of its own is a part of the rest.
		{[]string{"q*"}, "q\u0301"},
	}
	deny := []row{
		{nil, "lobby"},
		{[]string{}, "lobby"},
		{[]string{""}, "lobby"},
		{[]string{"lobby"}, "Lobby"},
		{[]string{"Lobby"}, "lobby"},
		{[]string{"lobby"}, "lobbyx"},
		{[]string{"lobby"}, "lobb"},
		{[]string{"team-*"}, "team"},
		{[]string{"team-*"}, "Team-1"},
		{[]string{"a*b"}, "axb"},
		{[]string{"*b"}, "ab"},
		{[]string{"a**"}, "abc"},
		{[]string{"?"}, "a"},
		{[]string{"[a-z]"}, "a"},
		{[]string{"lobby"}, "l\u043ebby"},
		{[]string{"\uff2b"}, "K"},
		// A letter with an accent is another letter.
		{[]string{"cafe"}, "cafe\u0301"},
		{[]string{"cafe*"}, "caf\u00e9"},
		{[]string{"cafe*"}, "cafe\u0301"},
		{[]string{"cafe*"}, "cafe\u0301-1"},
		{[]string{"caf\u00e9*"}, "cafe"},
		{[]string{"caf\u00e9*"}, "caf\u00e8"},
		{[]string{"e\u0302*"}, "e\u0302\u0323"},
		{[]string{"=*"}, "=\u0338"},
		{[]string{"\u1100\u1161*"}, "\u1100\u1161\u11a8"},
		{[]string{"cafe*\u0301"}, "caf\u00e9"},
		// What is no name and no beginning of one allows nothing, whatever package norm makes of it.
		{[]string{"x" + strings.Repeat("\u0315", 31)}, "x" + strings.Repeat("\u0315", 30) + "\u034f\u0315"},
		{[]string{"x" + strings.Repeat("\u0315", 31) + "*"}, "x" + strings.Repeat("\u0315", 30) + "\u034f\u0315"},
		{[]string{strings.Repeat("e\u0301", 1000)}, strings.Repeat("\u00e9", 64)},
	}
	for want, rows := range map[bool][]row{true: allow, false: deny} {
		for _, r := range rows {
			if got := allows(t, r.rooms, r.room); got != want {
				t.Errorf("%+q allow %+q: %v", r.rooms, r.room, got)
			}
		}
	}
}

func TestAContextThatIsNoGrantIsRefused(t *testing.T) {
	for _, context := range []map[string]any{
		nil,
		{},
		{"user": `"ann"`},
		{"user": `"ann"`, "expires": "1"},
		{"user": `"ann"`, "rooms": `["*"]`},
		{"expires": "1", "rooms": `["*"]`},
		{"user": `""`, "expires": "1", "rooms": `["*"]`},
		{"user": "ann", "expires": "1", "rooms": `["*"]`},
		{"user": 7, "expires": "1", "rooms": `["*"]`},
		{"user": `"ann"`, "expires": "soon", "rooms": `["*"]`},
		{"user": `"ann"`, "expires": 1.0, "rooms": `["*"]`},
		{"user": `"ann"`, "expires": "1", "rooms": "lobby"},
		{"user": `"ann"`, "expires": "1", "rooms": []any{"lobby"}},
		{"user": `"ann"`, "expires": "1", "rooms": nil},
		{"user": `"a\u202eb"`, "expires": "1", "rooms": `["*"]`},
		{"user": `"` + strings.Repeat(`\u0958`, 42) + `"`, "expires": "1", "rooms": `["*"]`},
	} {
		if context != nil {
			context["principalId"] = "u1" // API Gateway adds it in any case
		}
		if g, err := auth.FromContext(context); err == nil {
			t.Errorf("%v gives %+v", context, g)
		}
	}
}

// The id of a grant is told apart from every other one. A grant from before there were ids has the subject in its
// place.
func TestTheIDOfAGrant(t *testing.T) {
	long := strings.Repeat("i", auth.MaxIDBytes)
	for _, tc := range []struct {
		context   map[string]any
		id, claim string // "" for a refusal
	}{
		{map[string]any{"principalId": "u1"}, "u1", "sub"},
		{map[string]any{"principalId": "u1", "user_id": `"u1"`, "id_claim": "sub"}, "u1", "sub"},
		{map[string]any{"principalId": "u1", "user_id": `"p1"`, "id_claim": "profile"}, "p1", "profile"},
		{map[string]any{"principalId": long}, long, "sub"},
		{map[string]any{"principalId": "u1", "user_id": `" U\u0000e\u0301 "`, "id_claim": "sub"}, " U\x00e\u0301 ",
			"sub"},
		{map[string]any{}, "", ""},
		{map[string]any{"principalId": ""}, "", ""},
		{map[string]any{"principalId": 7.0}, "", ""},
		{map[string]any{"principalId": long + "i"}, "", ""},
		{map[string]any{"principalId": "a\ufffd"}, "", ""},
		{map[string]any{"principalId": "u1", "user_id": `""`, "id_claim": "sub"}, "", ""},
		{map[string]any{"principalId": "u1", "user_id": `null`, "id_claim": "sub"}, "", ""},
		{map[string]any{"principalId": "u1", "user_id": `u1`, "id_claim": "sub"}, "", ""},
		{map[string]any{"principalId": "u1", "user_id": 1.0, "id_claim": "sub"}, "", ""},
		{map[string]any{"principalId": "u1", "user_id": nil, "id_claim": "sub"}, "", ""},
		{map[string]any{"principalId": "u1", "user_id": jsonOf(t, long+"i"), "id_claim": "sub"}, "", ""},
		{map[string]any{"principalId": "u1", "user_id": `"a\ud800"`, "id_claim": "sub"}, "", ""},
	} {
		tc.context["user"], tc.context["expires"], tc.context["rooms"] = `"ann"`, "1", `["*"]`
		g, err := auth.FromContext(tc.context)
		if g.ID != tc.id || g.IDClaim != tc.claim || (err != nil) != (tc.id == "") {
			t.Errorf("%v gives %+v, %v; want %q of %q", tc.context, g, err, tc.id, tc.claim)
		}
	}
}

// The id is the subject's, or another claim's where one is configured, byte for byte. What cannot tell users apart lets
// nobody in.
func TestTheIDIsOfTheClaim(t *testing.T) {
	for claim, more := range map[string]map[string]any{
		"sub": {}, "https://chat.example.com/id": {"sub": strings.Repeat("s", 300)},
	} {
		a, issuer := newDoorWith(t, auth.Config{IDClaim: claim, Logger: slog.New(slog.DiscardHandler)})
		for _, tc := range []struct {
			id any // a json.RawMessage is put as it is
			ok bool
		}{
			{"auth0|5f7c8ec7c33c6c004bbafe82", true},
			{" U ", true},
			{"e\u0301", true},
			{"\u00e9", true},
			{"\x00\u202e\U0001f600", true},
			{strings.Repeat("i", 255), true},
			{strings.Repeat("\x01", 255), true},
			{strings.Repeat("\u00e9", 127), true},
			{strings.Repeat("i", 256), false},
			{strings.Repeat("\u00e9", 128), false},
			{"", false},
			{nil, false},
			{7, false},
			{true, false},
			{[]string{"a"}, false},
			{json.RawMessage(`"a\ud800"`), false},
			{json.RawMessage(`"a\udc00b"`), false},
			{"a\ufffd", false},
		} {
			claims := maps.Clone(more)
			claims[claim], claims["rooms"] = tc.id, []string{"*"}
			token, err := issuer.Token("ann", time.Hour, claims)
			if err != nil {
				t.Fatal(err)
			}
			effect, context := ask(t, a, "chat, "+token)
			if !tc.ok {
				if effect != "Deny" {
					t.Errorf("%s %q: %s", claim, tc.id, effect)
				}
				continue
			}
			for name, value := range context {
				if strings.ContainsFunc(value.(string), func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Errorf("%s is %q", name, value)
				}
			}
			if g, err := auth.FromContext(context); err != nil || g.ID != tc.id || g.IDClaim != claim ||
				g.User != "ann" {
				t.Errorf("%s %q: %s, %+v, %v", claim, tc.id, effect, g, err)
			}
		}
	}
	// A token without the claim has no id, whatever its subject is.
	a, issuer := newDoorWith(t, auth.Config{IDClaim: "profile", Logger: slog.New(slog.DiscardHandler)})
	token, err := issuer.Token("ann", time.Hour, map[string]any{"Profile": "p1", "rooms": []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	if effect, _ := ask(t, a, "chat, "+token); effect != "Deny" {
		t.Errorf("without the claim: %s", effect)
	}
}

// FuzzRoomPatterns compares with the rule as a person would say it of names in their canonical form.
func FuzzRoomPatterns(f *testing.F) {
	f.Add("team-*", "team-1")
	f.Add("a*b", "axb")
	f.Add("*", "")
	f.Add("caf\u00e9", "cafe\u0301")
	f.Add("cafe\u0301*", "caf\u00e9")
	f.Add("cafe*", "cafe\u0301")
	f.Fuzz(func(t *testing.T, pattern, room string) {
		canonical, err := chat.CanonicalRoom(room)
		if err != nil || !utf8.ValidString(pattern) { // a token is JSON
			return
		}
		got := allows(t, []string{pattern}, room)
		pattern = chat.CanonicalPattern(pattern)
		want := pattern == canonical
		if n := len(pattern) - 1; n >= 0 && pattern[n] == '*' && len(canonical) >= n && canonical[:n] == pattern[:n] {
			want = true
		}
		if got != want {
			t.Errorf("%+q allows %+q: %v", pattern, room, got)
		}
	})
}

// What is granted arrives, whatever letters it has, as ASCII: nobody says what API Gateway makes of others.
func TestAGrantSurvivesItsWay(t *testing.T) {
	a, issuer := newDoor(t)
	for user, rooms := range map[string][]string{
		"ann": {"lobby", "team-*"}, "bob": {}, "سلمى \"O'Hara\"": {"caf\u00e9", "\U0001f600*", "a\\b<c>&"},
	} {
		token, err := issuer.Token(user, time.Hour, map[string]any{"rooms": rooms})
		if err != nil {
			t.Fatal(err)
		}
		effect, context := ask(t, a, "chat, "+token)
		for name, value := range context {
			if strings.ContainsFunc(value.(string), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%s is %q", name, value)
			}
		}
		g, err := auth.FromContext(context)
		if err != nil || effect != "Allow" {
			t.Fatal(effect, err)
		}
		left := time.Until(g.Expires)
		if g.User != user || !reflect.DeepEqual(g.Rooms, rooms) || left < 59*time.Minute || left > 61*time.Minute {
			t.Errorf("got %+v", g)
		}
	}
}

// A grant has its names in one form, whatever form the claims have, and also if an authorizer made it that did not know
// of forms.
func TestAGrantIsCanonical(t *testing.T) {
	const england = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
	a, issuer := newDoor(t)
	want := []string{"caf\u00e9", "\u00c5*", "lobby"}
	for given, user := range map[string]string{
		"Rene\u0301":                  "Ren\u00e9",
		"Ren\u00e9":                   "Ren\u00e9",
		"\u05d3\u05e0\u05d9\u200f":    "\u05d3\u05e0\u05d9\u200f",
		"Harry " + england:            "Harry " + england,
		"Lang\u00adstrumpf":           "Lang\u00adstrumpf",
		strings.Repeat("e\u0301", 64): strings.Repeat("\u00e9", 64),
	} {
		rooms := []string{"cafe\u0301", "\u212b*", "lobby"}
		token, err := issuer.Token(given, time.Hour, map[string]any{"rooms": rooms})
		if err != nil {
			t.Fatal(err)
		}
		effect, context := ask(t, a, "chat, "+token)
		var granted struct {
			user  string
			rooms []string
		}
		err = errors.Join(
			json.Unmarshal(fmt.Append(nil, context["user"]), &granted.user),
			json.Unmarshal(fmt.Append(nil, context["rooms"]), &granted.rooms))
		if err != nil || effect != "Allow" || granted.user != user || !slices.Equal(granted.rooms, want) {
			t.Errorf("%+q: %s, %+q, %v", given, effect, granted, err)
		}
		older := map[string]any{"principalId": "u1", "expires": "1", "user": jsonOf(t, given),
			"rooms": jsonOf(t, rooms)}
		if g, err := auth.FromContext(older); err != nil || g.User != user || !slices.Equal(g.Rooms, want) {
			t.Errorf("an older grant of %+q: %+q, %+q, %v", given, g.User, g.Rooms, err)
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
