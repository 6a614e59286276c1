package broadcast

import (
	"context"
	"errors"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/parallel"
)

// attempt is one try to send a recipient what it lacks: its frames are posted in order, up to the first that fails. A
// goroutine of its own posts them. The fan-out reads the outcome after the attempt comes back over the channel.
type attempt struct {
	to       *recipient  // the goroutine does not touch it
	member   chat.Member // as the recipient was when the attempt began
	round    int         // of the broadcast, counted from 1
	awaited  bool        // its round waits for it
	detached bool        // its round waited for it, and no longer does: it hangs
	began    time.Time
	frames   []chat.Frame
	lastPost time.Time // no post begins after this

	// The outcome.
	postedAt  time.Time // when the last post began
	taken     int       // frames
	delivered int64     // the index of the last entry in them; 0 for none
	err       error
}

// errNoTime says that the broadcaster's time, or its lease's, ended before a member's attempt or in it.
var errNoTime = errors.New("there was no time left for it")

// run posts the frames. A panic becomes the attempt's error.
func (a *attempt) run(ctx context.Context, poster chat.Poster, now func() time.Time) {
	a.err = parallel.Safely(func() error {
		for _, f := range a.frames {
			a.postedAt = now()
			if a.postedAt.After(a.lastPost) {
				return errNoTime
			}
			if err := poster.Post(ctx, a.member.ConnectionID, f.Text); err != nil {
				if ctx.Err() != nil {
					return errNoTime
				}
				return err
			}
			a.taken++
			a.delivered = f.Last
		}
		return nil
	})
}
