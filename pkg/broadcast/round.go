package broadcast

import (
	"context"
	"slices"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/parallel"
)

// round sends every member that is due, in one attempt, all that it lacks. It waits for attempts to members that are
// up to date otherwise, unless they hang. The outcome of the others is counted in a later round.
func (f *fanOut) round(ctx context.Context, fresh []Entry, members []chat.Member) {
	for len(f.ended) > 0 { // their recipients are due, or up to date
		f.take(<-f.ended)
	}
	before := f.read
	if len(fresh) > 0 {
		f.entries = append(f.entries, fresh...)
		f.read = fresh[len(fresh)-1].Index
	}
	f.encoded = map[stretch]frames{}
	if f.attemptAll(ctx, f.due(members, before)) {
		f.delivery.Rounds++
	}
	f.sumUp()
}

// attemptAll begins the attempts, and returns when those have ended that the round waits for. It reports whether it
// began any. For those that no round waits for there may be no room: they are begun in a later round.
func (f *fanOut) attemptAll(ctx context.Context, attempts []*attempt) (any bool) {
	tick := time.NewTicker(hanging / 4)
	defer tick.Stop()
	for {
		for ; len(attempts) > 0 && f.hasRoom(attempts[0].awaited); attempts = attempts[1:] {
			f.begin(ctx, attempts[0])
			any = true
		}
		if f.awaited == 0 && (len(attempts) == 0 || !attempts[0].awaited) {
			return any
		}
		select {
		case a := <-f.ended:
			f.take(a)
		case <-tick.C:
			f.detach()
		}
	}
}

// due returns the attempts of a round, in order: to recipients that there was no time for; to those that lack only
// fresh entries; and to those in trouble, the one that waits longest first. before is the index up to which entries
// were read before the fresh ones. Recipients that are no longer members are forgotten.
func (f *fanOut) due(members []chat.Member, before int64) []*attempt {
	var untried, others, late []*attempt
	now := f.now()
	present := f.meet(members, before)
	for _, r := range present {
		isBehind := r.next <= before
		switch {
		case r.flight != nil || !r.lacks(f.read) || isBehind && r.due.After(now):
		case r.isTrouble():
			if !isBehind {
				r.due = now
			}
			late = append(late, &attempt{to: r})
		case isBehind:
			untried = append(untried, &attempt{to: r, awaited: true})
		default:
			others = append(others, &attempt{to: r, awaited: true})
		}
	}
	slices.SortStableFunc(late, func(a, b *attempt) int { return a.to.due.Compare(b.to.due) })
	return slices.Concat(untried, others, late)
}

// meet returns the recipients of the members. A new one needs nothing up to before: it joined after that was sent, or
// finds it in history. meet forgets recipients that are no longer members, unless they are in flight, or gone and not
// yet removed from the roster.
func (f *fanOut) meet(members []chat.Member, before int64) []*recipient {
	f.meetings++
	present := make([]*recipient, len(members))
	for i, m := range members {
		r := f.recipients[m.ConnectionID]
		if r == nil {
			r = &recipient{member: m, next: before + 1}
			f.recipients[m.ConnectionID] = r
		}
		r.update(m)
		r.metAt = f.meetings
		present[i] = r
	}
	for id, r := range f.recipients {
		if r.metAt != f.meetings && r.flight == nil && !r.gone {
			delete(f.recipients, id)
		}
	}
	return present
}

// stretch is the entries from an index on: all of them, or the first few.
type stretch struct {
	from int64
	few  bool
}

// few is how many entries a recipient is sent that was not reached the last time.
const few = 10

// frames are a stretch of entries in frames, or why they could not be encoded.
type frames struct {
	frames []chat.Frame
	err    error
}

// encode encodes a stretch of entries, once in a round.
func (f *fanOut) encode(s stretch) frames {
	encoded, ok := f.encoded[s]
	if !ok {
		entries := from(f.entries, s.from)
		if s.few {
			entries = entries[:min(few, len(entries))]
		}
		encoded.err = parallel.Safely(func() error {
			encoded.frames = f.feed.Encode(entries)
			return nil
		})
		f.encoded[s] = encoded
	}
	return encoded
}
