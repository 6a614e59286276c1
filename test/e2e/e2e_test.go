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
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

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

// named finds the names of rooms, in frames and in queries; not those that are no names.
var named = regexp.MustCompile(`("room_name":"|room_name=)[^"#(\\%&]+`)

// rename gives rooms the names that they have in this run.
func (c *cast) rename(text string) string {
	return named.ReplaceAllStringFunc(text, func(found string) string { return found + c.suffix })
}

func (s stage) startWscat(ts *testscript.TestScript, neg bool, got []string) {
	args(ts, neg, got, 1, 2)
	c, err := wscat.Start(s.wscat, url(ts, got[1:]))
	ts.Check(err)
	enter(ts, got[0], typist{c})
}
