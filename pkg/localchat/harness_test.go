package localchat

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/localgateway"
)

// harness is the chat as run starts it, with a clock that ticks when an invocation begins and when it ends, so that a
// test can say what happened before what.
type harness struct {
	server *Server
	lossy  atomic.Bool // lose every $disconnect, as a network that drops does
	clock  atomic.Int64

	mu    sync.Mutex
	calls map[string]chan struct{} // by trace, closed when the invocation has ended
	sends map[string]*sendTimes    // by content
}

// sendTimes are when the first invocation with some content began and when the last one ended.
type sendTimes struct{ began, ended int64 }

func newHarness(t *testing.T) *harness {
	h := &harness{calls: map[string]chan struct{}{}, sends: map[string]*sendTimes{}}
	s, err := Start(t.Context(), Config{
		Addr:   "127.0.0.1:0",
		Data:   filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Wrap:   func(inner localgateway.Handler) localgateway.Handler { return watch{h, inner} },
	})
	if err != nil {
		t.Fatal(err)
	}
	h.server = s
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// watch is the handler with the harness around it.
type watch struct {
	h     *harness
	inner localgateway.Handler
}

func (w watch) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event struct {
		Context struct{ EventType string } `json:"requestContext"`
		Body    string
	}
	var frame struct{ Trace, Content string }
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	_ = json.Unmarshal([]byte(event.Body), &frame)
	if event.Context.EventType == "DISCONNECT" && w.h.lossy.Load() {
		return []byte(`{"statusCode":200}`), nil
	}
	if event.Context.EventType == "CONNECT" {
		// The row is written; on AWS it takes a while longer until the handshake is answered and posts are taken.
		defer time.Sleep(3 * time.Millisecond)
	}
	if frame.Trace == "" {
		return w.inner.Invoke(ctx, payload)
	}
	w.h.begin(frame.Content)
	defer w.h.end(frame.Trace, frame.Content)
	return w.inner.Invoke(ctx, payload)
}

func (h *harness) now() int64 { return h.clock.Add(1) }

// expect returns a channel that is closed when the invocation for a frame with this trace has ended.
func (h *harness) expect(trace string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	done := make(chan struct{})
	h.calls[trace] = done
	return done
}

func (h *harness) begin(content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sends[content] == nil {
		h.sends[content] = &sendTimes{began: h.now()}
	}
}

func (h *harness) end(trace, content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sends[content].ended = h.now()
	close(h.calls[trace])
	delete(h.calls, trace)
}

func (h *harness) times(content string) (began, ended int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sends[content].began, h.sends[content].ended
}

// fataler is a test or a property.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (h *harness) tail(t fataler, room string) int64 {
	t.Helper()
	tail, err := h.server.Log.Tail(context.Background(), room)
	if err != nil {
		t.Fatalf("tail: %v", err)
	}
	return tail
}

func (h *harness) readAll(t fataler, room string) []chat.Message {
	t.Helper()
	all, err := h.server.Log.Read(context.Background(), room, chat.Span{Limit: 1 << 20})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return all
}
