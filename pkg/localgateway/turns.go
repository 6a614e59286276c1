package localgateway

import (
	"slices"
	"sync"
)

// How many messages are handled at once. On AWS each has a process of its own; here all share this process's memory,
// and a handler may hold megabytes for a client that reads nothing. What is beyond is not read from the socket, so
// the client waits and nothing is lost. AWS has no such bound for a connection, and the number of a function's
// invocations for the account.
const (
	messagesAtOnce = 32 // of one connection

	// messagesAtOnceInAll is of all connections. Beyond it a connection has one at a time, so nobody is kept out by
	// others.
	messagesAtOnceInAll = 64
)

// turns are given to messages that are handled. Each connection asks for one at a time, in the order of its messages.
type turns struct {
	mu      sync.Mutex
	taken   int     // by all connections
	waiting []*turn // first come, first served
}

// turn is what a connection waits for.
type turn struct {
	c     *connection
	given chan struct{}
}

// take waits for a turn; false where the connection is closed first.
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

// giveUp takes a turn out of those that are waited for; true where it was given in that moment.
func (t *turns) giveUp(waiting *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.Index(t.waiting, waiting)
	if at >= 0 {
		t.waiting = slices.Delete(t.waiting, at, at+1)
	}
	return at < 0
}

// end ends a turn of a connection, and gives to those that wait what is free then.
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

// isFree reports whether a connection may have one more turn. The caller holds mu.
func (t *turns) isFree(c *connection) bool {
	return c.turns == 0 || c.turns < messagesAtOnce && t.taken < messagesAtOnceInAll
}

// give counts a turn. The caller holds mu.
func (t *turns) give(c *connection) {
	t.taken++
	c.turns++
}
