package localchat

import (
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/coder/websocket"
)

// What is not UTF-8 in a query would become U+FFFD on its way, and several names one. They are refused, as is U+FFFD
// itself.
func TestNamesThatWereLostInTheQuery(t *testing.T) {
	s, err := Start(t.Context(), Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	for _, name := range []string{"%ED%A0%80", "a%FFb", "%C3", "a%EF%BF%BDb", "%ED%A0%BD%ED%B8%80"} {
		for _, field := range []string{"room_name", "user_name"} {
			c, answer, err := websocket.Dial(t.Context(), "ws://"+s.Addr+"/dev?"+field+"="+name, nil)
			if err == nil {
				_ = c.CloseNow()
				t.Errorf("%s=%s is taken", field, name)
				continue
			}
			if body, _ := io.ReadAll(answer.Body); answer.StatusCode != 400 {
				t.Errorf("%s=%s: %d %s", field, name, answer.StatusCode, body)
			}
		}
	}
}
