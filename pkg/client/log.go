package client

import "math"

// logState is what a room knows of its two logs: messages and changes.
type logState struct {
	started bool  // whether last is known
	ready   bool  // whether Ready was emitted
	last    int64 // the index of the last message that was delivered, or that came before the first one
	ahead   map[int64]Message
	held    map[int64]identity // of the messages that were delivered last
	doubt   int64              // from this index on, the log may differ from what is held; 0 for no doubt

	changes    int64  // the number of the change up to which the room has all
	spans      []span // parts of the changes that came too early
	changesDue bool   // whether changes are to be fetched
	refresh    bool   // whether messages are to be fetched

	versions   map[int64]int64 // the greatest version that was seen of a message, by index
	changed    []int64         // the indexes in versions, in the order in which they were added
	newest     map[int64]Message
	histories  int // parts of the history that are being read: older states may still come
	generation int // of the log: how often it went back
}

type span struct{ after, upTo int64 }

// identity is what does not change in a message.
type identity struct {
	userName, userID, id string
	createAt             int64
}

func identityOf(m Message) identity { return identity{m.UserName, m.UserID, m.ID, m.CreateAt} }

// isSame compares two messages. An older process of the chat may have left out the sender's id.
func (a identity) isSame(b identity) bool {
	if a.userID == "" || b.userID == "" {
		a.userID, b.userID = "", ""
	}
	return a == b
}

// clear forgets everything, as if nothing had been delivered.
func (l *logState) clear() {
	*l = logState{ahead: map[int64]Message{}, held: map[int64]identity{}, versions: map[int64]int64{},
		newest: map[int64]Message{}, histories: l.histories, generation: l.generation + 1}
}

// All functions below are called with the client's mutex.

// pushed takes a message that the chat has sent by itself.
func (r *Room) pushed(m Message) {
	if r.ctx.Err() != nil || m.Index < 1 {
		return
	}
	mine := r.stored(m)
	if r.isFull() {
		return
	}
	r.accept(m, mine)
}

// accept takes a message, pushed or fetched.
func (r *Room) accept(m Message, mine bool) {
	l := &r.log
	if l.started && m.Index <= l.last {
		// A repeated message has an old index, and so has a new message in a log that went back. Only the log can tell.
		if mine || r.isStrange(m) {
			r.doubts(m.Index)
		} else {
			r.learn(m)
		}
		return
	}
	r.learn(m)
	if len(l.ahead) < mostAhead || l.started && m.Index == l.last+1 {
		l.ahead[m.Index] = m
	} else {
		l.refresh = true
	}
	r.deliver()
}

// doubts notes that the log may differ from the messages that are held, from an index on. It is compared.
func (r *Room) doubts(index int64) {
	if r.log.doubt == 0 || index < r.log.doubt {
		r.log.doubt = index
	}
	signal(r.due)
}

// isStrange reports whether a message at an old index contradicts the known log: it differs from the one there, or is
// far younger than the last one.
func (r *Room) isStrange(m Message) bool {
	const far = 60 // seconds
	if held, ok := r.log.held[m.Index]; ok {
		return !held.isSame(identityOf(m))
	}
	last, ok := r.log.held[r.log.last]
	return ok && m.CreateAt > last.createAt+far
}

// deliver emits the messages that follow without a gap.
func (r *Room) deliver() {
	l := &r.log
	if !l.started {
		return
	}
	for {
		m, ok := l.ahead[l.last+1]
		if !ok {
			break
		}
		delete(l.ahead, m.Index)
		r.hold(m)
		if newest, ok := l.newest[m.Index]; ok {
			m = newest
		}
		r.forgetStates()
		r.emit(m)
	}
	if r.hasGap() {
		signal(r.due)
	}
}

// hold makes a message the last one.
func (r *Room) hold(m Message) {
	r.log.last = m.Index
	r.log.held[m.Index] = identityOf(m)
	delete(r.log.held, m.Index-mostHeld)
}

func (r *Room) hasGap() bool { return r.log.started && (len(r.log.ahead) > 0 || len(r.log.spans) > 0) }

// changed takes a part of the changes that the chat has sent by itself. The states in it count in any case.
func (r *Room) changed(part changesPart) {
	if r.ctx.Err() != nil || r.isFull() {
		return
	}
	r.takePart(part)
	r.deliver()
}

// takeChanges takes the answer to a request for the changes after a number, and reports whether to ask again.
func (r *Room) takeChanges(part changesPart, after int64) (more bool) {
	if part.UpTo != nil && *part.UpTo < after {
		r.reset()
		return true
	}
	part.After = &after
	r.takePart(part)
	return part.More
}

func (r *Room) takePart(part changesPart) {
	for _, m := range part.Messages {
		r.learnKnown(m)
	}
	if part.After != nil && part.UpTo != nil {
		r.log.spans = append(r.log.spans, span{*part.After, *part.UpTo})
	}
	r.moveOn()
}

// moveOn moves the number of the last change over the parts that follow without a gap.
func (r *Room) moveOn() {
	l := &r.log
	if !l.started {
		return
	}
	for moved := true; moved; {
		moved = false
		for _, s := range l.spans {
			if s.after <= l.changes && s.upTo > l.changes {
				l.changes, moved = s.upTo, true
			}
		}
	}
	var left []span
	for _, s := range l.spans {
		if s.upTo > l.changes {
			left = append(left, s)
		}
	}
	l.spans = left
	if len(l.spans) > 0 {
		l.changesDue = true
	}
}

// learnKnown takes a state of a message, unless the message contradicts the known log.
func (r *Room) learnKnown(m Message) {
	switch {
	case m.Index < 1:
	case r.log.started && m.Index <= r.log.last && r.isStrange(m):
		r.doubts(m.Index)
	default:
		r.learn(m)
	}
}

// learn takes a state of a message. The greatest version counts, whether the message was delivered already or not.
func (r *Room) learn(m Message) {
	l := &r.log
	known, ok := l.versions[m.Index]
	if m.Version <= known {
		return
	}
	if !ok {
		if len(l.changed) >= mostVersions {
			delete(l.versions, l.changed[0])
			l.changed = l.changed[1:]
		}
		l.changed = append(l.changed, m.Index)
	}
	l.versions[m.Index] = m.Version
	l.newest[m.Index] = m
	r.forgetStates()
	if l.started && m.Index <= l.last {
		r.emit(Change{m})
	}
}

// forgetStates forgets the states of which no older one can be delivered any more.
func (r *Room) forgetStates() {
	if r.log.histories > 0 || !r.log.started {
		return
	}
	for index := range r.log.newest {
		if index <= r.log.last {
			delete(r.log.newest, index)
		}
	}
}

// skipTo skips the messages up to an index, which have expired.
func (r *Room) skipTo(index int64) {
	l := &r.log
	if index <= l.last || index == math.MaxInt64 {
		return
	}
	r.emit(Expired{From: l.last + 1, To: index})
	l.last = index
	clear(l.held)
	for i := range l.ahead {
		if i <= index {
			delete(l.ahead, i)
		}
	}
}

// reset starts again, as if nothing had been delivered.
func (r *Room) reset() {
	last := r.log.last
	r.log.clear()
	r.log.refresh = true
	r.options.after = min(r.options.after, 0) // an index of the old log says nothing of this one
	r.rules = nil                             // the next ones count, whatever their version
	r.emit(Reset{Last: last})
	signal(r.due)
}
