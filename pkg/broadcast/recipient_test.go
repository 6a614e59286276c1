package broadcast

import (
	"testing"
	"time"

	"wschat/pkg/chat"
)

var start = time.Unix(1_800_000_000, 0)

// joined is a membership that was written in $connect; the number names the writing.
func joined(writing int64) chat.Member {
	return chat.Member{Room: "r", ConnectionID: "c", JoinID: writing}
}

// refused is an attempt that failed with an error after so long.
func refused(m chat.Member, after time.Duration, err error) *attempt {
	return &attempt{member: m, postedAt: start.Add(after), err: err}
}

// Only a membership that answers with 410 for the whole grace is gone. One that was written again begins a new grace.
func TestAMembershipThatIsWrittenAgainIsSuspectedAnew(t *testing.T) {
	const grace = chat.HandshakeGrace
	r := &recipient{member: joined(1)}
	for _, step := range []struct {
		name    string
		member  chat.Member
		attempt *attempt
		gone    bool
	}{
		{"the first 410", joined(1), refused(joined(1), 0, chat.ErrGone), false},
		{"within the grace", joined(1), refused(joined(1), grace-1, chat.ErrGone), false},
		{"another error", joined(1), refused(joined(1), grace, chat.ErrTryAgain), false},
		{"an answer to the old membership", joined(2), refused(joined(1), grace, chat.ErrGone), false},
		{"the first to the new one", joined(2), refused(joined(2), 2*grace, chat.ErrGone), false},
		{"another old answer", joined(2), refused(joined(1), 3*grace, chat.ErrGone), false},
		{"after the grace", joined(2), refused(joined(2), 3*grace, chat.ErrGone), true},
	} {
		r.update(step.member)
		if got := r.isGone(step.attempt); got != step.gone {
			t.Errorf("%s: gone is %v, want %v", step.name, got, step.gone)
		}
	}
}

// No round waits for a recipient in trouble. The trouble ends when it needs nothing any more. Being given up ends only
// with a successful attempt.
func TestTroubleEnds(t *testing.T) {
	failing := recipient{}
	if failing.fails(refused(joined(1), 0, chat.ErrTryAgain), start) {
		t.Error("a recipient was given up at its first failure")
	}
	for name, tc := range map[string]struct {
		recipient     recipient
		before, after bool // is in trouble, before its entries are sent or dropped and after that
	}{
		"up to date": {recipient{}, false, false},
		"slow":       {recipient{slow: true}, true, false},
		"failing":    {failing, true, false},
		"given up":   {recipient{givenUp: true}, true, true},
	} {
		r := tc.recipient
		if got := r.isTrouble(); got != tc.before {
			t.Errorf("%s: in trouble is %v, want %v", name, got, tc.before)
		}
		r.skipTo(1)
		if got := r.isTrouble(); got != tc.after {
			t.Errorf("%s, without anything to send: in trouble is %v, want %v", name, got, tc.after)
		}
	}
}

// An unreachable recipient says nothing about how late messages are. After a successful attempt it is reachable again.
func TestOldestIsOfReachableRecipients(t *testing.T) {
	const age = 7 * time.Second
	for name, tc := range map[string]struct {
		recipient recipient
		oldest    time.Duration
	}{
		"reachable": {recipient{}, age},
		"failing":   {recipient{failingSince: start, lastErr: chat.ErrTryAgain}, 0},
		"given up":  {recipient{givenUp: true}, 0},
	} {
		f := newFanOut(nil, nil, func() time.Time { return start.Add(age) }, 1)
		f.entries, f.read = []Entry{{Index: 1, At: start.Unix()}}, 1
		r := tc.recipient
		r.next = 1
		f.count(&attempt{to: &r, taken: 1, delivered: 1})
		if f.delivery.Oldest != tc.oldest || r.isTrouble() || r.lacks(1) {
			t.Errorf("%s: oldest is %v, want %v; then %+v", name, f.delivery.Oldest, tc.oldest, r)
		}
	}
}

// Before the lease is given back, unreachable recipients are abandoned. The next broadcaster gets those that there
// was no time for, and, after a long time of trying, those that began to fail only lately.
func TestWhatIsLeftToTheNextBroadcaster(t *testing.T) {
	const short, long = 2 * patience, 2*patience + 1
	failing := recipient{next: 1, failingSince: start, lastErr: chat.ErrTryAgain}
	for name, tc := range map[string]struct {
		recipient    recipient
		tried        time.Duration
		failed, left int
	}{
		"there was no time for it":           {recipient{next: 1}, short, 0, 1},
		"failing":                            {failing, short, 1, 0},
		"failing lately":                     {failing, long, 0, 1},
		"given up":                           {recipient{next: 1, givenUp: true}, long, 1, 0},
		"given up, and it needs nothing":     {recipient{next: 2, givenUp: true}, long, 0, 0},
		"gone":                               {recipient{next: 1, gone: true}, long, 0, 0},
		"it needs nothing, and is reachable": {recipient{next: 2}, long, 0, 0},
	} {
		f := newFanOut(nil, nil, func() time.Time { return start }, 1)
		f.entries, f.read = []Entry{{Index: 1}}, 1
		f.recipients["c"] = &tc.recipient
		f.giveUp(tc.tried)
		f.countLeft()
		if d, sent := f.delivery, int64(1-tc.left); d.Failed != tc.failed || d.Left != tc.left || f.sent != sent {
			t.Errorf("%s: failed %d, left %d, sent up to %d; want %d, %d, %d", name, d.Failed, d.Left, f.sent,
				tc.failed, tc.left, sent)
		}
	}
}
