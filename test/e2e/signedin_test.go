package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/test/localchat"
)

// signedIn has one user, who has a token, talk to a chat: to a room and in it.
func signedIn(t *testing.T, url, token, room string) {
	t.Helper()
	if room == "" {
		room = fmt.Sprintf("smoke-%x", time.Now().UnixNano())
	}
	t.Logf("the chat at %s, room %s, with a token", url, room)
	if status, _, err := handshake(url); err != nil || status != 401 {
		t.Errorf("without a token a handshake is answered with %d, %v", status, err)
	}
	p, err := dial(url, "chat", token)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	schemas := loadSchemas(t)
	ask := func(fields map[string]any) (answer map[string]any) {
		t.Helper()
		fields["room_name"] = room
		frame, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.send(string(frame)); err != nil {
			t.Fatal(err)
		}
		text, err := p.next(ctx)
		for ; err == nil && isAnnounced(text); text, err = p.next(ctx) {
		}
		if err != nil {
			t.Fatalf("%s is not answered: %v", frame, err)
		}
		if err := schemas.check(text); err != nil {
			t.Error(err)
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer["error"] != nil {
			t.Fatalf("%s is answered with %s", frame, text)
		}
		return answer
	}
	ask(map[string]any{"action": "joinRoom", "ref": "1"})
	id := fmt.Sprint(time.Now().UnixNano())
	said := ask(map[string]any{"action": "sendMessage", "content": "A smoke test.", "message_id": id})
	if first := said["messages"].([]any)[0].(map[string]any); first["message_id"] != id || first["user_name"] == "" {
		t.Errorf("got %v", said)
	}
	if page := fmt.Sprint(ask(map[string]any{"action": "getRecentMessages", "ref": "2"})); !strings.Contains(page, id) {
		t.Errorf("the message is not in history: %s", page)
	}
	if members := ask(map[string]any{"action": "getMembers",
		"ref": "3"}); len(members["members"].(map[string]any)["users"].([]any)) == 0 {
		t.Errorf("got %v", members)
	}
	ask(map[string]any{"action": "leaveRoom", "ref": "4"})
}

// The smoke test of a chat where one must sign in, on this machine.
func TestSignedIn(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	local := localchat.Start(t, "-demo-users", "ann")
	user, err := local.Printed.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(strings.TrimSpace(user), "#token=")
	signedIn(t, local.URL(), token, "")
}
