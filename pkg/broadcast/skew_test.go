package broadcast_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// mostSkew is how far a machine's clock may be from the right time.
const mostSkew = 15 * time.Second

// gateway answers 410 for connections that are not open.
type gateway struct {
	mu   sync.Mutex
	open map[string]bool
}

// known is how many connections there are or were.
func (g *gateway) known() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open)
}

func (g *gateway) set(id string, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[id] = open
}

func (g *gateway) post(_ context.Context, id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open[id] {
		return chat.ErrGone
	}
	return nil
}

// skewed is a process whose clock is wrong.
func (w *world) skewed(by time.Duration) chat.Service {
	s := w.Service()
	s.PresenceLimit = 1000
	s.Now = func() time.Time { return time.Now().Add(by) }
	return s
}

// hesitant is a roster whose Join takes a while, before it takes effect and after.
type hesitant struct {
	roster
	before, after time.Duration
}

func (h hesitant) Join(ctx context.Context, m chat.Member) (chat.Member, error) {
	time.Sleep(h.before)
	before, err := h.roster.Join(ctx, m)
	time.Sleep(h.after)
	return before, err
}

// Connections enter a busy room through machines whose clocks are wrong. Nobody is forgotten, and those that never open
// or close are removed.
func TestWrongClocksForgetNobody(t *testing.T) {
	for i := range 18 {
		most := []time.Duration{0, 2 * time.Second, mostSkew}[i%3]
		t.Run(fmt.Sprint(most, i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, uint64(i)))
				skew := func() time.Duration { return time.Duration(random.Int64N(2*int64(most)+1)) - most }
				upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
				g := &gateway{open: map[string]bool{"speaker": true}}
				w := &world{}
				w.OnPost = g.post
				w.AddMember("r", "speaker", time.Hour)
				var all sync.WaitGroup
				for range 200 { // ten a second
					s := w.skewed(skew())
					all.Go(func() {
						if _, err := s.Send(t.Context(), "speaker", draft); err != nil {
							t.Error(err)
						}
					})
					if random.IntN(2) == 0 { // the others live for long
						w.handshake(t, g, &all, skew(), upTo(500*time.Millisecond), upTo(450*time.Millisecond),
							upTo(300*time.Millisecond))
					}
					time.Sleep(100 * time.Millisecond)
				}
				all.Wait()
				time.Sleep(time.Minute)
				w.skewedSay(t, skew())
				want := []string{"r/speaker"}
				for id, open := range g.open {
					if open && id != "speaker" {
						want = append(want, "r/"+id)
						if last := w.got(id); len(last) == 0 || !strings.HasSuffix(last[len(last)-1], "201:hi ") {
							t.Errorf("%s was not sent the last message", id)
						}
					}
				}
				slices.Sort(want)
				if got := w.IDs(); !slices.Equal(got, want) {
					t.Errorf("members\n%v, want\n%v", got, want)
				}
			})
		})
	}
}

// handshake has one more connection enter the room, through a process whose clock is wrong. Every fifth never opens,
// and the next closes a second later without a word.
func (w *world) handshake(t *testing.T, g *gateway, all *sync.WaitGroup, skew, before, after, answer time.Duration) {
	id := fmt.Sprint("c", g.known())
	g.set(id, false)
	s, fate := w.skewed(skew), g.known()%5
	s.Roster = hesitant{roster{World: &w.World}, before, after}
	all.Go(func() {
		if err := s.Connect(t.Context(), chat.Member{ConnectionID: id, Room: "r"}); err != nil {
			t.Error(err)
		}
		time.Sleep(answer)
		g.set(id, fate > 0)
		if fate == 1 {
			time.Sleep(time.Second)
			g.set(id, false)
		}
	})
}

// skewedSay sends one message from a process of its own.
func (w *world) skewedSay(t *testing.T, skew time.Duration) {
	t.Helper()
	if _, err := w.skewed(skew).Send(t.Context(), "speaker", draft); err != nil {
		t.Error(err)
	}
}

// A connection that never opened is removed also if every process lives for one message in a quiet room, after few
// posts.
func TestAQuietRoomRemovesAConnectionThatNeverOpened(t *testing.T) {
	for _, skew := range []time.Duration{-mostSkew, 0, mostSkew} {
		synctest.Test(t, func(t *testing.T) {
			g := &gateway{open: map[string]bool{"speaker": true}}
			w := &world{}
			w.OnPost = g.post
			w.AddMember("r", "speaker", time.Hour)
			if err := w.skewed(skew).Connect(t.Context(), chat.Member{ConnectionID: "dead", Room: "r",
				User: "dan"}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				w.skewedSay(t, -skew)
				time.Sleep(time.Hour / 2)
			}
			if got := w.IDs(); !slices.Equal(got, []string{"r/speaker"}) {
				t.Errorf("skew %v: members %v", skew, got)
			}
			if posts := w.Count("post dead"); posts < 2 || posts > 20 {
				t.Errorf("skew %v: %d posts to the dead", skew, posts)
			}
		})
	}
}

// A row that is written again while its connection is being removed stays, and so do the connection's others.
func TestARowThatIsWrittenAgainIsNotPruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.AddMember("r", "ann", time.Hour)
		w.AddMember("r", "back", time.Hour)
		w.AddMember("other", "back", time.Hour)
		w.OnPost = func(_ context.Context, id string) error {
			if id == "back" {
				return chat.ErrGone
			}
			return nil
		}
		w.BeforeRelease = func() { // when the broadcaster has met it
			join(t, w.Service(), "back", "")
			w.BeforeRelease = nil
		}
		w.say(t, "ann", "hi")
		if got, want := w.IDs(), []string{"other/back", "r/ann", "r/back"}; !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
	})
}
