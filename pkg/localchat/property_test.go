package localchat

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"wschat/pkg/chat"
)

// TestPromises lets clients on real sockets join, leave, send, repeat and drop at random, at the same time, and then
// checks every log and every client against the promises:
//
//   - a room's log is 1, 2, 3, … and holds what was sent to it, once;
//   - no client received what the log does not hold, in just those words;
//   - a client received every message that was stored while it was a member, and none that was sent at other times.
func TestPromises(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil {
			t.Fatal(err)
		}
	}
	h := newHarness(t)
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		h.lossy.Store(rapid.IntRange(0, 9).Draw(r, "lossy") == 0)
		run := &propertyRun{h: h, t: r, prefix: fmt.Sprintf("%d-", runs)}
		clients := rapid.SliceOfN(rapid.SliceOfN(stepGenerator, 1, 25), 2, 12).Draw(r, "clients")
		run.play(clients)
		run.check()
	})
}

// step is one thing that a client does.
type step struct {
	do   string
	room int
}

var stepGenerator = rapid.Custom(func(r *rapid.T) step {
	return step{
		do: rapid.SampledFrom([]string{"join", "join", "leave", "send", "send", "send", "repeat", "reconnect",
			"drop"}).Draw(r, "do"),
		room: rapid.IntRange(0, 2).Draw(r, "room"),
	}
})

type propertyRun struct {
	h      *harness
	t      *rapid.T
	prefix string

	mu      sync.Mutex
	sockets []*socket
	sent    []string // the contents, of which each must be stored once
}

// socket is one connection of a client, with what is known of it.
type socket struct {
	conn    *websocket.Conn
	rude    bool // dropped without reading to the end
	windows []*window
	done    chan struct{}  // closed when nothing more is read
	synced  chan struct{}  // an empty history has arrived
	got     []chat.Message // to be read after done
	mu      sync.Mutex
	sent    map[string]bool // contents
}

// window is a time in which a socket was a member of a room, on the harness's clock of invocations.
type window struct {
	room    string
	joining int64 // before it began to join
	tail    int64 // the room's tail after it had joined: everything later was stored while it was a member
	leaving int64 // before it began to leave
	left    int64 // after it had left
}

const never = int64(1) << 62

func (r *propertyRun) play(clients [][]step) {
	var wg sync.WaitGroup
	for n, steps := range clients {
		wg.Go(func() { r.client(fmt.Sprintf("user%d", n), steps) })
	}
	wg.Wait()
	r.h.server.Gateway.WaitForInvocations()
	for _, s := range r.sockets {
		s.finish(r.t)
	}
}

func (r *propertyRun) client(user string, steps []step) {
	s := r.connect(user, "")
	for i, step := range steps {
		room := fmt.Sprint(r.prefix, "room", step.room)
		content := fmt.Sprintf("%s says %d in %s", user, i, room)
		switch step.do {
		case "join":
			if s.open(room) == nil {
				w := &window{room: room, joining: r.h.now(), leaving: never, left: never}
				s.act(r, "joinRoom", room, user, "", "")
				w.tail = r.h.tail(r.t, room)
				s.windows = append(s.windows, w)
			}
		case "leave":
			if w := s.open(room); w != nil {
				// what was stored before is then sent, whichever sender is the broadcaster
				r.h.server.Gateway.WaitForInvocations()
				w.leaving = r.h.now()
				s.act(r, "leaveRoom", room, user, "", "")
				w.left = r.h.now()
			}
		case "send":
			r.note(content)
			s.act(r, "sendMessage", room, user, content, "")
		case "repeat":
			r.note(content)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { s.act(r, "sendMessage", room, user, content, fmt.Sprint("id", i)) })
			}
			wg.Wait()
		case "reconnect": // politely, straight into a room
			r.h.server.Gateway.WaitForInvocations()
			s.leaveAll(r.h.now())
			s.finish(r.t)
			s = r.connect(user, room)
		case "drop": // the network is gone
			s.leaveAll(r.h.now())
			s.rude = true
			_ = s.conn.CloseNow()
			s = r.connect(user, "")
		}
	}
}

func (r *propertyRun) note(content string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, content)
}

// connect opens a socket, as a member of a room where one is given.
func (r *propertyRun) connect(user, room string) *socket {
	url := "ws://" + r.h.server.Addr + "/dev?user_name=" + user
	w := &window{room: room, joining: r.h.now(), leaving: never, left: never}
	if room != "" {
		url += "&room_name=" + room
	}
	conn, _, err := websocket.Dial(context.Background(), url, nil)
	if err != nil {
		r.t.Fatalf("connect: %v", err)
	}
	s := &socket{conn: conn, done: make(chan struct{}), synced: make(chan struct{}, 1), sent: map[string]bool{}}
	conn.SetReadLimit(1 << 20)
	go s.read()
	if room != "" {
		w.tail = r.h.tail(r.t, room)
		s.windows = append(s.windows, w)
	}
	r.mu.Lock()
	r.sockets = append(r.sockets, s)
	r.mu.Unlock()
	return s
}

func (s *socket) read() {
	defer close(s.done)
	for {
		_, b, err := s.conn.Read(context.Background())
		if err != nil {
			return
		}
		var frame struct {
			Messages []struct {
				Room     string `json:"room_name"`
				Index    int64  `json:"index"`
				User     string `json:"user_name"`
				UserID   string `json:"user_id"`
				Content  string `json:"content"`
				CreateAt int64  `json:"create_at"`
				ID       string `json:"message_id"`
			}
			Presence, Members json.RawMessage
		}
		if json.Unmarshal(b, &frame) == nil && (frame.Presence != nil || frame.Members != nil) {
			continue
		}
		if len(frame.Messages) == 0 {
			s.synced <- struct{}{}
			continue
		}
		for _, m := range frame.Messages {
			s.got = append(s.got, chat.Message{
				Room: m.Room, Index: m.Index, User: m.User, UserID: m.UserID, Content: m.Content, CreateAt: m.CreateAt,
				ID: m.ID,
			})
		}
	}
}

// act sends a frame and waits until its invocation has ended.
func (s *socket) act(r *propertyRun, action, room, user, content, id string) {
	trace := fmt.Sprint(rand.Uint64())
	frame := map[string]string{"action": action, "room_name": room, "user_name": user, "trace": trace}
	if content != "" {
		frame["content"] = content
		s.mu.Lock()
		s.sent[content] = true
		s.mu.Unlock()
	}
	if id != "" {
		frame["message_id"] = id
	}
	b, _ := json.Marshal(frame)
	ended := r.h.expect(trace)
	if err := s.conn.Write(context.Background(), websocket.MessageText, b); err != nil {
		r.t.Fatalf("write: %v", err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		r.t.Fatalf("%s was not invoked", action)
	}
}

// open is the window in which the socket is a member of a room now.
func (s *socket) open(room string) *window {
	for _, w := range s.windows {
		if w.room == room && w.leaving == never {
			return w
		}
	}
	return nil
}

func (s *socket) leaveAll(now int64) {
	for _, w := range s.windows {
		w.leaving = min(w.leaving, now)
	}
}

// finish reads all that was posted so far, and closes. Frames are written in the order in which posts were taken, so an
// answer to a question that is asked now comes after all of them.
func (s *socket) finish(t *rapid.T) {
	select {
	case <-s.done:
		return
	default:
	}
	if err := s.conn.Write(context.Background(), websocket.MessageText,
		[]byte(`{"action":"getRecentMessages","room_name":"sync"}`)); err != nil {
		t.Fatalf("sync: %v", err)
	}
	select {
	case <-s.synced:
	case <-time.After(20 * time.Second):
		t.Fatalf("no answer to the last question")
	}
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
	<-s.done
}

func (r *propertyRun) check() {
	logs := map[string][]chat.Message{}
	stored := map[string]int{}
	for i := range 3 {
		room := fmt.Sprint(r.prefix, "room", i)
		logs[room] = r.h.readAll(r.t, room)
		for n, m := range logs[room] {
			if m.Index != int64(n+1) {
				r.t.Fatalf("message %d of %s has index %d", n+1, room, m.Index)
			}
			stored[m.Content]++
		}
	}
	for _, content := range r.sent {
		if stored[content] != 1 {
			r.t.Fatalf("%q is stored %d times", content, stored[content])
		}
	}
	if len(stored) != len(r.sent) {
		r.t.Fatalf("%d messages are stored, %d were sent", len(stored), len(r.sent))
	}
	for _, s := range r.sockets {
		r.checkSocket(s, logs)
	}
}

func (r *propertyRun) checkSocket(s *socket, logs map[string][]chat.Message) {
	got := map[string]int{}
	for _, m := range s.got {
		log := logs[m.Room]
		if m.Index < 1 || m.Index > int64(len(log)) || !log[m.Index-1].Equal(m) {
			r.t.Fatalf("a client received %+v, which the log does not hold", m)
		}
		got[m.Content]++
		// What is repeated is answered each time; and a sender that joins while the message is on its way to the
		// room, gets it as the sender and as a member.
		if got[m.Content] > 1 && m.ID == "" && !(s.sent[m.Content] && got[m.Content] == 2) {
			r.t.Fatalf("a client received %+v %d times", m, got[m.Content])
		}
	}
	for room, log := range logs {
		for _, m := range log {
			began, ended := r.h.times(m.Content)
			must, may := s.sent[m.Content], s.sent[m.Content]
			for _, w := range s.windows {
				if w.room != room {
					continue
				}
				must = must || m.Index > w.tail && ended < w.leaving
				may = may || began <= w.left // what was stored before it joined may still be on its way to the room
			}
			if must && !s.rude && got[m.Content] == 0 {
				r.t.Fatalf("%q was stored while a client was a member, or sent by it, and it did not receive it",
					m.Content)
			}
			if !may && got[m.Content] > 0 {
				r.t.Fatalf("a client received %q, which was sent while it was no member", m.Content)
			}
		}
	}
}
