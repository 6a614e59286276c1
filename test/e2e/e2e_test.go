// Package e2e runs conversations with the whole chat: the programs that people run, as they run them. Each file in
// testdata is a conversation, in the language of testscript
// (https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript) with these commands:
//
//	local [FLAG…]              starts the chat on a free port, with its data in chat.db; its log is local.log
//	shutdown                   interrupts it, and expects a clean end
//	connect NAME [QUERY]       connects a WebSocket client that is called NAME from here on
//	wscat NAME [QUERY]         the same with the real wscat
//	refused QUERY STATUS TEXT  expects that a handshake is refused
//	send NAME FRAME            sends a frame
//	see NAME FRAME             expects the next frame; "*" stands for any value
//	silent NAME                expects that no further frame has come
//	close NAME                 closes the client
//	get PATH STATUS TEXT       expects an HTTP answer
//
// and the condition [own], which holds where the chat is one that the conversation started. Every frame that somebody
// sees must be as pkg/protocol/asyncapi.yaml says, and every frame that somebody sends, if and only if it is not
// refused as wrong. In the end the log has nothing that anybody wrote, and nobody's name.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"wschat/pkg/chat"
	"wschat/test/dynamolocal"
	"wschat/test/installed"
	"wschat/test/localchat"
	"wschat/test/wscat"
)

// patience is how long a conversation waits for what must come.
const patience = 10 * time.Second

func TestConversations(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	s := stage{local: localchat.Build(t, "./infra/local")}
	s.run(t, testscript.Params{Dir: "testdata/script"})
	s.run(t, testscript.Params{Dir: "testdata/commandline"})
}

func TestWscat(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	s := stage{wscat: installed.Node(t, "wscat"), local: localchat.Build(t, "./infra/local")}
	s.run(t, testscript.Params{Dir: "testdata/wscat"})
}

// The same conversations with what Lambda will run: the built binary, through the runtime API, on DynamoDB.
func TestConversationsOnTheBuiltBinary(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	local := localchat.Build(t, "./infra/local")
	bootstrap := localchat.Build(t, "./lambda", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { // each with a database of its own, so that its rooms are new
			s := stage{local: local, flags: []string{"-bootstrap", bootstrap, "-dynamodb", dynamolocal.Start(t)}}
			s.run(t, testscript.Params{Files: []string{file}})
		})
	}
}

// The same conversations with a chat that is there already: after a deploy it is the smoke test,
//
//	CHAT_URL=wss://ID.execute-api.REGION.amazonaws.com/STAGE go test -run AtAURL ./test/e2e
//
// with CHAT_HTTP_URL for the chat's HTTP address, too, and with CHAT_TOKEN where one must sign in: then one user's
// conversation is tried, in the room CHAT_ROOM, which the token must allow. Its rooms have names that nobody uses;
// members leave them as they close, and the messages stay in the table for as long as its retention says. Where
// CHAT_URL is not set, it is tried on this machine.
func TestConversationsAtAURL(t *testing.T) {
	s := stage{url: os.Getenv("CHAT_URL"), httpURL: os.Getenv("CHAT_HTTP_URL")}
	switch token := os.Getenv("CHAT_TOKEN"); {
	case token != "":
		signedIn(t, s.url, token, os.Getenv("CHAT_ROOM"))
		return
	case s.url == "":
		local := localchat.Start(t) // until the end of the test: the conversations go on after this function
		s.url, s.httpURL = local.URL(), "http://"+local.Addr
	}
	t.Logf("the chat at %s; HTTP at %q", s.url, s.httpURL)
	if status, _, err := handshake(s.url); err != nil || status != http.StatusSwitchingProtocols {
		t.Fatalf("%s answers a handshake with %d, %v; with 401, set CHAT_TOKEN to a token", s.url, status, err)
	}
	s.run(t, testscript.Params{Dir: "testdata/script"})
}

// build builds a command of this module.
func (s stage) run(t *testing.T, p testscript.Params) {
	t.Helper()
	schemas := loadSchemas(t)
	p.Setup = func(env *testscript.Env) error {
		c := &cast{schemas: schemas, people: map[string]*participant{}, url: s.url, httpURL: s.httpURL}
		if s.url != "" { // rooms of its own for each conversation of each run
			c.suffix = fmt.Sprintf("-%s-%x", filepath.Base(env.WorkDir), time.Now().UnixNano())
		}
		env.Values[castKey{}] = c
		env.Setenv("LOCAL", s.local)
		return nil
	}
	p.Condition = func(condition string) (bool, error) {
		if condition != "own" {
			return false, fmt.Errorf("there is no condition %q", condition)
		}
		return s.url == "", nil
	}
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"local":    s.startLocal,
		"shutdown": shutdown,
		"connect":  connect,
		"wscat":    s.startWscat,
		"refused":  refused,
		"send":     send,
		"see":      see,
		"silent":   silent,
		"close":    closePerson,
		"get":      get,
	}
	testscript.Run(t, p)
}

// stage is what every conversation has: the programs, and the flags with which local is started.
type stage struct {
	local, wscat string
	flags        []string

	url, httpURL string // of a chat that is there already, in place of local
}

// cast are the people in one conversation.
type cast struct {
	server       *exec.Cmd // nil where it is not the conversation's own
	url, httpURL string
	suffix       string // of the names of rooms
	schemas      schemas
	private      []string // what must not be in the log
	people       map[string]*participant
}

type castKey struct{}

// person is one of the people who talk.
type person interface {
	send(frame string) error
	next(ctx context.Context) (frame string, err error)
	close() error
}

// participant is a person in a conversation.
type participant struct {
	person
	sent string // the last frame, which has not been refused; "" for none
}

func castOf(ts *testscript.TestScript) *cast { return ts.Value(castKey{}).(*cast) }

// args checks a command's arguments and that it is not negated.
func args(ts *testscript.TestScript, neg bool, got []string, least, most int) {
	if neg || len(got) < least || len(got) > most {
		ts.Fatalf("takes %d to %d arguments, and no !", least, most)
	}
}

func (s stage) startLocal(ts *testscript.TestScript, neg bool, flags []string) {
	if neg {
		ts.Fatalf("takes no !")
	}
	if s.url != "" {
		if len(flags) > 0 {
			ts.Logf("the chat at %s has flags of its own", s.url)
		}
		return
	}
	logFile, err := os.OpenFile(ts.MkAbs("local.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	local, err := localchat.Run(s.local, ts.MkAbs("."), logFile, append(slices.Clone(s.flags), flags...)...)
	ts.Check(err)
	ts.Check(logFile.Close())
	ts.Defer(func() { _ = local.Process.Kill(); _ = local.Wait() })
	c := castOf(ts)
	c.server, c.url, c.httpURL = local.Cmd, local.URL(), "http://"+local.Addr
	ts.Setenv("ADDR", local.Addr)
}

// keepPrivate notes what must not be in the log, where it is long enough not to be a word there by chance.
func (c *cast) keepPrivate(words ...string) {
	for _, word := range words {
		if len(word) >= 3 {
			c.private = append(c.private, word)
		}
	}
}

// checkLog fails where the log has something private. Ids are random, and may have anything in them; a room is no
// secret.
func (c *cast) checkLog(ts *testscript.TestScript) {
	text, err := os.ReadFile(ts.MkAbs("local.log"))
	ts.Check(err)
	lines := 0
	for line := range bytes.Lines(text) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) != nil {
			continue // of the command line
		}
		lines++
		for _, known := range []string{"request_id", "connection_id", "room", "time", "FunctionName"} {
			delete(fields, known)
		}
		rest := fmt.Sprint(fields)
		for _, word := range c.private {
			if regexp.MustCompile(`(^|\PL)` + regexp.QuoteMeta(word) + `(\PL|$)`).MatchString(rest) {
				ts.Fatalf("the log has %.100q: %.500s", word, line)
			}
		}
	}
	if lines == 0 && len(c.people) > 0 {
		ts.Fatalf("the log is empty: %s", text)
	}
}

func shutdown(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 0, 0)
	for _, p := range castOf(ts).people {
		accepted(ts, p)
	}
	server := castOf(ts).server
	if server == nil { // it is not this test's to stop
		return
	}
	ts.Check(server.Process.Signal(os.Interrupt))
	done := make(chan error)
	go func() { done <- server.Wait() }()
	select {
	case err := <-done:
		ts.Check(err)
	case <-time.After(patience):
		ts.Fatalf("local does not end")
	}
	castOf(ts).checkLog(ts)
}

func url(ts *testscript.TestScript, query []string) string {
	c := castOf(ts)
	if len(query) == 0 {
		return c.url
	}
	return c.url + "?" + c.rename(query[0])
}

// named finds the names of rooms, in frames and in queries; not those that are no names.
var named = regexp.MustCompile(`("room_name":"|room_name=)[^"#(\\%&]+`)

// rename gives rooms the names that they have in this run.
func (c *cast) rename(text string) string {
	return named.ReplaceAllStringFunc(text, func(found string) string { return found + c.suffix })
}

func connect(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 1, 2)
	p, err := dial(url(ts, got[1:]))
	ts.Check(err)
	if len(got) > 1 {
		query, err := neturl.ParseQuery(got[1])
		ts.Check(err)
		castOf(ts).keepPrivate(query.Get("user_name"))
	}
	enter(ts, got[0], p)
}

// enter has a person take part in the conversation until it ends.
func enter(ts *testscript.TestScript, name string, person person) {
	c, p := castOf(ts), &participant{person: person}
	c.people[name] = p
	ts.Defer(func() { _ = p.close() })
}

func (s stage) startWscat(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 1, 2)
	c, err := wscat.Start(s.wscat, url(ts, got[1:]))
	ts.Check(err)
	enter(ts, got[0], typist{c})
}

func refused(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 3, 3)
	status, body, err := handshake(url(ts, got[:1]))
	ts.Check(err)
	if fmt.Sprint(status) != got[1] || !strings.Contains(body, got[2]) {
		ts.Fatalf("got %d %s", status, body)
	}
}

func name(ts *testscript.TestScript, name string) *participant {
	p, ok := castOf(ts).people[name]
	if !ok {
		ts.Fatalf("nobody is called %s", name)
	}
	return p
}

func send(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 2, 2)
	say(ts, name(ts, got[0]), expand(castOf(ts).rename(got[1])))
}

func say(ts *testscript.TestScript, p *participant, frame string) {
	accepted(ts, p)
	var f struct {
		Content string
		User    string `json:"user_name"`
	}
	if json.Unmarshal([]byte(frame), &f) == nil {
		castOf(ts).keepPrivate(f.Content, f.User)
	}
	p.sent = frame
	ts.Check(p.send(frame))
}

// accepted checks what somebody sent last, which was not refused as wrong.
func accepted(ts *testscript.TestScript, p *participant) {
	if p.sent == "" {
		return
	}
	if err := castOf(ts).schemas.checkClient(p.sent); err != nil {
		ts.Fatalf("the chat has taken a frame that is wrong: %v", err)
	}
}

// heard checks a frame that somebody has got.
func heard(ts *testscript.TestScript, p *participant, frame string) {
	schemas := castOf(ts).schemas
	if err := schemas.check(frame); err != nil {
		ts.Fatalf("%v", err)
	}
	var answer struct{ Error struct{ Code chat.Code } }
	ts.Check(json.Unmarshal([]byte(frame), &answer))
	switch answer.Error.Code {
	case "":
		return
	case chat.CodeInvalidJSON, chat.CodeUnknownAction, chat.CodeMissingField, chat.CodeInvalidField:
		if schemas.checkClient(p.sent) == nil {
			ts.Fatalf("the chat has refused a frame that asyncapi.yaml allows: %.500s", p.sent)
		}
	}
	p.sent = ""
}

// expand replaces (N×S) by N times S, so that a conversation can say how long something is.
func expand(frame string) string {
	for {
		before, rest, ok := strings.Cut(frame, "(")
		count, after, _ := strings.Cut(rest, "×")
		repeated, tail, closed := strings.Cut(after, ")")
		n, err := strconv.Atoi(count)
		if !ok || !closed || err != nil {
			return frame
		}
		frame = before + strings.Repeat(repeated, n) + tail
	}
}

func see(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 2, 2)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	want := expand(castOf(ts).rename(got[1]))
	frame, err := name(ts, got[0]).next(ctx)
	for ; err == nil && isAnnounced(frame) && !isAnnounced(want); frame, err = name(ts, got[0]).next(ctx) {
		heard(ts, name(ts, got[0]), frame)
	}
	if err != nil {
		ts.Fatalf("%s sees no frame: %v", got[0], err)
	}
	heard(ts, name(ts, got[0]), frame)
	if problem := match(want, frame); problem != "" {
		ts.Fatalf("%s sees %.2000s\n%s", got[0], frame, problem)
	}
}

// isAnnounced reports whether a frame is a list of members that nobody asked for. Those come about once a second at
// most, and so a conversation sees them only where it says so.
func isAnnounced(frame string) bool {
	var f struct {
		Members json.RawMessage
		Ref     string
	}
	return json.Unmarshal([]byte(frame), &f) == nil && f.Members != nil && f.Ref == ""
}

// silent asks a question and expects its answer next: frames come in the order in which they were posted. The pause
// lets a frame that ought not to come be posted first.
func silent(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 1, 1)
	time.Sleep(100 * time.Millisecond)
	say(ts, name(ts, got[0]), castOf(ts).rename(`{"action":"getRecentMessages","room_name":"a room that nobody uses"}`))
	see(ts, false, []string{got[0], `{"messages":[]}`})
}

func closePerson(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 1, 1)
	accepted(ts, name(ts, got[0]))
	ts.Check(name(ts, got[0]).close())
}

func get(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 3, 3)
	c := castOf(ts)
	if c.httpURL == "" {
		ts.Logf("left out: nobody said what the chat's HTTP address is")
		return
	}
	answer, err := http.Get(c.httpURL + got[0])
	ts.Check(err)
	body, err := io.ReadAll(answer.Body)
	ts.Check(errors.Join(err, answer.Body.Close()))
	if fmt.Sprint(answer.StatusCode) != got[1] || !strings.Contains(string(body), got[2]) {
		ts.Fatalf("got %d %s", answer.StatusCode, body)
	}
}
