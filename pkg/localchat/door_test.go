package localchat

import (
	"context"
	"encoding/json"
	"fmt"
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
	ahead  atomic.Int64 // nanoseconds that the authorizer's clock is ahead, where it is in this process
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

// What clients may do once they are in: a room that the token does not allow is refused to every action, under
// whatever name.
func TestRoomsOutsideTheToken(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		c, status := d.knock(t, "?user_name=eve", "chat", p.Token(map[string]any{"rooms": []string{"lobby", "team-*",
			"caf\u00e9", "a*b"}}))
		if status != 101 {
			t.Fatal(status)
		}
		actions := []map[string]any{
			{"action": "sendMessage", "user_name": "ann", "content": "hello"},
			{"action": "getRecentMessages"}, {"action": "joinRoom"}, {"action": "leaveRoom"}, {"action": "getMembers"},
		}
		for _, room := range []string{"attic", "Lobby", "lob", "lobbyx", "team", "Team-1", "cafe", "cafe\u0300",
			"l\u043ebby", "axb", "*"} {
			for _, action := range actions {
				action["room_name"], action["ref"] = room, "r"
				if answer := ask(t, c, action, 1)[0]; codeOf(answer) != "forbidden" || answer["ref"] != "r" {
					t.Errorf("%s of %q: %v", action["action"], room, answer)
				}
			}
		}
		for _, room := range []string{"lobby", "team-", "team-1", "caf\u00e9", "cafe\u0301", "a*b"} {
			for _, action := range actions {
				action["room_name"], action["ref"] = room, "r"
				if answer := ask(t, c, action, 1)[0]; codeOf(answer) != "" {
					t.Errorf("%s of %q: %v", action["action"], room, answer)
				}
			}
		}
	})
}

// The name is the token's, whatever the frame says.
func TestTheNameIsTheTokens(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		c, status := d.knock(t, "?room_name=lobby&user_name=eve", "chat",
			p.Token(map[string]any{"rooms": []string{"*"}}))
		if status != 101 {
			t.Fatal(status)
		}
		members := ask(t, c, map[string]any{"action": "getMembers", "room_name": "lobby"}, 1)[0]
		if !strings.Contains(jsonOf(members), `"user_name":"ann"`) || strings.Contains(jsonOf(members), "eve") {
			t.Errorf("the members are %v", members)
		}
		for _, name := range []any{"eve", 7, nil, "ann"} {
			frame := map[string]any{"action": "sendMessage", "room_name": "lobby", "content": "hello",
				"user_name": name}
			if name == nil {
				delete(frame, "user_name")
			}
			told := name == "eve" || name == 7
			got := ask(t, c, frame, map[bool]int{true: 2, false: 1}[told])
			if text := jsonOf(got[0]); !strings.Contains(text, `"user_name":"ann"`) {
				t.Errorf("under the name %v was stored %s", name, text)
			}
			if told && codeOf(got[1]) != "name_ignored" {
				t.Errorf("under the name %v: %v", name, got[1])
			}
		}
	})
}

// A connection does not outlive its token: it is sent nothing more, and what it asks for closes it.
func TestATokenEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for tokens to end")
	}
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		rooms := map[string]any{"rooms": []string{"*"}}
		end := time.Now().Add(6 * time.Second) // with the skew that is allowed
		short, status := d.knock(t, "?room_name=lobby", "chat", p.Token(map[string]any{"rooms": rooms["rooms"],
			"name": "bob", "exp": end.Unix() - 30}))
		if status != 101 {
			t.Fatal(status)
		}
		long, _ := d.knock(t, "?room_name=lobby", "chat", p.Token(rooms))
		send := map[string]any{"action": "sendMessage", "room_name": "lobby", "content": "hello"}
		ask(t, long, send, 1)
		if got := ask(t, short, map[string]any{"action": "getMembers", "room_name": "lobby", "ref": "1"},
			3); !strings.Contains(jsonOf(got), "hello") {
			t.Errorf("before the token ended came %v", got)
		}
		time.Sleep(time.Until(end))
		ask(t, long, send, 1)
		answer := ask(t, short, map[string]any{"action": "getRecentMessages", "room_name": "lobby", "ref": "2"}, 1)[0]
		if codeOf(answer) != "token_expired" { // and not the message before it
			t.Errorf("after the token ended came %v", answer)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, _, err := short.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("then the connection saw %v", err)
		}
	})
}

// The provider has its bad days.
func TestTheProviderFails(t *testing.T) {
	t.Parallel()
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	garbage := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>sign in</html>") }
	other := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"issuer":"https://example.com","jwks_uri":"https://example.com/keys","keys":[]}`)
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	}
	ways(t, func(t *testing.T, bootstrap string) {
		for name, fault := range map[string]http.HandlerFunc{"down": down, "garbage": garbage, "another issuer": other,
			"elsewhere": elsewhere} {
			p := issuer.Start(t)
			p.SetFault(fault)
			d := startDoor(t, p, bootstrap)
			if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 500 {
				t.Errorf("%s at first: %d, want 500", name, status)
			}
			if bootstrap != "" {
				break // the rest is the same code, and a pause of five seconds each
			}
		}
		p := issuer.Start(t)
		d := startDoor(t, p, bootstrap)
		if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 101 {
			t.Fatalf("a provider that is well: %d", status)
		}
		p.SetFault(down)
		if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 101 {
			t.Errorf("down after the first: %d", status)
		}
	})
}

// A hundred clients come while the provider changes its keys: all with a good token are let in, and the provider is
// not asked a hundred times.
func TestKeysRotateInACrowd(t *testing.T) {
	p := issuer.Start(t)
	d := startDoor(t, p, "")
	if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 101 {
		t.Fatal(status)
	}
	d.ahead.Store(int64(time.Minute)) // a fetch was just made, and the next one is made only after a while
	p.Rotate(t, "next")
	before := p.Fetches.Load()
	token := p.Token(nil)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, status := d.knock(t, "", "chat", token); status != 101 {
				t.Errorf("a client got %d", status)
			}
		})
	}
	wg.Wait()
	if n := p.Fetches.Load() - before; n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	// Key ids that are made up cost the provider nothing more for a while.
	k := issuer.NewKey(t, "made up", true)
	for i := range 20 {
		if _, status := d.knock(t, "", "chat", k.Sign(k.Header(map[string]any{"kid": fmt.Sprint(i)}),
			p.Claims(nil))); status != 403 {
			t.Errorf("a made up key: %d", status)
		}
	}
	if n := p.Fetches.Load() - before; n != 1 {
		t.Errorf("made up key ids had the keys fetched %d times", n-1)
	}
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
