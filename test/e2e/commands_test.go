package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"wschat/pkg/chat"
)

// args checks a command's arguments and that it is not negated.
func args(ts *testscript.TestScript, neg bool, got []string, least, most int) {
	if neg || len(got) < least || len(got) > most {
		ts.Fatalf("takes %d to %d arguments, and no !", least, most)
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
