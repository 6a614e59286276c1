package dynamo

import "sync"

// mostTails is how many rooms' tails one process remembers.
const mostTails = 10_000

// tails remembers the last index that this process stored in each room, which saves the next message a read. What it
// remembers may be too low, which the conditional put finds out, and never too high. The zero value is ready to use.
type tails struct {
	mu     sync.Mutex
	byRoom map[string]int64
}

func (t *tails) get(room string) (tail int64, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tail, known = t.byRoom[room]
	return tail, known
}

func (t *tails) set(room string, tail int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byRoom == nil || len(t.byRoom) >= mostTails { // starting over costs each room one read
		t.byRoom = map[string]int64{}
	}
	t.byRoom[room] = max(tail, t.byRoom[room])
}
