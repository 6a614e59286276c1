package localchat

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/config"
	"wschat/test/issuer"
	"wschat/test/logbuffer"
)

// samOf are the claims of somebody whom the provider calls sam.
func samOf(subject string) map[string]any {
	return map[string]any{"sub": subject, "name": "sam", "rooms": []string{"*"}}
}

// until reads frames up to one that has all of the texts, and returns it.
func until(t *testing.T, c *websocket.Conn, texts ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, frame, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("no frame has %q: %v", texts, err)
		}
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(string(frame), text) }) {
			return string(frame)
		}
	}
}

// talk sends a frame, and returns the answer to it, which has all of the texts.
func talk(t *testing.T, c *websocket.Conn, frame map[string]any, texts ...string) string {
	t.Helper()
	frame["room_name"] = "lobby"
	ask(t, c, frame, 0)
	return until(t, c, texts...)
}

// Two people of one name are two people: in what is stored, in who is there, and in who comes and goes. One person with
// two names is one.
func TestTwoPeopleOfOneName(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		enter := func(claims map[string]any) *websocket.Conn {
			c, status := d.knock(t, "?room_name=lobby", "chat", p.Token(claims))
			if status != 101 {
				t.Fatal(status)
			}
			return c
		}
		first, second := enter(samOf("u1")), enter(samOf("u2"))
		until(t, first, `"presence"`, `"user_id":"u2"`, `"joined"`)

		// One message id, and one content: two messages.
		send := func(c *websocket.Conn, content string, texts ...string) {
			t.Helper()
			talk(t, c, map[string]any{"action": "sendMessage", "content": content, "message_id": "1"}, texts...)
		}
		send(first, "hi", `"index":1,"user_name":"sam","user_id":"u1"`, `"message_id":"1"`)
		send(second, "hi", `"index":2,"user_name":"sam","user_id":"u2"`, `"message_id":"1"`)
		send(first, "another", `"index":1,"user_name":"sam","user_id":"u1","content":"hi"`)
		send(second, "another", `"index":2,"user_name":"sam","user_id":"u2","content":"hi"`)
		renamed := enter(map[string]any{"sub": "u1", "name": "Sam S.", "rooms": []string{"*"}})
		send(renamed, "hi", `"index":1,"user_name":"sam","user_id":"u1"`)

		history := talk(t, first, map[string]any{"action": "getRecentMessages", "ref": "h"}, `"ref":"h"`)
		if strings.Count(history, `"index"`) != 2 {
			t.Errorf("the history is %s", history)
		}
		members := talk(t, first, map[string]any{"action": "getMembers", "ref": "m"}, `"ref":"m"`)
		for _, want := range []string{`"user_name":"Sam S.","user_id":"u1","connections":2`,
			`"user_name":"sam","user_id":"u2","connections":1`} {
			if !strings.Contains(members, want) {
				t.Errorf("the members are %s, without %s", members, want)
			}
		}
		joined := talk(t, second, map[string]any{"action": "joinRoom", "ref": "j"}, `"ref":"j"`)
		want := `{"presence":{"room_name":"lobby","user_name":"sam","user_id":"u2","event":"joined"},"ref":"j"}`
		if joined != want {
			t.Errorf("joining is answered with %s, want %s", joined, want)
		}
		if err := second.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		until(t, first, `"presence"`, `"user_id":"u2"`, `"left"`)
	})
}

// With another claim nobody sees a subject, and nobody comes in without that claim.
func TestTheSubjectIsNotShown(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoorWith(t, p, bootstrap, config.Values{config.AuthIDClaim: "profile"})
		if _, status := d.knock(t, "?room_name=lobby", "chat", p.Token(samOf("secret"))); status != 403 {
			t.Errorf("without the claim: %d", status)
		}
		claims := samOf("secret")
		claims["profile"] = "profile-17"
		c, status := d.knock(t, "?room_name=lobby", "chat", p.Token(claims))
		if status != 101 {
			t.Fatal(status)
		}
		frames := talk(t, c, map[string]any{"action": "sendMessage", "content": "hi"}, `"user_id":"profile-17"`) +
			talk(t, c, map[string]any{"action": "getMembers", "ref": "m"}, `"user_id":"profile-17"`) +
			talk(t, c, map[string]any{"action": "joinRoom", "ref": "j"}, `"user_id":"profile-17"`)
		if strings.Contains(frames, "secret") || strings.Contains(d.log.String(), "secret") ||
			strings.Contains(d.log.String(), "profile-17") {
			t.Errorf("the subject is shown: %s", frames)
		}
	})
}

// In the open chat there are no ids, whatever a frame says.
func TestTheOpenChatHasNoIDs(t *testing.T) {
	s, err := Start(t.Context(), Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.DiscardHandler), Output: &logbuffer.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	c, _, err := websocket.Dial(t.Context(), "ws://"+s.Addr+"/dev?room_name=lobby&user_name=ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	frames := ""
	for i, frame := range []map[string]any{
		{"action": "sendMessage", "user_name": "ann", "content": "hi"},
		{"action": "joinRoom", "user_name": "ann", "members": true, "after": 0}, {"action": "getMembers"},
		{"action": "getRecentMessages"}, {"action": "leaveRoom", "user_name": "ann"},
	} {
		frame["user_id"], frame["ref"] = "u1", fmt.Sprint(i)
		last := fmt.Sprintf(`"ref":"%d"`, i)
		if i == 0 {
			last = `"index":1`
		}
		frames += talk(t, c, frame, last)
	}
	if strings.Contains(frames, "user_id") {
		t.Errorf("the open chat says %s", frames)
	}
}

// A message is stored under the id of the user, however the claim is written.
func TestIDsAreCarriedByteForByte(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	d := startDoor(t, p, "")
	for i, id := range []string{"e\u0301", "\u00e9", " u ", "a\x00b", "\u202e\U0001f600", strings.Repeat("\x01", 255)} {
		c, status := d.knock(t, "?room_name=lobby", "chat", p.Token(samOf(id)))
		if status != 101 {
			t.Fatalf("%q: %d", id, status)
		}
		answer := talk(t, c, map[string]any{"action": "sendMessage", "content": "hi", "message_id": "1"},
			fmt.Sprintf(`"index":%d,`, i+1))
		var got struct {
			Messages []struct {
				UserID string `json:"user_id"`
			}
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || len(got.Messages) != 1 ||
			got.Messages[0].UserID != id {
			t.Errorf("%q: %s, %v", id, answer, err)
		}
	}
}
