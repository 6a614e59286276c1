package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"wschat/pkg/localchat"
	"wschat/pkg/localgateway"
	"wschat/test/proxy"
)

// Many clients send, edit and react while sockets drop, posts fail, invocations crash and a proxy cuts connections, all
// at random. In the end each holds the whole log in its last state, has seen each message once and in order, and
// nothing is stored twice.
func TestNothingIsLostOnABadNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	const clients, each = 8, 25
	s := startChat(t, nil)
	p := proxy.Start(t, s.Addr)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	if err := s.Gateway.SetFaults(seed,
		localgateway.Fault{Effect: localgateway.DropSocket, Rate: 0.02},
		localgateway.Fault{Effect: localgateway.FailPost, Rate: 0.02},
		localgateway.Fault{Effect: localgateway.FailHandler, Rate: 0.02},
		localgateway.Fault{Effect: localgateway.LoseDisconnect, Rate: 0.2},
	); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	random := rand.New(rand.NewPCG(seed, 0))
	stopCutting := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for {
			select {
			case <-time.After(time.Duration(50+random.IntN(200)) * time.Millisecond):
			case <-stopCutting:
				return
			}
			if random.IntN(4) == 0 {
				p.Swallow()
			} else {
				p.Close()
			}
		}
	})
	mirrors := make([]*mirror, clients)
	var talking sync.WaitGroup
	for i := range clients {
		c := connect(t, Config{URL: urlOf(p.Addr), User: fmt.Sprint("user", i)}, func(t *timing) {
			t.answer, t.pong, t.heartbeat = time.Second/2, time.Second/2, time.Second/2
		})
		r := c.Join("lobby", After(0))
		mirrors[i] = watch(r)
		talking.Go(func() {
			last := int64(0)
			for n := range each {
				m, err := r.Send(ctx, fmt.Sprintf("%d-%d", i, n))
				if err == nil && n%5 == 0 {
					_, err = r.Edit(ctx, m, m.Content+" edited")
				}
				if err == nil && n%5 == 1 {
					_, err = r.React(ctx, 1+(m.Index/2), "👍")
				}
				if err == nil && n%10 == 3 {
					_, err = r.Delete(ctx, m.Index)
				}
				if isCode(err, "conflict") { // a reaction to what is deleted
					err = nil
				}
				if err != nil || m.Index <= last {
					t.Errorf("client %d, message %d: %+v after %d, %v", i, n, m, last, err)
					return
				}
				last = m.Index
			}
		})
	}
	talking.Wait()
	close(stopCutting)
	cutting.Wait()
	if err := s.Gateway.SetFaults(0); err != nil {
		t.Fatal(err)
	}
	want := wholeLog(t, s)
	if len(want) != clients*each {
		t.Errorf("%d messages are stored, and %d were sent", len(want), clients*each)
	}
	for i, m := range mirrors {
		if problem := m.settle(ctx, want); problem != "" {
			t.Errorf("client %d: %s", i, problem)
		}
	}
}

// wholeLog reads the log of the lobby as it is now, by index.
func wholeLog(t *testing.T, s *localchat.Server) map[int64]Message {
	t.Helper()
	r := connect(t, Config{URL: urlOf(s.Addr), User: "reader"}, nil).Join("lobby", History(0))
	ready(t, r)
	all := map[int64]Message{}
	for after := int64(0); ; {
		frames, err := r.Do(within(t), "getRecentMessages", map[string]any{"after": after, "limit": page})
		if err != nil {
			t.Fatal(err)
		}
		more := false
		for _, raw := range frames {
			var f frame
			if err := json.Unmarshal(raw, &f); err != nil {
				t.Fatal(err)
			}
			for _, m := range f.Messages {
				all[m.Index], after = m, m.Index
			}
			more = more || f.More
		}
		if !more {
			return all
		}
	}
}

// mirror is what a program holds that reads a room.
type mirror struct {
	mu       sync.Mutex
	messages map[int64]Message
	last     int64
	problems []string
}

func watch(r *Room) *mirror {
	m := &mirror{messages: map[int64]Message{}}
	go func() {
		for e := range r.Events(context.Background()) {
			m.take(e)
		}
	}()
	return m
}

func (m *mirror) take(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := e.(type) {
	case Message:
		if e.Index != m.last+1 {
			m.problems = append(m.problems, fmt.Sprintf("message %d after %d", e.Index, m.last))
		}
		m.last, m.messages[e.Index] = e.Index, e
	case Change:
		if before, ok := m.messages[e.Index]; !ok || e.Version <= before.Version {
			m.problems = append(m.problems, fmt.Sprintf("version %d of message %d after %d", e.Version, e.Index,
				before.Version))
		}
		m.messages[e.Index] = e.Message
	case Expired, Reset:
		m.problems = append(m.problems, fmt.Sprintf("%+v", e))
	}
}

// settle waits until the mirror holds what is wanted, and says what is wrong, or "".
func (m *mirror) settle(ctx context.Context, want map[int64]Message) string {
	for {
		m.mu.Lock()
		problems, wrong := m.problems, []int64{}
		for index, message := range want {
			if got := m.messages[index]; got.Version != message.Version || got.Content != message.Content {
				wrong = append(wrong, index)
			}
		}
		extra := len(m.messages) > len(want)
		keys := slices.Sorted(maps.Keys(m.messages))
		m.mu.Unlock()
		switch {
		case len(problems) > 0 || extra:
			return fmt.Sprintf("%q, it holds %v", problems, keys)
		case len(wrong) == 0:
			return ""
		case ctx.Err() != nil:
			return fmt.Sprintf("%v are missing or old, of %d", wrong, len(want))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// What happens while a client is away, it learns when it is back: messages, edits, deletions and reactions.
func TestWhatHappensMeanwhileIsLearned(t *testing.T) {
	s := startChat(t, nil)
	p := proxy.Start(t, s.Addr)
	states := make(chan State, 100)
	ann := connect(t, Config{URL: urlOf(p.Addr), User: "ann",
		Trace: Trace{State: func(s State, _ error) { states <- s }}}, func(t *timing) {
		t.pauses.First, t.pauses.Most = 5*time.Second, 5*time.Second // so that it is away for a while
	})
	a := ann.Join("lobby")
	b := connect(t, Config{URL: urlOf(s.Addr), User: "bob"}, nil).Join("lobby")
	ready(t, a)
	ready(t, b)
	one, two, three := send(t, b, "one"), send(t, b, "two"), send(t, b, "three")
	expectEvents(t, a, "1 one", "2 two", "3 three")
	p.Close()
	for s := range states {
		if s == Offline {
			break
		}
	}
	if _, err := b.Edit(within(t), one, "one, edited"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Delete(within(t), two.Index); err != nil {
		t.Fatal(err)
	}
	if _, err := b.React(within(t), three.Index, "👍"); err != nil {
		t.Fatal(err)
	}
	four := send(t, b, "four")
	if _, err := b.Edit(within(t), four, "four, edited"); err != nil {
		t.Fatal(err)
	}
	if s := ann.State(); s == Online {
		t.Fatal("the client was not away")
	}
	got := map[string]bool{}
	for range 4 {
		got[short(next(t, a))] = true
	}
	for _, want := range []string{"change 1 one, edited", "change 2 ", "change 3 three", "4 four, edited"} {
		if !got[want] {
			t.Errorf("%q did not come: %v", want, got)
		}
	}
	if m := send(t, b, "five"); m.Index != 5 {
		t.Fatal(m)
	}
	expectEvents(t, a, "5 five")
}

// A program that takes its time loses nothing, and its connection lives. The room keeps a bounded number of events.
func TestASlowProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	const messages = 2*mostEvents + 300
	s := startChat(t, nil)
	slow := connect(t, Config{URL: urlOf(s.Addr), User: "ann"}, func(t *timing) { t.news = time.Hour })
	a := slow.Join("lobby")
	ready(t, a)
	fast := connect(t, Config{URL: urlOf(s.Addr), User: "bob"}, nil)
	b := fast.Join("lobby")
	var sending sync.WaitGroup
	for n := range 8 { // clients of their own: one sends one at a time
		r := connect(t, Config{URL: urlOf(s.Addr), User: fmt.Sprint("writer", n)}, nil).Join("lobby", Hidden())
		sending.Go(func() {
			for i := n; i < messages; i += 8 {
				send(t, r, "message")
			}
		})
	}
	go func() {
		for range b.Events(t.Context()) {
		}
	}()
	sending.Wait()
	if _, err := b.React(within(t), 1, "👍"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Send(within(t), "I can write, and read nothing"); err != nil {
		t.Fatal(err)
	}
	slow.mu.Lock()
	waiting := len(a.events)
	slow.mu.Unlock()
	if waiting < mostEvents || waiting > mostEvents+2*page {
		t.Errorf("%d events wait", waiting)
	}
	changed := false
	for last := int64(0); last < messages+1; {
		switch e := next(t, a).(type) {
		case Message:
			if e.Index != last+1 {
				t.Fatalf("message %d came after %d", e.Index, last)
			}
			last = e.Index
		case Change:
			changed = changed || e.Index == 1 && len(e.Reactions) == 1
		default:
			t.Fatalf("%T %+v", e, e)
		}
	}
	if !changed {
		until(t, a, func(c Change) bool { return c.Index == 1 && len(c.Reactions) == 1 })
	}
}
