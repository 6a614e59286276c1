package client

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"wschat/pkg/backoff"
)

// Config says which chat a client connects to, and as which user.
type Config struct {
	// URL is that of the WebSocket API's stage, such as wss://example.com/dev. Required.
	URL string

	// User is the user's name in an open chat. The chat believes every name. Leave it empty where people sign in.
	User string

	// Token returns the token of an OpenID Connect provider, where people sign in; nil for an open chat. The client
	// calls it before each connection, and connects anew with a new token a minute before the end of a token. The end
	// is read from the token's exp. "" without an error means that nobody is signed in, and ends the client. After an
	// error, the client asks again.
	Token func(ctx context.Context) (string, error)

	// HTTPClient makes the handshakes; nil for http.DefaultClient.
	HTTPClient *http.Client

	// Logger is told what the operator of the program may want to know; nil for nothing.
	Logger *slog.Logger

	// Trace watches the connections; the zero value watches nothing.
	Trace Trace
}

// Trace has functions that are called when something happens on a connection; each may be nil. They must return soon,
// and must not call methods of the Client.
type Trace struct {
	// State is called when the state has changed, with the reason: nil, or why there is no connection.
	State func(state State, reason error)

	// Received is called with each frame that came, before the client handles it. It must not change the frame.
	Received func(frame []byte)

	// Pushed is called with the messages of a frame that the chat has sent by itself, as they came: before the room
	// puts them in order, drops those that it has and fetches what is missing. It must not change them.
	Pushed func(messages []Message)

	// Sent is called with each frame that is to be written. It must not change the frame.
	Sent func(frame []byte)
}

// State is what a client does at the moment.
type State string

// The states of a Client.
const (
	Connecting State = "connecting" // the first state
	Online     State = "online"     // connected, and each room was tried once
	Offline    State = "offline"    // in the pause before the next attempt to connect
	Closed     State = "closed"     // at the end
)

// Client is one user's connection to the chat, which is replaced when it breaks. New makes it.
type Client struct {
	config Config
	timing timing

	// ctx ends with the client. Its cause is an *Error.
	ctx        context.Context
	end        context.CancelCauseFunc
	goroutines sync.WaitGroup
	done       chan struct{}

	mu     sync.Mutex // guards what is below, and the rooms
	state  State
	rooms  map[string]*Room // by name; by the chat's spelling, once it is known
	conns  map[*conn]bool   // that are open, whether in use or not yet
	conn   *conn            // in use; nil if there is none
	change chan struct{}    // closed, and replaced, when state or conn changes
	user   string           // as the chat spells it, once it has said so
	userID string
	named  bool          // whether the chat has said user and userID
	ahead  time.Duration // of the chat's clock, before this machine's
}

// New returns a client that connects at once, in the background, and connects again until it is closed. Its error is
// an *Error with CodeInvalidArgument, if the URL is wrong, or if there are a User and a Token.
func New(c Config) (*Client, error) { return newClient(c, defaultTiming()) }

func newClient(c Config, t timing) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, &Error{Code: CodeInvalidArgument, Message: "The URL is none.", Err: err}
	}
	switch {
	case u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "http" && u.Scheme != "https":
		return nil, &Error{Code: CodeInvalidArgument, Message: "The URL must be one such as wss://example.com/dev."}
	case c.User != "" && c.Token != nil:
		return nil, &Error{Code: CodeInvalidArgument, Message: "Give a User or a Token: the name is the token's."}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	client := &Client{config: c, timing: t, done: make(chan struct{}), state: Connecting, rooms: map[string]*Room{},
		conns: map[*conn]bool{}, change: make(chan struct{}), user: c.User}
	client.ctx, client.end = context.WithCancelCause(context.Background())
	go client.live()
	return client, nil
}

// Close ends the client: it closes the connection and waits for its goroutines. Sends that are not answered yet return
// an *Error with CodeClosed. Call it as often as you like, but not from a function of the Config.
func (c *Client) Close() {
	c.end(errClosed("The client was closed."))
	<-c.done
}

// Done is closed when the client has ended: because it was closed, or because another attempt to connect cannot help.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns nil until the client has ended, and then why: an *Error with CodeClosed after Close. Otherwise it has
// CodeSignedOut, or CodeHandshakeRefused or CodeTokenFailed after three times in a row.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return causeOf(c.ctx)
	default:
		return nil
	}
}

// State returns what the client does at the moment.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// WaitOnline waits until the client is online. Its error is that of ctx, or that of Err.
func (c *Client) WaitOnline(ctx context.Context) error {
	for {
		c.mu.Lock()
		state, change := c.state, c.change
		c.mu.Unlock()
		if state == Online {
			return nil
		}
		select {
		case <-change:
		case <-c.ctx.Done():
			return causeOf(c.ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// User returns the user's name and id, as the chat has said them. With a token, both are "" until a room was joined. An
// open chat has no ids.
func (c *Client) User() (name, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user, c.userID
}

// IsMe reports whether a message is this user's. It compares the ids, or the names if there are no ids.
func (c *Client) IsMe(m Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isMe(m)
}

func (c *Client) isMe(m Message) bool {
	if m.UserID != "" && c.userID != "" {
		return m.UserID == c.userID
	}
	return m.UserName == c.user
}

// Join joins a room, in the background: as soon as there is a connection, and again on each connection after that. If
// the room is joined already, it returns the same Room, and the options do not count. If the chat refuses the room,
// the Room ends, and Room.Err says why.
func (c *Client) Join(name string, options ...JoinOption) *Room {
	name = strings.Join(strings.Fields(name), " ") // as the chat does. It tells the rest of its spelling
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[name]; r != nil {
		return r
	}
	r := newRoom(c, name, options)
	if c.ctx.Err() != nil {
		r.end(causeOf(c.ctx))
		return r
	}
	c.rooms[name] = r
	for conn := range c.conns {
		r.start(conn, func() {})
	}
	return r
}

// Do sends any request of pkg/protocol, such as getRooms or createRoom, and returns the frames of its answer. What
// breaks off, or fails for now, is repeated until ctx ends, so the request must be one that may be repeated. The error
// is an *Error or that of ctx.
func (c *Client) Do(ctx context.Context, action string, request map[string]any) ([]json.RawMessage, error) {
	for attempt := 1; ; attempt++ {
		conn, err := c.online(ctx)
		if err != nil {
			return nil, err
		}
		a, err := conn.ask(ctx, action, request)
		if err == nil {
			return a.raw(), nil
		}
		if !isPassing(err) {
			return nil, err
		}
		if err := c.pause(ctx, conn, attempt); err != nil {
			return nil, err
		}
	}
}

// online waits for a connection.
func (c *Client) online(ctx context.Context) (*conn, error) {
	for {
		c.mu.Lock()
		conn, change := c.conn, c.change
		c.mu.Unlock()
		if conn != nil && conn.ctx.Err() == nil {
			return conn, nil
		}
		select {
		case <-change:
		case <-c.ctx.Done():
			return nil, causeOf(c.ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pause waits before a request is repeated: not at all if the connection has ended.
func (c *Client) pause(ctx context.Context, conn *conn, attempt int) error {
	waiting, cancel := context.WithTimeout(conn.ctx, c.timing.pauses.Pause(attempt))
	defer cancel()
	select {
	case <-waiting.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// changed tells waiting goroutines that state or conn has changed. The caller holds mu.
func (c *Client) changed() {
	close(c.change)
	c.change = make(chan struct{})
}

func sleep(ctx context.Context, d time.Duration) error { return backoff.Sleep(ctx, d) }
