package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"wschat/pkg/client"
)

// The README's code is in this package's tests, so that it compiles.
func TestTheREADMEsCode(t *testing.T) {
	var code strings.Builder
	for _, file := range []string{"readme_test.go", "example_test.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(flat(string(b)))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("the README has %d pieces of code", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(code.String(), flat(block)) {
			t.Errorf("this code is in no test:\n%s", block)
		}
	}
}

// flat removes the indentation.
func flat(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimLeft(line, "\t "))
	}
	return b.String()
}

// readmeFirst is the beginning of the README.
func readmeFirst(ctx context.Context) error {
	chat, err := client.New(client.Config{URL: "ws://127.0.0.1:8080/dev", User: "ann"})
	if err != nil {
		return err
	}
	defer chat.Close()
	lobby := chat.Join("lobby")
	if _, err := lobby.Send(ctx, "Hello."); err != nil {
		return err
	}
	for event := range lobby.Events(ctx) {
		if m, ok := event.(client.Message); ok {
			fmt.Println(m.Index, m.UserName, m.Content)
		}
	}
	return lobby.Err()
}

// readmeToken is how one signs in.
func readmeToken(fetchToken func(context.Context) (string, error)) (*client.Client, error) {
	return client.New(client.Config{
		URL:    "wss://example.com/dev",
		Token:  fetchToken, // func(context.Context) (string, error)
		Logger: slog.Default(),
	})
}

// readmeEvents takes what a room tells.
func readmeEvents(ctx context.Context, lobby *client.Room) {
	for event := range lobby.Events(ctx) {
		switch e := event.(type) {
		case client.Message: // a new one: each once, in the order of the index
			fmt.Println(e.Index, e.UserName, e.Content)
		case client.Change: // it was edited or deleted, or its reactions have changed
			fmt.Println(e.Index, "is now", e.Content, e.DeletedAt != 0, e.Reactions)
		case client.Ready: // what was there at first is delivered
		case client.Expired: // e.From to e.To expired before they could be delivered
		case client.Reset: // the log went back: forget what was delivered
		case client.Members: // somebody came or went
		}
	}
}

// readmeAfter goes on where the program ended.
func readmeAfter(ctx context.Context, chat *client.Client, load func() int64, save func(int64),
	work func(client.Message)) {
	orders := chat.Join("orders", client.After(load()))
	for event := range orders.Events(ctx) {
		if m, ok := event.(client.Message); ok {
			work(m)
			save(m.Index)
		}
	}
}

// readmeSend sends what must be sent once.
func readmeSend(ctx context.Context, lobby *client.Room) {
	m, err := lobby.SendDraft(ctx, client.Draft{Content: "Order 7 was sent.", ID: "order 7"})
	if e, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println("refused:", e.Code, e.Message)
	}
	fmt.Println("stored as", m.Index)
}

// readmeChanges changes messages.
func readmeChanges(ctx context.Context, lobby *client.Room, m client.Message) error {
	_, err := lobby.Edit(ctx, m, "Order 7 was sent today.")
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == "conflict" {
		fmt.Println("it was changed to", e.Current.Content)
	}
	if _, err := lobby.React(ctx, m.Index, "👍"); err != nil {
		return err
	}
	_, err = lobby.Delete(ctx, m.Index)
	return err
}

// readmeDo asks for what has no method.
func readmeDo(ctx context.Context, chat *client.Client) error {
	_, err := chat.Do(ctx, "createRoom", map[string]any{"room_name": "orders", "private": true})
	return err
}

var _ = []any{readmeFirst, readmeToken, readmeEvents, readmeAfter, readmeSend, readmeChanges, readmeDo}
