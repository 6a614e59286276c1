package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wschat/pkg/client"
	"wschat/pkg/localchat"
)

// bot answers each !ping in the lobby, until ctx ends.
func bot(ctx context.Context, url string) error {
	chat, err := client.New(client.Config{URL: url, User: "bot"})
	if err != nil {
		return err
	}
	defer chat.Close()
	lobby := chat.Join("lobby", client.History(0)) // it answers what is new
	for event := range lobby.Events(ctx) {
		m, ok := event.(client.Message)
		if !ok || chat.IsMe(m) || m.Content != "!ping" {
			continue
		}
		if _, err := lobby.React(ctx, m.Index, "👀"); err != nil {
			return err
		}
		_, err := lobby.SendDraft(ctx, client.Draft{
			Content: "pong, " + m.UserName,
			ReplyTo: m.Index,
			ID:      fmt.Sprint("pong to ", m.Index), // two bots of this name answer once
		})
		if err != nil {
			return err
		}
	}
	return lobby.Err() // nil if ctx has ended
}

// A bot and a person talk in a chat of this process.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	url, stop := startChat(ctx)
	defer stop()
	botCtx, stopBot := context.WithCancel(ctx)
	defer stopBot()
	ended := make(chan error)
	go func() { ended <- bot(botCtx, url) }()

	chat, err := client.New(client.Config{URL: url, User: "ann"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer chat.Close()
	lobby, asked, reacted, answered := chat.Join("lobby"), false, false, false
	for event := range lobby.Events(ctx) {
		switch e := event.(type) {
		case client.Members:
			isThere := slices.ContainsFunc(e.Users, func(u client.User) bool { return u.Name == "bot" })
			if isThere && !asked {
				asked = true
				_, err = lobby.Send(ctx, "!ping")
			}
		case client.Change:
			reacted = true
			fmt.Println(e.Content, "has", e.Reactions[0].Reaction)
		case client.Message:
			fmt.Println(e.UserName+":", e.Content)
			answered = e.UserName == "bot"
		}
		if reacted && answered || err != nil {
			break
		}
	}
	fmt.Println("error:", err)
	stopBot()
	<-ended // with nil, or with the end of its context
	// Unordered output:
	// ann: !ping
	// !ping has 👀
	// bot: pong, ann
	// error: <nil>
}

// startChat starts the chat in this process. A bot of your own needs its URL only.
func startChat(ctx context.Context) (url string, stop func()) {
	dir, err := os.MkdirTemp("", "chat")
	if err != nil {
		panic(err)
	}
	s, err := localchat.Start(ctx, localchat.Config{Addr: "127.0.0.1:0", Data: filepath.Join(dir, "chat.db"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		panic(err)
	}
	return "ws://" + s.Addr + "/dev", func() {
		_ = s.Stop()
		_ = os.RemoveAll(dir)
	}
}
