package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/test/logbuffer"
)

// command is the built command.
func command(t *testing.T) string {
	t.Helper()
	built := filepath.Join(t.TempDir(), "local.exe")
	if out, err := exec.Command("go", "build", "-o", built, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return built
}

// process is the command, running.
type process struct {
	cmd    *exec.Cmd
	addr   string // "" if it has ended
	stderr *logbuffer.Buffer
}

// startCommand runs the command with a data file until it accepts connections or ends.
func startCommand(t *testing.T, command, data string) process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command, "-addr", "127.0.0.1:0", "-data", data)
	p := process{cmd: cmd, stderr: &logbuffer.Buffer{}}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if rest, ok := strings.CutPrefix(line, "The chat is at http://"); ok {
		p.addr, _, _ = strings.Cut(rest, "/")
		return p
	}
	if line != "" {
		t.Errorf("it says %q", line)
	}
	if err := p.cmd.Wait(); err == nil {
		t.Error("it ended without an error")
	}
	return p
}

func (p process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// sampleData makes a data file with messages in the lobby.
func sampleData(t *testing.T) (image []byte, messages []chat.Message) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.db")
	log, err := localstore.OpenLog(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 90 {
		m := chat.Message{Room: "lobby", User: "ann", ID: fmt.Sprint(i), CreateAt: 1}
		m.Content = strings.Repeat(fmt.Sprint("word ", i, " "), 1+i*i%200)
		if m, _, err = log.Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if image, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return image, messages
}

// history asks for the lobby's messages.
func (p process) history(t *testing.T, limit int) (found []chat.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+p.addr+"/dev", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	ask := fmt.Sprintf(`{"action":"getRecentMessages","room_name":"lobby","after":0,"limit":%d,"ref":"1"}`, limit)
	if err := c.Write(ctx, websocket.MessageText, []byte(ask)); err != nil {
		t.Fatal(err)
	}
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var frame struct {
			Messages []struct {
				Index   int64
				Content string
			}
			Part  bool
			Error json.RawMessage
		}
		if err := json.Unmarshal(b, &frame); err != nil || frame.Error != nil {
			t.Fatalf("got %s, %v", b, err)
		}
		for _, m := range frame.Messages {
			found = append(found, chat.Message{Index: m.Index, Content: m.Content})
		}
		if !frame.Part {
			return found
		}
	}
}

// A damaged data file ends the start with one line, or costs single messages, which say so. It ends nothing later.
func TestADamagedDataFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	built := command(t)
	image, messages := sampleData(t)
	end := len(bytes.TrimRight(image, "\x00"))
	random := rand.New(rand.NewPCG(17, 14))
	type damaged struct {
		name  string
		image []byte
	}
	var cases []damaged
	for i := range 50 {
		length := random.IntN(end)
		if i < 10 {
			length = 4096*i + 1
		}
		cases = append(cases, damaged{fmt.Sprint("cut to ", length), image[:max(1, length)]})
	}
	for i := range 50 {
		at, b := random.IntN(end), bytes.Clone(image)
		switch i % 3 {
		case 0:
			b[at] ^= 1 << random.IntN(8)
		case 1:
			clear(b[at&^4095:][:4096])
		default:
			for j := at; j < min(end, at+1+random.IntN(5000)); j++ {
				b[j] = byte(random.Uint32())
			}
		}
		cases = append(cases, damaged{fmt.Sprintf("%s at %d", []string{"a flipped bit", "zeroes", "garbage"}[i%3], at),
			b})
	}
	var refused, lost int
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "chat.db")
			if err := os.WriteFile(path, tc.image, 0o600); err != nil {
				t.Fatal(err)
			}
			p := startCommand(t, built, path)
			if p.addr == "" {
				refused++
				said := p.stderr.String()
				if strings.Count(said, "\n") != 1 || !strings.Contains(said, path) ||
					!strings.Contains(said, "damaged") {
					t.Errorf("it says %q", said)
				}
				return
			}
			defer p.kill()
			found := p.history(t, len(messages))
			if len(found) != len(messages) {
				t.Fatalf("%d messages of %d", len(found), len(messages))
			}
			for i, m := range found {
				isLost := strings.Contains(m.Content, "damaged")
				if m.Index != int64(i+1) || m.Content != messages[i].Content && !isLost {
					t.Errorf("got %+v", m)
				}
				if isLost {
					lost++
				}
			}
			p.history(t, 10) // it still runs
		})
	}
	if refused < 50 || refused == len(cases) || lost == 0 {
		t.Errorf("%d of %d files were refused, %d messages lost: that tests too little", refused, len(cases), lost)
	}
}

// A data file that is removed or cut while the chat runs is noticed within a second: then sends are refused, /ping
// fails, and the log says what to do, once.
func TestADataFileInTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open can be neither removed nor cut here")
	}
	built := command(t)
	for name, trouble := range map[string]func(path string) error{
		"removed": os.Remove,
		"cut":     func(path string) error { return os.Truncate(path, 5000) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "chat.db")
			p := startCommand(t, built, path)
			defer p.kill()
			c, _, err := websocket.Dial(t.Context(), "ws://"+p.addr+"/dev?room_name=lobby", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if said := sendTo(t, c); !strings.Contains(said, `"messages"`) {
				t.Fatalf("got %s", said)
			}
			if status := p.ping(t); status != http.StatusOK {
				t.Fatalf("/ping is %d", status)
			}
			if err := trouble(path); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			const line = "stop the chat, put the right file in place"
			if said := p.stderr.String(); !strings.Contains(said, line) {
				t.Errorf("the log is %s", said)
			}
			for range 3 {
				if said := sendTo(t, c); !strings.Contains(said, `"unavailable"`) {
					t.Errorf("got %s", said)
				}
				if status := p.ping(t); status != http.StatusServiceUnavailable {
					t.Errorf("/ping is %d", status)
				}
			}
			if n := strings.Count(p.stderr.String(), line); n != 1 {
				t.Errorf("the log says %d times what to do", n)
			}
		})
	}
}

// sendTo sends a message to the lobby and returns the answer.
func sendTo(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	frame := `{"action":"sendMessage","room_name":"lobby","user_name":"ann","content":"Hello."}`
	if err := c.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
	_, b, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (p process) ping(t *testing.T) (status int) {
	t.Helper()
	answer, err := http.Get("http://" + p.addr + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode
}
