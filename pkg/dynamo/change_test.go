package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/test/dynamolocal"
)

type item = map[string]types.AttributeValue

// append1 stores a message.
func append1(t *testing.T, log *dynamo.Log, m chat.Message) chat.Message {
	t.Helper()
	if m.CreateAt == 0 {
		m.CreateAt = time.Now().Unix()
	}
	stored, _, err := log.Append(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// to is a change of the content.
func to(content string) func(chat.Message) (chat.Message, error) {
	return func(m chat.Message) (chat.Message, error) {
		m.Content = content
		return m, nil
	}
}

// scan reads all rows of the messages table whose partition key has a beginning.
func (w *world) scan(t *testing.T, beginning string) (rows []item) {
	t.Helper()
	pages := dynamodb.NewScanPaginator(w.client, &dynamodb.ScanInput{
		TableName: &w.rows, ConsistentRead: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Items {
			if strings.HasPrefix(row["room_name"].(*types.AttributeValueMemberS).Value, beginning) {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// checkChanges checks that a room's changes are 1, 2, 3, … up to the last, each with its message, and that each message
// has the version of its last change: no pointer without its row, and no row without its pointer.
func (w *world) checkChanges(t *testing.T, room string) (last int64) {
	t.Helper()
	pointers, versions := map[int64]int64{}, map[int64]int64{}
	for _, row := range w.scan(t, "#changes\x00"+room) {
		if n := number(row["index"]); n > 0 {
			pointers[n] = number(row["message_index"])
			last = max(last, n)
		}
	}
	want := map[int64]int64{}
	for n := int64(1); n <= last; n++ {
		if pointers[n] == 0 {
			t.Errorf("room %q has no change %d, and the last is %d", room, n, last)
		}
		want[pointers[n]] = n
	}
	for _, row := range w.scan(t, room) {
		if version, ok := row["version"]; ok {
			versions[number(row["index"])] = number(version)
		}
	}
	if fmt.Sprint(versions) != fmt.Sprint(want) {
		t.Errorf("the messages of room %q have the versions %v; by the changes it must be %v", room, versions, want)
	}
	return last
}

// One fault at one call of a change: the call is repeated, nobody notices, and the message is changed once.
func TestOneFaultAtEachCallOfAChange(t *testing.T) {
	t.Parallel()
	url := server.URL(t)
	for _, retention := range []time.Duration{0, 24 * time.Hour} {
		t.Run(fmt.Sprint(retention), func(t *testing.T) {
			t.Parallel()
			w := newWorldOn(t, url)
			eachCall(t, func(call int) (made bool) {
				for _, f := range dynamolocal.AllFaults() {
					room := fmt.Sprintf("room %d %s.", call, f)
					w.network.Begin(nil)
					log := dynamo.NewLog(w.client, w.rows, retention)
					append1(t, log, chat.Message{Room: room, User: "u", Content: "a"})
					w.network.Begin(faultFrom(f, call, call+1))
					m, err := log.Change(t.Context(), room, 1, to("b"))
					seen := w.network.Count()
					w.network.Begin(nil)
					if seen <= call {
						return false
					}
					if err != nil || m.Content != "b" || m.Version != 1 {
						t.Errorf("call %d %s: %+v, %v", call, f, m, err)
					}
					if last := w.checkChanges(t, room); last != 1 {
						t.Errorf("call %d %s: there are %d changes", call, f, last)
					}
				}
				return true
			})
		})
	}
}

// Faults that do not end, from one call of a change on: it ends with an error in time. The message is changed with its
// pointer, or not at all, and the next change goes on from there.
func TestLastingFaultsFromEachCallOfAChange(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for deadlines")
	}
	t.Parallel()
	url := server.URL(t)
	for _, f := range dynamolocal.AllFaults() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			w := newWorldOn(t, url)
			eachCall(t, func(call int) (made bool) {
				room := fmt.Sprintf("room %d.", call)
				w.network.Begin(nil)
				log := dynamo.NewLog(w.client, w.rows, 24*time.Hour)
				append1(t, log, chat.Message{Room: room, User: "u", Content: "a"})
				w.network.Begin(faultFrom(f, call, math.MaxInt))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_, err := log.Change(ctx, room, 1, to("b"))
				inTime := ctx.Err() == nil
				cancel()
				seen := w.network.Count()
				w.network.Begin(nil)
				if seen <= call {
					return false
				}
				if err == nil && f != dynamolocal.Lost || !inTime {
					t.Errorf("%s from call %d on: %v; in time: %v", f, call, err, inTime)
				}
				before := w.checkChanges(t, room)
				if m, err := log.Change(t.Context(), room, 1, to("c")); err != nil || m.Version != before+1 {
					t.Errorf("the change after %d changes: %+v, %v", before, m, err)
				}
				w.checkChanges(t, room)
				return true
			})
		})
	}
}

// busy is a LogAPI as a busy room meets it, which DynamoDB Local never shows: transactions meet others, and some
// answers are lost.
type busy struct {
	dynamo.LogAPI
	mu                         sync.Mutex
	random                     *rand.Rand
	transactions, failed, lost int
}

func (c *busy) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	c.mu.Lock()
	c.transactions++
	dice := c.random.IntN(20)
	c.mu.Unlock()
	if dice < 4 {
		c.count(&c.failed)
		none := types.CancellationReason{Code: aws.String("None")}
		reasons := make([]types.CancellationReason, len(in.TransactItems))
		for i := range reasons {
			reasons[i] = none
		}
		reasons[dice%len(reasons)].Code = aws.String("TransactionConflict")
		return nil, &types.TransactionCanceledException{CancellationReasons: reasons}
	}
	out, err := c.LogAPI.TransactWriteItems(ctx, in, o...)
	switch {
	case err != nil:
		c.count(&c.failed)
	case dice == 19:
		c.count(&c.lost)
		return nil, errors.New("the answer is lost")
	}
	return out, err
}

func (c *busy) count(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// 64 clients add and remove reactions on one message at once, in as many processes: each change counts once.
func TestACrowdAtOneMessage(t *testing.T) {
	const each = 3 // an odd number: in the end each one's reaction is there
	for retention, people := range map[time.Duration]int{0: 64, time.Hour: 16} {
		t.Run(fmt.Sprint(retention), func(t *testing.T) {
			w := newPatientWorld(t)
			api := &busy{LogAPI: w.client, random: rand.New(rand.NewPCG(1, uint64(retention)))}
			append1(t, dynamo.NewLog(api, w.rows, retention), chat.Message{Room: "lobby", User: "u", Content: "hi"})
			began := time.Now()
			var wg sync.WaitGroup
			for i := range people {
				wg.Go(func() {
					log := dynamo.NewLog(api, w.rows, retention)
					for n := range each {
						add := n%2 == 0
						m, err := log.Change(t.Context(), "lobby", 1, func(m chat.Message) (chat.Message, error) {
							return reacted(m, fmt.Sprint(i), add), nil
						})
						if err != nil || hasReacted(m, fmt.Sprint(i)) != add {
							t.Errorf("change %d of %d: %v", n, i, err)
						}
					}
				})
			}
			wg.Wait()
			took := time.Since(began)
			changes := people * each
			if last := w.checkChanges(t, "lobby"); last != int64(changes) {
				t.Errorf("there are %d changes, want %d", last, changes)
			}
			found, err := dynamo.NewLog(w.client, w.rows, retention).Read(t.Context(), "lobby", chat.Span{Limit: 1})
			if err != nil || len(found[0].Reactions[0].Users) != people {
				t.Errorf("stored is %+v, %v", found, err)
			}
			t.Logf("%d changes in %v: %.0f a second, with %.1f failed transactions a change, and %d lost answers",
				changes, took, float64(changes)/took.Seconds(), float64(api.failed)/float64(changes), api.lost)
		})
	}
}

func reacted(m chat.Message, user string, add bool) chat.Message {
	var users []chat.Person
	if len(m.Reactions) > 0 {
		for _, u := range m.Reactions[0].Users {
			if u.Name != user {
				users = append(users, u)
			}
		}
	}
	if add {
		users = append(users, chat.Person{Name: user})
	}
	if m.Reactions = nil; len(users) > 0 {
		m.Reactions = []chat.Reaction{{Reaction: "+", Users: users}}
	}
	return m
}

func hasReacted(m chat.Message, user string) bool {
	return len(m.Reactions) > 0 && fmt.Sprint(reacted(m, user, false)) != fmt.Sprint(m)
}
