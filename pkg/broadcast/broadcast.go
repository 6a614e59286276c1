package broadcast

import (
	"context"
	"errors"
	"slices"
	"time"

	"wschat/pkg/backoff"
	"wschat/pkg/chat"
	"wschat/pkg/deadline"
	"wschat/pkg/parallel"
)

const (
	// batch is how many entries are read at once. mostAtOnce is how many bytes of content are sent together, or a
	// batch more.
	batch      = 100
	mostAtOnce = 1 << 20

	// lastLook is how much time must be left for one more look at the feed after a turn, and lastRound for a look
	// within one. With less, the time is for the attempts that are in flight.
	lastLook  = 500 * time.Millisecond
	lastRound = time.Second

	// lastRelease is how long the lease is given back when no time is left. The callers of Broadcast leave as much.
	lastRelease = 500 * time.Millisecond
)

// Broadcaster is a chat.Broadcaster.
type Broadcaster struct {
	Leases Leases // required
}

var _ chat.Broadcaster = Broadcaster{}

// Broadcast sends a stored message to its room; see chat.Broadcaster.
func (b Broadcaster) Broadcast(
	ctx context.Context, s chat.Service, stored chat.Message, seen func([]chat.Member),
) (chat.Delivery, error) {
	feed := messages{log: s.Log, encoder: s.Encoder, room: stored.Room}
	return b.send(ctx, s, stored.Room, stored.Room, feed, entryOf(stored), seen)
}

// BroadcastChange sends a change to its room; see chat.Broadcaster.
func (b Broadcaster) BroadcastChange(ctx context.Context, s chat.Service, room string, changed chat.ChangedMessage) (
	chat.Delivery, error) {
	feed := changes{log: s.Changes, encoder: s.Encoder, room: room}
	return b.send(ctx, s, room, changesLease(room), feed, entryOfChange(changed.Change-1, changed),
		func([]chat.Member) {})
}

// BroadcastLeft sends a room the changes that were left unsent; see chat.Broadcaster.
func (b Broadcaster) BroadcastLeft(ctx context.Context, s chat.Service, room string) (chat.Delivery, error) {
	if !deadline.LeavesMoreThan(ctx, lastRound) { // the next message's broadcaster looks
		return chat.Delivery{}, nil
	}
	feed := changes{log: s.Changes, encoder: s.Encoder, room: room}
	left, err := b.left(ctx, feed)
	if err != nil || len(left) == 0 {
		return chat.Delivery{}, err
	}
	return b.send(ctx, s, room, changesLease(room), feed, left[len(left)-1], func([]chat.Member) {})
}

// left returns the first changes that the lease does not note as sent. They are none also if their messages have
// expired.
func (b Broadcaster) left(ctx context.Context, feed changes) ([]Entry, error) {
	ctx, cancel := deadline.TwoThirds(ctx)
	defer cancel()
	last, err := feed.last(ctx)
	if err != nil || last == 0 {
		return nil, err
	}
	sent, err := b.Leases.Sent(ctx, changesLease(feed.room))
	if err != nil || sent >= last {
		return nil, err
	}
	return feed.Read(ctx, sent, batch)
}

// send sends a stored entry of a feed to a room, whose members the roster has. The feed has a lease of its own.
func (b Broadcaster) send(
	ctx context.Context, s chat.Service, room, lease string, feed Feed, stored Entry, seen func([]chat.Member),
) (chat.Delivery, error) {
	one := &broadcast{
		room:    room,
		feed:    feed,
		present: s.Present,
		now:     s.Now,
		lease:   newLease(b.Leases, lease, s.Now),
		fanOut:  newFanOut(feed, s.Poster, s.Now, s.Workers),
	}
	err := one.run(ctx, stored, seen)
	return one.fanOut.delivery, err
}

// broadcast is one sender's time as the broadcaster of a room.
type broadcast struct {
	room    string
	feed    Feed
	present func(ctx context.Context, room string, most int) ([]chat.Member, error) // the room's members
	now     func() time.Time
	lease   *lease
	fanOut  *fanOut
}

// run tries to become the room's broadcaster and then sends what is to be sent, until there is no more or another
// sender is the broadcaster. The error says that the stored entry may not have been sent; failures of other entries
// are in the delivery.
func (b *broadcast) run(ctx context.Context, stored Entry, seen func([]chat.Member)) error {
	members, ok, err := b.begin(ctx, stored.Index)
	if err != nil {
		return err
	}
	seen(members)
	if !ok {
		return nil
	}
	b.fanOut.delivery.SentAfter = b.fanOut.sent
	defer func() {
		b.release(ctx) // after an error or a panic
		b.fanOut.delivery.SentUpTo = b.fanOut.sent
		b.fanOut.countLeft()
	}()
	var fresh []Entry
	err = b.insist(ctx, func(ctx context.Context) (err error) {
		fresh, err = b.upTo(ctx, stored)
		return err
	})
	if err != nil {
		return err
	}
	for more := true; more; {
		err := b.send(ctx, fresh, members)
		if errors.Is(err, errLeaseLost) {
			b.fanOut.leave()
			return nil
		}
		b.note(err)
		b.fanOut.giveUp(b.now().Sub(b.lease.acquiredAt))
		b.release(ctx)
		if b.lease.turnIsOver() {
			_ = backoff.Sleep(ctx, handover)
		}
		if more = deadline.LeavesMoreThan(ctx, lastLook); more {
			b.note(b.insist(ctx, func(ctx context.Context) (err error) {
				fresh, members, more, err = b.again(ctx)
				return err
			}))
		}
	}
	return nil
}

// begin tries to become the room's broadcaster after an entry was stored at index, and reads the members meanwhile.
func (b *broadcast) begin(ctx context.Context, index int64) (members []chat.Member, ok bool, err error) {
	membersRead := parallel.Go(func() error {
		return b.insist(ctx, func(ctx context.Context) (err error) {
			members, err = b.members(ctx)
			return err
		})
	})
	// If nobody has been the broadcaster, everything is still to be sent; but in a room that is older than
	// broadcasters, only entries that may be in flight.
	err = b.insist(ctx, func(ctx context.Context) (err error) {
		ok, err = b.acquire(ctx, max(0, index-1-batch))
		return err
	})
	membersErr := <-membersRead
	if err == nil && !ok { // the present broadcaster sends the entry, and reads the members itself
		b.note(membersErr)
		return members, false, nil
	}
	if err := errors.Join(err, membersErr); err != nil {
		b.release(ctx)
		return nil, false, err
	}
	return members, true, nil
}

// send sends the fresh entries to the members, and then the entries that it finds, until there are no more, the turn is
// over, or most of ctx's time. The error is errLeaseLost if another sender has the lease.
func (b *broadcast) send(ctx context.Context, fresh []Entry, members []chat.Member) error {
	ctx, cancel := deadline.TwoThirds(ctx)
	defer cancel()
	defer b.fanOut.settle() // before another broadcaster posts to a member with an attempt in flight
	for {
		began := b.now()
		b.fanOut.lastPost = b.lease.lastPost()
		b.fanOut.round(ctx, fresh, members)
		_ = backoff.Sleep(ctx, began.Add(b.fanOut.throttle.endRound()).Sub(b.now()))
		if ctx.Err() != nil {
			return nil
		}
		var err error
		if fresh, err = b.lookInTurn(ctx); err != nil {
			return err
		}
		switch {
		case len(fresh) > 0:
			err = b.insist(ctx, func(ctx context.Context) (err error) {
				members, err = b.renewAndReadMembers(ctx)
				return err
			})
		case !b.fanOut.isUnfinished():
			return nil
		default:
			b.fanOut.wait(ctx)
			if b.lease.age() > renewEvery {
				err = b.insist(ctx, b.renew)
			}
		}
		if err != nil {
			return err
		}
	}
}

// lookInTurn looks for new entries. After its turn, the broadcaster goes on only while recipients lack something; as
// long as it does, it looks, because the senders of new entries leave those to it.
func (b *broadcast) lookInTurn(ctx context.Context) (fresh []Entry, err error) {
	if b.lease.turnIsOver() && !b.fanOut.isUnfinished() || !deadline.LeavesMoreThan(ctx, lastRound) {
		return nil, nil
	}
	err = b.insist(ctx, func(ctx context.Context) (err error) {
		fresh, err = b.look(ctx)
		return err
	})
	return fresh, err
}

// again looks once more after the lease was given back: an entry may have been stored after the last look, by a sender
// that found the lease taken. There is more to do if there is such an entry, or a recipient that there was no time for,
// and no other broadcaster yet.
func (b *broadcast) again(ctx context.Context) (fresh []Entry, members []chat.Member, more bool, err error) {
	if fresh, err = b.look(ctx); err != nil || len(fresh) == 0 && !b.fanOut.isUnfinished() {
		return nil, nil, false, err
	}
	if more, err = b.acquire(ctx, b.fanOut.sent); err != nil || !more {
		return nil, nil, false, err
	}
	// sent by another meanwhile
	fresh = slices.DeleteFunc(fresh, func(e Entry) bool { return e.Index <= b.fanOut.sent })
	members, err = b.members(ctx)
	return fresh, members, err == nil, err
}

// upTo returns the entries that are to be sent up to the stored one, or the first batch of them. Entries after it wait:
// the members were read before those were stored.
func (b *broadcast) upTo(ctx context.Context, stored Entry) ([]Entry, error) {
	missing := stored.Index - b.fanOut.sent
	switch {
	case missing <= 0:
		return nil, nil
	case missing == 1:
		return []Entry{stored}, nil
	}
	entries, err := b.feed.Read(ctx, b.fanOut.sent, int(min(batch, missing)))
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Index > stored.Index }), err
}

// look returns the entries that were stored since the last look, or as many of them as may be sent together.
func (b *broadcast) look(ctx context.Context) (found []Entry, err error) {
	after := b.fanOut.read
	for size := 0; size < mostAtOnce; {
		next, err := b.feed.Read(ctx, after, batch)
		if err != nil {
			return nil, err
		}
		found = append(found, next...)
		if len(next) < batch {
			break
		}
		after = next[len(next)-1].Index
		for _, e := range next {
			size += len(e.Message.Content)
		}
	}
	return found, nil
}

// members reads the room's members. Callers read it after the entries that are to be sent to them.
func (b *broadcast) members(ctx context.Context) ([]chat.Member, error) {
	return b.present(ctx, b.room, 0)
}

func (b *broadcast) renewAndReadMembers(ctx context.Context) (members []chat.Member, err error) {
	renewed := parallel.Go(func() error { return b.renew(ctx) })
	members, err = b.members(ctx)
	return members, errors.Join(<-renewed, err)
}

func (b *broadcast) acquire(ctx context.Context, start int64) (ok bool, err error) {
	sent, ok, err := b.lease.acquire(ctx, start)
	if ok {
		b.fanOut.throttle.reset()
		b.fanOut.beginAt(sent)
	}
	return ok, err
}

func (b *broadcast) renew(ctx context.Context) error { return b.lease.renew(ctx, b.fanOut.sent) }

// release gives the lease back, if there may be one. If that fails for too long, the lease ends by itself.
func (b *broadcast) release(ctx context.Context) {
	if !b.lease.held {
		return
	}
	b.lease.held = false
	if !deadline.LeavesMoreThan(ctx, lastRelease) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastRelease)
		defer cancel()
	}
	b.note(b.insist(ctx, func(ctx context.Context) error { return b.lease.release(ctx, b.fanOut.sent) }))
}

// insist calls f until it succeeds, for as long as patience, or for most of ctx's time: a broadcaster that leaves
// after one failure of a store leaves behind the entries of other senders, which have seen that there is a
// broadcaster.
func (b *broadcast) insist(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, done := deadline.TwoThirds(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	retryable := func(err error) bool { return !errors.Is(err, errLeaseLost) && !errors.Is(err, parallel.ErrPanicked) }
	return retries().Retry(ctx, retryable, func() error { return f(ctx) })
}

// note keeps an error for the log.
func (b *broadcast) note(err error) {
	if err != nil {
		b.fanOut.delivery.Err = err
	}
}
