package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/pkg/protocol"
	"wschat/test/dynamolocal"
)

// attemptTimeout is shorter than the real client's, to have tests of hanging servers end.
const attemptTimeout = 300 * time.Millisecond

// nowhere is a Poster that counts.
type nowhere struct {
	mu    sync.Mutex
	posts int
}

func (p *nowhere) Post(context.Context, string, []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.posts++
	return nil
}

func (p *nowhere) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.posts
}

func (p *nowhere) Close(context.Context, string) error { return nil }

// world is a chat on DynamoDB Local behind a network on which things go wrong.
type world struct {
	network           *dynamolocal.Network
	client            *dynamodb.Client
	connections, rows string // the tables
	poster            *nowhere
}

func newWorld(t *testing.T) *world { return newWorldOn(t, server.URL(t)) }

// newWorldOn is a world with tables and a network of its own on a DynamoDB that others use too.
func newWorldOn(t *testing.T, url string) *world {
	w := &world{network: &dynamolocal.Network{}, poster: &nowhere{}}
	w.connections, w.rows = dynamolocal.Tables(t, dynamolocal.Client(url))
	w.client = dynamo.NewClient(dynamolocal.Env(url), func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: w.network, Timeout: attemptTimeout}
	})
	return w
}

// service is a new process of the chat, which remembers nothing.
func (w *world) service(retention time.Duration) chat.Service {
	log := dynamo.NewLog(w.client, w.rows, retention)
	return chat.Service{
		Log: log, Changes: log, Roster: dynamo.NewRoster(w.client, w.connections),
		Broadcaster: broadcast.Broadcaster{Leases: dynamo.NewLeases(w.client, w.rows, retention)}, Poster: w.poster,
		Encoder: protocol.Encoder{}, Now: time.Now, Workers: 8,
	}
}

// A put that took effect and whose answer was lost is no second message and no conflict.
func TestALostAnswerIsNoSecondMessage(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name      string
		id, user  string
		retention time.Duration
	}{
		{"no id", "", "", 0},
		{"an id", "m1", "", 0},
		{"an id, of a user", "m1", "u1", 0},
		{"no id, and a retention", "", "", 24 * time.Hour},
		{"an id, and a retention", "m1", "", 24 * time.Hour},
		{"an id, of a user, and a retention", "m1", "u1", 24 * time.Hour},
	} {
		for _, times := range []int{1, 2, 3} {
			t.Run(fmt.Sprint(tc.name, ", lost ", times, " times"), func(t *testing.T) {
				s, room := w.service(tc.retention), t.Name()
				draft := chat.Draft{Room: room, User: "ann", UserID: tc.user, Content: "hi", ID: tc.id}
				for n := int64(1); n <= 3; n++ {
					left := times
					w.network.Begin(func(_ int, op string) dynamolocal.Fault {
						if isPut(op) && left > 0 {
							left--
							return dynamolocal.Lost
						}
						return dynamolocal.None
					})
					draft.Content = fmt.Sprint(n)
					if tc.id != "" {
						draft.ID = fmt.Sprint(tc.id, n)
					}
					sent, err := s.Send(t.Context(), "c=", draft)
					if err != nil || sent.Message.Index != n || sent.Repeat {
						t.Fatalf("got index %d, repeat %v, %v; want %d", sent.Message.Index, sent.Repeat, err, n)
					}
				}
				w.network.Begin(nil)
				checkLog(t, s.Log, room, "1", "2", "3")
			})
		}
	}
}

func isPut(op string) bool { return op == "PutItem" || op == "TransactWriteItems" }

// checkLog checks that a room's log is 1, 2, 3, … with just these contents.
func checkLog(t *testing.T, log chat.Log, room string, contents ...string) {
	t.Helper()
	found, err := log.Read(context.Background(), room, chat.Span{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(contents) {
		t.Errorf("%d messages are stored, want %d: %v", len(found), len(contents), found)
		return
	}
	for i, m := range found {
		if m.Index != int64(i+1) || m.Content != contents[i] {
			t.Errorf("message %d is %+v, want %q", i+1, m, contents[i])
		}
	}
}

// useCase is one thing that the chat does. Its room has a message of ann's with the id "old" and a member, a connection
// that is called as the room is.
type useCase struct {
	name  string
	do    func(ctx context.Context, s chat.Service, room string) error
	after []string // the contents of the log when it has succeeded
}

var useCases = []useCase{
	{"send", func(ctx context.Context, s chat.Service, room string) error {
		_, err := s.Send(ctx, room, chat.Draft{Room: room, User: "ann", Content: "new"})
		return err
	}, []string{"old", "new"}},
	{"send with an id", func(ctx context.Context, s chat.Service, room string) error {
		_, err := s.Send(ctx, room, chat.Draft{Room: room, User: "ann", Content: "new", ID: "new"})
		return err
	}, []string{"old", "new"}},
	{"send again", func(ctx context.Context, s chat.Service, room string) error {
		sent, err := s.Send(ctx, room, chat.Draft{Room: room, User: "ann", Content: "old again", ID: "old"})
		if err == nil && (sent.Message.Index != 1 || sent.Message.Content != "old") {
			err = fmt.Errorf("answered with %+v", sent.Message)
		}
		return err
	}, []string{"old"}},
	{"send with an id, signed in", func(ctx context.Context, s chat.Service, room string) error {
		_, err := s.Send(ctx, room, chat.Draft{Room: room, User: "ann", UserID: "u1", Content: "new", ID: "new"})
		return err
	}, []string{"old", "new"}},
	{"send again what was stored before ids", func(ctx context.Context, s chat.Service, room string) error {
		sent, err := s.Send(ctx, room, chat.Draft{Room: room, User: "ann", UserID: "u1", Content: "old", ID: "old"})
		if err == nil && (sent.Message.Index != 1 || !sent.Repeat) {
			err = fmt.Errorf("answered with %+v", sent)
		}
		return err
	}, []string{"old"}},
	{"send another with the id of one from before ids", func(ctx context.Context, s chat.Service, room string) error {
		_, err := s.Send(ctx, room, chat.Draft{Room: room, User: "ann", UserID: "u1", Content: "new", ID: "old"})
		return err
	}, []string{"old", "new"}},
	{"history", func(ctx context.Context, s chat.Service, room string) error {
		page, err := s.History(ctx, room, chat.Query{Room: room, Limit: 10})
		if err == nil && len(page.Messages) != 1 {
			err = fmt.Errorf("answered with %+v", page)
		}
		return err
	}, []string{"old"}},
	{"history of nothing new", func(ctx context.Context, s chat.Service, room string) error {
		one := int64(1)
		page, err := s.History(ctx, room, chat.Query{Room: room, Limit: 10, After: &one})
		if err == nil && (len(page.Messages) > 0 || page.Expired) {
			err = fmt.Errorf("answered with %+v", page)
		}
		return err
	}, []string{"old"}},
	{"join", func(ctx context.Context, s chat.Service, room string) error {
		return s.Join(ctx, chat.Member{Room: room, ConnectionID: "d=", ConnectedAt: time.Now()}, chat.CatchUp{})
	}, []string{"old"}},
	{"leave", func(ctx context.Context, s chat.Service, room string) error { return s.Leave(ctx, room, room, "") },
		[]string{"old"}},
	{"disconnect", func(ctx context.Context, s chat.Service, room string) error { return s.Disconnect(ctx, room) },
		[]string{"old"}},
	{"ping", func(ctx context.Context, s chat.Service, _ string) error { return s.Ping(ctx) }, []string{"old"}},
}

// prepare makes a room for a use case.
func (w *world) prepare(t *testing.T, room string, retention time.Duration) chat.Service {
	t.Helper()
	w.network.Begin(nil)
	s := w.service(retention)
	if _, err := s.Send(t.Context(), room, chat.Draft{Room: room, User: "ann", Content: "old", ID: "old"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Join(t.Context(), chat.Member{Room: room, ConnectionID: room, ConnectedAt: time.Now().Add(-time.Hour)},
		chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
	return w.service(retention) // another process
}

// eachCall runs check for each call that a use case makes, until check says that the call was not made. How many there
// are is not known before: a slow round makes some more.
func eachCall(t *testing.T, check func(call int) (made bool)) {
	t.Helper()
	call := 0
	for check(call) {
		call++
	}
	if call == 0 {
		t.Error("no call was made")
	}
}

// faultFrom says that something goes wrong with the calls from one on, up to another, which is not included.
func faultFrom(f dynamolocal.Fault, from, to int) func(int, string) dynamolocal.Fault {
	return func(n int, _ string) dynamolocal.Fault {
		if n >= from && n < to {
			return f
		}
		return dynamolocal.None
	}
}

// One fault at one call: the call is repeated, and nobody notices.
func TestOneFaultAtEachCall(t *testing.T) {
	t.Parallel()
	url := server.URL(t)
	for _, retention := range []time.Duration{0, 24 * time.Hour} {
		for _, u := range useCases {
			t.Run(fmt.Sprint(u.name, retention), func(t *testing.T) {
				t.Parallel()
				w := newWorldOn(t, url)
				eachCall(t, func(call int) (made bool) {
					for _, f := range dynamolocal.AllFaults() {
						room := fmt.Sprint(u.name, retention, call, f)
						s := w.prepare(t, room, retention)
						w.network.Begin(faultFrom(f, call, call+1))
						err := u.do(t.Context(), s, room)
						seen := w.network.Count()
						w.network.Begin(nil)
						if seen <= call {
							return false
						}
						if seen == call+1 {
							t.Errorf("call %d %s: there was no request after it, so nothing was repeated", call, f)
						}
						if err != nil {
							t.Errorf("call %d %s: %v", call, f, err)
						}
						checkLog(t, s.Log, room, u.after...)
					}
					return true
				})
			})
		}
	}
}

// Faults that do not end, from one call on: the use case ends with one clear error, in time, and the promises hold. A
// message that was sent to its room when they began is sent, whatever happens to the lease.
func TestLastingFaultsFromEachCallOn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for deadlines")
	}
	url := server.URL(t)
	for _, u := range useCases {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOn(t, url)
			eachCall(t, func(call int) (made bool) {
				for _, f := range dynamolocal.AllFaults() {
					room := fmt.Sprint(u.name, call, f)
					s := w.prepare(t, room, 0)
					w.network.Begin(faultFrom(f, call, math.MaxInt))
					posts := w.poster.count()
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
					err := u.do(ctx, s, room)
					inTime := ctx.Err() == nil
					cancel()
					seen := w.network.Count()
					w.network.Begin(nil)
					if seen <= call {
						return false
					}
					e, ok := errors.AsType[*chat.Error](err)
					clear := ok && (e.Code == chat.CodeUnavailable || e.Code == chat.CodeNotSent)
					wasSent := err == nil && w.poster.count() > posts
					if !clear && !wasSent || !inTime {
						t.Errorf("%s from call %d on: %v; in time: %v", f, call, err, inTime)
					}
					found, err := s.Log.Read(t.Context(), room, chat.Span{Limit: 10})
					if err != nil || len(found) < 1 || len(found) > len(u.after) {
						t.Fatalf("%s from call %d on: the log is %v, %v", f, call, found, err)
					}
					checkLog(t, s.Log, room, u.after[:len(found)]...)
				}
				return true
			})
		})
	}
}

// Many senders send again until they are told, while one request in four meets a fault.
func TestFaultsAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for retries")
	}
	w := newWorld(t)
	const senders, each = 8, 15
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) // under the network's lock
	all := dynamolocal.AllFaults()
	w.network.Begin(func(int, string) dynamolocal.Fault {
		if random.IntN(4) > 0 {
			return dynamolocal.None
		}
		return all[random.IntN(len(all))]
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	told := map[string][]int64{}
	for sender := range senders {
		s := w.service(0)
		wg.Go(func() {
			for i := range each {
				d := chat.Draft{Room: "r", User: fmt.Sprint(sender), Content: fmt.Sprint(sender, "/", i),
					ID: fmt.Sprint(i)}
				for attempt := 0; ; attempt++ {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					sent, err := s.Send(ctx, "c=", d)
					late := ctx.Err() != nil
					cancel()
					if late {
						t.Errorf("%s took longer than its deadline", d.Content)
					}
					if sent.Message.Index > 0 {
						mu.Lock()
						told[d.Content] = append(told[d.Content], sent.Message.Index)
						mu.Unlock()
					}
					if err == nil {
						break
					}
					if code := chat.AsError(err).Code; attempt > 50 ||
						code != chat.CodeUnavailable && code != chat.CodeNotSent && code != chat.CodeRoomBusy {
						t.Errorf("%s, attempt %d: %v", d.Content, attempt, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	w.network.Begin(nil)
	checkCrowd(t, dynamo.NewLog(w.client, w.rows, 0), "r", told, senders*each)
}
