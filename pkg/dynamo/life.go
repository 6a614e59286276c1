package dynamo

import "time"

// With a retention, everything of a room expires in the end. The room's own row, which holds its count, outlives the
// last message. The lease's row says up to which index the room was sent everything: it must be void before the
// count may begin anew, or the new messages would count as sent. Without a retention nothing expires.
const (
	day = 24 * time.Hour

	// twoYears is how long a room's count is remembered after its last message, at least.
	twoYears = 2 * 365 * day
)

// roomLife is how long after its last message a room's own row expires: after two years, or later where messages are
// kept for longer than half of that.
func roomLife(retention time.Duration) time.Duration { return max(twoYears, 2*retention+2*day) }

// leaseLife is the time from the taking of a lease to the expiry of its row. A repeat of the last message may take
// the lease as late as the retention after it. So the row is void a day before the room's own row expires, and valid
// as long as messages are kept.
func leaseLife(retention time.Duration) time.Duration { return roomLife(retention) - retention - day }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
