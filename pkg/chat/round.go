package chat

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// lag is what a member lacks.
type lag struct {
	from     int64     // the index of the first message that it lacks
	slow     bool      // its posts take long: no round waits for it
	since    time.Time // since when it cannot be reached; the zero time where it can, or there was no time to try
	due      time.Time // when it is tried again
	lastFail error     // nil as long as since is zero
	fails    int       // one after the other
}

// round posts to each member who is due, once, all that it lacks. It waits for the posts to those who are not behind, except
// where they hang; what becomes of the others is counted in a later round.
func (b *broadcast) round(ctx context.Context, fresh []Message, members []Member) {
	for len(b.posts.ended) > 0 { // their members are due, or up to date
		b.take(<-b.posts.ended)
	}
	freshFrom := b.read + 1
	if len(fresh) > 0 {
		freshFrom = fresh[0].Index
		b.log = append(b.log, fresh...)
		b.read = fresh[len(fresh)-1].Index
	}
	b.frames = map[part]encoded{}
	if b.postAll(ctx, b.due(members, freshFrom)) {
		b.delivery.Rounds++
	}
	b.sumUp()
}

// postAll begins the posts, and returns when those have ended that the round waits for. There may be no room for others, which
// are begun in a later round. It tells whether there was any.
func (b *broadcast) postAll(ctx context.Context, to []*posting) (any bool) {
	tick := time.NewTicker(hanging / 4)
	defer tick.Stop()
	for {
		for ; len(to) > 0 && b.posts.takes(to[0]); to = to[1:] {
			b.start(ctx, to[0])
			any = true
		}
		if b.posts.awaited == 0 && (len(to) == 0 || !to[0].awaited) {
			break
		}
		select {
		case p := <-b.posts.ended:
			b.take(p)
		case <-tick.C:
			b.posts.waitNoLonger(b.Now().Add(-hanging))
		}
	}
	for _, p := range to {
		b.behind[p.ConnectionID] = p.lag
	}
	return any
}

// start begins a post. Who was not reached the last time is not posted all that it lacks at first, which is encoded in vain again
// and again where it does not read.
func (b *broadcast) start(ctx context.Context, p *posting) {
	e := b.encode(part{p.lag.from, p.lag.lastFail != nil})
	p.frames, p.round, p.began, p.notAfter = e.frames, b.delivery.Rounds+1, b.Now(), b.renewedAt.Add(LeaseTime-leaseMargin)
	if e.err != nil {
		p.err = e.err
		b.count(p)
		return
	}
	b.posts.begin(p, func() error { return b.post(ctx, p) })
}

// part is a part of the log: all from an index on, or the first few messages of that.
type part struct {
	from int64
	few  bool
}

const few = 10

// encoded is a part of the log in frames, or why it could not be encoded.
type encoded struct {
	frames []Frame
	err    error
}

// encode encodes a part of the log, once in a round.
func (b *broadcast) encode(p part) encoded {
	e, ok := b.frames[p]
	if !ok {
		messages := b.logFrom(p.from)
		if p.few {
			messages = messages[:min(few, len(messages))]
		}
		e.err = safely(func() error {
			e.frames = b.Encoder.Messages(Page{Messages: messages})
			return nil
		})
		b.frames[p] = e
	}
	return e
}

// post posts frames to a member, in order, up to the first that fails or that there is no time for.
func (b *broadcast) post(ctx context.Context, p *posting) error {
	for _, f := range p.frames {
		p.at = b.Now()
		if p.at.After(p.notAfter) {
			return errNoTime
		}
		if err := b.Poster.Post(ctx, p.ConnectionID, f.Text); err != nil {
			if ctx.Err() != nil {
				return errNoTime
			}
			return err
		}
		p.taken++
		p.delivered = f.Last
	}
	return nil
}

// settle waits for the posts that are under way.
func (b *broadcast) settle() {
	for len(b.posts.underWay) > 0 {
		b.take(<-b.posts.ended)
	}
	b.sumUp()
}

// sumUp finds out what everybody has got, and forgets what nobody lacks.
func (b *broadcast) sumUp() {
	sent := b.read
	for _, l := range b.behind {
		sent = min(sent, l.from-1)
	}
	for _, p := range b.posts.underWay {
		sent = min(sent, p.lag.from-1)
	}
	b.sent = sent
	b.log = slices.Clone(b.logFrom(b.sent + 1))
}

// tally is what a round says about the account's quota.
type tally struct {
	posts   int // or attempts, whichever are more
	firsts  int // of these, to members whom the round waits for
	refused int // of these
}

// fewest is how many refusals of posts say something about the account, not about a client.
const fewest = 10

// pace returns how long the round must take at least. Where posts to many members are refused who were reached before, it is not
// their buffers that are full: the account's quota is used up, which the clients' own messages need too. Then the rest of the
// turn goes slower.
func (b *broadcast) pace() time.Duration {
	round := b.tally
	b.tally = tally{}
	if round.refused >= fewest && round.refused*10 > round.firsts {
		b.slower = min(b.slower*2, mostSlower)
	}
	pace := time.Duration(float64(round.posts) * b.slower / postsPerSecond * float64(time.Second))
	return min(pace, longestPace)
}

// logFrom returns the messages of the log from an index on.
func (b *broadcast) logFrom(index int64) []Message { return from(b.log, index) }

// from returns the messages from an index on; they are in the order of their indexes.
func from(messages []Message, index int64) []Message {
	i, _ := slices.BinarySearchFunc(messages, index, func(m Message, index int64) int { return cmp.Compare(m.Index, index) })
	return messages[i:]
}

// due returns whom to post to: those whom there was no time for, those who lack only what is fresh, and then, whom no round waits
// for, those who could not be reached and are due, the longest waiting first. Who is behind and no longer a member is forgotten.
func (b *broadcast) due(members []Member, freshFrom int64) []*posting {
	var untried, others, late []*posting
	behind := make(map[string]lag, len(b.behind))
	now := b.Now()
	for _, m := range members {
		l, isBehind := b.behind[m.ConnectionID]
		_, isGone := b.gone[m.ConnectionID]
		switch {
		case isGone: // and not yet removed
		case b.posts.underWay[m.ConnectionID] != nil: // it is behind once that has ended
		case isBehind && l.due.After(now):
			behind[m.ConnectionID] = l
		case isBehind && (b.givenUp[m.ConnectionID] || l.slow || !l.since.IsZero()):
			late = append(late, &posting{Member: m, lag: l})
		case isBehind:
			untried = append(untried, &posting{Member: m, lag: l, awaited: true})
		case freshFrom <= b.read && b.givenUp[m.ConnectionID]:
			late = append(late, &posting{Member: m, lag: lag{from: freshFrom, due: now}})
		case freshFrom <= b.read:
			others = append(others, &posting{Member: m, lag: lag{from: freshFrom}, awaited: true})
		}
	}
	b.behind = behind
	slices.SortStableFunc(late, func(p, q *posting) int { return p.lag.due.Compare(q.lag.due) })
	return slices.Concat(untried, others, late)
}

// take takes a post that has ended.
func (b *broadcast) take(p *posting) {
	b.posts.end(p)
	b.count(p)
}

// count notes what became of a post that has ended, and whether its member is behind now.
func (b *broadcast) count(p *posting) {
	b.delivery.Posts += p.taken
	b.tally.posts += max(1, p.taken)
	if p.awaited {
		b.tally.firsts++
		if errors.Is(p.err, ErrTryAgain) {
			b.tally.refused++
		}
	}
	l := p.lag
	if p.delivered > 0 {
		l = lag{from: p.delivered + 1}
		b.delivery.Delivered += len(b.logFrom(p.lag.from)) - len(b.logFrom(l.from))
	}
	switch {
	case p.err == nil:
		if p.round == 1 {
			b.posted = b.Now()
		}
		if p.lag.lastFail == nil && !b.givenUp[p.ConnectionID] {
			b.delivery.Oldest = max(b.delivery.Oldest, b.Now().Sub(time.Unix(b.logFrom(p.lag.from)[0].CreateAt, 0)))
		}
		delete(b.givenUp, p.ConnectionID)
		if l.from <= b.read { // it took so long that there is more
			l.slow, l.due = true, b.Now()
			b.behind[p.ConnectionID] = l
		}
	case errors.Is(p.err, errNoTime):
		b.behind[p.ConnectionID] = l
	case b.suspects.isGone(p.Member, p.at, p.err):
		b.delivery.Gone++
		b.gone[p.ConnectionID] = p.Member // to be removed when nobody waits for that any more
	case errors.Is(p.err, ErrGone), errors.Is(p.err, ErrTryAgain):
		b.later(p, l)
	default:
		b.fail(l.from, p.err)
	}
}

// later has a member tried again, if it has not been for too long.
func (b *broadcast) later(p *posting, l lag) {
	if l.since.IsZero() {
		l.since = p.at
	}
	if l.fails++; p.at.Sub(l.since) > patience && l.fails >= fewestTries {
		b.givenUp[p.ConnectionID] = true
		b.fail(l.from, p.err)
		return
	}
	b.delivery.Again++
	l.due = b.Now().Add(retries().Pause(l.fails))
	l.lastFail = p.err
	b.behind[p.ConnectionID] = l
}

// fail counts the messages from an index on as never to reach a member.
func (b *broadcast) fail(from int64, err error) {
	b.delivery.fail(len(b.logFrom(from)), err)
}

// giveUp counts as failed, before the lease is given back, those who could not be reached for as long as patience goes, or for as long
// as there was time: the next broadcaster is not to begin with what everybody else has. Whom there was no time for, or who has
// failed only lately, is left to it.
func (b *broadcast) giveUp() {
	patient := b.Now().Sub(b.began) > 2*patience
	for id, l := range b.behind {
		if b.givenUp[id] || l.lastFail != nil && !patient {
			b.fail(l.from, cmp.Or(l.lastFail, errNoTime))
			delete(b.behind, id)
		}
	}
	b.sumUp()
}

// skipTo forgets what another broadcaster has sent meanwhile, up to an index.
func (b *broadcast) skipTo(sent int64) {
	for id, l := range b.behind {
		if l.from = max(l.from, sent+1); l.from > b.read {
			delete(b.behind, id)
		} else {
			b.behind[id] = l
		}
	}
	b.sumUp()
	b.sent = max(b.sent, sent)
}
