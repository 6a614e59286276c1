package broadcast_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
)

// mortal is one process's way to the world. Each of its calls takes a while, so that those of several processes
// interleave, and one of them may be its last: before or after it took effect.
type mortal struct {
	*world
	clock  *rand.Rand
	stalls bool // a call may take longer than a lease

	mu       sync.Mutex
	calls    int
	last     int // the number of the last call, counted from 1; 0 for an immortal
	inEffect bool
	grave    chan struct{}
}

var errDied = errors.New("the process has died")

// call makes a call. What the process would do after its death waits in the grave until the end of the test.
func (m *mortal) call(f func()) error {
	m.mu.Lock()
	m.calls++
	number := m.calls
	delays := [2]time.Duration{time.Duration(1 + m.clock.IntN(8_000_000)), time.Duration(1 + m.clock.IntN(2_000_000))}
	if m.stalls && m.clock.IntN(40) == 0 {
		delays[m.clock.IntN(2)] += broadcast.LeaseTime + time.Second
	}
	m.mu.Unlock()
	if m.dead(number) {
		<-m.grave
		return errDied
	}
	time.Sleep(delays[0])
	if m.last == 0 || number < m.last || m.inEffect {
		f()
	}
	if m.last != 0 && number >= m.last {
		<-m.grave
		return errDied
	}
	time.Sleep(delays[1])
	return nil
}

func (m *mortal) dead(call int) bool { return m.last != 0 && call > m.last }

func (m *mortal) Append(ctx context.Context, d chat.Message) (stored chat.Message, repeat bool, err error) {
	return stored, repeat, errors.Join(m.call(func() { stored, repeat, err = m.world.Append(ctx, d) }), err)
}

func (m *mortal) Read(ctx context.Context, room string, span chat.Span) (found []chat.Message, err error) {
	return found, errors.Join(m.call(func() { found, err = m.world.Read(ctx, room, span) }), err)
}

func (m *mortal) Post(ctx context.Context, id string, frame []byte) (err error) {
	return errors.Join(m.call(func() { err = m.world.Post(ctx, id, frame) }), err)
}

// mortalChanges, mortalLeases and mortalRoster are the rest of it.
type (
	mortalChanges struct{ *mortal }
	mortalLeases  struct{ *mortal }
	mortalRoster  struct{ *mortal }
)

func (m mortalChanges) Change(ctx context.Context, room string, index int64,
	change func(chat.Message) (chat.Message, error)) (changed chat.Message, err error) {
	died := m.call(func() { changed, err = changeLog{World: &m.World}.Change(ctx, room, index, change) })
	return changed, errors.Join(died, err)
}

func (m mortalChanges) Changes(ctx context.Context, room string, after int64, limit int) (found chat.Changes,
	err error) {
	died := m.call(func() { found, err = changeLog{World: &m.World}.Changes(ctx, room, after, limit) })
	return found, errors.Join(died, err)
}

func (m mortalChanges) LastChange(ctx context.Context, room string) (last int64, err error) {
	return last, errors.Join(m.call(func() { last, err = changeLog{World: &m.World}.LastChange(ctx, room) }), err)
}

func (m mortalLeases) Acquire(ctx context.Context, room, owner string, start int64) (sent int64, ok bool, err error) {
	died := m.call(func() { sent, ok, err = leases{World: &m.World}.Acquire(ctx, room, owner, start) })
	return sent, ok, errors.Join(died, err)
}

func (m mortalLeases) Renew(ctx context.Context, room, owner string, sent int64) (ok bool, err error) {
	return ok, errors.Join(m.call(func() { ok, err = leases{World: &m.World}.Renew(ctx, room, owner, sent) }), err)
}

func (m mortalLeases) Sent(ctx context.Context, room string) (sent int64, err error) {
	return sent, errors.Join(m.call(func() { sent, err = leases{World: &m.World}.Sent(ctx, room) }), err)
}

func (m mortalLeases) Release(ctx context.Context, room, owner string, sent int64) (err error) {
	return errors.Join(m.call(func() { err = leases{World: &m.World}.Release(ctx, room, owner, sent) }), err)
}

func (m mortalRoster) Members(ctx context.Context, room string, most int) (members []chat.Member, err error) {
	return members, errors.Join(m.call(func() { members, err = roster{World: &m.World}.Members(ctx, room, most) }), err)
}

func (m mortalRoster) Join(ctx context.Context, member chat.Member) (chat.Member, error) {
	return roster{World: &m.World}.Join(ctx, member)
}

func (m mortalRoster) Leave(ctx context.Context, room, id string) (chat.Member, error) {
	return roster{World: &m.World}.Leave(ctx, room, id)
}

func (m mortalRoster) Remove(ctx context.Context, member chat.Member) (bool, error) {
	return roster{World: &m.World}.Remove(ctx, member)
}

func (m *mortal) service() chat.Service {
	return chat.Service{Log: m, Changes: mortalChanges{m}, Roster: mortalRoster{m}, Poster: m, Encoder: m.world,
		Broadcaster: broadcast.Broadcaster{Leases: mortalLeases{m}}, Now: time.Now, Workers: 2}
}

// scene is what happens in one try.
type scene struct {
	seed    uint64
	starts  []time.Duration // of the senders
	lasts   []int           // their last calls; 0 for none
	effects []bool          // of the last calls
	joins   time.Duration   // when the last member does
	faults  int             // of a hundred posts to one of the members
	hangs   int             // of a hundred posts to it, for up to two seconds; half of these are taken in the end
	stalls  bool
	edits   bool // every other sender edits one of the first messages instead
}

func (s scene) deaths() (n int) {
	for _, last := range s.lasts {
		n += min(1, last)
	}
	return n
}

// play plays a scene, and says what is wrong with what the members got.
func (s scene) play(t *testing.T) (problem string) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(s.seed, 0))
		grave := make(chan struct{})
		w := &world{}
		for _, id := range []string{"ann", "flaky"} {
			w.AddMember("r", id, time.Hour)
		}
		if s.edits {
			w.say(t, "ann", "first")
			w.say(t, "ann", "second")
		}
		var unlucky sync.Mutex
		w.OnPost = func(_ context.Context, id string) error {
			if id != "flaky" {
				return nil
			}
			unlucky.Lock()
			hang, taken := time.Duration(0), random.IntN(100) >= s.faults
			if random.IntN(100) < s.hangs {
				hang, taken = time.Duration(random.IntN(2000))*time.Millisecond, random.IntN(2) == 0
			}
			unlucky.Unlock()
			time.Sleep(hang)
			if !taken {
				return chat.ErrTryAgain
			}
			return nil
		}
		var all sync.WaitGroup
		processes := make([]*mortal, len(s.starts))
		for i, at := range s.starts {
			processes[i] = &mortal{world: w, clock: rand.New(rand.NewPCG(s.seed, uint64(i))), last: s.lasts[i],
				inEffect: s.effects[i], stalls: s.stalls, grave: grave}
			all.Go(func() {
				time.Sleep(at)
				if s.edits && i%2 == 0 {
					act := chat.Act{Room: "r", Index: int64(1 + i/2%2), By: chat.Person{Name: "ann"}}
					_, _ = processes[i].service().Edit(t.Context(), "ann", act, fmt.Sprint("edit ", i), nil)
					return
				}
				_, _ = processes[i].service().Send(t.Context(), "ann",
					chat.Draft{Room: "r", User: "ann", Content: fmt.Sprint(i)})
			})
		}
		joined, joinedChanges := int64(0), int64(0) // what was stored by then
		all.Go(func() {
			time.Sleep(s.joins)
			w.Mu.Lock()
			w.AddMember("r", "late", time.Hour)
			joined, joinedChanges = int64(len(w.Stored)), int64(len(w.Changed))
			w.Mu.Unlock()
		})
		time.Sleep(5 * time.Minute) // the senders that live have ended
		w.say(t, "ann", "last")
		w.Mu.Lock()
		stored, changed := int64(len(w.Stored)), int64(len(w.Changed))
		w.Mu.Unlock()
		for _, member := range []string{"ann", "flaky", "late"} {
			from, fromChange := int64(0), int64(0)
			if member == "late" {
				from, fromChange = joined, joinedChanges
			}
			if problem == "" {
				frames, changes := parted(w.got(member))
				problem = cmp.Or(s.judge(frames, from, stored), s.judgeChanges(changes, fromChange, changed))
				if problem != "" {
					problem = member + " " + problem
				}
			}
		}
		close(grave)
		all.Wait()
	})
	return problem
}

// parted returns the frames of messages and those of changes.
func parted(frames []string) (messages, changes []string) {
	for _, frame := range frames {
		switch {
		case strings.HasPrefix(frame, "changes "):
			changes = append(changes, frame)
		case !strings.HasPrefix(frame, "change "): // the answer to an edit
			messages = append(messages, frame)
		}
	}
	return messages, changes
}

// judgeChanges says what is wrong with the frames of changes of a member that must get all changes after from.
func (s scene) judgeChanges(frames []string, from, stored int64) string {
	upTo := from
	for _, frame := range frames {
		var after, next int64
		if _, err := fmt.Sscanf(frame, "changes %d-%d", &after, &next); err != nil {
			return err.Error()
		}
		switch {
		case after > upTo:
			return fmt.Sprintf("got changes after %d, but had those up to %d: %q", after, upTo, frames)
		case next <= upTo && upTo > from && s.deaths() == 0 && !s.stalls:
			return fmt.Sprintf("got changes up to %d again, and nobody died: %q", next, frames)
		}
		upTo = max(upTo, next)
	}
	if upTo != stored {
		return fmt.Sprintf("got changes up to %d of %d: %q", upTo, stored, frames)
	}
	return ""
}

// judge says what is wrong with the frames of a member that must get all messages after from.
func (s scene) judge(frames []string, from, stored int64) string {
	greatest := int64(0)
	for _, frame := range frames {
		for _, index := range indexes(frame) {
			switch {
			case greatest == 0 && index <= from+1, index == greatest+1:
			case index > greatest:
				return fmt.Sprintf("got message %d after %d: %q", index, greatest, frames)
			case s.deaths() == 0 && !s.stalls:
				return fmt.Sprintf("got message %d again, and nobody died: %q", index, frames)
			}
			greatest = max(greatest, index)
		}
	}
	if greatest != stored {
		return fmt.Sprintf("got messages up to %d of %d: %q", greatest, stored, frames)
	}
	return ""
}

// Whichever sender dies, and in whichever call: every member gets every message and every change, in order, and none
// twice if nobody died.
func TestPromisesSurviveDeaths(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(r, "senders")
		s := scene{
			seed:  rapid.Uint64().Draw(r, "seed"),
			joins: time.Duration(rapid.IntRange(0, 300).Draw(r, "joins")) * time.Millisecond,
			edits: rapid.Bool().Draw(r, "edits"),
		}
		// not together: a member that fails during a stall is given up, as it should be
		switch rapid.IntRange(0, 4).Draw(r, "trouble") {
		case 0:
			s.faults = 30
		case 1:
			s.stalls = true
		case 2:
			s.hangs = 20
		}
		for range n {
			s.starts = append(s.starts, time.Duration(rapid.IntRange(0, 200).Draw(r, "start"))*time.Millisecond)
			last := 0
			if rapid.IntRange(0, 2).Draw(r, "dies") == 0 {
				last = rapid.IntRange(1, 25).Draw(r, "last call")
			}
			s.lasts = append(s.lasts, last)
			s.effects = append(s.effects, rapid.Bool().Draw(r, "takes effect"))
		}
		if problem := s.play(t); problem != "" {
			r.Fatalf("%+v: %s", s, problem)
		}
	})
}

// A broadcaster that dies in each of its calls, one after the other, beside two that live.
func TestABroadcasterDiesInEachCall(t *testing.T) {
	for last := 1; last <= 30; last++ {
		for _, inEffect := range []bool{false, true} {
			for seed := range uint64(10) {
				s := scene{
					seed: seed, starts: []time.Duration{0, 5 * time.Millisecond, 12 * time.Millisecond},
					lasts: []int{last, 0, 0}, effects: []bool{inEffect, false, false}, edits: seed%2 == 0,
				}
				if problem := s.play(t); problem != "" {
					t.Errorf("%+v: %s", s, problem)
				}
			}
		}
	}
}
