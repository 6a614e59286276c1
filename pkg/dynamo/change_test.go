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

// lagging is a LogAPI whose reads see the pointer of a transaction before the message's row, for some reads.
type lagging struct {
	dynamo.LogAPI
	mu    sync.Mutex
	reads int  // left that see the row as it was
	old   item // the row as it was
}

func (l *lagging) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if update := in.TransactItems[1].Update; update != nil {
		before, err := l.LogAPI.GetItem(ctx, &dynamodb.GetItemInput{TableName: update.TableName, Key: update.Key})
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		l.reads, l.old = 3, before.Item
		l.mu.Unlock()
	}
	return l.LogAPI.TransactWriteItems(ctx, in, o...)
}

func (l *lagging) GetItem(ctx context.Context, in *dynamodb.GetItemInput,
	o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reads > 0 && number(in.Key["index"]) > 0 {
		l.reads--
		return &dynamodb.GetItemOutput{Item: l.old}, nil
	}
	return l.LogAPI.GetItem(ctx, in, o...)
}

// Reads outside of a transaction may see its pointer before its row. What is told of a change is the message since
// then.
func TestAChangeIsNotToldOfAnOlderMessage(t *testing.T) {
	w := newPatientWorld(t)
	api := &lagging{LogAPI: w.client}
	log := dynamo.NewLog(api, w.rows, 0)
	append1(t, log, chat.Message{Room: "lobby", User: "u", Content: "a"})
	for n, read := range []func() (string, error){
		func() (string, error) {
			found, err := log.Changes(t.Context(), "lobby", 0, 10)
			if err != nil {
				return "", err
			}
			return found.Messages[0].Message.Content, nil
		},
		func() (string, error) {
			if _, err := log.LastChange(t.Context(), "lobby"); err != nil {
				return "", err
			}
			api.mu.Lock()
			defer api.mu.Unlock()
			if api.reads > 0 {
				return "an older message", nil
			}
			return "b1", nil
		},
		func() (string, error) { // the next change begins with the message since the last
			m, err := log.Change(t.Context(), "lobby", 1, func(m chat.Message) (chat.Message, error) {
				m.Metadata = "{}"
				return m, nil
			})
			return m.Content, err
		},
	} {
		want := fmt.Sprint("b", n)
		if _, err := log.Change(t.Context(), "lobby", 1, to(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := read(); err != nil || got != want {
			t.Errorf("read %d: %q, %v; want %q", n, got, err, want)
		}
	}
	w.checkChanges(t, "lobby")
}

// With a retention, a change expires with its message, and the count goes on.
func TestChangesExpireWithTheirMessages(t *testing.T) {
	t.Parallel()
	w := newPatientWorld(t)
	log := dynamo.NewLog(w.client, w.rows, time.Hour)
	old := append1(t, log, chat.Message{Room: "lobby", User: "u", Content: "a", CreateAt: time.Now().Unix() - 3600 + 3})
	append1(t, log, chat.Message{Room: "lobby", User: "u", Content: "b"})
	for i, index := range []int64{1, 2, 1} {
		if _, err := log.Change(t.Context(), "lobby", index, to(fmt.Sprint("edit ", i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range w.scan(t, "#changes\x00lobby") {
		if number(row["index"]) == 0 || number(row["message_index"]) != 1 {
			continue
		}
		if number(row["expires_at"]) != old.CreateAt+3600 {
			t.Errorf("the pointer %v does not expire with its message", row)
		}
	}
	time.Sleep(4 * time.Second)
	check := func(when string) {
		t.Helper()
		found, err := log.Changes(t.Context(), "lobby", 0, 10)
		if err != nil || len(found.Messages) != 1 || found.Messages[0].Message.Index != 2 || found.UpTo != 3 {
			t.Errorf("%s: the changes are %+v, %v", when, found, err)
		}
		if last, err := log.LastChange(t.Context(), "lobby"); err != nil || last != 3 {
			t.Errorf("%s: the last change is %d, %v", when, last, err)
		}
		if _, err := log.Change(t.Context(), "lobby", 1, to("x")); !errors.Is(err, chat.ErrNoMessage) {
			t.Errorf("%s: an expired message is changed: %v", when, err)
		}
	}
	check("after the message's time")
	for _, row := range append(w.scan(t, "#changes\x00lobby"), w.scan(t, "lobby")...) {
		if at, ok := row["expires_at"]; ok && number(at) <= time.Now().Unix() { // as DynamoDB does it later
			if _, err := w.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &w.rows,
				Key: item{"room_name": row["room_name"], "index": row["index"]}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	check("after its removal")
	if m, err := log.Change(t.Context(), "lobby", 2, to("c")); err != nil || m.Version != 4 {
		t.Errorf("the next change is %+v, %v", m, err)
	}
}

// What an edit replaced and a deletion removed is in no row.
func TestDeletedContentIsGone(t *testing.T) {
	w := newPatientWorld(t)
	for _, retention := range []time.Duration{0, time.Hour} {
		log := dynamo.NewLog(w.client, w.rows, retention)
		room := fmt.Sprint("room ", retention)
		append1(t, log, chat.Message{
			Room: room, User: "u", UserID: "u1", ID: "m1", Content: "secret1", Metadata: `{"secret":3}`,
		})
		for _, change := range []func(chat.Message) (chat.Message, error){
			to("secret2"),
			func(m chat.Message) (chat.Message, error) {
				m.Reactions = []chat.Reaction{{Reaction: "secret4", Users: []chat.Person{{Name: "u"}}}}
				return m, nil
			},
			func(m chat.Message) (chat.Message, error) {
				m.Content, m.Metadata, m.Reactions, m.DeletedAt = "", "", nil, 1
				return m, nil
			},
		} {
			if _, err := log.Change(t.Context(), room, 1, change); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, row := range w.scan(t, "") {
		for name, value := range row {
			if s, ok := value.(*types.AttributeValueMemberS); ok && strings.Contains(s.Value, "secret") {
				t.Errorf("the attribute %s of %v is still %q", name, row["room_name"], s.Value)
			}
		}
	}
}

// Rows that another version of the chat wrote are read: with attributes that this one does not know, and without those
// that it does.
func TestRowsOfOtherVersionsAreRead(t *testing.T) {
	w := newPatientWorld(t)
	log := dynamo.NewLog(w.client, w.rows, 0)
	row := item{
		"room_name":  &types.AttributeValueMemberS{Value: "lobby"},
		"index":      &types.AttributeValueMemberN{Value: "1"},
		"user_name":  &types.AttributeValueMemberS{Value: "ann"},
		"content":    &types.AttributeValueMemberS{Value: "hi"},
		"create_at":  &types.AttributeValueMemberN{Value: "12"},
		"put_id":     &types.AttributeValueMemberS{Value: "x"},
		"unheard_of": &types.AttributeValueMemberBOOL{Value: true},
		"reactions":  &types.AttributeValueMemberM{Value: item{}}, // of another type than here
	}
	if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &w.rows, Item: row}); err != nil {
		t.Fatal(err)
	}
	want := chat.Message{Room: "lobby", Index: 1, User: "ann", Content: "hi", CreateAt: 12}
	found, err := log.Read(t.Context(), "lobby", chat.Span{Limit: 10})
	if err != nil || len(found) != 1 || !found[0].Equal(want) {
		t.Errorf("read %+v, %v; want %+v", found, err, want)
	}
	m, err := log.Change(t.Context(), "lobby", 1, to("bye"))
	want.Content, want.Version, want.ContentVersion = "bye", 1, 1
	if err != nil || !m.Equal(want) {
		t.Errorf("changed is %+v, %v; want %+v", m, err, want)
	}
	if rows := w.scan(t, "lobby"); len(rows) != 1 || rows[0]["unheard_of"] == nil {
		t.Errorf("the row is %v: what this version does not know is lost", rows)
	}
}
