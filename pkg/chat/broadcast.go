package chat

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"time"

	"wschat/pkg/backoff"
)

const (
	// leaseMargin is how long before its lease ends a broadcaster begins no more posts: for those that are under way, and for
	// clocks that differ.
	leaseMargin = 5 * time.Second

	// turn is how long a broadcaster goes on for others before it lets another sender take over, for which it then waits for
	// handover.
	turn     = 5 * time.Second
	handover = 50 * time.Millisecond

	// postsPerSecond is how fast a room may be posted to for longer than one round, a tenth of an account's default quota
	// (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html). A broadcaster waits accordingly before it
	// looks for more, for longestPace at most: what is stored meanwhile goes out together.
	postsPerSecond = 1000
	longestPace    = time.Second
	mostSlower     = 16

	// batch is how many messages a broadcaster reads at once, and mostAtOnce how many bytes of them it takes together, or a batch
	// more.
	batch      = 100
	mostAtOnce = 1 << 20

	// patience is for how long a member is tried again whom nothing reaches, although it is not gone; at least so many times, where
	// many have to wait for their turn.
	patience    = 5 * time.Second
	fewestTries = 3

	firstPause   = 25 * time.Millisecond // before what failed is tried again, doubled each time
	longestPause = 400 * time.Millisecond

	// lookPause is how long a broadcaster that only waits for members to be tried again leaves the room without a look.
	lookPause = 50 * time.Millisecond

	// lastLook is how much time must be left for looking once more to be of use, and lastRound for looking in between: when less
	// is left, it is for the posts that are under way.
	lastLook  = 500 * time.Millisecond
	lastRound = time.Second

	// lastRelease is how long a lease is being given back where no time is left. Whoever calls Send leaves as much for the end.
	lastRelease = 500 * time.Millisecond
)

// broadcast is one sender's time as the broadcaster of a room: the only one who sends to it, so that its members get
// messages in their order, and those that were stored meanwhile together in one frame.
//
// It goes in rounds. In each, every member is posted to once, with all that it lacks; who could not be reached is behind,
// is tried again in later rounds, and holds up nobody else.
type broadcast struct {
	Service
	room  string
	owner string // of the lease

	holds     bool      // the lease, or may hold it
	uncertain bool      // it was asked for, and the answer was lost
	began     time.Time // when the lease was acquired
	renewedAt time.Time // when it was asked for last, successfully
	log       []Message // what somebody still lacks, oldest first
	sent      int64     // everybody has got, or will never get, what is up to here
	read      int64     // everything up to here is sent, or in the log
	behind    map[string]lag
	givenUp   map[string]bool // who could not be reached for as long as patience goes
	posts     posts
	frames    map[part]encoded // of the round
	tally     tally            // of the round
	slower    float64          // by which factor than postsPerSecond, at least 1
	delivery  Delivery
	gone      map[string]Member // whom a post found closed, by connection id
	suspects  suspects
	posted    time.Time // when the last post of the first round was taken
}

func newBroadcast(s Service, room string) *broadcast {
	return &broadcast{
		Service: s, room: room, owner: rand.Text(),
		behind: map[string]lag{}, givenUp: map[string]bool{}, posts: newPosts(s.Workers), gone: map[string]Member{}, suspects: suspects{},
	}
}

// begin tries to become the room's broadcaster, after a message was stored at index, and reads the members beside it.
func (b *broadcast) begin(ctx context.Context, index int64) (members []Member, ok bool, err error) {
	membersRead := beside(func() error {
		return b.insistOn(ctx, func(ctx context.Context) (err error) {
			members, err = b.readMembers(ctx)
			return err
		})
	})
	// Where nobody has been the broadcaster, everything is still to be sent; but in a room that is older than this rule,
	// only what may be under way. To ask again also finds a lease that was acquired, and only the answer was lost.
	err = b.insistOn(ctx, func(ctx context.Context) (err error) {
		ok, err = b.acquire(ctx, max(0, index-1-batch))
		return err
	})
	membersErr := <-membersRead
	if err == nil && !ok { // the present broadcaster sends it, and reads the members itself
		b.note(membersErr)
		return members, false, nil
	}
	if err := errors.Join(err, membersErr); err != nil {
		b.release(ctx)
		return nil, false, err
	}
	return members, true, nil
}

// run sends what is to be sent until there is nothing more, or another is the broadcaster. The members were read after the
// message was stored. An error says that the message may not have been sent; what happens to others' is in the delivery.
func (b *broadcast) run(ctx context.Context, stored Message, members []Member) error {
	b.delivery.SentAfter = b.sent
	defer func() {
		b.release(ctx) // after an error or a panic
		b.delivery.SentUpTo = b.sent
		for _, l := range b.behind { // the next broadcaster begins with them
			b.delivery.Left += len(b.logFrom(l.from))
			b.delivery.Err = cmp.Or(b.delivery.Err, errNoTime)
		}
		b.announceLeave(ctx, b.prune(ctx, slices.Collect(maps.Values(b.gone)))...)
	}()
	var fresh []Message
	err := b.insistOn(ctx, func(ctx context.Context) (err error) {
		fresh, err = b.upTo(ctx, stored)
		return err
	})
	if err != nil {
		return err
	}
	for more := true; more; {
		err := b.rounds(ctx, fresh, members)
		if errors.Is(err, errLeaseLost) {
			clear(b.behind) // the other sends what is left
			return nil
		}
		b.note(err)
		b.giveUp()
		b.release(ctx)
		if b.turnIsOver() {
			_ = backoff.Sleep(ctx, handover)
		}
		if more = hasTime(ctx, lastLook); more {
			b.note(b.insistOn(ctx, func(ctx context.Context) (err error) {
				fresh, members, more, err = b.again(ctx)
				return err
			}))
		}
	}
	return nil
}

// insistOn calls f until it succeeds, or for as long as patience goes, or for most of ctx's time: a broadcaster that leaves
// because of one failure of the store leaves behind the messages of others, who have seen that there is one.
func (b *broadcast) insistOn(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, done := mostOf(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mayHelp := func(err error) bool { return !errors.Is(err, errLeaseLost) && !errors.Is(err, errPanicked) }
	return retries().Retry(ctx, mayHelp, func() error { return f(ctx) })
}

// mostOf returns a context that ends when two thirds of ctx's time are over, so that something is left for what comes after.
func mostOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)*2/3)
}

// again looks once more after the lease was released: a message may have been stored after the last look, by a sender who
// saw the lease taken. If there is one, or somebody was not tried for want of time, and there is no other broadcaster yet,
// there is more to do.
func (b *broadcast) again(ctx context.Context) (fresh []Message, members []Member, more bool, err error) {
	if fresh, err = b.look(ctx); err != nil || len(fresh) == 0 && len(b.behind) == 0 {
		return nil, nil, false, err
	}
	if more, err = b.acquire(ctx, b.sent); err != nil || !more {
		return nil, nil, false, err
	}
	fresh = slices.DeleteFunc(fresh, func(m Message) bool { return m.Index <= b.sent }) // by another in between
	members, err = b.readMembers(ctx)
	return fresh, members, err == nil, err
}

// upTo returns what is to be sent up to the stored message, or the first part of it.
func (b *broadcast) upTo(ctx context.Context, stored Message) ([]Message, error) {
	switch {
	case b.sent >= stored.Index:
		return nil, nil
	case b.sent == stored.Index-1:
		return []Message{stored}, nil
	}
	return b.Log.Read(ctx, b.room, Span{After: b.sent, Before: stored.Index + 1, Limit: batch})
}

// look returns what was stored since, or so much of it as may be sent together.
func (b *broadcast) look(ctx context.Context) (found []Message, err error) {
	after := b.read
	for size := 0; size < mostAtOnce; {
		next, err := b.Log.Read(ctx, b.room, Span{After: after, Limit: batch})
		if err != nil {
			return nil, err
		}
		found = append(found, next...)
		if len(next) < batch {
			break
		}
		after = next[len(next)-1].Index
		for _, m := range next {
			size += len(m.Content)
		}
	}
	return found, nil
}

func (b *broadcast) readMembers(ctx context.Context) ([]Member, error) {
	members, err := b.Roster.Members(ctx, b.room, 0)
	return b.present(members), err
}

func (b *broadcast) turnIsOver() bool { return b.Now().Sub(b.began) >= turn }

// hasTime tells whether a context goes on for longer than d.
func hasTime(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > d)
}

// rounds sends the fresh messages to the members, and then what it finds, until there is nothing more, or the turn is over, or
// most of ctx's time. The error is errLeaseLost where another has the lease.
func (b *broadcast) rounds(ctx context.Context, fresh []Message, members []Member) error {
	ctx, cancel := mostOf(ctx)
	defer cancel()
	defer b.settle() // before anybody else posts to a member whose post has not ended
	return b.keepSending(ctx, fresh, members)
}

func (b *broadcast) keepSending(ctx context.Context, fresh []Message, members []Member) error {
	for {
		began := b.Now()
		b.round(ctx, fresh, members)
		_ = backoff.Sleep(ctx, began.Add(b.pace()).Sub(b.Now()))
		if ctx.Err() != nil {
			return nil
		}
		var err error
		fresh = nil
		// After its turn it goes on only for those who are behind, and others must not wait for that.
		if (!b.turnIsOver() || b.unfinished()) && hasTime(ctx, lastRound) {
			err = b.insistOn(ctx, func(ctx context.Context) (err error) {
				fresh, err = b.look(ctx)
				return err
			})
			if err != nil {
				return err
			}
		}
		switch {
		case len(fresh) > 0:
			err = b.insistOn(ctx, func(ctx context.Context) (err error) {
				members, err = b.renewAndReadMembers(ctx)
				return err
			})
		case !b.unfinished():
			return nil
		default:
			b.waitForTheNext(ctx)
			if b.Now().Sub(b.renewedAt) > LeaseTime/4 {
				err = b.insistOn(ctx, b.renew)
			}
		}
		if err != nil {
			return err
		}
	}
}

// unfinished tells whether somebody still lacks what was read.
func (b *broadcast) unfinished() bool { return len(b.behind) > 0 || len(b.posts.underWay) > 0 }

// renewAndReadMembers prolongs the lease and reads the members, which must be after the messages that are to be sent to
// them were read.
func (b *broadcast) renewAndReadMembers(ctx context.Context) (members []Member, err error) {
	renewed := beside(func() error { return b.renew(ctx) })
	members, err = b.readMembers(ctx)
	return members, errors.Join(<-renewed, err)
}

// waitForTheNext waits until the first of those who are behind is due or a post has ended, but not longer than the room may go
// without a look.
func (b *broadcast) waitForTheNext(ctx context.Context) {
	wait := lookPause
	if b.posts.takes(&posting{}) {
		for _, l := range b.behind {
			wait = min(wait, l.due.Sub(b.Now()))
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case p := <-b.posts.ended:
		b.take(p)
	case <-timer.C:
	case <-ctx.Done():
	}
}

// note keeps an error for the log.
func (b *broadcast) note(err error) {
	if err != nil {
		b.delivery.Err = err
	}
}
