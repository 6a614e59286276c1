package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// fakeChat is a chat that a test scripts, at the other end of a network in memory, so that it works in the bubble of
// testing/synctest, where hours take no time. Unless handle says otherwise, it is a chat with one log.
type fakeChat struct {
	t      *testing.T
	dialed chan net.Conn
	ended  chan struct{}
	server *http.Server
	http   *http.Client

	mu       sync.Mutex
	status   func() int                        // of the next handshake; nil for 101
	handle   func(c *fakeConn, r request) bool // false for what the chat does by itself; nil for always
	conns    []*fakeConn
	messages []Message
	requests []request
	attempts []time.Time // of handshakes
	stores   int         // attempts to store a message
}

// request is a frame from the client.
type request struct {
	Action    string
	Ref       string
	Room      string `json:"room_name"`
	User      string `json:"user_name"`
	Content   string
	MessageID string `json:"message_id"`
	Limit     int
	After     *int64
	Changes   *int64 `json:"changes_after"`

	at   time.Time
	conn *fakeConn
}

// fakeConn is the chat's end of a connection.
type fakeConn struct {
	chat      *fakeChat
	socket    *websocket.Conn
	protocols string
	opened    time.Time
	ended     chan struct{}
	dead      bool // swallows everything
}

// inBubble runs a test with a scripted chat, in a bubble whose clock moves only when all wait.
func inBubble(t *testing.T, test func(t *testing.T, f *fakeChat)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeChat{t: t, dialed: make(chan net.Conn), ended: make(chan struct{})}
		f.http = &http.Client{Transport: &http.Transport{DialContext: f.dial, DisableKeepAlives: true}}
		f.server = &http.Server{Handler: f, ErrorLog: log.New(t.Output(), "", 0)}
		go func() { _ = f.server.Serve(f) }()
		t.Cleanup(func() {
			_ = f.server.Close()
			f.each(func(c *fakeConn) { _ = c.socket.CloseNow() })
		})
		test(t, f)
	})
}

func (f *fakeChat) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case f.dialed <- theirs:
		return mine, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-f.ended:
		return nil, errors.New("refused")
	}
}

// Accept, Close and Addr make it a net.Listener.
func (f *fakeChat) Accept() (net.Conn, error) {
	select {
	case c := <-f.dialed:
		return c, nil
	case <-f.ended:
		return nil, net.ErrClosed
	}
}

func (f *fakeChat) Close() error { close(f.ended); return nil }

func (f *fakeChat) Addr() net.Addr { return &net.TCPAddr{} }

func (f *fakeChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.attempts = append(f.attempts, time.Now())
	status := f.status
	f.mu.Unlock()
	if status != nil {
		if s := status(); s != http.StatusSwitchingProtocols {
			w.WriteHeader(s)
			return
		}
	}
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}})
	if err != nil {
		f.t.Error(err)
		return
	}
	c := &fakeConn{chat: f, socket: socket, protocols: r.Header.Get("Sec-WebSocket-Protocol"), opened: time.Now(),
		ended: make(chan struct{})}
	f.mu.Lock()
	f.conns = append(f.conns, c)
	f.mu.Unlock()
	c.serve()
}

func (c *fakeConn) serve() {
	defer close(c.ended)
	f := c.chat
	for {
		_, b, err := c.socket.Read(context.Background())
		if err != nil {
			return
		}
		r := request{at: time.Now(), conn: c}
		if err := json.Unmarshal(b, &r); err != nil {
			f.t.Error(err)
		}
		f.mu.Lock()
		f.requests = append(f.requests, r)
		handle, dead := f.handle, c.dead
		f.mu.Unlock()
		if !dead && (handle == nil || !handle(c, r)) {
			f.answer(c, r)
		}
	}
}

// answer does what a chat does.
func (f *fakeChat) answer(c *fakeConn, r request) {
	f.mu.Lock()
	messages := f.messages
	f.mu.Unlock()
	switch r.Action {
	case "ping":
		c.write(`{"pong":{"time":%d}}`, time.Now().Unix())
	case "joinRoom":
		c.write(`{"presence":{"room_name":%q,"user_name":%q,"event":"joined"},"part":true,"ref":%q}`, r.Room, r.User,
			r.Ref)
		c.page(r, messages, `,"part":true`)
		c.write(`{"changes":{"room_name":%q,"after":0,"up_to":0,"messages":[]},"ref":%q}`, r.Room, r.Ref)
	case "getRecentMessages":
		c.page(r, messages, "")
	case "getChanges":
		c.write(`{"changes":{"room_name":%q,"after":%d,"up_to":%d,"messages":[]},"ref":%q}`, r.Room, *r.After, *r.After,
			r.Ref)
	case "sendMessage":
		c.messages(f.store(r.Room, r.User, r.Content, r.MessageID))
	default:
		c.write(`{"done":{},"ref":%q}`, r.Ref)
	}
}

// page answers with messages, as asked.
func (c *fakeConn) page(r request, messages []Message, rest string) {
	from := max(0, len(messages)-r.Limit)
	if r.After != nil {
		from = min(int(*r.After), len(messages))
		rest += fmt.Sprintf(`,"tail":%d`, len(messages))
	}
	b, _ := json.Marshal(append([]Message{}, messages[from:min(len(messages), from+max(r.Limit, 10))]...))
	c.write(`{"messages":%s,"ref":%q%s}`, b, r.Ref, rest)
}

// store stores a message, once for each id, and returns it.
func (f *fakeChat) store(room, user, content, id string) Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stores++
	for _, m := range f.messages {
		if id != "" && m.ID == id {
			return m
		}
	}
	m := Message{Room: room, UserName: user, Content: content, ID: id, Index: int64(len(f.messages) + 1),
		CreateAt: time.Now().Unix()}
	f.messages = append(f.messages[:len(f.messages):len(f.messages)], m)
	return m
}

func (c *fakeConn) messages(all ...Message) {
	b, _ := json.Marshal(all)
	c.write(`{"messages":%s}`, b)
}

func (c *fakeConn) write(format string, args ...any) {
	_ = c.socket.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, format, args...))
}

// refuse answers a request with an error.
func (c *fakeConn) refuse(r request, code, more string) {
	c.write(`{"error":{"code":%q,"message":"No.","action":%q,"message_id":%q,"request_id":"x"%s},"ref":%q}`, code,
		r.Action, r.MessageID, more, r.Ref)
}

func (f *fakeChat) each(do func(*fakeConn)) {
	f.mu.Lock()
	conns := f.conns
	f.mu.Unlock()
	for _, c := range conns {
		do(c)
	}
}

// swallow makes the connections that there are dead, as a network does that is gone.
func (f *fakeChat) swallow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.dead = true
	}
}

// last is the newest connection, when all is done that is under way.
func (f *fakeChat) last() *fakeConn {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns[len(f.conns)-1]
}

// script has handle decide about the next requests.
func (f *fakeChat) script(handle func(c *fakeConn, r request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handle = handle
}

func (f *fakeChat) handshakes(status func() int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = status
}

// asked returns the requests with an action, so far.
func (f *fakeChat) asked(action string) []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []request
	for _, r := range f.requests {
		if r.Action == action {
			found = append(found, r)
		}
	}
	return found
}

// told is a state of a client, with when and why it began.
type told struct {
	state  State
	reason error
	at     time.Time
}

// client makes a client of the scripted chat with the real times, and returns what it says of its state.
func (f *fakeChat) client(c Config) (*Client, <-chan told) {
	f.t.Helper()
	states := make(chan told, 1000)
	c.URL, c.HTTPClient = "ws://chat.example/dev", f.http
	c.Trace.State = func(s State, why error) { states <- told{s, why, time.Now()} }
	client, err := New(c)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(client.Close)
	return client, states
}

// online makes a client that is in a room and has nothing more to do.
func (f *fakeChat) online(c Config, options ...JoinOption) (*Client, *Room, <-chan told) {
	f.t.Helper()
	client, states := f.client(c)
	r := client.Join("lobby", options...)
	ready(f.t, r)
	f.await(states, Online)
	synctest.Wait()
	return client, r, states
}

// await returns the next time that the client has a state.
func (f *fakeChat) await(states <-chan told, want State) told {
	f.t.Helper()
	for {
		select {
		case s := <-states:
			if s.state == want {
				return s
			}
		case <-time.After(5 * time.Hour):
			f.t.Fatalf("the client was never %s", want)
		}
	}
}

// counted returns how many connections and how many handshakes there were.
func (f *fakeChat) counted() (conns, attempts int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns), len(f.attempts)
}

func contents(requests []request) string {
	var all []string
	for _, r := range requests {
		all = append(all, r.Content)
	}
	return strings.Join(all, " ")
}
