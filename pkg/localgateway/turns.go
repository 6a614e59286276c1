package localgateway

import (
	"slices"
	"sync"
)

// How many messages are handled at once. On AWS each has a process of its own. Here all share this process's memory,
// and a handler may hold megabytes for a client that does not read. Further messages stay in the socket, so the client
// waits and nothing is lost. AWS has no such limit for a connection. Its limit is the account's number of concurrent
// invocations of a function.
const (
	messagesAtOnce = 32 // for one connection

	// messagesAtOnceInAll is for all connections together. Beyond it each connection has one message at a time, so no
	// connection can block another.
	messagesAtOnceInAll = 64
)

// turns limits the messages that are handled at once: each message needs a turn. A connection asks for one turn at a
// time, in the order of its messages.
type turns struct {
	mu      sync.Mutex
	taken   int     // by all connections
	waiting []*turn // in the order of arrival
}

// turn is a connection's place in the queue for a turn.
type turn struct {
	c     *connection
	given chan struct{}
}

// take waits for a turn. It returns false if the connection is closed first.
func (t *turns) take(c *connection) bool {
	t.mu.Lock()
	if t.isFree(c) {
		t.give(c)
		t.mu.Unlock()
		return true
	}
	waiting := &turn{c, make(chan struct{})}
	t.waiting = append(t.waiting, waiting)
	t.mu.Unlock()
	select {
	case <-waiting.given:
		return true
	case <-c.closeWritten:
		return t.giveUp(waiting)
	}
}

// giveUp removes a turn from the queue. It returns true if the turn was given at the same moment: then the caller has
// it.
func (t *turns) giveUp(waiting *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.Index(t.waiting, waiting)
	if at >= 0 {
		t.waiting = slices.Delete(t.waiting, at, at+1)
	}
	return at < 0
}

// end ends a turn of a connection, and gives the turns that are now free to waiting connections.
func (t *turns) end(c *connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken--
	c.turns--
	t.waiting = slices.DeleteFunc(t.waiting, func(waiting *turn) bool {
		free := t.isFree(waiting.c)
		if free {
			t.give(waiting.c)
			close(waiting.given)
		}
		return free
	})
}

// isFree reports whether a connection may have another turn. The caller holds mu.
func (t *turns) isFree(c *connection) bool {
	return c.turns == 0 || c.turns < messagesAtOnce && t.taken < messagesAtOnceInAll
}

// give counts a turn. The caller holds mu.
func (t *turns) give(c *connection) {
	t.taken++
	c.turns++
}
