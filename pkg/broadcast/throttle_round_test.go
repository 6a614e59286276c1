package broadcast

import (
	"errors"
	"testing"
	"time"

	"wschat/pkg/chat"
)

// The account's quota is used up if posts to a tenth of the recipients are refused, and to ten of them at least.
func TestTheThrottleSlowsDown(t *testing.T) {
	type round struct {
		taken, refused int
		err            error // of the refused
		least          time.Duration
	}
	for name, rounds := range map[string][]round{
		"a tenth of a quota":     {{taken: 100, least: 100 * time.Millisecond}},
		"at most a second":       {{taken: 5000, least: time.Second}},
		"a few full buffers":     {{taken: 0, refused: 9, err: chat.ErrTryAgain, least: 9 * time.Millisecond}},
		"few among many":         {{taken: 90, refused: 10, err: chat.ErrTryAgain, least: 100 * time.Millisecond}},
		"more than a tenth":      {{taken: 89, refused: 10, err: chat.ErrTryAgain, least: 198 * time.Millisecond}},
		"refusals of other kind": {{taken: 0, refused: 20, err: errors.New("forbidden"), least: 20 * time.Millisecond}},
		"it lasts": {{taken: 0, refused: 10, err: chat.ErrTryAgain, least: 20 * time.Millisecond},
			{taken: 10, least: 20 * time.Millisecond}},
	} {
		var limit throttle
		limit.reset()
		for i, one := range rounds {
			for range one.taken {
				limit.count(&attempt{awaited: true, taken: 1})
			}
			for range one.refused {
				limit.count(&attempt{awaited: true, err: one.err})
			}
			if got := limit.endRound(); got != one.least {
				t.Errorf("%s, round %d: it takes %v at least, want %v", name, i+1, got, one.least)
			}
		}
		limit.reset()
		limit.count(&attempt{awaited: true, taken: 1})
		if got := limit.endRound(); got != time.Millisecond {
			t.Errorf("%s: in the next turn one post takes %v, want 1ms", name, got)
		}
	}
}
