package chat

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Leases make one sender at a time the broadcaster of a room. A lease that is not renewed ends LeaseTime after it was taken
// or last renewed, by the clock of whoever wants it next: then another takes over where the broadcaster has died.
type Leases interface {
	// Acquire takes the room's lease for owner, unless another has it; ok says whether it did. sent is the index up to which
	// everything has been sent to the room; start, where nobody has had the lease before.
	Acquire(ctx context.Context, room, owner string, start int64) (sent int64, ok bool, err error)

	// Renew prolongs the owner's lease and notes how much has been sent. It is not ok, and does nothing, where the owner no
	// longer has the lease.
	Renew(ctx context.Context, room, owner string, sent int64) (ok bool, err error)

	// Release gives the owner's lease back and notes how much has been sent; 0 leaves what was noted before. It does nothing where
	// the owner no longer has the lease.
	Release(ctx context.Context, room, owner string, sent int64) error
}

// LeaseTime is how long a broadcaster that has died keeps others from taking over.
const LeaseTime = 10 * time.Second

// errLeaseLost says that the lease ended before it was renewed, and another has it.
var errLeaseLost = errors.New("another is the room's broadcaster")

func (b *broadcast) acquire(ctx context.Context, start int64) (ok bool, err error) {
	at := b.Now()
	b.holds, b.uncertain = true, true
	sent, ok, err := b.Leases.Acquire(ctx, b.room, b.owner, start)
	if err != nil {
		return false, fmt.Errorf("acquire the lease of room %q: %w", b.room, err)
	}
	b.holds, b.uncertain = ok, false
	if ok {
		b.began, b.renewedAt, b.read, b.slower = at, at, max(b.read, sent), 1
		b.skipTo(sent)
	}
	return ok, nil
}

func (b *broadcast) renew(ctx context.Context) error {
	at := b.Now()
	ok, err := b.Leases.Renew(ctx, b.room, b.owner, b.sent)
	if err != nil {
		return fmt.Errorf("renew the lease of room %q: %w", b.room, err)
	}
	if b.holds = ok; !ok {
		return errLeaseLost
	}
	b.renewedAt = at
	return nil
}

// release gives the lease back, if there may be one. Where that fails for too long, the lease ends by itself.
func (b *broadcast) release(ctx context.Context) {
	if !b.holds {
		return
	}
	b.holds = false
	if !hasTime(ctx, lastRelease) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastRelease)
		defer cancel()
	}
	sent := b.sent
	if b.uncertain { // another may have sent more
		sent = 0
	}
	b.note(b.insistOn(ctx, func(ctx context.Context) error {
		if err := b.Leases.Release(ctx, b.room, b.owner, sent); err != nil {
			return fmt.Errorf("release the lease of room %q: %w", b.room, err)
		}
		return nil
	}))
}
