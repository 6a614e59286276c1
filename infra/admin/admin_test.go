package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"wschat/pkg/localchat"
	"wschat/test/logbuffer"
)

// start starts a chat, in which people sign in unless it is open, and returns its URL.
func start(t *testing.T, open bool) string {
	t.Helper()
	c := localchat.Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.DiscardHandler)}
	if !open {
		c.DemoUsers = []string{"ann"}
	}
	s, err := localchat.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return "http://" + s.Addr
}

// admin runs the command at a chat, and returns what it prints.
func runAt(t *testing.T, chat, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	out, errs := &bytes.Buffer{}, &bytes.Buffer{}
	a := &admin{stdin: strings.NewReader(stdin), stdout: out, stderr: errs}
	err = a.run(t.Context(), append([]string{"-local", chat}, args...))
	return out.String(), errs.String(), err
}

func TestCommands(t *testing.T) {
	t.Parallel()
	chat := start(t, false)
	for _, step := range []struct {
		args  string // separated by |
		stdin string
		want  string // stdout has it
		wrong string // the error has it
	}{
		{args: "send|lobby|hello -as is text", want: "lobby 1\n"},
		{args: "send|lobby", stdin: "from\nstdin\n", want: "lobby 2\n"},
		{args: "-as|Ann|send|-as-id|a1|lobby|third|-id|x", want: "lobby 3\n"},
		{args: "send|lobby|third|-id|x|-as|Ann|-as-id|a1", want: "lobby 3\n"},
		{args: "send|lobby|\x1b[31mred|-as|Bob", want: "lobby 4\n"},
		{args: "tail|lobby", want: "  admin: hello -as is text\n"},
		{args: "tail|lobby|-n|1", want: "Bob: \uFFFD[31mred\n"},
		{args: "tail|lobby|-json|-n|2", want: `{"messages":[{"room_name":"lobby","index":3,`},
		{args: "rooms|a1", want: ""},
		{args: "members|lobby", want: ""},
		{args: "ban|lobby|eve|-for|24h|-reason|spam", want: "banned eve in lobby\n"},
		{args: "members|lobby", want: "-    eve  banned until 20"},
		{args: "ban|lobby|eve|-lift", want: "unbanned eve in lobby\n"},
		{args: "export|a1", want: `"content":"third"`},
		{args: "erase|a1", stdin: "a2\n", wrong: "nothing was erased"},
		{args: "erase|a1|-json", stdin: "a1\n", want: `{"erased":{"done":true,"messages":1,`},
		{args: "export|a1", want: ""},
		{args: "tail|lobby", want: "  erased: (deleted)\n"},
		{args: "send", wrong: "usage: admin send ROOM [TEXT]"},
		{args: "send|a|b|c", wrong: "usage:"},
		{args: "fly", wrong: `there is no command "fly"`},
		{args: "send|lobby|" + strings.Repeat("x", 40_000), wrong: "(too_large)"},
		{args: "send|\u202e|x", wrong: "(invalid_field)"},
		{args: "ban|lobby|eve|-for|-24h", wrong: "not negative"},
		{args: "send|csi|\u009b31m|-as|Bob|-as-id|b1", want: "csi 1\n"},
		{args: "export|b1", want: `"content":"\u009b31m"`},
		{args: "tail|csi|-json", want: `"content":"\u009b31m"`},
		{args: "-h", wrong: "help requested"},
		{args: "erase|-h", wrong: "help requested"},
		{args: "", wrong: "give a command"},
	} {
		args := strings.Split(step.args, "|")
		if step.args == "" {
			args = nil
		}
		stdout, stderr, err := runAt(t, chat, step.stdin, args...)
		if (err == nil) != (step.wrong == "") || err != nil && !strings.Contains(err.Error(), step.wrong) {
			t.Errorf("%q: %v, want %q", args, err, step.wrong)
		}
		if !strings.Contains(stdout, step.want) || step.want == "" && stdout != "" {
			t.Errorf("%q prints %q and %q, want %q", args, stdout, stderr, step.want)
		}
	}
}

// In an open chat, a name is all there is.
func TestAnOpenChat(t *testing.T) {
	t.Parallel()
	chat := start(t, true)
	for _, args := range [][]string{{"send", "r", "one", "-as", "Ann"}, {"send", "r", "two", "-as", "Bob"},
		{"members", "r"}, {"erase", "Ann", "-name", "-yes"}} {
		if _, _, err := runAt(t, chat, "", args...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	if out, _, err := runAt(t, chat, "", "export", "Bob", "-name"); err != nil || !strings.Contains(out, `"two"`) {
		t.Errorf("%q, %v", out, err)
	}
	if out, _, err := runAt(t, chat, "", "export", "Ann", "-name"); err != nil || out != "" {
		t.Errorf("%q, %v", out, err)
	}
}

// tail -f prints what comes and what becomes of it, until it is interrupted.
func TestFollow(t *testing.T) {
	t.Parallel()
	chat := start(t, false)
	if _, _, err := runAt(t, chat, "", "send", "r", "one"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &logbuffer.Buffer{}
	ended := make(chan error, 1)
	go func() {
		a := &admin{stdout: out, stderr: out}
		ended <- a.run(ctx, []string{"-local", chat, "tail", "-f", "r"})
	}()
	out.Await(t, 20*time.Second, "1  ", "admin: one\n")
	if _, _, err := runAt(t, chat, "", "send", "r", "two"); err != nil {
		t.Fatal(err)
	}
	out.Await(t, 20*time.Second, "2  ", "admin: two\n")
	a := &admin{local: chat, stdout: out, stderr: out}
	var err error
	if a.chat, err = a.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = a.chat.do(t.Context(), action{"action": "editMessage", "room_name": "r", "index": 1, "content": "ONE",
		"user_name": "admin"})
	if err != nil {
		t.Fatal(err)
	}
	out.Await(t, 20*time.Second, "~ 1  ", "admin: ONE\n")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines were printed: %s", n, out)
	}
}

// An export that is interrupted goes on where it was, and its file is whole.
func TestAnExportGoesOn(t *testing.T) {
	t.Parallel()
	chat := start(t, false)
	const messages = 1000 // several parts
	target, err := url.Parse(chat)
	if err != nil {
		t.Fatal(err)
	}
	a := &admin{local: chat}
	if a.chat, err = a.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("long ", 600)
	for begin := 0; begin < messages; begin += 100 {
		var actions []action
		for i := begin; i < begin+100; i++ {
			actions = append(actions, action{"action": "sendMessage", "room_name": fmt.Sprint("r", i%7),
				"user_id":   "a1",
				"user_name": "Ann", "content": content, "message_id": fmt.Sprint(i)})
		}
		if _, err := a.chat.do(t.Context(), action{"actions": actions}); err != nil {
			t.Fatal(err)
		}
	}
	var calls atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 2 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		r.Host = target.Host
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(flaky.Close)
	file := filepath.Join(t.TempDir(), "ann.jsonl")
	_, _, err = runAt(t, flaky.URL, "", "export", "a1", "-o", file)
	if err == nil || !strings.Contains(err.Error(), "goes on if you repeat") {
		t.Fatalf("the interrupted export ends with %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("an export that is not complete has the file's name")
	}
	if _, _, err := runAt(t, flaky.URL, "", "export", "a2", "-o", file); err == nil {
		t.Error("another person's export goes on with it")
	}
	part, err := os.OpenFile(file+partSuffix, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = part.WriteString(`{"cut off`) // by a crash
		err = errors.Join(err, part.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := runAt(t, flaky.URL, "", "export", "a1", "-o", file); err != nil ||
		!strings.Contains(stderr, "going on after") {
		t.Fatalf("%v, %s", err, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var m message
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Content != content {
			t.Fatalf("%v in %s", err, line)
		}
		seen[fmt.Sprint(m.Room, "/", m.Index)] = true
	}
	if n := strings.Count(string(text), "\n"); n != messages || len(seen) != messages {
		t.Errorf("%d lines have %d messages, want %d", n, len(seen), messages)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("%q remain", left)
	}
	if _, _, err := runAt(t, chat, "", "export", "a1", "-o", file); err == nil {
		t.Error("a file is overwritten")
	}
}

// stack is a stack with outputs.
type stack map[string]string

func (s stack) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput,
	_ ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	if *in.StackName != "Chat-prod" {
		return nil, errors.New("ValidationError: Stack with id Chat-none does not exist")
	}
	var outputs []types.Output
	for key, value := range s {
		outputs = append(outputs, types.Output{OutputKey: aws.String(key), OutputValue: aws.String(value)})
	}
	return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{{Outputs: outputs}}}, nil
}

func TestTheFunctionOfAStack(t *testing.T) {
	for _, tc := range []struct {
		stack       stack
		name, found string
		wrong       string
	}{
		{stack{"HttpUrl": "x", "FunctionName": "Chat-prod-Function"}, "Chat-prod", "Chat-prod-Function", ""},
		{stack{"HttpUrl": "x"}, "Chat-prod", "", "no output FunctionName"},
		{stack{}, "Chat-none", "", "is it deployed"},
	} {
		found, err := functionOf(t.Context(), tc.stack, tc.name)
		if found != tc.found || (err == nil) != (tc.wrong == "") || err != nil &&
			!strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("%s: %q, %v", tc.name, found, err)
		}
	}
}
