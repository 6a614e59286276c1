package broadcast

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"wschat/pkg/chat"
)

const (
	// hanging is how long an attempt may take before its round no longer waits for it, and its worker is free for
	// another.
	hanging = 300 * time.Millisecond

	// mostInFlight is how many attempts may be in flight for each worker, with those that no round waits for.
	mostInFlight = 4

	// lookEvery is the longest pause between two looks for new entries while the fan-out only waits for recipients.
	lookEvery = 50 * time.Millisecond
)

// fanOut sends entries of a feed to recipients, in rounds.
type fanOut struct {
	feed    Feed
	poster  chat.Poster
	now     func() time.Time
	workers int // attempts at a time that a round waits for

	entries    []Entry               // what a recipient still lacks, oldest first
	read       int64                 // every entry up to here was read
	sent       int64                 // every recipient has got, or will never get, the entries up to here
	recipients map[string]*recipient // by connection id: the members, and those in flight or gone
	meetings   int                   // how often recipients were matched with the members
	inFlight   int
	awaited    int           // attempts that the round waits for
	ended      chan *attempt // has room for all in flight
	lastPost   time.Time     // no post begins after this
	encoded    map[stretch]frames
	throttle   throttle
	delivery   chat.Delivery
}

func newFanOut(feed Feed, poster chat.Poster, now func() time.Time, workers int) *fanOut {
	return &fanOut{
		feed: feed, poster: poster, now: now, workers: workers,
		recipients: map[string]*recipient{}, ended: make(chan *attempt, mostInFlight*workers),
	}
}

// hasRoom reports whether one more attempt may begin. As many attempts as workers are awaited at a time. Those that no
// round waits for, because they hang or may hang, have room of their own: there is always a worker for the rest.
func (f *fanOut) hasRoom(awaited bool) bool {
	if awaited {
		return f.awaited < f.workers && f.inFlight < cap(f.ended)
	}
	return f.inFlight < cap(f.ended)-f.workers
}

// begin begins an attempt. A recipient that was not reached the last time is sent a few entries first: all that it
// lacks would be encoded in vain again and again if it does not read.
func (f *fanOut) begin(ctx context.Context, a *attempt) {
	r := a.to
	encoded := f.encode(stretch{r.next, r.lastErr != nil})
	a.member, a.round, a.began = r.member, f.delivery.Rounds+1, f.now()
	a.frames, a.err, a.lastPost = encoded.frames, encoded.err, f.lastPost
	if a.err != nil {
		f.count(a)
		return
	}
	r.flight = a
	f.inFlight++
	if a.awaited {
		f.awaited++
	}
	go func() {
		a.run(ctx, f.poster, f.now)
		f.ended <- a
	}()
}

// detach lets the round wait no longer for attempts that hang.
func (f *fanOut) detach() {
	before := f.now().Add(-hanging)
	for _, r := range f.recipients {
		if a := r.flight; a != nil && a.awaited && !a.detached && a.began.Before(before) {
			a.detached = true
			f.awaited--
		}
	}
}

// take takes an attempt that has ended.
func (f *fanOut) take(a *attempt) {
	a.to.flight = nil
	f.inFlight--
	if a.awaited && !a.detached {
		f.awaited--
	}
	f.count(a)
}

// count notes the outcome of an attempt, and what its recipient lacks now.
func (f *fanOut) count(a *attempt) {
	r, before := a.to, *a.to
	f.delivery.Posts += a.taken
	f.throttle.count(a)
	if a.delivered > 0 {
		r.skipTo(a.delivered)
		f.delivery.Delivered += len(from(f.entries, before.next)) - len(from(f.entries, r.next))
	}
	switch {
	case a.err == nil:
		if a.round == 1 {
			f.delivery.PostedAt = f.now()
		}
		if at := from(f.entries, before.next)[0].At; at > 0 && before.lastErr == nil && !before.givenUp {
			f.delivery.Oldest = max(f.delivery.Oldest, f.now().Sub(time.Unix(at, 0)))
		}
		r.givenUp = false
		if r.lacks(f.read) { // it took so long that there is more
			r.slow, r.due = true, f.now()
		}
	case errors.Is(a.err, errNoTime): // it is due again at once
	case r.isGone(a):
		r.gone = true
		f.delivery.Gone = append(f.delivery.Gone, a.member)
	case errors.Is(a.err, chat.ErrGone), errors.Is(a.err, chat.ErrTryAgain):
		if r.fails(a, f.now()) {
			f.abandon(r, a.err)
		} else {
			f.delivery.Again++
		}
	default:
		f.abandon(r, a.err)
	}
}

// abandon counts what a recipient lacks as failed: it will never get it.
func (f *fanOut) abandon(r *recipient, err error) {
	f.delivery.Fail(len(from(f.entries, r.next)), err)
	r.skipTo(f.read)
}

// sumUp finds out what every recipient has got, and forgets the entries that no recipient lacks.
func (f *fanOut) sumUp() {
	f.sent = f.read
	for _, r := range f.recipients {
		if r.lacks(f.read) {
			f.sent = min(f.sent, r.next-1)
		}
	}
	f.entries = slices.Clone(from(f.entries, f.sent+1))
}

// isUnfinished reports whether a recipient still lacks entries that were read.
func (f *fanOut) isUnfinished() bool {
	for _, r := range f.recipients {
		if r.lacks(f.read) {
			return true
		}
	}
	return f.inFlight > 0
}

// settle waits for the attempts that are in flight.
func (f *fanOut) settle() {
	for f.inFlight > 0 {
		f.take(<-f.ended)
	}
	f.sumUp()
}

// wait waits until the first of the recipients that failed is due or an attempt has ended, at most lookEvery.
func (f *fanOut) wait(ctx context.Context) {
	pause := lookEvery
	if f.hasRoom(false) {
		for _, r := range f.recipients {
			if r.lacks(f.read) && r.flight == nil {
				pause = min(pause, r.due.Sub(f.now()))
			}
		}
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case a := <-f.ended:
		f.take(a)
	case <-timer.C:
	case <-ctx.Done():
	}
}

// giveUp abandons the recipients that are given up or failing, before the lease is given back: the next broadcaster
// must not begin with entries that everybody else has. It leaves to the next broadcaster the recipients that there
// was no time for, and, after a long time of trying, those that began to fail only lately.
func (f *fanOut) giveUp(tried time.Duration) {
	patient := tried > 2*patience
	for _, r := range f.recipients {
		if r.lacks(f.read) && (r.givenUp || r.lastErr != nil && !patient) {
			f.abandon(r, cmp.Or(r.lastErr, errNoTime))
		}
	}
	f.sumUp()
}

// beginAt notes that another broadcaster has sent the entries up to an index.
func (f *fanOut) beginAt(sent int64) {
	f.read = max(f.read, sent)
	for _, r := range f.recipients {
		if r.next = max(r.next, sent+1); !r.lacks(f.read) {
			r.skipTo(f.read)
		}
	}
	f.sumUp()
}

// leave notes that another broadcaster sends what recipients lack.
func (f *fanOut) leave() {
	for _, r := range f.recipients {
		r.skipTo(f.read)
	}
}

// countLeft counts what the recipients still lack: the next broadcaster begins with it.
func (f *fanOut) countLeft() {
	for _, r := range f.recipients {
		if r.lacks(f.read) {
			f.delivery.Left += len(from(f.entries, r.next))
			f.delivery.Err = cmp.Or(f.delivery.Err, errNoTime)
		}
	}
}
