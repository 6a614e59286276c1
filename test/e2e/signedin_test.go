package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/client"
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := join(t, client.Config{URL: url, Token: always(token)}, room)
	said, err := r.Send(ctx, "A smoke test.")
	if err != nil || said.UserName == "" || said.Index == 0 {
		t.Fatalf("said %+v, %v", said, err)
	}
	page, err := r.History(ctx, client.Span{})
	if err != nil || !slices.ContainsFunc(page.Messages, func(m client.Message) bool { return m.ID == said.ID }) {
		t.Errorf("the message is not in history: %+v, %v", page, err)
	}
	if users, err := r.Members(ctx); err != nil || len(users) == 0 {
		t.Errorf("the members are %+v, %v", users, err)
	}
	if err := r.Leave(ctx); err != nil {
		t.Error(err)
	}
}

// The smoke test of a chat where one must sign in, on this machine.
func TestSignedIn(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	local := localchat.Start(t, "-demo-users", "ann")
	signedIn(t, local.URL(), tokenOf(t, local), "")
}

// tokenOf reads the token of the next of the -demo-users.
func tokenOf(t *testing.T, local localchat.Chat) string {
	t.Helper()
	user, err := local.Printed.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, token, ok := strings.Cut(strings.TrimSpace(user), "#token=")
	if !ok {
		t.Fatalf("local printed %q", user)
	}
	return token
}

func always(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}
