package app

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/config"
)

// countedPings is a log that counts its pings.
type countedPings struct {
	chat.Log
	writes atomic.Int64
}

func (c *countedPings) Ping(context.Context) error {
	c.writes.Add(1)
	return nil
}

// The writes of GET /ping are shared, whatever the store is.
func TestPingsAreSharedWhateverTheStore(t *testing.T) {
	log := &countedPings{}
	handler, err := New(config.Config{}, Stores{Log: log}, Process{Workers: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 400 {
		answer, err := handler.Invoke(t.Context(), []byte(`{"requestContext":{"routeKey":"GET /ping"}}`))
		if err != nil || !strings.Contains(string(answer), "PONG!") {
			t.Fatalf("%s, %v", answer, err)
		}
	}
	if most := 1 + int64(time.Since(began)/time.Second); log.writes.Load() < 1 || log.writes.Load() > most {
		t.Errorf("400 pings in %v wrote %d times, want 1 to %d", time.Since(began), log.writes.Load(), most)
	}
}
