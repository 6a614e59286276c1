package chat

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// lag is what a member lacks that could not be reached in the last round.
type lag struct {
	from     int64     // the index of the first message that it lacks
	since    time.Time // when it was not reached first; the zero time where it has not been tried
	pause    time.Duration
	due      time.Time // when it is tried again
	lastFail error
}

// round posts to each member who is due, once, all that it lacks. It returns what became of it.
func (b *broadcast) round(ctx context.Context, fresh []Message, members []Member) []*posting {
	first := b.read + 1
	if len(fresh) > 0 {
		first = fresh[0].Index
		b.log = append(b.log, fresh...)
		b.read = fresh[len(fresh)-1].Index
	}
	to := b.due(members, first)
	if len(to) > 0 {
		b.delivery.Rounds++
	}
	frames := map[int64][]Frame{}
	for _, p := range to {
		if frames[p.from] == nil {
			frames[p.from] = b.Encoder.Messages(Page{Messages: b.since(p.from)})
		}
	}
	forEach(b.Workers, len(to), func(i int) { b.post(ctx, to[i], frames[to[i].from]) })
	if b.posted.IsZero() && len(to) > 0 {
		b.posted = b.Now()
	}
	b.count(to)
	b.sent = b.read
	for _, l := range b.behind {
		b.sent = min(b.sent, l.from-1)
	}
	b.log = slices.Clone(b.since(b.sent + 1))
	return to
}

// fewest is how many refusals of posts say something about the account, not about a client.
const fewest = 10

// pace returns how long a round must take at least. Where posts to many members are refused who were reached before, it is not
// their buffers that are full: the account's quota is used up, which the clients' own messages need too. Then the rest of the
// turn goes slower.
func (b *broadcast) pace(round []*posting) time.Duration {
	posts, firsts, refused := 0, 0, 0
	for _, p := range round {
		posts += max(1, p.posts)
		if p.first {
			firsts++
			if errors.Is(p.err, ErrTryAgain) {
				refused++
			}
		}
	}
	if refused >= fewest && refused*10 > firsts {
		b.slower = min(b.slower*2, mostSlower)
	}
	pace := time.Duration(float64(posts) * b.slower / postsPerSecond * float64(time.Second))
	return min(pace, longestPace)
}

// since returns the messages of the log from an index on.
func (b *broadcast) since(from int64) []Message {
	i, _ := slices.BinarySearchFunc(b.log, from, func(m Message, from int64) int { return cmp.Compare(m.Index, from) })
	return b.log[i:]
}

// posting is what one member is posted in one round, and what became of it.
type posting struct {
	Member
	from      int64 // the index of the first message that it lacks
	first     bool  // it is not behind
	at        time.Time
	posts     int   // frames that were taken
	delivered int64 // the index of the last message that was
	err       error
}

// errNotTried says that a round ended before a member's turn.
var errNotTried = errors.New("the lease was about to end")

// due returns whom to post to: first those who are behind and due, then those who lack only what is fresh. Who is behind and
// no longer a member is forgotten.
func (b *broadcast) due(members []Member, first int64) []*posting {
	var late, others []*posting
	behind := make(map[string]lag, len(b.behind))
	now := b.Now()
	for _, m := range members {
		l, isBehind := b.behind[m.ConnectionID]
		_, isGone := b.gone[m.ConnectionID]
		switch {
		case isGone: // and not yet removed
		case isBehind:
			behind[m.ConnectionID] = l
			if !l.due.After(now) {
				late = append(late, &posting{Member: m, from: l.from})
			}
		case first <= b.read:
			others = append(others, &posting{Member: m, from: first, first: true})
		}
	}
	b.behind = behind
	return append(late, others...)
}

// post posts frames to a member, in order, up to the first that fails.
func (b *broadcast) post(ctx context.Context, p *posting, frames []Frame) {
	for _, f := range frames {
		p.at = b.Now()
		if p.at.After(b.renewedAt.Add(LeaseTime - leaseMargin)) {
			p.err = errNotTried
			return
		}
		if p.err = b.Poster.Post(ctx, p.ConnectionID, f.Text); p.err != nil {
			return
		}
		p.posts++
		p.delivered = f.Last
	}
}

// count notes who is behind now, and what became of the others.
func (b *broadcast) count(to []*posting) {
	for _, p := range to {
		l := b.behind[p.ConnectionID]
		delete(b.behind, p.ConnectionID)
		b.delivery.Posts += p.posts
		if p.delivered > 0 {
			lacked := len(b.since(p.from))
			l = lag{from: p.delivered + 1}
			b.delivery.Delivered += lacked - len(b.since(l.from))
		} else {
			l.from = p.from
		}
		switch {
		case p.err == nil:
		case errors.Is(p.err, errNotTried):
			b.behind[p.ConnectionID] = l
		case hasGone(p.Member, p.at, p.err):
			b.delivery.Gone++
			b.gone[p.ConnectionID] = p.Member // to be removed when nobody waits for that any more
		case errors.Is(p.err, ErrGone), errors.Is(p.err, ErrTryAgain):
			b.later(p, l)
		default:
			b.fail(l.from, p.err)
		}
	}
}

// later has a member tried again, if it has not been for too long.
func (b *broadcast) later(p *posting, l lag) {
	if l.since.IsZero() {
		l.since = p.at
	}
	if p.at.Sub(l.since) > patience {
		b.fail(l.from, p.err)
		return
	}
	b.delivery.Again++
	l.pause = min(max(firstPause, 2*l.pause), longestPause)
	l.due = b.Now().Add(jitter(l.pause))
	l.lastFail = p.err
	b.behind[p.ConnectionID] = l
}

// fail counts the messages from an index on as never to reach a member.
func (b *broadcast) fail(from int64, err error) {
	b.delivery.Failed += len(b.since(from))
	b.note(err)
}

// giveUp counts all who are behind as failed: there is no time left, and the next broadcaster is not to begin with what
// everybody else has.
func (b *broadcast) giveUp(err error) {
	for _, l := range b.behind {
		b.fail(l.from, cmp.Or(l.lastFail, err))
	}
	clear(b.behind)
	b.log, b.sent = nil, b.read
}
