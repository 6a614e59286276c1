package localchat

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/test/installed"
	"wschat/test/issuer"
	"wschat/test/logbuffer"
)

// fromReadme writes a program out of infra/PROGRAMS.md, which is known by its first line, and returns its path.
func fromReadme(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../infra/PROGRAMS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, begin := range []string{"```python\n# ", "```js\n// "} {
		_, program, ok := strings.Cut(string(text), begin+name+"\n")
		if program, _, ended := strings.Cut(program, "\n```"); ok && ended {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(program+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Fatalf("PROGRAMS.md has no program %s", name)
	return ""
}

// python returns a command for a program in Python. Machines without boto3 have what stands for it.
func python(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program := installed.Program(t, "python3")
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = os.Environ()
	if exec.CommandContext(t.Context(), program, "-c", "import boto3").Run() != nil {
		stub, err := filepath.Abs("testdata/stub")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "PYTHONPATH="+stub)
	}
	return cmd
}

// atChat tells a program where the chat is.
func atChat(cmd *exec.Cmd, d *door) {
	cmd.Env = append(cmd.Env, "CHAT_ENDPOINT=http://"+d.Addr, "CHAT_FUNCTION=chat", "AWS_REGION=local",
		"AWS_DEFAULT_REGION=local", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local")
}

// The bots in the README answer a question once, though the event comes twice.
func TestBotsInTheReadme(t *testing.T) {
	installed.File(t, "node_modules/@aws-sdk/client-lambda")
	node := installed.Program(t, "node")
	for name, command := range map[string]func(t *testing.T, dir, path string) *exec.Cmd{
		"bot.py": func(t *testing.T, _, path string) *exec.Cmd { return python(t, path) },
		"bot.mjs": func(t *testing.T, dir, path string) *exec.Cmd {
			packages := filepath.Join(installed.Dir(), "node_modules")
			if err := os.Symlink(packages, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), node, path)
			cmd.Env = os.Environ()
			return cmd
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := free.Addr().String()
			_ = free.Close()
			d := startDoorWith(t, issuer.Start(t), "", config.Values{config.EventsURL: "http://" + addr + "/"})
			dir := t.TempDir()
			bot := command(t, dir, fromReadme(t, dir, name))
			atChat(bot, d)
			bot.Args = append(bot.Args, addr[strings.LastIndex(addr, ":")+1:])
			output := &logbuffer.Buffer{}
			bot.Stdout, bot.Stderr = output, output
			if err := bot.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = bot.Process.Kill()
				_ = bot.Wait()
				if t.Failed() {
					t.Logf("the bot says %s", output)
				}
			})
			question := fields{"action": "sendMessage", "room_name": "r", "user_id": "ann", "user_name": "Ann",
				"content": "!time", "message_id": "1"}
			d.act(t, question, question) // the repeat is an event, too
			history := fields{"action": "getRecentMessages", "room_name": "r"}
			var answer string
			for deadline := time.Now().Add(20 * time.Second); !strings.Contains(answer, `"user_id":"clock"`); {
				if time.Now().After(deadline) {
					t.Fatalf("there is no answer: %s", answer)
				}
				time.Sleep(20 * time.Millisecond)
				answer = d.act(t, history)[0]
			}
			time.Sleep(300 * time.Millisecond)
			answer = d.act(t, history)[0]
			if n := strings.Count(answer, `"user_id":"clock"`); n != 1 || !strings.Contains(answer, `"reply_to":1`) {
				t.Errorf("there are %d answers: %s", n, answer)
			}
		})
	}
}

// The function for push notifications in the README tells just those that have not read.
func TestPushInTheReadme(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p, "")
	ann, bob := d.arrive(t, p, "ann", nil), d.arrive(t, p, "bob", nil)
	ann.must(chat.ActionCreateRoom,
		fields{"room_name": "plans", "private": true, "members": []string{"bob", "eve", "mallory"}})
	for i := range 60 { // Eve has more rooms than one list
		d.act(t, fields{"action": "createRoom", "room_name": fmt.Sprint("a ", i), "user_id": "eve", "user_name": "Eve"})
	}
	ann.must(chat.ActionSendMessage, fields{"room_name": "plans", "content": "tonight?"})
	bob.must(chat.ActionMarkRead, fields{"room_name": "plans", "index": 1})
	d.act(t, fields{"action": "removeMember", "room_name": "plans", "user_id": "mallory"})
	dir := t.TempDir()
	fromReadme(t, dir, "push.py")
	body, err := json.Marshal(fields{"detail-type": "MessageStored",
		"detail": fields{"room_name": "plans", "index": 1, "user_id": "ann", "user_name": "Ann"}})
	if err != nil {
		t.Fatal(err)
	}
	event, err := json.Marshal(fields{"Records": []fields{{"body": string(body)}}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := python(t, "-c", "import json, sys, push; push.handler(json.loads(sys.argv[1]))", string(event))
	atChat(cmd, d)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "push to eve: Ann in plans\n" {
		t.Errorf("it says %q, %v", out, err)
	}
}
