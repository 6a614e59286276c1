package dynamo

import "time"

// With a retention, everything of a room expires in the end. The room's own row, which holds its count, outlives the
// last message; the lease's row, which says up to where the room was sent everything, must be void before the count may
// begin anew, or the new messages would count as sent. If there is no retention, nothing expires.
const (
	day = 24 * time.Hour

	// twoYears is how long a room's count is remembered after its last message, at least.
	twoYears = 2 * 365 * day
)

// roomLife is how long after its last message a room's own row expires: after two years, or later where messages are
// kept for longer than half of that.
func roomLife(retention time.Duration) time.Duration { return max(twoYears, 2*retention+2*day) }

// leaseLife is how long after it was taken a lease's row expires. A repeat of the last message takes the lease up to
// the retention later, so the row is void a day before the room's own row expires, and while messages are kept it is
// not.
func leaseLife(retention time.Duration) time.Duration { return roomLife(retention) - retention - day }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
