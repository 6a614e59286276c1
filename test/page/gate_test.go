package page_test

import (
	"context"
	"encoding/json"
	"errors"
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
	// a content after which the gate is shut: it is stored, and the sender does not learn of it
	lost   string
	slow   time.Duration  // of each answer with history
	broken string         // a room that cannot be joined: the function fails
	listed map[string]int // how often the members of each room were asked for
}

// startGated starts the chat behind a gate, and a browser.
func startGated(t *testing.T) (*browsers, *gate) {
	t.Helper()
	b := startBrowsers(t, nil)
	g := &gate{browsers: b, sent: map[string]int{}, listed: map[string]int{}}
	b.stop(t)
	b.options.Wrap = func(inner localgateway.Handler) localgateway.Handler {
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
		g.browsers.server.Gateway.Drop(id)
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

// breakRoom has every attempt to join a room fail.
func (g *gate) breakRoom(room string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = room
}

func (g *gate) isBroken(room string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return room != "" && room == g.broken
}

func (g *gate) countList(room string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listed[room]++
}

// timesListed tells how often the members of a room were asked for since the last time.
func (g *gate) timesListed(room string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.listed[room]
	g.listed[room] = 0
	return n
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
	var frame struct {
		Action, Content string
		Room            string `json:"room_name"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	_ = json.Unmarshal([]byte(event.Body), &frame)
	if event.Context.EventType == "CONNECT" && !g.admit(event.Context.ConnectionID) {
		return []byte(`{"statusCode":500}`), nil
	}
	switch frame.Action {
	case "joinRoom":
		if g.isBroken(frame.Room) {
			return nil, errors.New("this room is broken")
		}
	case "getMembers":
		g.countList(frame.Room)
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

// count counts what is sent, and reports whether the gate is to be shut after it.
func (g *gate) count(content string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent[content]++
	return content == g.lost
}
