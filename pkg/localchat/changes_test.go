package localchat

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/test/logbuffer"
)

// mirror is a client that shows a room, by the rules for clients in pkg/protocol's README.
type mirror struct {
	url, user string

	mu      sync.Mutex
	conn    *websocket.Conn
	shown   map[int64]shownMessage // by index: of what was seen, the greatest version
	last    int64                  // the messages up to this index are there
	upTo    int64                  // the changes up to this number are there
	refs    int
	answers map[string]chan struct{} // by ref, closed by the last frame of the answer
}

type shownMessage struct {
	Index     int64           `json:"index"`
	Version   int64           `json:"version"`
	User      string          `json:"user_name"`
	Content   string          `json:"content"`
	EditedAt  int64           `json:"edited_at"`
	DeletedAt int64           `json:"deleted_at"`
	Reactions json.RawMessage `json:"reactions"`
}

type mirrorFrame struct {
	Messages []shownMessage
	Changes  *struct {
		Messages []shownMessage
		After    *int64 `json:"after"`
		UpTo     *int64 `json:"up_to"`
	}
	More, Part bool
	Ref        string
	Error      json.RawMessage
}

// online connects, or connects again, and catches up with both logs.
func (m *mirror) online(t *testing.T) {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), m.url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	c.SetReadLimit(1 << 20)
	m.mu.Lock()
	m.conn = c
	after, changesAfter := m.last, m.upTo
	m.mu.Unlock()
	go m.read(t, c)
	m.ask(t, map[string]any{"action": "joinRoom", "after": after, "limit": 100, "changes_after": changesAfter})
	m.catchUp(t)
}

// catchUp asks for messages and changes until there are no more.
func (m *mirror) catchUp(t *testing.T) {
	t.Helper()
	for range 3 { // what is missing after these is sent live
		m.mu.Lock()
		after, changesAfter := m.last, m.upTo
		m.mu.Unlock()
		m.ask(t, map[string]any{"action": "getRecentMessages", "after": after, "limit": 100})
		m.ask(t, map[string]any{"action": "getChanges", "after": changesAfter})
	}
}

// read takes frames until the connection ends. Each is late for a while, so that frames of both feeds and pages of the
// history overtake one another.
func (m *mirror) read(t *testing.T, c *websocket.Conn) {
	for {
		_, b, err := c.Read(context.Background())
		if err != nil {
			return
		}
		var f mirrorFrame
		if err := json.Unmarshal(b, &f); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		time.AfterFunc(rand.N(50*time.Millisecond), func() { m.take(f) })
	}
}

// take takes what a frame says of messages.
func (m *mirror) take(f mirrorFrame) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.see(f.Messages)
	for m.shown[m.last+1].Index > 0 {
		m.last++
	}
	if c := f.Changes; c != nil {
		m.see(c.Messages)
		if c.After != nil && *c.After <= m.upTo {
			m.upTo = max(m.upTo, *c.UpTo)
		}
	}
	if done := m.answers[f.Ref]; done != nil && !f.Part {
		delete(m.answers, f.Ref)
		close(done)
	}
}

func (m *mirror) see(messages []shownMessage) {
	for _, seen := range messages {
		if held, ok := m.shown[seen.Index]; !ok || held.Version < seen.Version {
			m.shown[seen.Index] = seen
		}
	}
}

// ask sends a frame and waits for its answer, or for so long that the connection must have ended.
func (m *mirror) ask(t *testing.T, frame map[string]any) {
	t.Helper()
	m.mu.Lock()
	m.refs++
	ref, done, c := fmt.Sprint(m.refs), make(chan struct{}), m.conn
	m.answers[ref] = done
	m.mu.Unlock()
	frame["room_name"], frame["user_name"], frame["ref"] = "lobby", m.user, ref
	b, err := json.Marshal(frame)
	if err != nil {
		t.Error(err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, b); err != nil {
		return
	}
	if frame["action"] == "sendMessage" { // it is answered by the message, which has no ref
		return
	}
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Errorf("%s is not answered", b)
	}
}

// state is what the client shows.
func (m *mirror) state() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := ""
	for _, index := range slices.Sorted(maps.Keys(m.shown)) {
		s += fmt.Sprintf("%+v\n", m.shown[index])
	}
	return s
}

// act does something at random.
func (m *mirror) act(t *testing.T, random *rand.Rand, n int) {
	m.mu.Lock()
	index := max(1, m.last-random.Int64N(4)) // few messages, so that each is changed often
	m.mu.Unlock()
	text := fmt.Sprint(m.user, " ", n)
	switch random.IntN(12) {
	case 0, 1, 2:
		m.ask(t, map[string]any{"action": "sendMessage", "content": text, "message_id": text})
	case 3, 4:
		m.ask(t, map[string]any{"action": "editMessage", "index": index, "content": text})
	case 5:
		m.ask(t, map[string]any{"action": "deleteMessage", "index": index})
	case 6, 7, 8:
		m.ask(t, map[string]any{"action": "addReaction", "index": index, "reaction": "👍"})
	case 9:
		m.ask(t, map[string]any{"action": "removeReaction", "index": index, "reaction": "👍"})
	case 10: // page back
		m.ask(t, map[string]any{"action": "getRecentMessages", "before": index + 3, "limit": 5})
	case 11:
		_ = m.conn.CloseNow()
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		m.online(t)
	}
}

// newMirror is a client that is online.
func newMirror(t *testing.T, s *Server, user string) *mirror {
	t.Helper()
	m := &mirror{url: "ws://" + s.Addr + "/" + Stage, user: user, shown: map[int64]shownMessage{},
		answers: map[string]chan struct{}{}}
	m.online(t)
	return m
}

// actAtRandom has several clients do things, and returns them.
func actAtRandom(t *testing.T, s *Server, clients, acts int) (mirrors []*mirror) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i := range clients {
		m := newMirror(t, s, fmt.Sprint("user", i))
		t.Cleanup(func() { _ = m.conn.CloseNow() })
		mirrors = append(mirrors, m)
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			for n := range acts {
				m.act(t, random, n)
			}
		})
	}
	wg.Wait()
	return mirrors
}

// converge waits until all clients show what one shows that comes then.
func converge(t *testing.T, s *Server, mirrors []*mirror, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		late := newMirror(t, s, "late")
		want := late.state()
		_ = late.conn.CloseNow()
		same := !slices.ContainsFunc(mirrors, func(m *mirror) bool { return m.state() != want })
		if same && mirrors[0].upTo > 0 && mirrors[0].last > 0 {
			break
		}
		if time.Now().After(deadline) {
			for _, m := range mirrors {
				t.Errorf("%s shows, up to change %d:\n%s", m.user, m.upTo, m.state())
			}
			t.Fatalf("a client that comes now shows:\n%s", want)
		}
	}
	t.Logf("%d messages and %d changes", mirrors[0].last, mirrors[0].upTo)
}

// Clients send, edit, delete, react, drop, come back and page back at random. In the end all of them show the same
// messages in the same state, and so does one that comes then.
func TestChangesReachEverybody(t *testing.T) {
	mostlyWaits(t)
	s, err := Start(t.Context(), Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.DiscardHandler), Output: &logbuffer.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, s)
	converge(t, s, actAtRandom(t, s, 6, 80), 10*time.Second)
}
