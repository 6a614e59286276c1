package client

import (
	"errors"
	"math"
)

// asked is a request for messages, with what was known when it was made.
type asked struct {
	first      bool // nothing is known yet
	generation int
	last       int64
	fields     fields
}

// fetch reads all messages after the last one, and all changes if they are due. It stops early if too many events wait
// for the program, and goes on when the program has taken most of them.
func (r *Room) fetch(conn *conn) error {
	for more := true; more; {
		r.c.mu.Lock()
		if r.isFull() {
			r.c.mu.Unlock()
			return nil
		}
		r.log.refresh = false
		q := r.question()
		q.fields["room_name"] = r.name
		r.c.mu.Unlock()
		a, err := conn.ask(r.ctx, "getRecentMessages", q.fields)
		if err != nil {
			return err
		}
		r.c.mu.Lock()
		more = r.take(a, q)
		changesDue := !more && r.log.changesDue
		r.c.mu.Unlock()
		if changesDue {
			if more, err = r.fetchChanges(conn); err != nil {
				return err
			}
		}
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.readyUnless(false)
	return nil
}

// fetchChanges reads all changes after the last one. It reports whether the log went back, and the messages are to be
// fetched.
func (r *Room) fetchChanges(conn *conn) (wentBack bool, err error) {
	for {
		r.c.mu.Lock()
		after, generation, isDue := r.log.changes, r.log.generation, r.log.changesDue && !r.isFull()
		f := fields{"room_name": r.name, "after": after, "limit": mostChanges}
		r.c.mu.Unlock()
		if !isDue {
			return false, nil
		}
		a, err := conn.ask(r.ctx, "getChanges", f)
		if e, ok := errors.AsType[*Error](err); ok && e.Code == "unknown_action" {
			a, err = &answer{}, nil // an older chat has no changes
		}
		if err != nil {
			return false, err
		}
		if r.takeAnswer(a, after, generation) {
			return true, nil
		}
	}
}

// takeAnswer takes an answer with changes, and reports whether the log went back.
func (r *Room) takeAnswer(a *answer, after int64, generation int) (wentBack bool) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if generation != r.log.generation {
		return true
	}
	if a.changes == nil {
		r.log.changesDue, r.log.spans = false, nil
		return false
	}
	more := r.takeChanges(*a.changes, after)
	if generation != r.log.generation {
		return true
	}
	r.log.changesDue = more && r.log.changes > after
	if a.rules != nil {
		r.ruled(*a.rules)
	}
	return false
}

// question says what to ask for. At first these are the room's last messages. Later it is the last message that is
// held, or the one in doubt, and everything after it: the repeated message shows whether the log is still the same.
func (r *Room) question() asked {
	l := &r.log
	q := asked{first: !l.started, generation: l.generation, last: l.last}
	if q.first {
		limit := r.options.history
		if limit == 0 || r.options.after >= 0 {
			limit = 1 // the chat tells of no fewer
		}
		q.fields = fields{"limit": limit}
		return q
	}
	from, after := l.last, l.last
	if l.doubt > 0 && l.doubt < from {
		from = l.doubt
	}
	if _, ok := l.held[from]; ok {
		after = from - 1
	}
	q.fields = fields{"after": after, "limit": page}
	return q
}

// take takes an answer, and reports whether to ask again.
func (r *Room) take(a *answer, q asked) (more bool) {
	l := &r.log
	if q.generation != l.generation {
		return true // the log went back meanwhile
	}
	if r.wentBack(a, q) {
		r.reset()
		return true
	}
	if q.first && !l.started {
		r.begin(a)
	} else if !q.first && a.expired {
		r.skipTo(r.firstKept(a) - 1)
	}
	l.doubt = 0
	for _, m := range a.messages {
		r.accept(m, r.stored(m))
	}
	for i := range l.ahead {
		if i <= l.last {
			delete(l.ahead, i)
		}
	}
	if q.first {
		return r.options.after >= 0
	}
	return a.more && len(a.messages) > 0
}

// begin decides with which message the room begins.
func (r *Room) begin(a *answer) {
	l := &r.log
	l.started, l.changes = true, a.changesUpTo
	switch n := len(a.messages); {
	case r.options.after >= 0:
		l.last = r.options.after
	case n > 0 && r.options.history == 0:
		r.hold(a.messages[n-1])
	case n > 0:
		l.last = a.messages[0].Index - 1
	}
	r.moveOn()
}

// firstKept returns the index of the first message of a span that is kept; without any, that of the next message.
func (r *Room) firstKept(a *answer) int64 {
	first := int64(math.MaxInt64)
	if len(a.messages) > 0 {
		first = a.messages[0].Index
	}
	for i := range r.log.ahead {
		first = min(first, i)
	}
	if first == math.MaxInt64 && a.tail != nil {
		return *a.tail + 1
	}
	return first
}

// wentBack reports whether an answer proves that the log is another one, as after the restore of an older table.
func (r *Room) wentBack(a *answer, q asked) bool {
	if !q.first && a.tail != nil && *a.tail < q.last {
		return true
	}
	for _, m := range a.messages {
		if held, ok := r.log.held[m.Index]; ok && !held.isSame(identityOf(m)) {
			return true
		}
	}
	return false
}
