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
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"wschat/pkg/auth"
	"wschat/pkg/localchat/demoissuer"
)

// newDoor is an authorizer that trusts a demonstration provider.
func newDoor(t testing.TB) (*auth.Authorizer, *demoissuer.Issuer) {
	return newDoorWith(t, auth.Config{Logger: slog.New(slog.DiscardHandler)})
}

func newDoorWith(t testing.TB, c auth.Config) (*auth.Authorizer, *demoissuer.Issuer) {
	a, issuer, _ := newDoorAt(t, c)
	return a, issuer
}

// newDoorAt also returns the provider's server.
func newDoorAt(t testing.TB, c auth.Config) (*auth.Authorizer, *demoissuer.Issuer, *httptest.Server) {
	var issuer *demoissuer.Issuer
	srv := httptest.NewUnstartedServer(nil)
	srv.Start()
	t.Cleanup(srv.Close)
	issuer, err := demoissuer.New(demoissuer.Config{URL: srv.URL, ClientID: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = issuer
	c.Issuer, c.Audience, c.RoomsClaim = srv.URL, "chat", "rooms"
	a, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a, issuer, srv
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
	if len(s) != 1 || s[0].Action != "execute-api:Invoke" || !strings.HasSuffix(s[0].Resource, "/dev/$connect") ||
		got.PrincipalID == "" {
		t.Fatalf("got %s", answer)
	}
	return s[0].Effect, got.Context
}

// Logs and metrics tell refusals apart.
func TestReasons(t *testing.T) {
	var log bytes.Buffer
	clock := time.Now()
	a, issuer := newDoorWith(t, auth.Config{Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		Now: func() time.Time { return clock }})
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
		{made(map[string]any{"name": "a\u202eb"}), auth.ReasonClaims},
		{made(map[string]any{"name": "a\u0085b"}), auth.ReasonClaims},
		{made(map[string]any{"name": "\u200b"}), auth.ReasonClaims},
		{made(map[string]any{"name": strings.Repeat("\u0958", 42)}), auth.ReasonClaims},
		{made(map[string]any{"rooms": slices.Repeat([]string{"r"}, 1300)}), auth.ReasonClaims},
	} {
		log.Reset()
		if effect, _ := ask(t, a, tc.offered); effect != "Deny" ||
			!strings.Contains(log.String(), `"reason":"`+string(tc.reason)+`"`) {
			t.Errorf("%.60s: %s, %s; want %s", tc.offered, effect, log.String(), tc.reason)
		}
	}
}

// A provider that hangs holds each client up once, and does not make the others wait one after the other; keys that
// are old serve where it does not answer, for a day.
func TestKeysOfAProviderThatHangs(t *testing.T) {
	var clock atomic.Int64 // how far the authorizer's clock is ahead
	hang := make(chan struct{})
	var hangs atomic.Bool
	a, issuer := newDoorWith(t, auth.Config{Logger: slog.New(slog.DiscardHandler),
		Client: &http.Client{Transport: hanging{&hangs, hang}},
		Now:    func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }})
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
	a, issuer := newDoorWith(t, auth.Config{Logger: slog.New(slog.DiscardHandler),
		Client: &http.Client{Transport: addingKeys{}}})
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
	more := strings.Replace(string(b), `"keys":[`,
		`"keys":[{"kty":"AKP","kid":"pq","alg":"ML-DSA-44","pub":"AA"},{"kty":"OKP","crv":"X25519","x":"AA"},7,`, 1)
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

// FuzzToken: whatever is offered in the place of a good token, or made of one, nobody else is let in, and nothing
// breaks.
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
		if strings.NewReplacer(" ", "", "\t", "").Replace(offered) != "chat,"+good {
			t.Errorf("%q is let in", offered)
		}
	})
}
