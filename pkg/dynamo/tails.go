package dynamo

import "sync"

// mostTails is how many rooms' tails one process remembers.
const mostTails = 10_000

// tails remembers the last index that this process stored in each room. That saves the next message a read, unless
// other processes send to the room as well: then the remembered index is too low, and costs a put. It is never too
// high. The zero value is ready to use.
type tails struct {
	mu     sync.Mutex
	byRoom map[string]remembered
}

type remembered struct {
	tail   int64
	shared bool // it was too low when it was used or compared last
}

// get returns the tail to try, unless it would probably be too low.
func (t *tails) get(room string) (tail int64, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, known := t.byRoom[room]
	return r.tail, known && !r.shared
}

// compare notes whether the tail that was read would have been the one remembered.
func (t *tails) compare(room string, tail int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, known := t.byRoom[room]; known {
		r.shared = r.tail < tail
		t.byRoom[room] = r
	}
}

// set notes a message that was stored.
func (t *tails) set(room string, tail int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byRoom == nil || len(t.byRoom) >= mostTails { // starting over costs each room one read
		t.byRoom = map[string]remembered{}
	}
	r := t.byRoom[room]
	t.byRoom[room] = remembered{max(tail, r.tail), r.shared}
}
