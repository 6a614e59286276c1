package main

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"wschat/pkg/localgateway"
)

// gate stands between the gateway and the chat. While it is shut, no connection is made; pages are loaded all the same.
type gate struct {
	browsers *browsers
	inner    localgateway.Handler

	mu          sync.Mutex
	isShut      bool
	connections []string       // that were made
	sent        map[string]int // how often each content was sent
	lost        string         // a content after which the gate is shut: it is stored, and the sender does not learn of it
	slow        time.Duration  // of each answer with history
}

// startGated starts the chat behind a gate, and a browser.
func startGated(t *testing.T) (*browsers, *gate) {
	t.Helper()
	b := startBrowsers(t, nil)
	g := &gate{browsers: b, sent: map[string]int{}}
	b.stop(t)
	b.options.wrap = func(inner localgateway.Handler) localgateway.Handler {
		g.inner = inner
		return g
	}
	b.start(t)
	return b, g
}

func (g *gate) shut() {
	g.mu.Lock()
	g.isShut = true
	connections := g.connections
	g.connections = nil
	g.mu.Unlock()
	for _, id := range connections {
		g.browsers.server.gateway.Drop(id)
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut = false
}

// lose shuts the gate once a message with this content is sent. The message is stored.
func (g *gate) lose(content string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost = content
}

// delayHistory has each answer with history take so long.
func (g *gate) delayHistory(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slow = d
}

func (g *gate) historyDelay() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.slow
}

func (g *gate) timesSent(content string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent[content]
}

// Invoke passes an event on.
func (g *gate) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event struct {
		Context struct{ EventType, ConnectionID string } `json:"requestContext"`
		Body    string
	}
	var frame struct{ Action, Content string }
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	_ = json.Unmarshal([]byte(event.Body), &frame)
	if event.Context.EventType == "CONNECT" && !g.admit(event.Context.ConnectionID) {
		return []byte(`{"statusCode":500}`), nil
	}
	if frame.Action == "getRecentMessages" {
		time.Sleep(g.historyDelay())
	}
	if frame.Action == "sendMessage" && g.count(frame.Content) {
		g.shut()
	}
	return g.inner.Invoke(ctx, payload)
}

func (g *gate) admit(connection string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.connections = append(g.connections, connection)
	return !g.isShut
}

// count counts what is sent, and tells whether the gate is to be shut after it.
func (g *gate) count(content string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent[content]++
	return content == g.lost
}
