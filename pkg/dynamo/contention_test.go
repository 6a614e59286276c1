package dynamo_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/test/dynamolocal"
)

// counting counts the calls by which messages are put, and how many of them failed: here that means a conflict.
type counting struct {
	dynamo.LogAPI
	puts, failed atomic.Int64
}

func (c *counting) PutItem(ctx context.Context, in *dynamodb.PutItemInput,
	o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	out, err := c.LogAPI.PutItem(ctx, in, o...)
	c.count(err)
	return out, err
}

func (c *counting) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	out, err := c.LogAPI.TransactWriteItems(ctx, in, o...)
	c.count(err)
	return out, err
}

func (c *counting) count(err error) {
	c.puts.Add(1)
	if err != nil {
		c.failed.Add(1)
	}
}

// crowd lets senders, each a process of its own with its own Log, append to one room at once, each message as often as
// repeats says, and returns the indexes that each message's sender was told.
func crowd(t testing.TB, api dynamo.LogAPI, table, room string, senders, each, repeats int) map[string][]int64 {
	var wg sync.WaitGroup
	var mu sync.Mutex
	told := map[string][]int64{}
	for s := range senders {
		log := dynamo.NewLog(api, table, 0)
		wg.Go(func() {
			for i := range each {
				m := chat.Message{Room: room, User: fmt.Sprint(s), Content: fmt.Sprint(s, "/", i),
					CreateAt: time.Now().Unix()}
				if repeats > 1 {
					m.ID = fmt.Sprint(i)
				}
				var same sync.WaitGroup
				for range repeats {
					same.Go(func() {
						stored, err := insist(t.Context(), log, m)
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						defer mu.Unlock()
						told[m.Content] = append(told[m.Content], stored.Index)
					})
				}
				same.Wait()
			}
		})
	}
	wg.Wait()
	return told
}

// insist appends as a client does, which sends again what was refused because the room was busy, when nothing was
// stored, and, with an id, what could not be confirmed.
func insist(ctx context.Context, log *dynamo.Log, m chat.Message) (chat.Message, error) {
	for {
		stored, _, err := log.Append(ctx, m)
		if err == nil || m.ID == "" && chat.AsError(err).Code != chat.CodeRoomBusy || ctx.Err() != nil {
			return stored, err
		}
	}
}

// checkCrowd checks that a room's log is 1, 2, 3, … and holds each message once, where its sender was told.
func checkCrowd(t *testing.T, log *dynamo.Log, room string, told map[string][]int64, want int) {
	t.Helper()
	seen := map[string]bool{}
	for after := int64(0); ; {
		page, err := log.Read(t.Context(), room, chat.Span{After: after, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			if after++; m.Index != after {
				t.Fatalf("after %d comes %d", after-1, m.Index)
			}
			if seen[m.Content] {
				t.Errorf("%s is stored twice", m.Content)
			}
			seen[m.Content] = true
			for _, index := range told[m.Content] {
				if index != m.Index {
					t.Errorf("%s is at %d, its sender was told %d", m.Content, m.Index, told[m.Content])
				}
			}
		}
	}
	if len(seen) != want {
		t.Errorf("%d messages are stored, want %d", len(seen), want)
	}
}

// 64 senders, 50 messages each, one room, all at once.
func TestACrowdInOneRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("64 senders take half a minute")
	}
	for _, tc := range []struct {
		name          string
		each, repeats int
	}{{"Once", 25, 1}, {"EachThreeTimesAtOnce", 8, 3}} {
		t.Run(tc.name, func(t *testing.T) {
			api := &counting{LogAPI: dynamolocal.Client(server.URL(t))}
			_, messages := dynamolocal.Tables(t, api.LogAPI.(*dynamodb.Client))
			const senders = 64
			start := time.Now()
			told := crowd(t, api, messages, "r", senders, tc.each, tc.repeats)
			took := time.Since(start)
			checkCrowd(t, dynamo.NewLog(api, messages, 0), "r", told, senders*tc.each)
			for content, indexes := range told {
				if len(indexes) != tc.repeats {
					t.Errorf("%s was answered %d times", content, len(indexes))
				}
			}
			// A send that meets no conflict makes one put that succeeds. Fewer conflicts than half the sends would
			// prove nothing.
			puts, failed := api.puts.Load(), api.failed.Load()
			if failed < int64(senders*tc.each*tc.repeats/2) {
				t.Errorf("only %d of %d puts met a conflict", failed, puts)
			}
			t.Logf("%.0f messages a second, %.1f conflicts for each stored message",
				float64(senders*tc.each)/took.Seconds(), float64(failed)/float64(senders*tc.each))
		})
	}
}

// BenchmarkContention is how many messages a second one room stores, by how many processes send to it at once, each
// its next message when the one before is stored. On DynamoDB Local the machine's processors are the bound, not the
// network.
func BenchmarkContention(b *testing.B) {
	client := dynamolocal.Client(server.URL(b))
	for _, senders := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint("senders=", senders), func(b *testing.B) {
			_, messages := dynamolocal.Tables(b, client)
			api := &counting{LogAPI: client}
			each := max(1, 640/senders)
			stored := 0
			for b.Loop() {
				crowd(b, api, messages, fmt.Sprint("r", stored), senders, each, 1)
				stored += senders * each
			}
			b.ReportMetric(float64(stored)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64(api.failed.Load())/float64(stored), "conflicts/message")
		})
	}
}
