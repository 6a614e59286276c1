package localchat

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/config"
	"wschat/test/issuer"
	"wschat/test/logbuffer"
)

// door is the chat with authentication.
type door struct {
	Addr   string
	log    *logbuffer.Buffer
	server *Server

	dynamoDB string       // where its tables are, "" where they are in a file
	ahead    atomic.Int64 // nanoseconds that the authorizer's clock is ahead, where it is in this process
}

// startDoor starts the chat with a provider, in this process or as the built binary, whose path is given then.
func startDoor(t *testing.T, p *issuer.Provider, bootstrap string) *door {
	t.Helper()
	return startDoorWith(t, p, bootstrap, nil)
}

// startDoorWith does the same, with more settings.
func startDoorWith(t *testing.T, p *issuer.Provider, bootstrap string, more config.Values) *door {
	t.Helper()
	d := &door{log: &logbuffer.Buffer{}}
	c := Config{
		Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"), Bootstrap: bootstrap,
		Logger: slog.New(slog.NewJSONHandler(d.log, nil)), Output: d.log,
		Settings: config.Values{config.AuthIssuer: p.URL, config.AuthAudience: "chat", config.AuthRoomsClaim: "rooms"},
		Now:      func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) },
	}
	maps.Copy(c.Settings, more)
	if bootstrap != "" {
		c.DynamoDB = database.Apart(t)
		d.dynamoDB = c.DynamoDB
	}
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	d.Addr, d.server = s.Addr, s
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// ways are the two ways in which the chat runs: with its handlers in this process, and as what Lambda runs.
func ways(t *testing.T, test func(t *testing.T, bootstrap string)) {
	t.Run("in process", func(t *testing.T) { test(t, "") })
	t.Run("built binary", func(t *testing.T) { test(t, function.build(t)) })
}

// knock tries a handshake that offers these subprotocols.
func (d *door) knock(t *testing.T, query string, offered ...string) (*websocket.Conn, int) {
	t.Helper()
	c, answer, err := websocket.Dial(t.Context(), "ws://"+d.Addr+"/dev"+query,
		&websocket.DialOptions{Subprotocols: offered})
	if answer == nil {
		t.Fatal(err)
	}
	if err == nil {
		c.SetReadLimit(1 << 20)
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, answer.StatusCode
}

// Which clients are let in.
func TestTheDoor(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	var attracted sync.Map // requests to where a token's header points
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter,
		r *http.Request) {
		attracted.Store(r.URL.Path, true)
	}))
	defer trap.Close()
	stranger := issuer.NewKey(t, "rsa", false) // calls its key as the provider calls its own
	known, curve := p.Keys[0], p.Keys[1]
	type row struct {
		name    string
		query   string
		offered func() []string
	}
	with := func(token string) func() []string { return func() []string { return []string{"chat", token} } }
	claims := func(name string, more map[string]any) row {
		return row{name: name, offered: func() []string { return []string{"chat", p.Token(more)} }}
	}
	header := func(name string, more map[string]any) row {
		return row{name: name, offered: func() []string {
			return []string{"chat",
				known.Sign(known.Header(more), p.Claims(nil))}
		}}
	}
	allow := []row{
		claims("a good token", nil),
		{name: "another of the provider's keys", offered: func() []string {
			return []string{"chat",
				curve.Sign(curve.Header(nil), p.Claims(nil))}
		}},
		claims("meant for us and others", map[string]any{"aud": []string{"other", "chat"}}),
		claims("expired 20 seconds ago", map[string]any{"exp": issuer.After(-20 * time.Second)}),
		claims("good in 20 seconds", map[string]any{"nbf": issuer.After(20 * time.Second)}),
		claims("no rooms", map[string]any{"rooms": []string{}}),
		claims("no claim of rooms", map[string]any{"rooms": nil}),
		claims("a name with a mark of direction", map[string]any{"name": "\u05d3\u05e0\u05d9\u200f"}),
		claims("a name with a soft hyphen", map[string]any{"name": "Lang\u00adstrumpf"}),
		claims("a name with the flag of England",
			map[string]any{"name": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"}),
		claims("a name of 192 bytes that are 128 in its canonical form",
			map[string]any{"name": strings.Repeat("e\u0301", 64)}),
		claims("claims that nobody asked for", map[string]any{"admin": true, "deep": map[string]any{"a": []int{1}}}),
		header("no key id", map[string]any{"kid": nil}),
		header("no type", map[string]any{"typ": nil}),
		header("an access token", map[string]any{"typ": "at+jwt"}),
		claims("an ID token", map[string]any{"typ": "ID", "azp": "chat"}),
		claims("an access token that another client asked for", map[string]any{"typ": "Bearer", "azp": "page",
			"scope": "openid"}),
		claims("times with fractions", map[string]any{"iat": 0.5, "nbf": 1.5, "exp": 9999999999.5}),
		header("b64 that is true", map[string]any{"b64": true}),
		{name: "tabs between the subprotocols", offered: func() []string {
			return []string{"chat", "\t" +
				p.Token(nil)}
		}},
	}
	deny := []row{
		{name: "chat alone", offered: func() []string { return []string{"chat"} }},
		{name: "a token alone", offered: func() []string { return []string{p.Token(nil)} }},
		{name: "in the other order", offered: func() []string { return []string{p.Token(nil), "chat"} }},
		{name: "two tokens", offered: func() []string { return []string{"chat", p.Token(nil), p.Token(nil)} }},
		{name: "not a JWT", offered: with("hello")},
		{name: "three dots", offered: with("a.b.c")},
		{name: "alg none", offered: with(issuer.Segment(map[string]any{"alg": "none", "typ": "JWT"}) + "." +
			issuer.Segment(p.Claims(nil)) + ".")},
		{name: "alg none with a signature", offered: with(known.Sign(known.Header(map[string]any{"alg": "none"}),
			p.Claims(nil)))},
		{name: "HS256 with the public key", offered: with(known.HMAC(p.Claims(nil)))},
		{name: "another algorithm than the key's",
			offered: with(known.Sign(known.Header(map[string]any{"alg": "ES256"}), p.Claims(nil)))},
		{name: "a stranger's key", offered: with(stranger.Sign(stranger.Header(nil), p.Claims(nil)))},
		{name: "a changed claim", offered: func() []string {
			good, evil := p.Token(nil), issuer.Segment(p.Claims(map[string]any{"name": "eve"}))
			parts := strings.Split(good, ".")
			return []string{"chat", parts[0] + "." + evil + "." + parts[2]}
		}},
		header("an unknown key id", map[string]any{"kid": "other"}),
		header("a key id that is a path", map[string]any{"kid": "../../../../dev/null"}),
		header("a key id that is a URL", map[string]any{"kid": trap.URL + "/kid"}),
		{name: "jku", offered: with(stranger.Sign(stranger.Header(map[string]any{"jku": trap.URL + "/jku"}),
			p.Claims(nil)))},
		{name: "x5u", offered: with(stranger.Sign(stranger.Header(map[string]any{"x5u": trap.URL + "/x5u"}),
			p.Claims(nil)))},
		{name: "jwk", offered: with(stranger.Sign(stranger.Header(map[string]any{"jwk": stranger.Public()}),
			p.Claims(nil)))},
		{name: "jwk without a key id", offered: with(stranger.Sign(
			stranger.Header(map[string]any{"jwk": stranger.Public(), "kid": nil}), p.Claims(nil)))},
		header("a logout token", map[string]any{"typ": "logout+jwt"}),
		header("a type that is a number", map[string]any{"typ": 7}),
		header("crit", map[string]any{"crit": []string{"exp"}}),
		header("b64 that is false", map[string]any{"b64": false}),
		header("b64 that is false and critical", map[string]any{"b64": false, "crit": []string{"b64"}}),
		claims("a logout token by its claims", map[string]any{"events": map[string]any{}}),
		claims("a refresh token", map[string]any{"typ": "Refresh"}),
		claims("an offline token", map[string]any{"typ": "Offline", "scope": "openid"}),
		claims("another party's token", map[string]any{"azp": "other"}),
		claims("another party's token, for us and others", map[string]any{"azp": "other", "aud": []string{"other",
			"chat"}}),
		claims("an expiry that is a number as text", map[string]any{"exp": "9999999999"}),
		claims("an expiry beyond all years", map[string]any{"exp": 1e30}),
		claims("a beginning that is text", map[string]any{"nbf": "0"}),
		claims("a beginning that is negative", map[string]any{"nbf": -1}),
		claims("an issue time that is text", map[string]any{"iat": "0"}),
		claims("an issue time beyond all years", map[string]any{"iat": 1e18}),
		{name: "a blank in the token", offered: func() []string {
			return []string{"chat",
				strings.Replace(p.Token(nil), ".", ". ", 1)}
		}},
		{name: "a header twice", offered: with(known.Sign(`{"alg":"RS256","kid":"rsa","kid":"rsa"}`, p.Claims(nil)))},
		{name: "a claim twice", offered: with(known.Sign(known.Header(nil), strings.TrimSuffix(jsonOf(p.Claims(nil)),
			"}")+`,"name":"eve"}`))},
		claims("another issuer", map[string]any{"iss": "https://example.com"}),
		claims("an issuer with a slash more", map[string]any{"iss": p.URL + "/"}),
		claims("no issuer", map[string]any{"iss": nil}),
		claims("another audience", map[string]any{"aud": "other"}),
		claims("no audience", map[string]any{"aud": nil}),
		claims("expired", map[string]any{"exp": issuer.After(-31 * time.Second)}),
		claims("no expiry", map[string]any{"exp": nil}),
		claims("an expiry that is text", map[string]any{"exp": "never"}),
		claims("not yet good", map[string]any{"nbf": issuer.After(60 * time.Second)}),
		claims("no subject", map[string]any{"sub": nil}),
		claims("no name", map[string]any{"name": nil}),
		claims("an empty name", map[string]any{"name": ""}),
		claims("a name that is a number", map[string]any{"name": 7}),
		claims("a name with a control character", map[string]any{"name": "a\nb"}),
		claims("a name that turns text around", map[string]any{"name": "a\u202eb"}),
		claims("a name of 129 bytes", map[string]any{"name": strings.Repeat("n", 129)}),
		claims("a name of 10 KB", map[string]any{"name": strings.Repeat("n", 10<<10)}),
		claims("rooms that are text", map[string]any{"rooms": "lobby"}),
		claims("rooms that are numbers", map[string]any{"rooms": []int{1}}),
		claims("rooms that are an object", map[string]any{"rooms": map[string]any{"lobby": true}}),
		claims("more rooms than fit", map[string]any{"rooms": slices.Repeat([]string{"a room with a name"}, 330)}),
		{name: "a room that the token does not allow", query: "?room_name=attic", offered: func() []string {
			return []string{"chat", p.Token(map[string]any{"rooms": []string{"lobby"}})}
		}},
	}
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		for _, r := range allow {
			if c, status := d.knock(t, r.query, r.offered()...); status != 101 || c.Subprotocol() != "chat" {
				t.Errorf("%s: %d", r.name, status)
			}
		}
		for _, r := range deny {
			if _, status := d.knock(t, r.query, r.offered()...); status != 403 {
				t.Errorf("%s: %d, want 403", r.name, status)
			}
		}
		// If there is no subprotocol at all, the authorizer is not asked.
		for _, query := range []string{"", "?token=" + p.Token(nil), "?access_token=" + p.Token(nil)} {
			if _, status := d.knock(t, query); status != 401 {
				t.Errorf("no subprotocol, query %.20q: %d, want 401", query, status)
			}
		}
		if _, status := d.knock(t, "", "chat", p.Token(map[string]any{"x": strings.Repeat("x",
			100<<10)})); status != 431 {
			t.Errorf("a token of 100 KB: %d, want 431", status)
		}
		attracted.Range(func(path, _ any) bool {
			t.Errorf("a token led to %s", path)
			return true
		})
		d.checkLog(t, p)
	})
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// checkLog fails where a token, or a part of one, is in the log, and if a connect cost more than an authorizer's
// call and one of $connect.
func (d *door) checkLog(t *testing.T, p *issuer.Provider) {
	t.Helper()
	log := d.log.String()
	for _, part := range []string{
		regexp.QuoteMeta(issuer.Segment(p.Keys[0].Header(nil))),
		`eyJ[\w-]{16}`, // of a header or claims; an id, which is shorter, may have the same letters by chance
		`\bann\b`,
	} {
		if regexp.MustCompile(part).MatchString(log) {
			t.Errorf("the log has %q", part)
		}
	}
	if authorized, connects := strings.Count(log, `"msg":"authorized"`), strings.Count(log,
		`"route_key":"$connect"`); authorized != connects || authorized == 0 {
		t.Errorf("%d were authorized, and $connect was called %d times", authorized, connects)
	}
}

// ask sends a frame and returns the answers up to the one with its ref, or up to the number given.
func ask(t *testing.T, c *websocket.Conn, frame map[string]any, answers int) (got []map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, _ := json.Marshal(frame)
	if err := c.Write(ctx, websocket.MessageText, b); err != nil {
		t.Fatal(err)
	}
	for range answers {
		_, b, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("%v: %v after %v", frame, err, got)
		}
		var answer map[string]any
		if err := json.Unmarshal(b, &answer); err != nil {
			t.Fatal(err)
		}
		got = append(got, answer)
	}
	return got
}

func codeOf(answer map[string]any) string {
	e, _ := answer["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

// A page from elsewhere cannot connect, with or without authentication.
func TestPagesFromElsewhere(t *testing.T) {
	p := issuer.Start(t)
	for _, with := range []bool{true, false} {
		o := Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
			Logger:   slog.New(slog.DiscardHandler),
			Settings: config.Values{config.AllowedOrigins: "https://chat.example.com"}}
		var offered []string
		if with {
			o.Settings[config.AuthIssuer], o.Settings[config.AuthAudience] = p.URL, "chat"
			offered = []string{"chat", p.Token(nil)}
		}
		s, err := Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for origin, want := range map[string]int{"https://chat.example.com": 101, "https://evil.example.com": 403,
			"null": 403, "": 101} {
			header := http.Header{}
			if origin != "" {
				header.Set("Origin", origin)
			}
			c, answer, err := websocket.Dial(t.Context(), "ws://"+s.Addr+"/dev",
				&websocket.DialOptions{Subprotocols: offered, HTTPHeader: header})
			if answer == nil || answer.StatusCode != want {
				t.Errorf("with authentication %v, a page of %q: %v", with, origin, err)
			}
			if err == nil {
				_ = c.CloseNow()
			}
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
}
