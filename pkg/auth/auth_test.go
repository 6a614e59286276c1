package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
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
	return newDoorWith(t, auth.Config{Logger: slog.New(slog.DiscardHandler)})
}

func newDoorWith(t testing.TB, c auth.Config) (*auth.Authorizer, *demoissuer.Issuer) {
	var issuer *demoissuer.Issuer
	srv := httptest.NewUnstartedServer(nil)
	srv.Start()
	t.Cleanup(srv.Close)
	issuer, err := demoissuer.New(srv.URL, "chat")
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = issuer
	c.Issuer, c.Audience, c.RoomsClaim = srv.URL, "chat", "rooms"
	a, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a, issuer
}

// event is the authorizer's event of a handshake that offers these subprotocols.
func event(t testing.TB, offered string) []byte {
	payload, err := json.Marshal(map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-north-1:123456789012:abc/dev/$connect",
		"multiValueHeaders": map[string][]string{"Sec-WebSocket-Protocol": {offered}},
		"requestContext":    map[string]string{"requestId": "r", "connectionId": "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// ask asks the authorizer about a handshake, and returns its decision and the grant.
func ask(t testing.TB, a *auth.Authorizer, offered string) (effect string, context map[string]any) {
	answer, err := a.Invoke(t.Context(), event(t, offered))
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
		if g.User != user || !reflect.DeepEqual(g.Rooms, rooms) || time.Until(g.Expires) < 59*time.Minute || time.Until(g.Expires) > 61*time.Minute {
			t.Errorf("got %+v", g)
		}
	}
}

// Logs and metrics tell refusals apart.
func TestReasons(t *testing.T) {
	var log bytes.Buffer
	clock := time.Now()
	a, issuer := newDoorWith(t, auth.Config{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: func() time.Time { return clock }})
	good, err := issuer.Token("ann", time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, a, "chat, "+good)
	_, claims, _ := strings.Cut(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + claims
	symmetric := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + claims
	made := func(more map[string]any) string {
		token, err := issuer.Token("ann", time.Hour, more)
		if err != nil {
			t.Fatal(err)
		}
		return "chat, " + token
	}
	for _, tc := range []struct {
		offered string
		reason  auth.Reason
	}{
		{"chat", auth.ReasonNoToken},
		{"chat, a, b", auth.ReasonMalformed},
		{"chat, a", auth.ReasonMalformed},
		{"chat, " + none, auth.ReasonSignature},
		{"chat, " + symmetric, auth.ReasonSignature},
		{"chat, " + good[:len(good)-20] + strings.Repeat("A", 20), auth.ReasonSignature},
		{made(map[string]any{"iss": "https://example.com"}), auth.ReasonIssuer},
		{made(map[string]any{"aud": "other"}), auth.ReasonAudience},
		{made(map[string]any{"exp": clock.Add(-time.Hour).Unix()}), auth.ReasonExpired},
		{made(map[string]any{"nbf": clock.Add(2 * time.Minute).Unix()}), auth.ReasonNotYet},
		{made(map[string]any{"nbf": clock.Add(time.Hour).Unix()}), auth.ReasonNotYet},
		{made(map[string]any{"Exp": clock.Add(time.Hour).Unix()}), auth.ReasonMalformed},
		{made(map[string]any{"name": "a\u200bb"}), auth.ReasonClaims},
		{made(map[string]any{"rooms": slices.Repeat([]string{"r"}, 1300)}), auth.ReasonClaims},
	} {
		log.Reset()
		if effect, _ := ask(t, a, tc.offered); effect != "Deny" || !strings.Contains(log.String(), `"reason":"`+string(tc.reason)+`"`) {
			t.Errorf("%.60s: %s, %s; want %s", tc.offered, effect, log.String(), tc.reason)
		}
	}
}

// A provider that hangs holds each client up once, and does not make the others wait one after the other; keys that are old
// serve where it does not answer, for a day.
func TestKeysOfAProviderThatHangs(t *testing.T) {
	var clock atomic.Int64 // how far the authorizer's clock is ahead
	hang := make(chan struct{})
	var hangs atomic.Bool
	a, issuer := newDoorWith(t, auth.Config{Logger: slog.New(slog.DiscardHandler), Client: &http.Client{Transport: hanging{&hangs, hang}},
		Now: func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }})
	token, err := issuer.Token("ann", 100*time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	if effect, _ := ask(t, a, "chat, "+token); effect != "Allow" {
		t.Fatal(effect)
	}
	hangs.Store(true)
	clock.Store(int64(2 * time.Hour))
	old := make(chan string)
	go func() {
		effect, _ := ask(t, a, "chat, "+token)
		old <- effect
	}()
	select {
	case effect := <-old:
		t.Errorf("an old key was used before the provider was asked: %s", effect)
	case <-time.After(50 * time.Millisecond):
	}
	close(hang) // the requests fail
	if effect := <-old; effect != "Allow" {
		t.Errorf("with keys of two hours ago and no provider: %s", effect)
	}
	clock.Store(int64(25 * time.Hour))
	if answer, err := a.Invoke(t.Context(), event(t, "chat, "+token)); err == nil {
		t.Errorf("with keys of yesterday and no provider: %s", answer)
	}
}

// hanging is a network on which a provider hangs, until the requests fail.
type hanging struct {
	hangs *atomic.Bool
	until chan struct{}
}

func (h hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.hangs.Load() {
		<-h.until
		return nil, errors.New("the provider does not answer")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A key of a kind that is not known here is nobody's harm.
func TestUnknownKindsOfKeysAreLeftOut(t *testing.T) {
	a, issuer := newDoorWith(t, auth.Config{Logger: slog.New(slog.DiscardHandler), Client: &http.Client{Transport: addingKeys{}}})
	token, err := issuer.Token("ann", time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	if effect, _ := ask(t, a, "chat, "+token); effect != "Allow" {
		t.Error(effect)
	}
}

// addingKeys adds keys of unknown kinds to the provider's.
type addingKeys struct{}

func (addingKeys) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/keys") {
		return answer, err
	}
	b, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	more := strings.Replace(string(b), `"keys":[`, `"keys":[{"kty":"AKP","kid":"pq","alg":"ML-DSA-44","pub":"AA"},{"kty":"OKP","crv":"X25519","x":"AA"},7,`, 1)
	answer.Body, answer.ContentLength = io.NopCloser(strings.NewReader(more)), int64(len(more))
	return answer, err
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
