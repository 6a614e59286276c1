package localchat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/coder/websocket"
	"wschat/pkg/config"
)

// hostileLine holds what must not get to a terminal: a sequence of the C1 controls, an override of the direction, the
// end of a line and a mark of direction.
const hostileLine = "eve\u009b31m\u202etxt\u2028 level=ERROR\u200f\x1b[2J\x7f"

// rawCharacters are those of a log that no client may write there.
func rawCharacters(log string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return r
		}
		return -1
	}, log)
}

// Whatever a client sends, in a query, a header, or a frame, the log has no raw characters of it.
func TestTheLogIsPlainWhateverClientsSend(t *testing.T) {
	for kind, handler := range map[string]func(io.Writer) slog.Handler{"JSON": newLogHandler, "terminal": newTerminal} {
		t.Run(kind, func(t *testing.T) {
			var lines bytes.Buffer
			s, err := Start(t.Context(), Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
				Logger:   slog.New(handler(&lines)),
				Settings: config.Values{config.AllowedOrigins: "https://chat.example.com"}})
			if err != nil {
				t.Fatal(err)
			}
			dial := func(query url.Values, header http.Header) *websocket.Conn {
				c, _, err := websocket.Dial(t.Context(), "ws://"+s.Addr+"/dev?"+query.Encode(),
					&websocket.DialOptions{HTTPHeader: header})
				if err != nil {
					return nil
				}
				t.Cleanup(func() { _ = c.CloseNow() })
				return c
			}
			dial(url.Values{"room_name": {hostileLine}}, nil)
			dial(url.Values{"user_name": {hostileLine}}, nil)
			dial(url.Values{hostileLine: {"x"}}, nil)
			printable := strings.NewReplacer("\x1b", "", "\x7f", "").Replace(hostileLine) // what a header can have
			dial(nil, http.Header{"Origin": {"https://" + printable}})
			dial(nil, http.Header{"User-Agent": {printable}})
			c := dial(nil, nil)
			if c == nil {
				t.Fatal("no connection")
			}
			sends := []map[string]any{{"action": hostileLine}, {"action": "joinRoom", "ref": "\u202e"}}
			for _, field := range []string{"room_name", "user_name", "message_id", "content", "ref"} {
				frame := map[string]any{"action": "sendMessage", "room_name": "r", "user_name": "ann", "content": "c",
					"message_id": "m"}
				frame[field] = hostileLine
				sends = append(sends, frame)
			}
			sends = append(sends, map[string]any{"action": "sendMessage", "room_name": "r", "user_name": "ann",
				"content": "c", "message_id": "\u202em"})
			for _, frame := range sends {
				text, _ := json.Marshal(frame)
				if err := c.Write(t.Context(), websocket.MessageText, text); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			s.http.ErrorLog.Print("http: panic serving: " + hostileLine)
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			log := lines.String()
			if kind == "terminal" { // its own colours
				log = strings.NewReplacer("\x1b[31m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(log)
			}
			if got := rawCharacters(log); got != "" || !strings.Contains(log, `\u202e`) {
				t.Errorf("the log has %+q: %+q", got, log)
			}
		})
	}
}

// Lines of other processes, and what is no line of a log, are plain as well.
func TestTheLogOfAnotherProcessIsPlain(t *testing.T) {
	var there, here, rest bytes.Buffer
	slog.New(slog.NewJSONHandler(&there, nil)).Error(hostileLine, hostileLine, hostileLine, "error",
		errors.New(hostileLine))
	there.WriteString("panic: " + hostileLine + "\n")
	r := newRelay(newTerminal(&here), &rest)
	if n, err := r.Write(there.Bytes()); n != there.Len() || err != nil {
		t.Error(n, err)
	}
	colours := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "")
	if got := rawCharacters(colours.Replace(here.String())); got != "" ||
		!strings.Contains(here.String(), "level=ERROR") {
		t.Errorf("the log has %+q: %+q", got, here.String())
	}
	if got := rest.String(); rawCharacters(got) != "" || !strings.HasPrefix(got, `panic: eve\u009b31m`) {
		t.Errorf("the rest is %+q", got)
	}
}

// FuzzLinesForPeople: a line for people is one line, and plain.
func FuzzLinesForPeople(f *testing.F) {
	f.Add("msg", "key", "value")
	f.Add(hostileLine, hostileLine, hostileLine)
	f.Add("\xff\u2029", "", "a b=\"\\u202e\n")
	f.Fuzz(func(t *testing.T, message, key, value string) {
		var out bytes.Buffer
		line := slog.NewRecord(time.Unix(1795620000, 0), slog.LevelInfo, message, 0)
		line.AddAttrs(slog.String(key, value), slog.Any("nested", json.RawMessage(`{"a":"`+strings.ToValidUTF8(value,
			"")+`"}`)))
		if err := newTerminal(&out).Handle(t.Context(), line); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); rawCharacters(got) != "" || strings.Count(got, "\n") != 1 {
			t.Errorf("got %+q", got)
		}
	})
}
