package broadcast

import (
	"errors"
	"time"

	"wschat/pkg/backoff"
	"wschat/pkg/chat"
)

const (
	// patience is how long attempts to an open but unresponsive connection are repeated, fewestTries how often at
	// least: in a large room, a recipient may have to wait long for its turn.
	patience    = 5 * time.Second
	fewestTries = 3
)

// retries is the pause between attempts to one recipient, and between calls of a store that failed.
func retries() backoff.Policy {
	return backoff.Policy{First: 25 * time.Millisecond, Most: 400 * time.Millisecond}
}

// recipient is one member of the room, and how far the feed has reached it. The package comment has its states.
type recipient struct {
	member  chat.Member
	next    int64 // the index of the first entry that it lacks
	flight  *attempt
	slow    bool
	givenUp bool
	gone    bool
	metAt   int // the last meeting at which it was a member

	// While it fails.
	failingSince time.Time // when the first failed post began; zero if it does not fail
	failures     int       // in a row
	lastErr      error
	due          time.Time // when it is tried again

	// suspectSince is when the first post was answered with 410 although the connection may still be in its own
	// $connect. It is by this process's clock: the time in the member's row is another machine's, and says nothing
	// about the age.
	suspectSince time.Time
}

// lacks reports whether the recipient lacks any of the entries up to read.
func (r *recipient) lacks(read int64) bool { return !r.gone && r.next <= read }

// isTrouble reports whether a round should not wait for the recipient.
func (r *recipient) isTrouble() bool { return r.givenUp || r.slow || !r.failingSince.IsZero() }

// update notes the membership as it was just read. A membership that was written again since is suspected no longer.
func (r *recipient) update(m chat.Member) {
	if !r.member.Same(m) {
		r.suspectSince = time.Time{}
	}
	r.member = m
}

// skipTo notes that the recipient needs nothing up to an index: it has got it, or never will. That ends a failure.
func (r *recipient) skipTo(index int64) {
	r.next = max(r.next, index+1)
	r.slow, r.failingSince, r.failures, r.lastErr, r.due = false, time.Time{}, 0, nil, time.Time{}
}

// fails notes a failed attempt. It reports whether the recipient is given up: it was unreachable for as long as
// patience.
func (r *recipient) fails(a *attempt, now time.Time) (givenUp bool) {
	if r.failingSince.IsZero() {
		r.failingSince = a.postedAt
	}
	if r.failures++; a.postedAt.Sub(r.failingSince) > patience && r.failures >= fewestTries {
		r.givenUp = true
		return true
	}
	r.due = now.Add(retries().Pause(r.failures))
	r.lastErr = a.err
	return false
}

// isGone reports whether an attempt's error means that the connection is closed. It does if the membership was
// written through the open connection. A membership that was written in $connect may be of a connection that is not
// open yet: it is taken for closed only if posts are still answered with 410 after chat.HandshakeGrace.
func (r *recipient) isGone(a *attempt) bool {
	switch {
	case a.member.IsClosed(a.err):
		return true
	case !errors.Is(a.err, chat.ErrGone) || !r.member.Same(a.member):
		return false
	case r.suspectSince.IsZero():
		r.suspectSince = a.postedAt
		return false
	}
	return a.postedAt.Sub(r.suspectSince) >= chat.HandshakeGrace
}
