package e2e

import (
	"context"
	"fmt"
	"testing"

	"wschat/pkg/client"
	"wschat/test/localchat"
)

// join has a client of pkg/client enter a room, until the test ends. Every frame that it sends or gets must be as
// pkg/protocol/asyncapi.yaml says.
func join(t *testing.T, c client.Config, room string, options ...client.JoinOption) *client.Room {
	t.Helper()
	schemas := loadSchemas(t)
	check := func(check func(string) error) func([]byte) {
		return func(frame []byte) {
			if err := check(string(frame)); err != nil {
				t.Error(err)
			}
		}
	}
	c.Trace.Received, c.Trace.Sent = check(schemas.check), check(schemas.checkClient)
	chat, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chat.Close)
	r := chat.Join(room, options...)
	nextOf[client.Ready](t, r)
	return r
}

// nextOf returns the next event of one kind.
func nextOf[E client.Event](t *testing.T, r *client.Room) E {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for e := range r.Events(ctx) {
		if event, ok := e.(E); ok {
			return event
		}
	}
	var none E
	t.Fatalf("no %T came: %v", none, r.Err())
	return none
}

// Two people with the Go client talk, edit, react and delete, in an open chat and where they sign in.
func TestTwoPeopleWithTheGoClient(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	for _, flags := range [][]string{nil, {"-demo-users", "ann,bob"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			local := localchat.Start(t, flags...)
			ann, bob := client.Config{URL: local.URL(), User: "ann"}, client.Config{URL: local.URL(), User: "bob"}
			if flags != nil {
				ann.User, ann.Token = "", always(tokenOf(t, local))
				bob.User, bob.Token = "", always(tokenOf(t, local))
			}
			talk(t, join(t, ann, "lobby"), join(t, bob, "lobby", client.After(0)), flags != nil)
		})
	}
}

func talk(t *testing.T, a, b *client.Room, signedIn bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := a.SendDraft(ctx, client.Draft{Content: "hello", Metadata: map[string]int{"order": 7}})
	if err != nil {
		t.Fatal(err)
	}
	got := nextOf[client.Message](t, b)
	if got.Content != "hello" || string(got.Metadata) != `{"order":7}` || (got.UserID != "") != signedIn {
		t.Errorf("bob sees %+v", got)
	}
	if _, err := b.SendDraft(ctx, client.Draft{Content: "hello, ann", ReplyTo: got.Index}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Edit(ctx, said, "hello, bob"); err != nil {
		t.Fatal(err)
	}
	if change := nextOf[client.Change](t, b); change.Content != "hello, bob" {
		t.Errorf("bob sees %+v", change)
	}
	if _, err := b.React(ctx, said.Index, "👍"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Unreact(ctx, said.Index, "👍"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Delete(ctx, said.Index); err != nil {
		t.Fatal(err)
	}
	if users, err := a.Members(ctx); err != nil || len(users) != 2 {
		t.Errorf("the members are %+v, %v", users, err)
	}
	if err := a.Signal(ctx, "waving", map[string]bool{"both": true}); err != nil {
		t.Fatal(err)
	}
	if signal := nextOf[client.Signal](t, b); signal.Name != "waving" {
		t.Errorf("bob sees %+v", signal)
	}
	if err := b.MarkRead(ctx, 2); (err == nil) != signedIn {
		t.Errorf("bob marks: %v", err)
	}
	if err := b.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	if users, err := a.Members(ctx); err != nil || len(users) != 1 {
		t.Errorf("after bob left, the members are %+v, %v", users, err)
	}
}
