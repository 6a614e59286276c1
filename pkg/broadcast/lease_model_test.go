package broadcast_test

import (
	"fmt"
	"testing"
)

// The protocol of the lease, as a model that is small enough to try every interleaving of a few senders: what each does
// between two calls of the store is one step. TestPromisesSurviveDeaths is about the code itself.

const senders = 3

// stage is what a sender does next.
type stage int8

const (
	storing stage = iota
	acquiring
	posting
	looking
	renewing
	releasing
	lookingAgain
	done
	dead
)

// sender is one invocation.
type sender struct {
	at     stage
	posted int8 // as the broadcaster: everything up to here is posted
	target int8 // and up to here it knows that there is something
}

// state is everything that matters for what can happen next. A room has one member, which was there before the first
// message.
type state struct {
	senders [senders]sender
	tail    int8 // the index of the last message
	owner   int8 // of the lease: a sender's number, counted from 1; 0 for nobody
	expired bool // the owner's time is over: others may take the lease, and it must post no more
	sent    int8 // as the lease says
	got     int8 // the member has all messages up to here
	deaths  int8
	expiry  int8 // how often a living owner's time was over
}

// protocol is how senders go about it.
type protocol struct {
	acquireFirst  bool // before the message is stored
	noLastLook    bool
	postUnchecked bool // also after the own lease's time is over
	forgetful     bool // a sender that takes over begins at its own message
}

// explore tries every interleaving, and returns what goes wrong in one, or "".
func (p protocol) explore(most struct{ deaths, expiry int8 }) (problem string, states int) {
	start := state{}
	if p.acquireFirst {
		for i := range start.senders {
			start.senders[i].at = acquiring
		}
	}
	seen := map[state]bool{start: true}
	todo := []state{start}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		var next []state
		for i := range s.senders {
			if s.senders[i].at == done || s.senders[i].at == dead {
				continue
			}
			n, problem := p.step(s, i)
			if problem != "" {
				return fmt.Sprintf("%s, from %+v", problem, s), len(seen)
			}
			next = append(next, n)
			if s.deaths < most.deaths {
				d := s
				d.deaths++
				d.senders[i].at = dead
				next = append(next, d)
			}
		}
		if len(next) == 0 {
			if problem := p.judge(s); problem != "" {
				return fmt.Sprintf("%s, in the end: %+v", problem, s), len(seen)
			}
		}
		if s.owner != 0 && !s.expired {
			e := s
			e.expired = true
			if s.senders[s.owner-1].at == dead {
				next = append(next, e)
			} else if s.expiry < most.expiry {
				e.expiry++
				next = append(next, e)
			}
		}
		for _, n := range next {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return "", len(seen)
}

// step is what sender i does next.
func (p protocol) step(s state, i int) (state, string) {
	me, mine := &s.senders[i], int8(i+1)
	switch me.at {
	case storing:
		s.tail++
		me.target = s.tail
		me.at = acquiring
		if p.acquireFirst {
			me.at = posting
			if s.owner != mine {
				me.at = done
			}
		}
	case acquiring:
		switch {
		case s.owner == 0 || s.expired || s.owner == mine:
			s.owner, s.expired = mine, false
			me.posted = s.sent
			if p.forgetful && me.target > 0 {
				me.posted = max(s.sent, me.target-1)
			}
			me.at = posting
		default:
			me.at = done
		}
		if p.acquireFirst && me.target == 0 {
			me.at = storing
		}
	case posting:
		switch {
		case me.posted >= me.target:
			me.at = looking
		case !p.postUnchecked && (s.owner != mine || s.expired):
			me.at = renewing
		default:
			me.posted++
			switch {
			case me.posted > s.got+1:
				return s, fmt.Sprintf("the member gets message %d after %d", me.posted, s.got)
			case me.posted <= s.got && s.deaths+s.expiry == 0:
				return s, fmt.Sprintf("the member gets message %d again, and nobody died", me.posted)
			case me.posted <= s.got && s.owner != mine:
				return s, fmt.Sprintf("the member gets message %d from a former broadcaster", me.posted)
			}
			s.got = max(s.got, me.posted)
		}
	case looking:
		if me.at = releasing; s.tail > me.posted {
			me.at = renewing
		}
	case renewing:
		if me.at = done; s.owner == mine {
			s.expired, s.sent = false, me.posted
			me.target = s.tail
			me.at = posting
		}
	case releasing:
		if s.owner == mine {
			s.owner, s.expired, s.sent = 0, false, me.posted
		}
		me.at = lookingAgain
		if p.noLastLook {
			me.at = done
		}
	case lookingAgain:
		if me.at = done; s.tail > me.posted {
			me.target = s.tail
			me.at = acquiring
		}
	}
	return s, ""
}

// judge says what is wrong if nobody does anything more. If a sender died, messages may wait for the next; it is
// there when the lease has ended.
func (p protocol) judge(s state) string {
	if s.got == s.tail {
		return ""
	}
	if s.deaths == 0 {
		return fmt.Sprintf("message %d is stored and never sent, and nobody died", s.got+1)
	}
	s.expired = s.owner != 0
	s.deaths = 99 // no more
	s.senders[0] = sender{}
	for s.senders[0].at != done {
		var problem string
		if s, problem = p.step(s, 0); problem != "" {
			return problem + ", by the next sender after a death"
		}
	}
	if s.got != s.tail {
		return fmt.Sprintf("message %d is never sent, although another sender came", s.got+1)
	}
	return ""
}

func TestEveryInterleavingOfSenders(t *testing.T) {
	type most = struct{ deaths, expiry int8 }
	for _, bounds := range []most{{0, 0}, {1, 0}, {2, 0}, {0, 2}, {1, 2}, {3, 3}} {
		problem, states := protocol{}.explore(bounds)
		if problem != "" {
			t.Errorf("%+v: %s", bounds, problem)
		}
		t.Logf("%+v: %d states", bounds, states)
	}
	// What the protocol does, it needs.
	for name, p := range map[string]protocol{
		"the lease before the message":     {acquireFirst: true},
		"no look after the release":        {noLastLook: true},
		"posts after the end of a lease":   {postUnchecked: true},
		"beginning with one's own message": {forgetful: true},
	} {
		problem, _ := p.explore(most{1, 1})
		if problem == "" {
			t.Errorf("%s: nothing goes wrong, so the model shows nothing", name)
		}
		t.Logf("%s: %s", name, problem)
	}
}
