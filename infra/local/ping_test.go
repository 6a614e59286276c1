package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/chat"
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

// The chat on this machine shares the writes of GET /ping, whatever its store is.
func TestAFloodOfPingsWritesLittle(t *testing.T) {
	log := &countedPings{}
	o := options{logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	b, err := inProcess(o, "http://127.0.0.1:1", chat.Service{Log: log}, nothing)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 400 {
		answer, err := b.handler.Invoke(t.Context(), []byte(`{"requestContext":{"routeKey":"GET /ping"}}`))
		if err != nil || !strings.Contains(string(answer), "PONG!") {
			t.Fatalf("%s, %v", answer, err)
		}
	}
	if most := 1 + int64(time.Since(began)/time.Second); log.writes.Load() < 1 || log.writes.Load() > most {
		t.Errorf("400 pings in %v wrote %d times, want 1 to %d", time.Since(began), log.writes.Load(), most)
	}
}
