package client

import "errors"

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
