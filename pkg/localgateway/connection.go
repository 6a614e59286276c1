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
	// A connection is idle while no frame passes in either direction.
	idleTimeout        = 10 * time.Minute
	connectionDuration = 2 * time.Hour

	// bufferBytes is how much data may wait for one client that does not read. Posts beyond it get 429. API Gateway
	// documents no number. This one is the largest size of a message.
	bufferBytes = 128 << 10

	// bufferBytesInAll is how much data may wait for all clients together. Beyond it, a post gets 429 if any data
	// already waits for its client.
	bufferBytesInAll = 64 << 20

	// writeTimeout is how long one write may wait for a client that does not read. After it, the client counts as gone.
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
	client      client
	authorizer  map[string]any // the context that the authorizer returned; nil without an authorizer
	connectedAt time.Time
	lastActive  atomic.Int64 // nanoseconds since the epoch
	clock       Clock
	unread      *atomic.Int64 // the sum of queued over all connections
	turns       int           // how many of its messages are handled now; under the lock of the gateway's turns

	mu           sync.Mutex
	conn         net.Conn // nil until the handshake is written
	queue        net.Buffers
	queued       int           // bytes in queue and in the write under way
	full         chan struct{} // closed when the client reads on; nil unless a frame was refused because it does not
	writing      bool          // a goroutine is writing the queue
	closing      bool          // a close frame is queued, or written, or will never be; no frame follows it
	code         int           // the close code that closing began with
	reason       string
	closeWritten chan struct{} // closed when the close frame is written, or never will be
	gone         bool          // the socket is closed
	unwatch      func() bool   // stops the timer of watch; nil before it
}

// touch records activity.
func (c *connection) touch() { c.lastActive.Store(c.clock.Now().UnixNano()) }

// watch closes the connection when it has been idle or connected for too long. The code and the reason are those of an
// event that API Gateway sent ten minutes after a client's last frame.
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

// send queues one text message. It never blocks. It returns errGone after a close, and errFull if the client does not
// read fast enough.
//
// A message over 32 KB becomes a fragmented one. AWS's quotas say that a larger message must be split into frames of at
// most 32 KB, and that this applies to @connections
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
// The caller of @connections sends no frames, so the split can only be API Gateway's. All frames but the last are full,
// which is a choice, and a character may lie across two frames, which RFC 6455 allows (section 5.4).
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
	opcode := ws.OpText
	for len(text) > maxFrameBytes {
		c.enqueue(ws.NewFrame(opcode, false, text[:maxFrameBytes]))
		opcode, text = ws.OpContinuation, text[maxFrameBytes:]
	}
	c.enqueue(ws.NewFrame(opcode, true, text))
	c.touch()
	return nil
}

// pong answers a ping, unless the client does not read its answers.
func (c *connection) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing && !c.gone && (c.queued == 0 || c.queued < bufferBytes && c.unread.Load() <= bufferBytesInAll) {
		c.enqueue(ws.NewPongFrame(payload))
	}
}

// waitForReader waits until the client reads its frames again. It returns false if the connection is closed.
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

// close begins to close the connection. The queued frames are still written, then the close frame. $disconnect gets
// this code and reason. A second close changes nothing.
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

// closedWith returns the code and the reason of the close; ok is false if no close has begun.
func (c *connection) closedWith() (code int, reason string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code, c.reason, c.closing
}

// isOpen reports whether frames can be queued for the client.
func (c *connection) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closing && !c.gone
}

// start is called when the handshake is written. The frames that were queued before follow it.
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

// enqueue appends a frame, and starts the writer if none runs. The caller holds mu.
func (c *connection) enqueue(frame ws.Frame) {
	b := ws.MustCompileFrame(frame)
	c.queue = append(c.queue, b)
	c.count(len(b))
	c.startWriting()
}

// dropQueue discards the queued frames. A write in flight is not changed. The caller holds mu.
func (c *connection) dropQueue() {
	for _, frame := range c.queue {
		c.count(-len(frame))
	}
	c.queue = nil
}

// count adds bytes, which may be negative, to the number of bytes that wait for the client. The caller holds mu.
func (c *connection) count(bytes int) {
	c.queued += bytes
	c.unread.Add(int64(bytes))
}

// startWriting starts a goroutine that writes until the queue is empty. A connection with an empty queue has no such
// goroutine, because most connections are quiet most of the time. The caller holds mu.
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
			_ = c.conn.Close() // the reader then gets an error, and ends the connection
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

// closeWrite ends the stream to the client, if the socket can be half closed. It can still be read.
func (c *connection) closeWrite() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// abandon closes the socket at once. If no close has begun, the client gets no close frame.
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
