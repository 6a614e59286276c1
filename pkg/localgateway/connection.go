package localgateway

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// Close codes (RFC 6455, section 7.4.1).
const (
	closeNormal         = 1000
	closeGoingAway      = 1001
	closeProtocolError  = 1002
	closeUnsupported    = 1003
	closeNoStatus       = 1005 // never sent: the close frame had no code
	closeAbnormal       = 1006 // never sent: there was no close frame
	closeInvalidPayload = 1007
	closeTooLarge       = 1009
)

const (
	// idleTimeout and connectionDuration are API Gateway's, and cannot be changed there
	// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
	// What is idle is a connection with no frame in either direction.
	idleTimeout        = 10 * time.Minute
	connectionDuration = 2 * time.Hour

	// bufferBytes is how much may wait to be written to a client that does not read before posts to it get 429. API
	// Gateway documents no number; this is one message of the largest size.
	bufferBytes = 128 << 10

	// bufferBytesInAll is how much may wait to be written to all clients together. Beyond it, posts to a client get
	// 429 as long as anything at all waits for that client.
	bufferBytesInAll = 64 << 20

	// writeTimeout is how long one write may wait for a client that does not read, before it counts as gone.
	writeTimeout = 30 * time.Second

	// closeTimeout is how long a close waits for the client's own close frame.
	closeTimeout = time.Second
)

var (
	errGone = errors.New("the connection is closed")
	errFull = errors.New("the client does not read and its buffer is full")
)

// connection is one client's socket.
type connection struct {
	id          string
	number      uint64 // in the order of handshakes, from 1
	domainName  string
	identity    identity
	authorizer  map[string]any // what the authorizer told of the client; nil without one
	connectedAt time.Time
	lastActive  atomic.Int64 // nanoseconds since the epoch
	clock       Clock
	unread      *atomic.Int64 // the sum of queued over all connections
	turns       int           // of its messages that are handled; under the lock of the gateway's turns

	mu           sync.Mutex
	conn         net.Conn // nil until the handshake is written
	queue        net.Buffers
	queued       int           // bytes in queue and in the write under way
	full         chan struct{} // closed when the client reads on; not nil since a frame was refused because it does not
	writing      bool          // a goroutine is writing the queue
	closing      bool          // a close frame is queued or written, or never will be; nothing follows it
	code         int           // what closing was begun with
	reason       string
	closeWritten chan struct{} // closed when the close frame is written, or never will be
	gone         bool          // the socket is closed
	unwatch      func() bool   // stops the timer of watch; nil before it
}

// touch records activity.
func (c *connection) touch() { c.lastActive.Store(c.clock.Now().UnixNano()) }

// watch closes the connection when it has been idle or connected for too long, with the code and the reason of an event
// that was captured ten minutes after a client fell silent.
func (c *connection) watch() {
	now := c.clock.Now()
	idleAt := time.Unix(0, c.lastActive.Load()).Add(idleTimeout)
	due := c.connectedAt.Add(connectionDuration)
	if idleAt.Before(due) {
		due = idleAt
	}
	if !now.Before(due) {
		c.close(closeGoingAway, reasonGoingAway)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		c.unwatch = c.clock.AfterFunc(due.Sub(now), c.watch)
	}
}

// send queues one text frame. It never blocks: errGone after a close, errFull where the client does not keep up.
func (c *connection) send(text []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.gone:
		return errGone
	case c.queued > 0 && (c.queued+len(text) > bufferBytes || c.unread.Load() > bufferBytesInAll):
		if c.full == nil {
			c.full = make(chan struct{})
		}
		return errFull
	}
	c.enqueue(ws.NewTextFrame(text))
	c.touch()
	return nil
}

// pong answers a ping, unless the client does not read what it asks for.
func (c *connection) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing && !c.gone && (c.queued == 0 || c.queued < bufferBytes && c.unread.Load() <= bufferBytesInAll) {
		c.enqueue(ws.NewPongFrame(payload))
	}
}

// waitForReader waits for as long as the client does not read what it was sent. False means that the connection is
// closed.
func (c *connection) waitForReader() bool {
	c.mu.Lock()
	full := c.full
	c.mu.Unlock()
	if full != nil {
		select {
		case <-full:
		case <-c.closeWritten:
		}
	}
	return c.isOpen()
}

// close begins to close: the frames that are queued are still written, then the close frame. $disconnect gets this code
// and reason. A second close changes nothing.
func (c *connection) close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.gone {
		return
	}
	c.closing, c.code, c.reason = true, code, reason
	var body []byte
	if code != closeNoStatus {
		body = ws.NewCloseFrameBody(ws.StatusCode(code), reason)
	}
	c.enqueue(ws.NewCloseFrame(body))
	if c.conn != nil {
		_ = c.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	}
}

// closedWith returns what close was called with, where it was.
func (c *connection) closedWith() (code int, reason string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code, c.reason, c.closing
}

// isOpen reports whether frames are taken for the client.
func (c *connection) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closing && !c.gone
}

// start is called when the handshake is written; what was queued meanwhile follows.
func (c *connection) start(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if c.gone { // dropped meanwhile
		_ = conn.Close()
		return
	}
	c.startWriting()
}

// enqueue appends a frame and sees that somebody writes it. The caller holds mu.
func (c *connection) enqueue(frame ws.Frame) {
	b := ws.MustCompileFrame(frame)
	c.queue = append(c.queue, b)
	c.count(len(b))
	c.startWriting()
}

// dropQueue forgets what is queued and not in the write under way. The caller holds mu.
func (c *connection) dropQueue() {
	for _, frame := range c.queue {
		c.count(-len(frame))
	}
	c.queue = nil
}

// count notes that so many bytes more, or fewer, wait for the client. The caller holds mu.
func (c *connection) count(bytes int) {
	c.queued += bytes
	c.unread.Add(int64(bytes))
}

// startWriting starts a goroutine that writes until the queue is empty. There is none while a connection is quiet,
// which most are most of the time. The caller holds mu.
func (c *connection) startWriting() {
	if !c.writing && c.conn != nil && len(c.queue) > 0 {
		c.writing = true
		go c.write()
	}
}

func (c *connection) write() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && !c.gone {
		batch, size, timeout := c.queue, c.queued, writeTimeout
		if c.closing {
			timeout = closeTimeout
		}
		c.queue = nil
		_ = c.conn.SetWriteDeadline(time.Now().Add(timeout))
		c.mu.Unlock()
		_, err := batch.WriteTo(c.conn)
		c.mu.Lock()
		c.count(-size)
		if c.full != nil {
			close(c.full)
			c.full = nil
		}
		if err != nil {
			c.dropQueue()
			_ = c.conn.Close() // the reader meets it and ends the connection
			c.noMoreWrites()
		}
	}
	c.writing = false
	if c.closing {
		_ = c.conn.SetReadDeadline(time.Now().Add(closeTimeout))
		c.noMoreWrites()
	}
}

// noMoreWrites wakes the caller that waits for the close frame. The caller holds mu.
func (c *connection) noMoreWrites() {
	select {
	case <-c.closeWritten:
	default:
		close(c.closeWritten)
	}
}

// closeWrite ends the stream to the client, where the socket can do so and still be read.
func (c *connection) closeWrite() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// abandon closes the socket at once. If no close was begun, the connection ends without one.
func (c *connection) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.closing, c.code, c.reason = true, closeAbnormal, reasonAbnormal
	}
	c.gone = true
	c.dropQueue()
	if !c.writing { // else the writer does so when it ends
		c.noMoreWrites()
	}
	if c.unwatch != nil {
		c.unwatch()
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
