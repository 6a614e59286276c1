package chat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// unsteadyRoom is a room whose store takes its time, loses answers, and fails, whose announcers' clocks differ, and
// some of which die. Its one watcher keeps the list of the greatest version, as a client does.
type unsteadyRoom struct {
	*world         // as Encoder and Log; never posted to
	roster         localstore.Roster
	announcements  localstore.Announcements
	mu             sync.Mutex
	random         *rand.Rand
	lists          int
	newest         chat.Attendance
	dead           chan struct{} // closed when those that have died may end
	slowest        time.Duration
	lost, failures float64
}

// newUnsteadyRoom is a room whose watcher has joined. What is random in it comes from the seed and the stream.
func newUnsteadyRoom(t *testing.T, seed, stream uint64, slowest time.Duration) *unsteadyRoom {
	r := &unsteadyRoom{world: &world{}, random: rand.New(rand.NewPCG(seed, stream)), slowest: slowest}
	_, err := r.roster.Join(t.Context(), chat.Member{
		Room: "r", ConnectionID: "watcher", User: "watcher", ConnectedAt: time.Now(),
		ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// announcer is one invocation.
type announcer struct {
	*unsteadyRoom
	skew time.Duration
	mu   *sync.Mutex
	left int // calls until it dies; negative for never
}

var errUnsteady = errors.New("unsteady")

func (r *unsteadyRoom) announcer(skew time.Duration, diesAfter int) chat.Service {
	a := &announcer{unsteadyRoom: r, skew: skew, mu: &sync.Mutex{}, left: diesAfter}
	return chat.Service{
		Log: r.world, Broadcaster: broadcast.Broadcaster{Leases: &localstore.Leases{}}, Encoder: jsonLists{r.world},
		Workers: 4, PresenceLimit: 100,
		Roster: unsteadyMembers{a}, Announcements: unsteadyAnnouncements{a}, Poster: watcher{a},
		Now: func() time.Time { return time.Now().Add(skew) },
	}
}

// call does something in the store, sooner or later; or does not, or says that it did not.
func (a *announcer) call(do func()) error {
	a.mu.Lock()
	if a.left == 0 {
		a.mu.Unlock()
		<-a.dead
		runtime.Goexit()
	}
	a.left--
	a.mu.Unlock()
	before, after, fate := a.draw()
	time.Sleep(before)
	if fate < a.failures {
		return errUnsteady
	}
	do()
	time.Sleep(after)
	if fate < a.failures+a.lost {
		return errUnsteady
	}
	return nil
}

func (r *unsteadyRoom) draw() (before, after time.Duration, fate float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return rand.N(r.slowest), time.Duration(r.random.Int64N(int64(r.slowest))), r.random.Float64()
}

type unsteadyAnnouncements struct{ *announcer }

func (u unsteadyAnnouncements) Announcement(ctx context.Context, room string) (a chat.Announcement, err error) {
	failed := u.call(func() { a, err = u.announcements.Announcement(ctx, room) })
	return a, errors.Join(failed, err)
}

func (u unsteadyAnnouncements) Replace(ctx context.Context, room string, read, by chat.Announcement) (ok bool,
	err error) {
	failed := u.call(func() { ok, err = u.announcements.Replace(ctx, room, read, by) })
	return ok && failed == nil, errors.Join(failed, err)
}

// unsteadyMembers is a roster whose reads are unsteady. Its writes only take their time: an invocation whose write
// failed announces nothing.
type unsteadyMembers struct{ *announcer }

func (u unsteadyMembers) Members(ctx context.Context, room string, most int) (members []chat.Member, err error) {
	failed := u.call(func() { members, err = u.roster.Members(ctx, room, most) })
	return members, errors.Join(failed, err)
}

func (u unsteadyMembers) Join(ctx context.Context, m chat.Member) (chat.Member, error) {
	time.Sleep(rand.N(u.slowest))
	return u.roster.Join(ctx, m)
}

func (u unsteadyMembers) Leave(ctx context.Context, room, id string) (chat.Member, error) {
	time.Sleep(rand.N(u.slowest))
	return u.roster.Leave(ctx, room, id)
}

func (u unsteadyMembers) Forget(ctx context.Context, id string) ([]chat.Member, error) {
	return u.roster.Forget(ctx, id)
}

func (u unsteadyMembers) Rooms(ctx context.Context, id string, most int) (int, error) {
	return u.roster.Rooms(ctx, id, most)
}

// watcher is the poster: of all connections, the watcher's frames count.
type watcher struct{ *announcer }

// What was lost on the way to it, the next list would make good.
func (w watcher) Post(_ context.Context, id string, frame []byte) error {
	for w.call(func() { w.receive(id, frame) }) != nil {
	}
	return nil
}

func (r *unsteadyRoom) receive(id string, frame []byte) {
	var list chat.Attendance
	if id != "watcher" || json.Unmarshal(frame, &list) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists++
	if list.Version >= r.newest.Version {
		r.newest = list
	}
}

func (w watcher) Close(context.Context, string) error { return nil }

// jsonLists encodes lists so that a test can read them.
type jsonLists struct{ *world }

func (jsonLists) Members(a chat.Attendance, _ int) [][]byte {
	frame, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return [][]byte{frame}
}

// peopleComeAndGo has a few people join and leave for a few seconds, each at the service that it is given for each
// step.
func (r *unsteadyRoom) peopleComeAndGo(t *testing.T, service func() chat.Service) {
	type step struct {
		pause time.Duration
		chat.Service
	}
	people := make([][]step, 1+r.random.IntN(5))
	for i := range people { // all that is random comes first: the same seed does the same
		for range 1 + r.random.IntN(6) {
			pause := time.Duration(r.random.Int64N([]int64{1e6, 1e8, 2e9}[r.random.IntN(3)]))
			people[i] = append(people[i], step{pause, service()})
		}
	}
	var all sync.WaitGroup
	for person, steps := range people {
		all.Go(func() {
			for i, s := range steps {
				time.Sleep(s.pause)
				comeOrGo(t, s.Service, fmt.Sprint(person), i%2 == 0)
			}
		})
	}
	all.Wait()
}

// comeOrGo waits for an invocation for as long as Lambda would.
func comeOrGo(t *testing.T, s chat.Service, id string, comes bool) {
	ended := make(chan error, 1)
	go func() {
		if comes {
			ended <- s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: id, User: "user" + id,
				ConnectedAt: s.Now()}, chat.CatchUp{})
		} else {
			ended <- s.Leave(t.Context(), id, "r", "")
		}
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second): // it has died
	}
}

func (r *unsteadyRoom) check(t *testing.T) {
	t.Helper()
	time.Sleep(10 * time.Second)
	members, _ := r.roster.Members(t.Context(), "r", 0)
	want := map[string]int{}
	for _, m := range members {
		want[m.User]++
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	got := map[string]int{}
	for _, u := range r.newest.Users {
		got[u.Name] = u.Connections
	}
	if r.newest.Version > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("at rest the list is %v (version %d), and there are %v", got, r.newest.Version, want)
	}
}

// runs is how many random runs a test makes.
func runs(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("RUNS")); err == nil {
		return n
	}
	return usual
}

// However comings and goings meet: when the room has come to rest, its list is right.
func TestTheLastListIsRight(t *testing.T) {
	for seed := range runs(300) {
		synctest.Test(t, func(t *testing.T) {
			r := newUnsteadyRoom(t, uint64(seed), 1, 150*time.Millisecond)
			r.lost, r.failures = 0.1, 0.1
			skewed := seed%2 == 0
			r.peopleComeAndGo(t, func() chat.Service {
				skew := time.Duration(0)
				if skewed {
					skew = time.Duration(r.random.Int64N(int64(30*time.Second))) - 15*time.Second
				}
				return r.announcer(skew, -1)
			})
			r.check(t)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// What announcers that died have left undone is made good at the next coming or going, some seconds later.
func TestTheNextListMakesGood(t *testing.T) {
	for seed := range runs(300) {
		synctest.Test(t, func(t *testing.T) {
			r := newUnsteadyRoom(t, uint64(seed), 2, 150*time.Millisecond)
			r.lost = 0.1
			r.dead = make(chan struct{})
			r.peopleComeAndGo(t, func() chat.Service { return r.announcer(0, r.random.IntN(8)-1) })
			time.Sleep(4 * time.Second)
			comeOrGo(t, r.announcer(0, -1), "last", true)
			r.check(t)
			close(r.dead)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// Whatever comes and goes in a room, it is told about once a second, and one invocation at a time waits for that.
func TestComingsAndGoingsCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUnsteadyRoom(t, 1, 3, 10*time.Millisecond)
		const seconds = 20
		end := time.Now().Add(seconds * time.Second)
		var all sync.WaitGroup
		var waited [20]time.Duration
		for person := range waited {
			all.Go(func() {
				for comes := true; time.Now().Before(end); comes = !comes {
					began := time.Now()
					comeOrGo(t, r.announcer(0, -1), fmt.Sprint(person), comes)
					if took := time.Since(began); took > 500*time.Millisecond {
						waited[person] += took
					}
				}
			})
		}
		all.Wait()
		r.check(t)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.lists < seconds-2 || r.lists > seconds+6 {
			t.Errorf("in %d s a member was sent %d lists", seconds, r.lists)
		}
		var all20 time.Duration
		for _, w := range waited {
			all20 += w
		}
		if all20 > (seconds+2)*time.Second {
			t.Errorf("in %d s invocations have waited for %v", seconds, all20)
		}
	})
}

// With no time to wait, a coming is announced at once, by one announcer for all comings before it.
func TestWithoutTimeOneSpeaksForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUnsteadyRoom(t, 1, 4, 10*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i := range 60 {
			s := r.announcer(0, -1)
			go func() {
				_ = s.Join(ctx, chat.Member{Room: "r", ConnectionID: fmt.Sprint(i), User: fmt.Sprint(i),
					ConnectedAt: time.Now()}, chat.CatchUp{})
			}()
		}
		r.check(t)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.lists > 6 {
			t.Errorf("60 who came at once were announced with %d lists", r.lists)
		}
	})
}
