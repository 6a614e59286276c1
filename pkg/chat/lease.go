package chat

import (
	"context"
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

	// Release gives the owner's lease back and notes how much has been sent. It does nothing where the owner no longer has the
	// lease.
	Release(ctx context.Context, room, owner string, sent int64) error
}

// LeaseTime is how long a broadcaster that has died keeps others from taking over.
const LeaseTime = 10 * time.Second
