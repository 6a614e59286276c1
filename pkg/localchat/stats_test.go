package localchat

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/telemetry"
)

// What was measured of a conversation is on the page, and in lines of JSON, as on AWS.
func TestStatsAreWhatIsInTheLog(t *testing.T) {
	var lines bytes.Buffer
	seen := newStats(newLogHandler(&lines))
	s, err := Start(t.Context(), Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(seen), Stats: seen})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := websocket.Dial(t.Context(), "ws://"+s.Addr+"/dev?room_name=r&user_name=annabella", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	frame := []byte(`{"action":"sendMessage","room_name":"r","user_name":"annabella","content":"do not log"}`)
	for range 3 {
		if err := c.Write(t.Context(), websocket.MessageText, frame); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.Gateway.WaitForInvocations()
	answer, err := http.Get("http://" + s.Addr + statsPath)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || !strings.Contains(string(page), "<th scope=row>MessagesStored <td>3<td>3<td>1<td>1<td>Count") {
		t.Errorf("%v: the page is %s", err, page)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	stored := 0
	for _, line := range strings.Split(strings.TrimSpace(lines.String()), "\n") {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if l["MessagesStored"] == 1.0 && l["_aws"] != nil {
			stored++
		}
	}
	if text := lines.String(); stored != 3 || strings.Contains(text, "do not log") ||
		strings.Contains(text, "annabella") {
		t.Errorf("%d messages are in the log: %s", stored, text)
	}
}

func TestLinesForPeople(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newTerminal(&out))
	log.Info("invocation", "route_key", "sendMessage", "_aws", map[string]int{"Timestamp": 1}, "FunctionName", "local")
	log.Warn("careful")
	log.Error("broken")
	lines := strings.Split(out.String(), "\n")
	if got := lines[0]; !strings.Contains(got, "route_key=sendMessage") || strings.Contains(got, "_aws") ||
		strings.Contains(got, "local") || strings.Contains(got, "\x1b") ||
		strings.Contains(got, time.Now().Format("2006-01-02")) {
		t.Errorf("got %q", got)
	}
	if !strings.HasPrefix(lines[1], "\x1b[33m") || !strings.HasPrefix(lines[2], "\x1b[31m") ||
		!strings.HasSuffix(lines[2], "\x1b[0m") || len(lines) != 4 {
		t.Errorf("got %q", lines)
	}
}

// The built binary's lines come from other processes, and are counted and written as if they were this one's.
func TestLinesOfAnotherProcess(t *testing.T) {
	var here, there, rest bytes.Buffer
	_, measured := telemetry.New("local").Begin(t.Context())
	measured.Add(telemetry.MessagesStored, 3)
	measured.Log(t.Context(), slog.New(slog.NewJSONHandler(&there, nil)), slog.LevelWarn, "invocation",
		slog.String("room", `a "room"`), slog.Int("index", 7), slog.Bool("repeat", false))
	const panicked = "panic: on purpose\n{\"level\":17}\n{} {}\n\n"
	seen := newStats(slog.NewJSONHandler(&here, nil))
	printed := there.String() + panicked
	if n, err := newRelay(seen, &rest).Write([]byte(printed)); n != len(printed) || err != nil {
		t.Error(n, err)
	}
	if here.String() != there.String() || rest.String() != panicked {
		t.Errorf("got\n%s and %s, want\n%s and %s", here.String(), rest.String(), there.String(), panicked)
	}
	if got := seen.sums.all[row{telemetry.MessagesStored, ""}]; got.sum != 3 {
		t.Errorf("counted %+v", got)
	}
}
