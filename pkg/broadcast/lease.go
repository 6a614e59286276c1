package broadcast

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Leases make one sender at a time the broadcaster of a room. A lease that is not renewed ends LeaseTime after it was
// acquired or last renewed, by the clock of the sender that asks for it next: that sender takes over from a broadcaster
// that died.
type Leases interface {
	// Acquire takes the room's lease for owner. It is not ok if another owner has the lease. sent is the index up to
	// which everything has been sent to the room; it is start if nobody has had the lease before.
	Acquire(ctx context.Context, room, owner string, start int64) (sent int64, ok bool, err error)

	// Renew prolongs the owner's lease and notes the index up to which everything has been sent. It is not ok, and does
	// nothing, if the owner no longer has the lease.
	Renew(ctx context.Context, room, owner string, sent int64) (ok bool, err error)

	// Sent returns the index up to which everything has been sent to the room, as it was noted last; 0 if nobody has
	// had the lease.
	Sent(ctx context.Context, room string) (int64, error)

	// Release gives the owner's lease back and notes the index up to which everything has been sent; 0 leaves what was
	// noted before. It does nothing if the owner no longer has the lease.
	Release(ctx context.Context, room, owner string, sent int64) error
}

// LeaseTime is how long a broadcaster that has died keeps others from taking over.
const LeaseTime = 10 * time.Second

const (
	// leaseMargin is how long before its lease ends a broadcaster begins no more posts. It covers posts that are in
	// flight, and clocks that differ.
	leaseMargin = 5 * time.Second

	// turn is how long a broadcaster goes on for others. Then it gives the lease back and waits for handover, so that
	// another sender can take over.
	turn     = 5 * time.Second
	handover = 50 * time.Millisecond

	// renewEvery is the age at which a lease is renewed without a new entry to send.
	renewEvery = LeaseTime / 4
)

// errLeaseLost says that the lease ended before it was renewed, and another sender has it.
var errLeaseLost = errors.New("another is the room's broadcaster")

// lease is one sender's hold on a room's lease.
type lease struct {
	leases Leases
	room   string
	owner  string // a random name of this hold
	now    func() time.Time

	held       bool      // this sender has the lease, or may have it
	uncertain  bool      // the answer to Acquire was lost
	acquiredAt time.Time // when the last successful Acquire was asked
	renewedAt  time.Time // when the last successful Acquire or Renew was asked
}

func newLease(leases Leases, room string, now func() time.Time) *lease {
	return &lease{leases: leases, room: room, owner: rand.Text(), now: now}
}

// acquire takes the lease unless another sender has it. A repeat after a lost answer finds the lease held by this
// owner.
func (l *lease) acquire(ctx context.Context, start int64) (sent int64, ok bool, err error) {
	at := l.now()
	l.held, l.uncertain = true, true
	sent, ok, err = l.leases.Acquire(ctx, l.room, l.owner, start)
	if err != nil {
		return 0, false, fmt.Errorf("acquire the lease of room %q: %w", l.room, err)
	}
	l.held, l.uncertain = ok, false
	if ok {
		l.acquiredAt, l.renewedAt = at, at
	}
	return sent, ok, nil
}

// renew prolongs the lease. It returns errLeaseLost if another sender has it.
func (l *lease) renew(ctx context.Context, sent int64) error {
	at := l.now()
	ok, err := l.leases.Renew(ctx, l.room, l.owner, sent)
	if err != nil {
		return fmt.Errorf("renew the lease of room %q: %w", l.room, err)
	}
	if l.held = ok; !ok {
		return errLeaseLost
	}
	l.renewedAt = at
	return nil
}

// release gives the lease back. If the answer to acquire was lost, another sender may have sent more than this one
// knows: then release leaves what was noted.
func (l *lease) release(ctx context.Context, sent int64) error {
	if l.uncertain {
		sent = 0
	}
	if err := l.leases.Release(ctx, l.room, l.owner, sent); err != nil {
		return fmt.Errorf("release the lease of room %q: %w", l.room, err)
	}
	return nil
}

// lastPost is the time after which no post may begin.
func (l *lease) lastPost() time.Time { return l.renewedAt.Add(LeaseTime - leaseMargin) }

// turnIsOver reports whether another sender should take over.
func (l *lease) turnIsOver() bool { return l.now().Sub(l.acquiredAt) >= turn }

// age is the time since the lease was acquired or renewed.
func (l *lease) age() time.Duration { return l.now().Sub(l.renewedAt) }
