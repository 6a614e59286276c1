package client

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// readLimit bounds a frame that is read. API Gateway sends at most 128 KB.
const readLimit = 1 << 20

// conn is one WebSocket, and the requests on it.
type conn struct {
	socket   *websocket.Conn
	network  net.Conn // under the socket; nil if Config.HTTPClient does not say
	timing   timing
	trace    Trace
	logger   *slog.Logger
	received func(*frame)  // is given each frame that is no answer to a question
	lost     func()        // is called when the connection has ended
	out      chan []byte   // frames to be written
	slots    chan struct{} // questions in flight
	used     chan struct{} // closed when the client uses the connection
	clocked  chan struct{} // gets a value when the chat has told the time
	expires  time.Time     // when its token ends, by the chat's clock; zero for never

	// ctx ends with the connection. Its cause is an *Error with CodeUnavailable, so that what was asked is repeated.
	ctx context.Context
	end context.CancelCauseFunc

	mu        sync.Mutex
	questions map[string]*question     // in flight, by ref
	refs      int                      // of the last question
	awaited   map[string]bool          // refs, and ids of messages, of frames that are not answered yet
	turns     map[string]chan struct{} // by room: closed when the last of its goroutines here has ended
	heartbeat *time.Timer
	answer    *time.Timer // nil if no frame waits for an answer
	pong      *time.Timer // nil if no ping waits for an answer
}

// dial opens a connection. The caller sets received and lost, and runs read and write.
func dial(ctx context.Context, c Config, t timing, token string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.handshake)
	defer cancel()
	var network net.Conn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { network = info.Conn },
	})
	options := &websocket.DialOptions{HTTPClient: c.HTTPClient}
	if token != "" {
		// Many places log URLs, and browsers cannot set a header. So the token travels as a subprotocol.
		options.Subprotocols = []string{"chat", token}
	}
	socket, response, err := websocket.Dial(ctx, c.URL, options)
	if err != nil {
		return nil, handshakeError(response, err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, handshakeError(response, nil)
	}
	socket.SetReadLimit(readLimit)
	conn := &conn{
		socket: socket, network: network, timing: t, trace: c.Trace, logger: c.Logger, expires: expiry(token),
		out: make(chan []byte, 16), slots: make(chan struct{}, mostQuestions),
		used: make(chan struct{}), clocked: make(chan struct{}, 1),
		questions: map[string]*question{}, awaited: map[string]bool{}, turns: map[string]chan struct{}{},
	}
	conn.ctx, conn.end = context.WithCancelCause(context.Background())
	conn.heartbeat = time.AfterFunc(t.heartbeat, conn.probe)
	return conn, nil
}

// write writes frames until the connection ends, and then closes the socket.
func (c *conn) write() {
	defer c.stop()
	for {
		select {
		case b := <-c.out:
			if c.trace.Sent != nil {
				c.trace.Sent(b)
			}
			if err := c.socket.Write(c.ctx, websocket.MessageText, b); err != nil {
				c.end(&Error{Code: CodeUnavailable, Message: "The connection broke.", Err: err})
				return
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// stop ends what is left of the connection. The other end may be gone, and then answers no close. The library would
// wait for that for 5 s, and CloseNow for the library.
func (c *conn) stop() {
	c.lost()
	hurry := time.AfterFunc(c.timing.farewell, func() {
		if c.network != nil {
			_ = c.network.Close()
		}
	})
	defer hurry.Stop()
	c.mu.Lock()
	c.heartbeat.Stop()
	stopTimer(&c.answer)
	stopTimer(&c.pong)
	for _, q := range c.questions {
		c.settle(q, causeOf(c.ctx))
	}
	c.mu.Unlock()
	_ = c.socket.Close(websocket.StatusNormalClosure, "")
}

// read takes frames until the connection ends. It never waits for the user's program: a slow one must not look like a
// dead network.
func (c *conn) read() {
	for {
		_, b, err := c.socket.Read(context.Background())
		if err != nil {
			c.end(&Error{Code: CodeUnavailable, Message: "The connection was closed.", Err: err})
			return
		}
		if c.trace.Received != nil {
			c.trace.Received(b)
		}
		f := &frame{raw: b}
		if err := json.Unmarshal(b, f); err != nil {
			c.logger.Warn("the chat sent a frame that is not understood", "error", err)
			f = &frame{raw: b}
		}
		isAnswer := c.take(f)
		if !isAnswer {
			if c.trace.Pushed != nil && f.Ref == "" && len(f.Messages) > 0 {
				c.trace.Pushed(f.Messages)
			}
			c.received(f)
		}
	}
}

// take notes that something came, and reports whether it belongs to the answer to a question.
func (c *conn) take(f *frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range f.Messages {
		delete(c.awaited, m.ID)
	}
	if f.Error != nil {
		delete(c.awaited, f.Error.MessageID)
		if f.Error.Code == "token_expired" { // the next connection has another token, and can do what was refused
			f.Error.Code = CodeUnavailable
			c.end(f.Error.err())
		}
	}
	q := c.questions[f.Ref]
	if q != nil {
		c.answered(q, f)
	}
	if f.GatewayMessage != "" && f.ConnectionID != "" {
		for _, q := range c.questions { // one of them failed. The answers to the others come soon, or never
			q.timer.Reset(c.timing.late)
		}
	}
	c.heard()
	return q != nil
}

// heard notes a sign of life. The connection may still break before all frames are answered. The caller holds mu.
func (c *conn) heard() {
	stopTimer(&c.pong)
	stopTimer(&c.answer)
	if c.ctx.Err() != nil {
		return
	}
	if len(c.awaited) > 0 {
		c.answer = time.AfterFunc(c.timing.answer, c.probe)
	}
	c.heartbeat.Reset(c.timing.heartbeat)
}

func stopTimer(t **time.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}

// probe sends a ping. If nothing comes after it, the connection is dead.
func (c *conn) probe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pong != nil || c.ctx.Err() != nil {
		return
	}
	c.pong = time.AfterFunc(c.timing.pong, func() {
		c.end(errUnavailable("The connection is dead: a ping was not answered."))
		_ = c.socket.CloseNow()
	})
	select {
	case c.out <- []byte(`{"action":"ping"}`):
	default: // frames wait to be written, which are signs of life as good as a ping
	}
}

// send sends a frame. If it must be answered, key is its ref, or the id of its message.
func (c *conn) send(ctx context.Context, frame []byte, key string) error {
	if key != "" {
		c.mu.Lock()
		c.awaited[key] = true
		if c.answer == nil && c.ctx.Err() == nil {
			c.answer = time.AfterFunc(c.timing.answer, c.probe)
		}
		c.mu.Unlock()
	}
	select {
	case c.out <- frame:
		return nil
	case <-c.ctx.Done():
		return causeOf(c.ctx)
	case <-ctx.Done():
		c.forget(key)
		return ctx.Err()
	}
}

// forget says that the answer to a frame is not awaited any more.
func (c *conn) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.awaited, key)
}

// queue makes a goroutine of a room wait for the one before it: the chat handles frames concurrently, and a join must
// not overtake a leave. before is closed when it may go on, and the caller closes mine when it ends.
func (c *conn) queue(room string) (before <-chan struct{}, mine chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	earlier, ok := c.turns[room]
	if !ok {
		earlier = make(chan struct{})
		close(earlier)
	}
	mine = make(chan struct{})
	c.turns[room] = mine
	return earlier, mine
}

// rename says that the chat spells the name of a room in another way.
func (c *conn) rename(from, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turns[to] = c.turns[from]
}
