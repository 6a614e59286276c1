package conformance

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// client is a WebSocket client that can send anything, and records what comes.
type client struct {
	name     string
	id       string // its connection id, if a behaviour needs it
	conn     net.Conn
	patience time.Duration // for a server that does not read

	writes  sync.Mutex // for writes, and for closing
	closing bool       // it has sent a close frame

	mu      sync.Mutex // for what follows
	got     []item
	taken   int           // of got, by expectations
	awaited int           // of got, by await
	news    chan struct{} // closed and replaced when got grows
}

// item is what came to a client: a message, a pong, a close frame, or the end of the stream.
type item struct {
	kind   string // "text", "binary", "pong", "close" or "end"
	text   []byte
	sizes  []int // of a message's frames, in bytes
	code   int   // of a close frame; 1005 if it has none
	reason string
}

func (i item) String() string {
	switch i.kind {
	case "close":
		return fmt.Sprintf("a close frame with %d %q", i.code, i.reason)
	case "end":
		return "the end of the stream: " + i.reason
	}
	return fmt.Sprintf("%s %.300q of %d bytes", i.kind, i.text, len(i.text))
}

// reply is the HTTP answer to a handshake, a call or a request.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// handshake is what a client sends first.
type handshake struct {
	url    *url.URL
	method string
	proto  string
	header http.Header // a header without values is not sent
	body   string      // sent right behind the head
}

// dial sends a handshake, and waits for the answer as long as patience says. The client is nil if the answer is not
// 101. Its connection is closed when ctx ends.
func dial(ctx context.Context, patience time.Duration, name string, h handshake) (*client, reply, error) {
	conn, err := dialURL(ctx, h.url)
	if err != nil {
		return nil, reply{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	key := newKey()
	if sent, ok := h.header["Sec-Websocket-Key"]; !ok {
		h.header.Set("Sec-WebSocket-Key", key)
	} else if len(sent) > 0 {
		key = sent[0]
	}
	if _, err := io.WriteString(conn, h.head()+h.body); err != nil {
		_ = conn.Close()
		return nil, reply{}, fmt.Errorf("write the handshake: %w", err)
	}
	stream := bufio.NewReader(conn)
	answer, err := http.ReadResponse(stream, &http.Request{Method: h.method})
	if err != nil {
		_ = conn.Close()
		return nil, reply{}, fmt.Errorf("read the answer to the handshake: %w", err)
	}
	got := reply{status: answer.StatusCode, header: answer.Header}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		got.body, err = io.ReadAll(answer.Body)
		_ = conn.Close()
		return nil, got, err
	}
	hash := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 4.2.2
	if want := base64.StdEncoding.EncodeToString(hash[:]); answer.Header.Get("Sec-WebSocket-Accept") != want {
		_ = conn.Close()
		return nil, got, fmt.Errorf("Sec-WebSocket-Accept is %q, want %q", answer.Header.Get("Sec-WebSocket-Accept"),
			want)
	}
	_ = conn.SetDeadline(time.Time{})
	c := &client{name: name, conn: conn, patience: patience, news: make(chan struct{})}
	go func() {
		defer stop()
		c.read(stream)
	}()
	return c, got, nil
}

func dialURL(ctx context.Context, u *url.URL) (net.Conn, error) {
	address := net.JoinHostPort(u.Hostname(), port(u))
	if httpScheme(u) == "https" {
		d := tls.Dialer{Config: &tls.Config{NextProtos: []string{"http/1.1"}}}
		return d.DialContext(ctx, "tcp", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

func newKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	return base64.StdEncoding.EncodeToString(key[:])
}

// head is the request line and the headers.
func (h handshake) head() string {
	lines := []string{h.method + " " + h.url.RequestURI() + " " + h.proto, "Host: " + h.url.Host}
	for _, key := range slices.Sorted(maps.Keys(h.header)) {
		name := strings.Replace(key, "Sec-Websocket-", "Sec-WebSocket-", 1)
		for _, value := range h.header[key] {
			lines = append(lines, name+": "+value)
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// read records what comes until the stream ends.
func (c *client) read(stream io.Reader) {
	defer c.conn.Close()
	var message item
	for {
		h, err := ws.ReadHeader(stream)
		var payload []byte
		if err == nil {
			payload, err = readPayload(stream, h)
		}
		if err != nil {
			c.add(item{kind: "end", reason: err.Error()})
			return
		}
		switch h.OpCode {
		case ws.OpPing:
			c.write(ws.NewPongFrame(payload))
		case ws.OpPong:
			c.add(item{kind: "pong", text: payload})
		case ws.OpClose:
			c.answerClose(payload)
		default:
			if h.OpCode != ws.OpContinuation {
				message = item{kind: map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary"}[h.OpCode]}
			}
			message.text = append(message.text, payload...)
			message.sizes = append(message.sizes, len(payload))
			if h.Fin {
				c.add(message)
			}
		}
	}
}

// maxFrame is the largest frame that a client takes, in bytes. A server sends no larger one, unless it is broken.
const maxFrame = 1 << 20

func readPayload(stream io.Reader, h ws.Header) ([]byte, error) {
	if h.Masked || h.Length > maxFrame || h.Rsv != 0 {
		return nil, fmt.Errorf("a frame that a server must not send: %+v", h)
	}
	payload := make([]byte, h.Length)
	_, err := io.ReadFull(stream, payload)
	return payload, err
}

// answerClose records a close frame, and answers it unless the client has closed first.
func (c *client) answerClose(payload []byte) {
	i := item{kind: "close", code: 1005}
	if len(payload) > 0 {
		code, reason := ws.ParseCloseFrameData(payload)
		i.code, i.reason = int(code), reason
	}
	c.add(i)
	c.writes.Lock()
	first := !c.closing
	c.writes.Unlock()
	if first {
		c.write(ws.NewCloseFrame(payload))
	}
}

func (c *client) add(i item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, i)
	close(c.news)
	c.news = make(chan struct{})
}

// write sends frames, masked.
func (c *client) write(frames ...ws.Frame) {
	var b []byte
	for _, f := range frames {
		masked := ws.MaskFrame(ws.NewFrame(f.Header.OpCode, f.Header.Fin, slices.Clone(f.Payload)))
		masked.Header.Rsv = f.Header.Rsv
		b = append(b, ws.MustCompileFrame(masked)...)
	}
	c.writeBytes(b)
}

// writeBytes sends bytes. It has no error: a server may close while the client still sends, and what then comes from it
// is what counts.
func (c *client) writeBytes(b []byte) {
	c.writes.Lock()
	defer c.writes.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.patience))
	_, _ = c.conn.Write(b)
}

// next waits for the next item. position says which: it is &c.taken or &c.awaited.
func (c *client) next(ctx context.Context, position *int) (item, error) {
	for {
		c.mu.Lock()
		news := c.news
		if *position < len(c.got) {
			i := c.got[*position]
			*position++
			c.mu.Unlock()
			return i, nil
		}
		c.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return item{}, fmt.Errorf("nothing came to %s: %w", c.name, context.Cause(ctx))
		}
	}
}

// errLate is the cause of a context whose time is over.
var errLate = errors.New("the time is over")
