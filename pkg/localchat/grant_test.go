package localchat

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/test/issuer"
)

// What clients may do once they are in: a room that the token does not allow is refused to every action, under
// whatever name.
func TestRoomsOutsideTheToken(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		c, status := d.knock(t, "?user_name=eve", "chat", p.Token(map[string]any{"rooms": []string{"lobby", "team-*",
			"caf\u00e9", "a*b"}}))
		if status != 101 {
			t.Fatal(status)
		}
		actions := []map[string]any{
			{"action": "sendMessage", "user_name": "ann", "content": "hello"},
			{"action": "getRecentMessages"}, {"action": "joinRoom"}, {"action": "leaveRoom"}, {"action": "getMembers"},
		}
		for _, room := range []string{"attic", "Lobby", "lob", "lobbyx", "team", "Team-1", "cafe", "cafe\u0300",
			"l\u043ebby", "axb", "*"} {
			for _, action := range actions {
				action["room_name"], action["ref"] = room, "r"
				if answer := ask(t, c, action, 1)[0]; codeOf(answer) != "forbidden" || answer["ref"] != "r" {
					t.Errorf("%s of %q: %v", action["action"], room, answer)
				}
			}
		}
		for _, room := range []string{"lobby", "team-", "team-1", "caf\u00e9", "cafe\u0301", "a*b"} {
			for _, action := range actions {
				action["room_name"], action["ref"] = room, "r"
				if answer := ask(t, c, action, 1)[0]; codeOf(answer) != "" {
					t.Errorf("%s of %q: %v", action["action"], room, answer)
				}
			}
		}
	})
}

// The name is the token's, whatever the frame says.
func TestTheNameIsTheTokens(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		c, status := d.knock(t, "?room_name=lobby&user_name=eve", "chat",
			p.Token(map[string]any{"rooms": []string{"*"}}))
		if status != 101 {
			t.Fatal(status)
		}
		members := ask(t, c, map[string]any{"action": "getMembers", "room_name": "lobby"}, 1)[0]
		if !strings.Contains(jsonOf(members), `"user_name":"ann"`) || strings.Contains(jsonOf(members), "eve") {
			t.Errorf("the members are %v", members)
		}
		for _, name := range []any{"eve", 7, nil, "ann"} {
			frame := map[string]any{"action": "sendMessage", "room_name": "lobby", "content": "hello",
				"user_name": name}
			if name == nil {
				delete(frame, "user_name")
			}
			told := name == "eve" || name == 7
			got := ask(t, c, frame, map[bool]int{true: 2, false: 1}[told])
			if text := jsonOf(got[0]); !strings.Contains(text, `"user_name":"ann"`) {
				t.Errorf("under the name %v was stored %s", name, text)
			}
			if told && codeOf(got[1]) != "name_ignored" {
				t.Errorf("under the name %v: %v", name, got[1])
			}
		}
	})
}

// A connection does not outlive its token: it is sent nothing more, and what it asks for closes it.
func TestATokenEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for tokens to end")
	}
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		rooms := map[string]any{"rooms": []string{"*"}}
		end := time.Now().Add(12 * time.Second) // with the skew that is allowed
		short, status := d.knock(t, "?room_name=lobby", "chat", p.Token(map[string]any{"rooms": rooms["rooms"],
			"name": "bob", "exp": end.Unix() - 30}))
		if status != 101 {
			t.Fatal(status)
		}
		long, _ := d.knock(t, "?room_name=lobby", "chat", p.Token(rooms))
		send := map[string]any{"action": "sendMessage", "room_name": "lobby", "content": "hello"}
		ask(t, long, send, 1)
		if got := ask(t, short, map[string]any{"action": "getMembers", "room_name": "lobby", "ref": "1"},
			3); !strings.Contains(jsonOf(got), "hello") {
			t.Errorf("before the token ended came %v", got)
		}
		time.Sleep(time.Until(end))
		ask(t, long, send, 1)
		answer := ask(t, short, map[string]any{"action": "getRecentMessages", "room_name": "lobby", "ref": "2"}, 1)[0]
		if codeOf(answer) != "token_expired" { // and not the message before it
			t.Errorf("after the token ended came %v", answer)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, _, err := short.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("then the connection saw %v", err)
		}
	})
}
