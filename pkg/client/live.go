package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

// tokenAttempts is after how many failures of the token function, or refused handshakes, in a row the client ends.
const tokenAttempts = 3

// mostAttemptsAfterLoss keeps the pauses short after a connection that worked: the chat is there.
const mostAttemptsAfterLoss = 2

// attempts counts what failed in a row.
type attempts struct {
	failed    int // attempts to connect, since a connection was stable
	tokens    int
	refusals  int // of handshakes
	wasOnline bool
}

// live keeps the client connected, until it is closed or another attempt cannot help.
func (c *Client) live() {
	defer close(c.done)
	var a attempts
	for c.ctx.Err() == nil {
		conn, err := c.open(&a)
		if err == nil {
			c.use(conn)
			c.enterAll(conn)
			if conn.ctx.Err() == nil {
				c.setState(Online, nil)
			}
			for conn != nil {
				conn, err = c.serve(conn, &a)
			}
			a.failed = min(a.failed, mostAttemptsAfterLoss)
		}
		if c.ctx.Err() != nil {
			break
		}
		if a.isFinal(err, c.config.Token != nil) {
			c.end(err)
			break
		}
		c.config.Logger.Warn("there is no connection to the chat", "error", err)
		c.setState(Offline, err)
		a.failed++
		_ = sleep(c.ctx, c.timing.pauses.Pause(a.failed))
		c.setState(Connecting, nil)
	}
	c.finish()
}

// finish ends all rooms and connections.
func (c *Client) finish() {
	c.mu.Lock()
	c.conn = nil
	for _, r := range c.rooms {
		r.end(causeOf(c.ctx))
	}
	for conn := range c.conns {
		conn.end(causeOf(c.ctx))
	}
	c.mu.Unlock()
	c.goroutines.Wait()
	c.setState(Closed, causeOf(c.ctx))
}

// isFinal reports whether another attempt cannot help. A token function may return another token the next time.
func (a *attempts) isFinal(err error, renewable bool) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case CodeSignedOut:
		return true
	case CodeTokenFailed:
		return !a.wasOnline && a.tokens >= tokenAttempts
	case CodeHandshakeRefused:
		return !isPassingStatus(e.Status) && (!renewable || a.refusals >= tokenAttempts)
	}
	return false
}

// open opens a connection, which is not in use yet.
func (c *Client) open(a *attempts) (*conn, error) {
	token, err := c.token()
	if err != nil {
		a.tokens++
		return nil, err
	}
	a.tokens = 0
	conn, err := dial(c.ctx, c.config, c.timing, token)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeHandshakeRefused {
			a.refusals++
		}
		return nil, err
	}
	a.refusals, a.wasOnline = 0, true
	conn.received = func(f *frame) { c.received(f, conn) }
	conn.lost = func() { c.lost(conn) }
	c.goroutines.Go(conn.read)
	c.goroutines.Go(conn.write)
	return conn, nil
}

// lost notes that a connection has ended.
func (c *Client) lost(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
	if c.conn == conn {
		c.conn = nil
		c.changed()
	}
}

// use uses a connection from now on, and ends the one before.
func (c *Client) use(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.ctx.Err() != nil {
		return
	}
	before := c.conn
	c.conn = conn
	close(conn.used)
	c.changed()
	if before != nil {
		before.end(errUnavailable("Another connection took over."))
	}
}

// enterAll enters every room on a connection, and those that are joined later. It returns when each was tried once, or
// when that takes too long: a room that cannot be entered holds up no other.
func (c *Client) enterAll(conn *conn) {
	ctx, cancel := context.WithTimeout(conn.ctx, c.timing.answer)
	defer cancel()
	var tried sync.WaitGroup
	c.mu.Lock()
	if conn.ctx.Err() == nil { // otherwise it is lost already
		c.conns[conn] = true
		for _, r := range c.rooms {
			tried.Add(1)
			r.start(conn, sync.OnceFunc(tried.Done))
		}
	}
	c.mu.Unlock()
	all := make(chan struct{})
	c.goroutines.Go(func() { // it ends at the latest with the connection, and the rooms on it
		tried.Wait()
		close(all)
	})
	select {
	case <-all:
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
}

// serve keeps a connection until it ends, or until another one takes over, which it returns.
func (c *Client) serve(conn *conn, a *attempts) (next *conn, err error) {
	stable := time.NewTimer(c.timing.stable)
	swap := time.NewTimer(soonerThan(c.timing.swap))
	token := time.NewTimer(0)
	token.Stop()
	defer stable.Stop()
	defer swap.Stop()
	defer token.Stop()
	life := lifetime{expires: conn.expires}
	if !conn.expires.IsZero() {
		conn.probe() // the answer has the chat's time
	}
	for {
		isDue := false
		select {
		case <-c.ctx.Done():
			return nil, causeOf(c.ctx)
		case <-conn.ctx.Done():
			return nil, causeOf(conn.ctx)
		case <-stable.C:
			a.failed = 0
			continue
		case <-swap.C:
			isDue = true
		case <-conn.clocked:
		case <-token.C:
		}
		left, due, known := life.left(c.now(), c.timing.renew)
		switch {
		case known && left <= 0:
			conn.end(errUnavailable("The token has ended."))
			continue
		case known && due <= 0:
			isDue = true
			token.Reset(left)
		case known:
			token.Reset(due)
		}
		if !isDue {
			continue
		}
		next, err := c.replace(a)
		if err == nil {
			return next, nil
		}
		if a.isFinal(err, c.config.Token != nil) {
			return nil, err
		}
		c.config.Logger.Warn("no second connection to the chat can take over", "error", err)
		swap.Reset(c.timing.swap / 100)
	}
}

// replace lets a second connection take over: the first one serves until the second has entered the rooms.
func (c *Client) replace(a *attempts) (*conn, error) {
	next, err := c.open(a)
	if err != nil {
		return nil, err
	}
	c.enterAll(next)
	if next.ctx.Err() != nil {
		return nil, causeOf(next.ctx)
	}
	c.use(next)
	c.setState(Online, nil)
	return next, nil
}

// now is the time by the chat's clock.
func (c *Client) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *Client) setState(state State, reason error) {
	c.mu.Lock()
	isNews := c.state != state
	c.state = state
	if isNews {
		c.changed()
	}
	c.mu.Unlock()
	if isNews && c.config.Trace.State != nil {
		c.config.Trace.State(state, reason)
	}
}
