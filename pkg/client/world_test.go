package client

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wschat/pkg/backoff"
	"wschat/pkg/localchat"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { http.DefaultClient.CloseIdleConnections() }))
}

// quick is a timing for tests on a network of this machine.
func quick() timing {
	t := defaultTiming()
	t.pauses = backoff.Policy{First: 5 * time.Millisecond, Most: 200 * time.Millisecond}
	t.gap = 20 * time.Millisecond
	t.answer, t.pong, t.heartbeat, t.news = 2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second
	t.patience, t.late = 5*time.Second, 200*time.Millisecond
	return t
}

// startChat starts the real chat in this process until the test ends.
func startChat(t *testing.T, change func(*localchat.Config)) *localchat.Server {
	t.Helper()
	c := localchat.Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(&c)
	}
	s, err := localchat.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func urlOf(addr string) string { return "ws://" + addr + "/dev" }

// connect makes a client, until the test ends.
func connect(t *testing.T, c Config, change func(*timing)) *Client {
	t.Helper()
	timing := quick()
	if change != nil {
		change(&timing)
	}
	client, err := newClient(c, timing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// next returns the next event that is one of the kinds of the messages: not members, presence and the like.
func next(t *testing.T, r *Room) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("no event came: %v", err)
		}
		switch e.(type) {
		case Message, Change, Ready, Expired, Reset:
			return e
		}
	}
}

// until takes events up to the first that is as wanted, and returns it.
func until[E Event](t *testing.T, r *Room, wanted func(E) bool) E {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("no such event came: %v", err)
		}
		if event, ok := e.(E); ok && (wanted == nil || wanted(event)) {
			return event
		}
	}
}

func ready(t *testing.T, r *Room) {
	t.Helper()
	until[Ready](t, r, nil)
}

// send sends a message and fails the test if it is not stored.
func send(t *testing.T, r *Room, content string) Message {
	t.Helper()
	m, err := r.Send(within(t), content)
	if err != nil {
		t.Fatalf("send %.40q: %v", content, err)
	}
	return m
}

// short is an event in a few words.
func short(e Event) string {
	switch e := e.(type) {
	case Message:
		return fmt.Sprintf("%d %s", e.Index, e.Content)
	case Change:
		return fmt.Sprintf("change %d %s", e.Index, e.Content)
	case Expired:
		return fmt.Sprintf("expired %d-%d", e.From, e.To)
	case Reset:
		return fmt.Sprintf("reset %d", e.Last)
	}
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "client."))
}

// expectEvents fails the test unless just these events come next.
func expectEvents(t *testing.T, r *Room, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := short(next(t, r)); got != w {
			t.Fatalf("the event is %q, not %q", got, w)
		}
	}
}
