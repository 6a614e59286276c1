package localchat

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/config"
	"wschat/test/logbuffer"
)

// Equal settings give equal behaviour, in this process and in the function that Lambda runs. Each setting that the
// local chat has a flag for shows in what a client sees.
func TestEqualSettingsGiveEqualBehaviour(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for tokens to come back")
	}
	others := config.Values{
		config.MaxRooms: "1", config.ActionsPerSecond: "1", config.PresenceLimit: "0",
		config.AllowedOrigins: "https://chat.example.com",
	}
	ways(t, func(t *testing.T, bootstrap string) {
		for _, tc := range []struct {
			settings config.Values
			want     string
		}{
			{nil, "foreign page 101, 5 of 5 rooms, refused false, lists true"},
			{others, "foreign page 403, 1 of 5 rooms, refused true, lists false"},
		} {
			if got := behaviour(t, bootstrap, tc.settings); got != tc.want {
				t.Errorf("with the settings %v a client sees %q, want %q", tc.settings, got, tc.want)
			}
		}
	})
}

// behaviour is what a client sees of the settings.
func behaviour(t *testing.T, bootstrap string, settings config.Values) string {
	t.Helper()
	dynamodb := ""
	if bootstrap != "" {
		dynamodb = database.Apart(t)
	}
	s, err := Start(t.Context(), Config{
		Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"), DynamoDB: dynamodb, Bootstrap: bootstrap,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Output: &logbuffer.Buffer{}, Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	url := "ws://" + s.Addr + "/" + Stage
	status := http.StatusSwitchingProtocols
	foreign, answer, err := websocket.Dial(t.Context(), url,
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil.example.com"}}})
	if err != nil {
		status = answer.StatusCode
	} else {
		_ = foreign.CloseNow()
	}
	c, _, err := websocket.Dial(t.Context(), url+"?user_name=ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	lists := 0
	answered := func(frame, key string) bool {
		t.Helper()
		ref := fmt.Sprintf(`"ref":"%d"`, time.Now().UnixNano())
		if err := c.Write(t.Context(), websocket.MessageText, []byte(`{`+ref+`,`+frame+`}`)); err != nil {
			t.Fatal(err)
		}
		for {
			_, text, err := c.Read(t.Context())
			switch {
			case err != nil:
				t.Fatal(err)
			case strings.Contains(string(text), ref):
				return strings.HasPrefix(string(text), `{"`+key+`"`)
			case strings.HasPrefix(string(text), `{"members"`):
				lists++
			}
		}
	}
	rooms, refused := 0, false
	for i := range 5 {
		if i > 0 {
			time.Sleep(1100 * time.Millisecond) // as many requests as are allowed again
		}
		if answered(fmt.Sprintf(`"action":"joinRoom","room_name":"room%d","user_name":"ann"`, i), "presence") {
			rooms++
		}
	}
	time.Sleep(3100 * time.Millisecond) // the bucket is full
	for range 60 {
		if refused = !answered(`"action":"ping"`, "pong"); refused {
			break
		}
	}
	return fmt.Sprintf("foreign page %d, %d of 5 rooms, refused %v, lists %v", status, rooms, refused, lists > 0)
}
