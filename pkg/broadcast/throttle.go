package broadcast

import (
	"errors"
	"time"

	"wschat/pkg/chat"
)

const (
	// postsPerSecond is how fast a room may be posted to for longer than one round, a tenth of an account's default
	// quota (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html). After a round, the
	// broadcaster pauses accordingly before it looks for more, at most longestRound: entries that are stored
	// meanwhile go out together.
	postsPerSecond = 1000
	longestRound   = time.Second

	// mostSlower is the largest factor by which a broadcaster slows down while the account's quota is used up.
	mostSlower = 16

	// fewestRefusals is how many refused posts say something about the account, and not about a client.
	fewestRefusals = 10
)

// throttle keeps a broadcast within its part of the account's quota.
type throttle struct {
	slower float64 // the factor by which it is slower than postsPerSecond, at least 1

	// Of the round.
	posts   int // frames taken, or attempts, whichever are more
	awaited int // attempts
	refused int // of the awaited attempts, with an error that says that another attempt may help
}

// count counts an attempt that has ended.
func (t *throttle) count(a *attempt) {
	t.posts += max(1, a.taken)
	if a.awaited {
		t.awaited++
		if errors.Is(a.err, chat.ErrTryAgain) {
			t.refused++
		}
	}
}

// reset ends a slow-down.
func (t *throttle) reset() { t.slower = 1 }

// endRound returns how long the round must take at least. If posts are refused to many recipients that were reached
// before, their buffers are not the reason: the account's quota is used up, which clients' own messages need too.
// Then the rest of the turn goes slower.
func (t *throttle) endRound() time.Duration {
	if t.refused >= fewestRefusals && t.refused*10 > t.awaited {
		t.slower = min(t.slower*2, mostSlower)
	}
	least := time.Duration(float64(t.posts) * t.slower / postsPerSecond * float64(time.Second))
	t.posts, t.awaited, t.refused = 0, 0, 0
	return min(least, longestRound)
}
