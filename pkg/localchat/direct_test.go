package localchat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/test/installed"
	"wschat/test/issuer"
)

// invocation is what the Invoke API answers.
type invocation struct {
	status int
	failed string // X-Amz-Function-Error
	body   string
}

// invoke invokes the function as a program does.
func (d *door) invoke(t testing.TB, payload any, headers ...string) (got invocation) {
	t.Helper()
	body, ok := payload.(string)
	if !ok {
		b, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+d.Addr+"/2015-03-31/functions/chat/invocations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return invocation{response.StatusCode, response.Header.Get("X-Amz-Function-Error"), string(bytes.TrimSpace(b))}
}

// A program acts without a socket: under any name, in any room, and with the answers that a socket would have had.
func TestPrograms(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoorWith(t, p, bootstrap, config.Values{config.AuthRolesClaim: "roles"})
		ann, eve := d.arrive(t, p, "ann", nil), d.arrive(t, p, "eve", nil)
		ann.must(chat.ActionCreateRoom, fields{"room_name": "orders", "private": true})
		ann.must(chat.ActionJoinRoom, fields{"room_name": "orders"})
		for _, step := range []struct {
			what, payload string
			want          []string // in the answer
			status        int      // in it
		}{
			{"a message", `{"action":"sendMessage","room_name":"orders","user_name":"Shop","user_id":"shop",
				"content":"1 pizza","message_id":"order-1"}`,
				[]string{`"index":1`, `"user_name":"Shop","user_id":"shop"`}, 200},
			{"the same again", `{"action":"sendMessage","room_name":"orders","user_name":"Shop","user_id":"shop",
				"content":"1 pizza","message_id":"order-1"}`, []string{`"index":1`}, 200},
			{"without an id", `{"action":"sendMessage","room_name":"orders","user_name":"Shop","content":"x"}`,
				[]string{`"code":"missing_field"`, "message_id"}, 400},
			{"history", `{"action":"getRecentMessages","room_name":"orders","ref":"h"}`,
				[]string{`1 pizza`, `"ref":"h"`}, 200},
			{"joining", `{"action":"joinRoom","room_name":"orders"}`, []string{`"code":"forbidden"`}, 403},
			{"leaving", `{"action":"leaveRoom","room_name":"orders"}`, []string{`"code":"forbidden"`}, 403},
			{"no such action", `{"action":"fly"}`, []string{`"code":"unknown_action"`}, 400},
			{"what the router does for itself", `{"action":"$connect"}`, []string{`"code":"unknown_action"`}, 400},
			{"the page", `{"action":"GET /"}`, []string{`"code":"unknown_action"`}, 400},
			{"a reaction", `{"action":"addReaction","room_name":"orders","user_name":"Bot","user_id":"bot","index":1,
				"reaction":"👍"}`, []string{`"changes"`, `"user_id":"bot"`}, 200},
			{"an edit of somebody else's", `{"action":"editMessage","room_name":"orders","user_name":"Bot","index":1,
				"content":"2 pizzas"}`, []string{`2 pizzas`, `"user_name":"Shop"`}, 200},
			{"a room", `{"action":"createRoom","room_name":"news","user_id":"ann","user_name":"Ann","members":["eve"]}`,
				[]string{`"room_name":"news"`}, 200},
			{"a room of nobody", `{"action":"createRoom","room_name":"none"}`, []string{`"code":"missing_field"`}, 400},
			{"a ban", `{"action":"banUser","room_name":"news","user_id":"eve","reason":"erased"}`,
				[]string{`"room_name":"news"`}, 200},
			{"a ban of the last owner", `{"action":"banUser","room_name":"news","user_id":"ann"}`,
				[]string{`"code":"forbidden"`, "keeps an owner"}, 403},
			{"a direct room", `{"action":"openDirect","by_user_id":"ann","user_name":"Ann","user_id":"eve"}`,
				[]string{`"direct":true`, `"user_id":"eve"`}, 200},
			{"the rooms of a user", `{"action":"getRooms","user_id":"ann","user_name":"Ann"}`,
				[]string{`"room_name":"orders"`, `"room_name":"news"`}, 200},
			{"several", `{"actions":[{"action":"ping"},{"action":"fly"},{"action":"getRoom","room_name":"orders"}]}`,
				[]string{`"pong"`, `"unknown_action"`, `"room_name":"orders"`, `"role":"owner"`}, 400},
		} {
			got := d.invoke(t, step.payload)
			begin := fmt.Sprintf(`{"statusCode":%d,"frames":[`, step.status)
			if got.status != 200 || got.failed != "" || !strings.HasPrefix(got.body, begin) {
				t.Errorf("%s: %+v", step.what, got)
			}
			for _, want := range step.want {
				if !strings.Contains(got.body, want) {
					t.Errorf("%s is answered %s, without %s", step.what, got.body, want)
				}
			}
		}
		until(t, ann.conn, `"messages"`, `1 pizza`, `"user_name":"Shop"`)
		until(t, ann.conn, `"changes"`, `2 pizzas`)
		if refusal := eve.do(chat.ActionJoinRoom, fields{"room_name": "news"}); !strings.Contains(refusal, "erased") {
			t.Errorf("a banned user joins: %s", refusal)
		}
		d.log.Await(t, 10*time.Second, `"direct":true`) // it says which invocations are programs'
		async := d.invoke(t, `{"action":"sendMessage","room_name":"orders","user_name":"Shop","content":"later",
			"message_id":"order-2"}`, "X-Amz-Invocation-Type", "Event")
		if async.status != 202 || async.body != "" {
			t.Errorf("an asynchronous invocation is answered %+v", async)
		}
		until(t, ann.conn, "later")
	})
}

// The Invoke API is for programs on this machine, and for no web page.
func TestWhoMayInvoke(t *testing.T) {
	t.Parallel()
	d := startDoor(t, issuer.Start(t), "")
	for _, tc := range []struct {
		what    string
		payload string
		headers []string
		status  int
		kind    string
	}{
		{"a page that cannot sign", `{"action":"ping"}`, []string{"Authorization", ""}, 403, "Missing Authentication"},
		{"a page under its own name", `{"action":"ping"}`, []string{"Host", "evil.example:8080"}, 403, "evil.example"},
		{"no JSON", `{`, nil, 400, "not JSON"},
		{"an unknown type", `{}`, []string{"X-Amz-Invocation-Type", "Later"}, 400, "Later"},
		{"a dry run", `{"action":"ping"}`, []string{"X-Amz-Invocation-Type", "DryRun"}, 204, ""},
		{"no action", `{"hello":1}`, nil, 200, "errorMessage"},
		{"localhost", `{"action":"ping"}`, []string{"Host", "localhost:8080"}, 200, "pong"},
	} {
		got := d.invoke(t, tc.payload, tc.headers...)
		if got.status != tc.status || !strings.Contains(got.body, tc.kind) {
			t.Errorf("%s: %+v", tc.what, got)
		}
	}
}

// A burst of a thousand messages of programs, each of them asked for again now and then, as AWS does, is stored once
// each, in twenty processes.
func TestABurstOfPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs twenty processes")
	}
	t.Parallel()
	const messages, programs = 1000, 20
	d := startDoor(t, issuer.Start(t), function.build(t))
	var all sync.WaitGroup
	for p := range programs {
		all.Go(func() {
			for i := p; i < messages; i += programs {
				payload := fmt.Sprintf(`{"action":"sendMessage","room_name":"burst %d","user_name":"Bot",`+
					`"user_id":"bot","content":"%d","message_id":"m%d"}`, i%3, i, i)
				for range 1 + i%2 { // every second one twice
					for try := 1; ; try++ {
						got := d.invoke(t, payload)
						if got.status == 200 && got.failed == "" && strings.HasPrefix(got.body, `{"statusCode":200`) {
							break
						}
						if got.failed == "" || try == 10 {
							t.Errorf("message %d: %+v", i, got)
							return
						}
						time.Sleep(50 * time.Millisecond) // AWS repeats after an error
					}
				}
			}
		})
	}
	all.Wait()
	seen, last := map[string]int{}, 0
	for room := range 3 {
		last = 0
		for more := true; more; {
			const part = `{"action":"getRecentMessages","room_name":"burst %d","after":%d,"limit":100}`
			got := d.invoke(t, fmt.Sprintf(part, room, last))
			var answer struct {
				Frames []struct {
					Messages []struct {
						Index   int
						Content string
					}
					More bool
				}
			}
			if err := json.Unmarshal([]byte(got.body), &answer); err != nil || len(answer.Frames) == 0 {
				t.Fatalf("%+v, %v", got, err)
			}
			for _, f := range answer.Frames {
				for _, m := range f.Messages {
					if last++; m.Index != last {
						t.Fatalf("after %d comes %d", last-1, m.Index)
					}
					seen[m.Content]++
				}
				more = f.More
			}
		}
	}
	if len(seen) != messages {
		t.Errorf("%d messages are stored, want %d", len(seen), messages)
	}
	for content, n := range seen {
		if n != 1 {
			t.Errorf("message %s is stored %d times", content, n)
		}
	}
}

// The real SDK takes the local chat for Lambda.
func TestProgramsByTheSDK(t *testing.T) {
	installed.File(t, "node_modules/@aws-sdk/client-lambda")
	node := installed.Program(t, "node")
	t.Parallel()
	d := startDoor(t, issuer.Start(t), "")
	dir := t.TempDir() // where Node finds the SDK
	source, err := os.ReadFile("testdata/program.mjs")
	script := filepath.Join(dir, "program.mjs")
	err = errors.Join(err, os.WriteFile(script, source, 0o600),
		os.Symlink(filepath.Join(installed.Dir(), "node_modules"), filepath.Join(dir, "node_modules")))
	if err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), node, script, "http://"+d.Addr)
	out, err := program.Output() // without the SDK's warnings of old Node.js
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := []string{`200 - {"statusCode":200,"frames":[{"messages":[{"room_name":"deploys","index":1,`, `202 - -`,
		`200 - {"statusCode":200,"frames":[{"messages":[`, `200 Unhandled {"errorMessage":`, `"pong"`,
		`ResourceNotFoundException`}
	if len(lines) != len(want) {
		t.Fatalf("the program printed %q", lines)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			t.Errorf("line %d is %s, without %s", i+1, line, want[i])
		}
	}
}

// So does the AWS CLI, where it is installed.
func TestProgramsByTheCLI(t *testing.T) {
	aws, err := exec.LookPath("aws")
	if err != nil || exec.CommandContext(t.Context(), aws, "--version").Run() != nil {
		t.Skip("the AWS CLI is not installed")
	}
	t.Parallel()
	d := startDoor(t, issuer.Start(t), "")
	dir := t.TempDir()
	payload, answer := filepath.Join(dir, "payload.json"), filepath.Join(dir, "answer.json")
	if err := os.WriteFile(payload, []byte(`{"action":"ping"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cli := exec.CommandContext(t.Context(), aws, "--region", "eu-north-1", "--endpoint-url", "http://"+d.Addr, "lambda",
		"invoke", "--function-name", "chat", "--payload", "fileb://"+payload, answer)
	cli.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local")
	if out, err := cli.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, err := os.ReadFile(answer); err != nil || !strings.Contains(string(got), `"pong"`) {
		t.Errorf("the answer is %s, %v", got, err)
	}
}
