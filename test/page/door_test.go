package page_test

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/config"
	"wschat/pkg/localchat"
	"wschat/test/issuer"
	"wschat/test/logbuffer"
)

// door is the chat where people sign in.
type door struct {
	Addr   string
	server *localchat.Server
	log    *logbuffer.Buffer
	ahead  atomic.Int64 // nanoseconds that the authorizer's clock is ahead
}

// startDoor starts the chat with a provider.
func startDoor(t *testing.T, p *issuer.Provider) *door {
	t.Helper()
	d := &door{log: &logbuffer.Buffer{}}
	s, err := localchat.Start(t.Context(), localchat.Config{
		Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"), Logger: slog.New(slog.NewJSONHandler(d.log,
			nil)),
		Settings: config.Values{config.AuthIssuer: p.URL, config.AuthAudience: "chat", config.AuthRoomsClaim: "rooms"},
		Now:      func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Addr, d.server = s.Addr, s
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}
