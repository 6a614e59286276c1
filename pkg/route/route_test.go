package route_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/pkg/protocol"
	"wschat/pkg/route"
	"wschat/pkg/telemetry"
)

// posts is a Poster that remembers.
type posts struct {
	mu     sync.Mutex
	frames map[string][]string // by connection id
	err    error
}

var _ chat.Poster = (*posts)(nil)

func (p *posts) Post(_ context.Context, id string, frame []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames[id] = append(p.frames[id], string(frame))
	return p.err
}

func (p *posts) Close(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames[id] = append(p.frames[id], "closed")
	return nil
}

// fixture is a Handler on a real store, with what it posted and logged.
type fixture struct {
	t       testing.TB
	handler *route.Handler
	log     *localstore.Log
	roster  *localstore.Roster
	posts   *posts
	lines   *bytes.Buffer
	stages  []string // what the poster was asked for
}

func newFixture(t testing.TB, change func(*chat.Service)) *fixture {
	log, err := localstore.OpenLog(filepath.Join(t.TempDir(), "chat.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	f := &fixture{t: t, log: log, roster: &localstore.Roster{}, posts: &posts{frames: map[string][]string{}},
		lines: &bytes.Buffer{}}
	service := chat.Service{Log: log, Changes: log, Roster: f.roster,
		Broadcaster: broadcast.Broadcaster{Leases: &localstore.Leases{}}, Encoder: protocol.Encoder{}, Now: time.Now,
		Workers: 4}
	if change != nil {
		change(&service)
	}
	f.handler = route.New(route.Config{
		Chat: service,
		Poster: func(domain, stage string) chat.Poster {
			f.stages = append(f.stages, domain+"/"+stage)
			return f.posts
		},
		Logger: slog.New(slog.NewJSONHandler(f.lines, nil)),
		Meter:  telemetry.New("chat"),
	})
	return f
}

// invoke sends an event through JSON, as Lambda does. The connection is "c=", the request id "req=".
func (f *fixture) invoke(routeKey, eventType, body string, query map[string][]string) route.Response {
	f.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"requestContext": map[string]any{
			"routeKey": routeKey, "eventType": eventType, "requestId": "req=", "connectionId": "c=",
			"connectedAt": time.Now().Add(-time.Hour).UnixMilli(), "domainName": "api.example", "stage": "dev",
		},
		"body": body, "multiValueQueryStringParameters": query,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	answer, err := f.handler.Invoke(f.t.Context(), payload)
	if err != nil {
		f.t.Fatal(err)
	}
	var response route.Response
	if err := json.Unmarshal(answer, &response); err != nil {
		f.t.Fatal(err)
	}
	return response
}

func (f *fixture) message(routeKey, body string) route.Response {
	f.t.Helper()
	return f.invoke(routeKey, "MESSAGE", body, nil)
}

// lastLine is the last log line.
func (f *fixture) lastLine() (line map[string]any) {
	f.t.Helper()
	lines := strings.Split(strings.TrimSpace(f.lines.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		f.t.Fatal(err)
	}
	return line
}

func TestResults(t *testing.T) {
	const actions = "the actions are addMember, addReaction, banUser, createRoom, deleteMessage, editMessage, " +
		"getChanges, getMembers, getRecentMessages, getRoom, getRooms, joinRoom, leaveRoom, markRead, muteUser, " +
		"openDirect, ping, removeMember, removeReaction, sendMessage, setRole, setRoom, signal, unbanUser, unmuteUser"
	f := newFixture(t, func(s *chat.Service) {
		s.Announcements, s.PresenceLimit = &localstore.Announcements{}, chat.DefaultPresenceLimit
	})
	query := func(pairs ...string) map[string][]string {
		q := map[string][]string{}
		for i := 0; i < len(pairs); i += 2 {
			q[pairs[i]] = append(q[pairs[i]], pairs[i+1])
		}
		return q
	}
	for _, tc := range []struct {
		route, eventType, body string
		query                  map[string][]string
		status                 int
		result                 string
	}{
		{"$connect", "CONNECT", "", nil, 200, "Connect successful."},
		{"$connect", "CONNECT", "", query("room_name", "r", "user_name", "u"), 200, "Connect successful."},
		{"$connect", "CONNECT", "", query("user_name", "u"), 200, "Connect successful."},
		{"$connect", "CONNECT", "", query("room_name", "#r"), 400, "room_name must not begin with #"},
		{"$connect", "CONNECT", "", query("room_name", ""), 400, "room_name must not be empty"},
		{"$connect", "CONNECT", "", query("room_name", "r", "user_name", "\n"), 400,
			"user_name must not contain control characters"},
		{"$connect", "CONNECT", "", query("user_name", strings.Repeat("u", 129)), 400,
			"user_name must be at most 128 bytes, not 129"},
		{"$connect", "CONNECT", "", query("room_name", "a", "room_name", "b"), 400,
			"room_name must not be given more than once"},
		{"$connect", "CONNECT", "", query("room", "r"), 400,
			`"room" is no query parameter here; there are room_name and user_name`},
		{"$disconnect", "DISCONNECT", "", nil, 200, "Disconnect successful."},
		{"$disconnect", "DISCONNECT", "", nil, 200, "Disconnect successful."},
		{"sendMessage", "MESSAGE", `{"room_name":"r","user_name":"u","content":"c"}`, nil, 200,
			"Message sent to all connections."},
		{"sendMessage", "MESSAGE", `{"room_name":"r","user_name":"u"}`, nil, 400, "content not in message dict"},
		{"getRecentMessages", "MESSAGE", `{"room_name":"r"}`, nil, 200, "Sent recent messages."},
		{"joinRoom", "MESSAGE", `{"room_name":"r"}`, nil, 200, "Joined the room."},
		{"joinRoom", "MESSAGE", `{"room_name":"#r"}`, nil, 400, "room_name must not begin with #"},
		{"sendMessage", "MESSAGE", `{"room_name":"r","user_name":"u","content":"c","reply_to":99}`, nil, 400,
			"reply_to must be the index of a message that the room has"},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":1,"content":"d"}`, nil, 200,
			"Changed the message."},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":1,"content":"e","if_version":0}`, nil, 409,
			"the message was edited since the version that this edit is of"},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":1}`, nil, 400,
			"content not in message dict"},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"u","content":"d"}`, nil, 400,
			"index not in message dict"},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":1.5,"content":"d"}`, nil, 400,
			"index must be a whole number"},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":0,"content":"d"}`, nil, 400,
			"index must be a whole number, 1 or greater"},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":99,"content":"d"}`, nil, 400,
			"index must be the index of a message that the room has and keeps"},
		{"editMessage", "MESSAGE", `{"room_name":"r","user_name":"v","index":1,"content":"d"}`, nil, 403,
			"only its sender may change this message"},
		{"addReaction", "MESSAGE", `{"room_name":"r","user_name":"v","index":1,"reaction":"+"}`, nil, 200,
			"Changed the message."},
		{"addReaction", "MESSAGE", `{"room_name":"r","user_name":"v","index":1,"reaction":""}`, nil, 400,
			"reaction must not be empty"},
		{"removeReaction", "MESSAGE", `{"room_name":"r","user_name":"v","index":1,"reaction":"+"}`, nil, 200,
			"Changed the message."},
		{"deleteMessage", "MESSAGE", `{"room_name":"r","user_name":"v","index":1}`, nil, 403,
			"only its sender may change this message"},
		{"deleteMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":1}`, nil, 200, "Changed the message."},
		{"deleteMessage", "MESSAGE", `{"room_name":"r","user_name":"u","index":1}`, nil, 200, "Changed the message."},
		{"addReaction", "MESSAGE", `{"room_name":"r","user_name":"v","index":1,"reaction":"+"}`, nil, 409,
			"the message is deleted"},
		{"getChanges", "MESSAGE", `{"room_name":"r","after":0}`, nil, 200, "Sent the changes."},
		{"getChanges", "MESSAGE", `{"room_name":"r"}`, nil, 400, "after not in message dict"},
		{"getChanges", "MESSAGE", `{"room_name":"r","after":-1}`, nil, 400,
			"after must be a whole number, 0 or greater"},
		{"getChanges", "MESSAGE", `{"room_name":"r","after":0,"limit":501}`, nil, 400,
			"limit must be a whole number from 1 to 500"},
		{"leaveRoom", "MESSAGE", `{"room_name":"r"}`, nil, 200, "Left the room."},
		{"leaveRoom", "MESSAGE", `{"room_name":"r","forget":1}`, nil, 400, "forget must be true or false"},
		{"leaveRoom", "MESSAGE", `{"room_name":"r","forget":true}`, nil, 200, "Left the room."},
		{"signal", "MESSAGE", `{"room_name":"r","user_name":"u","name":"typing"}`, nil, 200, "Sent the signal."},
		{"signal", "MESSAGE", `{"room_name":"r","user_name":"u"}`, nil, 400, "name not in message dict"},
		{"signal", "MESSAGE", `{"room_name":"r","user_name":"u","name":""}`, nil, 400, "name must not be empty"},
		{"signal", "MESSAGE", `{"room_name":"r","user_name":"u","name":"x","data":"` + strings.Repeat("y", 1023) + `"}`,
			nil, 400, "data must be at most 1024 bytes of JSON, not 1025"},
		{"signal", "MESSAGE", `{"room_name":"r","user_name":"u","name":"x","data":` + strings.Repeat("[", 1000) +
			strings.Repeat("]", 1000) + `}`, nil, 400, "data must have at most 16 levels"},
		{"markRead", "MESSAGE", `{"room_name":"r","user_name":"u","index":0}`, nil, 403,
			"read markers and lists of rooms need a chat in which people sign in"},
		{"markRead", "MESSAGE", `{"room_name":"r","user_name":"u"}`, nil, 400, "index not in message dict"},
		{"getRooms", "MESSAGE", `{}`, nil, 403,
			"read markers and lists of rooms need a chat in which people sign in"},
		{"getRooms", "MESSAGE", `{"after":"#x"}`, nil, 400, "room_name must not begin with #"},
		{"leaveRoom", "MESSAGE", `{"room_name":""}`, nil, 400, "room_name must not be empty"},
		{"$default", "MESSAGE", `{}`, nil, 400,
			"the frame has no action; " + actions},
		{"$default", "MESSAGE", `{"action":"fly"}`, nil, 400,
			`there is no action "fly"; ` + actions},
		{"$default", "MESSAGE", `{"action":7}`, nil, 400,
			"action must be a string; " + actions},
		{"$default", "MESSAGE", `hello`, nil, 400,
			"the body is not a JSON object; " + actions},
		{"GET /ping", "", "", nil, 200, "PONG!"},
		{"HEAD /ping", "", "", nil, 200, ""},
		{"POST /ping", "", "", nil, 500, "Internal error. Quote the request_id when you report it."},
	} {
		got := f.invoke(tc.route, tc.eventType, tc.body, tc.query)
		if got.StatusCode != tc.status || got.Body != tc.result {
			t.Errorf("%s %s %v: got %d %q, want %d %q", tc.route, tc.body, tc.query, got.StatusCode, got.Body,
				tc.status, tc.result)
		}
	}
}

// Every refusal goes to the client as a frame, and to the log, under the same request id; nothing is stored.
func TestRefusalsSayWhy(t *testing.T) {
	f := newFixture(t, nil)
	f.message("sendMessage", `{"action":"sendMessage","room_name":"r","user_name":"u","content":"","message_id":"m1"}`)
	want := `{"error":{"code":"invalid_field","message":"content must not be ` +
		`empty","action":"sendMessage","message_id":"m1","request_id":"req="}}`
	if got := f.posts.frames["c="]; !slices.Equal(got, []string{want}) {
		t.Errorf("posted %s, want %s", got, want)
	}
	line := f.lastLine()
	for key, want := range map[string]any{"request_id": "req=", "connection_id": "c=", "route_key": "sendMessage",
		"code": "invalid_field", "status": 400.0, "level": "INFO"} {
		if line[key] != want {
			t.Errorf("the log line has %s %v, want %v", key, line[key], want)
		}
	}
	if tail, err := f.log.Tail(t.Context(), "r"); tail != 0 || err != nil {
		t.Errorf("stored: tail %d, %v", tail, err)
	}
}

func TestAnInternalErrorIsNotShown(t *testing.T) {
	f := newFixture(t, func(s *chat.Service) { s.Log = panicking{} })
	response := f.message("sendMessage", `{"room_name":"r","user_name":"u","content":"c"}`)
	frames := fmt.Sprint(f.posts.frames["c="])
	if response.StatusCode != 500 || !strings.Contains(frames, `"code":"internal"`) ||
		!strings.Contains(frames, `"request_id":"req="`) {
		t.Errorf("got %d, %s", response.StatusCode, frames)
	}
	if strings.Contains(frames+response.Body, "secret") {
		t.Errorf("the client was shown %s %s", frames, response.Body)
	}
	line := f.lastLine()
	if line["error"] != "panic: secret" || !strings.Contains(fmt.Sprint(line["stack"]), "panicking.Append") ||
		line["level"] != "ERROR" {
		t.Errorf("the log line is %v", line)
	}
	if got := f.invoke("GET /ping", "", "", nil); got.StatusCode != 503 ||
		got.Body != "The messages table cannot be written." {
		t.Errorf("after the panic, ping says %d %s", got.StatusCode, got.Body)
	}
}

// HEAD is answered like GET, for each path that has a GET and whatever the answer is, but without a body.
func TestHeadIsGetWithoutABody(t *testing.T) {
	up, down := newFixture(t, nil), newFixture(t, func(s *chat.Service) { s.Log = panicking{} })
	gets, heads := 0, 0
	for _, key := range route.HTTPKeys() {
		method, path, _ := strings.Cut(key, " ")
		if method == "HEAD" {
			heads++
			continue
		}
		gets++
		for name, f := range map[string]*fixture{"up": up, "down": down} {
			get, head := f.invoke(key, "", "", nil), f.invoke("HEAD "+path, "", "", nil)
			if get.Body == "" || head.Body != "" || head.StatusCode != get.StatusCode ||
				!maps.Equal(head.Headers, get.Headers) {
				t.Errorf("%s, %s: GET is %d, HEAD %d %v %q", name, path, get.StatusCode, head.StatusCode, head.Headers,
					head.Body)
			}
		}
	}
	if gets < 2 || gets != heads {
		t.Errorf("%d paths have a GET and %d a HEAD", gets, heads)
	}
	if got := down.invoke("HEAD /ping", "", "", nil); got.StatusCode != 503 {
		t.Errorf("where nothing can be stored, HEAD /ping is %d", got.StatusCode)
	}
}

// panicking is a Log that does.
type panicking struct{ chat.Log }

func (panicking) Append(context.Context, chat.Message) (chat.Message, bool, error) { panic("secret") }
func (panicking) Ping(context.Context) error                                       { return errors.New("down") }

func TestWhatAMessageLeavesInTheLog(t *testing.T) {
	f := newFixture(t, nil)
	f.invoke("$connect", "CONNECT", "", map[string][]string{"room_name": {"r"}, "user_name": {"ann"}})
	f.message("sendMessage", `{"room_name":"r","user_name":"ann","content":"a secret"}`)
	line := f.lastLine()
	for key, want := range map[string]any{"room": "r", "index": 1.0, "delivered": 1.0, "gone": 0.0, "failed": 0.0,
		"repeat": false} {
		if line[key] != want {
			t.Errorf("the log line has %s %v, want %v", key, line[key], want)
		}
	}
	if text := f.lines.String(); strings.Contains(text, "secret") || strings.Contains(text, "ann") {
		t.Errorf("the log holds content or names: %s", text)
	}
}

func TestPostsGoToTheEventsOwnStage(t *testing.T) {
	f := newFixture(t, nil)
	f.message("getRecentMessages", `{"room_name":"r"}`)
	if !slices.Equal(f.stages, []string{"api.example/dev"}) {
		t.Errorf("the poster was asked for %v", f.stages)
	}
}

func TestAPageFromElsewhereMayNotConnect(t *testing.T) {
	const away, here = "wss://api.example/dev", "/dev" // where the chat's own page connects to
	only := []string{"https://a.example", "safari-web-extension://0a1b"}
	for _, tc := range []struct {
		allowed []string
		url     string
		header  map[string][]string
		status  int
	}{
		{nil, away, map[string][]string{"Origin": {"https://evil.example"}}, 200},
		{only, away, nil, 200}, // no browser
		{only, away, map[string][]string{"Origin": {"https://a.example"}}, 200},
		{only, away, map[string][]string{"Origin": {"safari-web-extension://0A1B"}}, 200},
		{only, away, map[string][]string{"origin": {"https://evil.example"}}, 403},
		{only, away, map[string][]string{"Origin": {"https://a.example", "https://evil.example"}}, 403},
		{only, away, map[string][]string{"Origin": {"https://a.example.evil.example"}}, 403},
		{only, away, map[string][]string{"Origin": {"http://a.example"}}, 403},
		{only, away, map[string][]string{"Origin": {"null"}}, 403},
		{only, away, map[string][]string{"Origin": {""}}, 403},
		// No page is served where the stack's WebSocket API is; on one machine they have one host.
		{only, away, map[string][]string{"Origin": {"https://api.example:8080"}}, 403},
		{only, here, map[string][]string{"Origin": {"http://api.example:8080"}}, 200},
		{only, here, map[string][]string{"Origin": {"https://api.example:8080"}}, 200},
		{only, here, map[string][]string{"Origin": {"http://api.example"}}, 403},
		{only, here, map[string][]string{"Origin": {"http://evil.example:8080"}}, 403},
		{only, here, map[string][]string{"Origin": {"http://evil.example/api.example:8080"}}, 403},
		{only, here, map[string][]string{"Origin": {"null"}}, 403},
	} {
		h := route.New(route.Config{
			Chat: chat.Service{Now: time.Now}, AllowedOrigins: tc.allowed, WebSocketURL: tc.url,
			Poster: func(string, string) chat.Poster { return nowhere{} }, Logger: slog.New(slog.DiscardHandler),
			Meter: telemetry.New("chat"),
		})
		payload, _ := json.Marshal(map[string]any{
			"requestContext": map[string]any{"routeKey": "$connect", "eventType": "CONNECT",
				"domainName": "API.example:8080"},
			"multiValueHeaders": tc.header,
		})
		answer, err := h.Invoke(t.Context(), payload)
		if err != nil || !bytes.Contains(answer, fmt.Appendf(nil, `"statusCode":%d`, tc.status)) {
			t.Errorf("%v allowed, %s, %v: got %s, %v; want %d", tc.allowed, tc.url, tc.header, answer, err, tc.status)
		}
	}
}

// A member that joined by an action is known to have been connected for long; one that joins in $connect is not.
func TestConnectedAt(t *testing.T) {
	f := newFixture(t, nil)
	for room, join := range map[string]func(){
		"connect": func() { f.invoke("$connect", "CONNECT", "", map[string][]string{"room_name": {"connect"}}) },
		"join":    func() { f.message("joinRoom", `{"room_name":"join"}`) },
	} {
		join()
		members, err := f.roster.Members(t.Context(), room, 0)
		if err != nil || len(members) != 1 {
			t.Fatalf("members %v, %v", members, err)
		}
		age := time.Since(members[0].ConnectedAt)
		if young := age < time.Minute; young != (room == "connect") {
			t.Errorf("%s: connected %v ago", room, age)
		}
		if life := members[0].ExpiresAt.Sub(members[0].ConnectedAt); life != chat.ConnectionLife {
			t.Errorf("%s: expires after %v", room, life)
		}
	}
}

func TestEventsOfNobodyKnown(t *testing.T) {
	f := newFixture(t, nil)
	for _, payload := range []string{`{}`, `null`, `[]`, `{"requestContext":{}}`, `{"Records":[]}`} {
		if response, err := f.handler.Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("%s: %s", payload, response)
		}
	}
}

func TestKeys(t *testing.T) {
	if got, want := route.WebSocketKeys(), []string{"$connect", "$default", "$disconnect",
		"addMember", "addReaction", "banUser", "createRoom", "deleteMessage", "editMessage", "getChanges",
		"getMembers", "getRecentMessages", "getRoom", "getRooms", "joinRoom", "leaveRoom", "markRead", "muteUser",
		"openDirect", "ping", "removeMember", "removeReaction", "sendMessage", "setRole", "setRoom", "signal",
		"unbanUser", "unmuteUser"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// BenchmarkDispatch is the cost of an event that is decoded, dispatched and refused, without a store or a network.
func BenchmarkDispatch(b *testing.B) {
	h := route.New(route.Config{
		Chat:   chat.Service{Encoder: protocol.Encoder{}, Now: time.Now, Workers: 1},
		Poster: func(string, string) chat.Poster { return nowhere{} },
		Logger: slog.New(slog.DiscardHandler),
		Meter:  telemetry.New("chat"),
	})
	payload := []byte(`{"requestContext":{"routeKey":"sendMessage","messageId":"R1knPc2ntjMCFIA=",` +
		`"eventType":"MESSAGE",` +
		`"extendedRequestId":"R1knPH17NjMFftw=","requestTime":"20/Jan/2024:11:55:00 ` +
		`+0000","messageDirection":"IN","stage":"prod",` +
		`"connectedAt":1705751697419,"requestTimeEpoch":1705751700453,"identity":{"sourceIp":"49.105.91.154"},` +
		`"requestId":"R1knPH17NjMFftw=","domainName":"dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com",` +
		`"connectionId":"R1kmxc2VNjMCFIA=","apiId":"gy415nuibc"},` +
		`"body":"{\"action\":\"sendMessage\",\"room_name\":\"#refused\",\"user_name\":\"ann\",\"content\":\"hello\"}","isBase64Encoded":false}`)
	b.ReportAllocs()
	for b.Loop() {
		if r, err := h.Invoke(b.Context(), payload); err != nil || !bytes.Contains(r, []byte("400")) {
			b.Fatalf("%s, %v", r, err)
		}
	}
}

type nowhere struct{}

func (nowhere) Post(context.Context, string, []byte) error { return nil }
func (nowhere) Close(context.Context, string) error        { return nil }
