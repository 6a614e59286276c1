package page_test

import (
	"os"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/localchat"
)

// mostlyWaits runs a test that takes half a minute or more beside others, and leaves it out of a short run.
func mostlyWaits(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it waits for a minute")
	}
	t.Parallel()
}

// say stores a message, which nobody is sent, and returns its index.
func say(t *testing.T, s *localchat.Server, room, user, content string) int64 {
	t.Helper()
	return store(t, s, chat.Message{Room: room, User: user, Content: content, CreateAt: time.Now().Unix()})
}

// store does the same with a whole message.
func store(t *testing.T, s *localchat.Server, m chat.Message) int64 {
	t.Helper()
	stored, _, err := s.Log.Append(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Index
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
