package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
)

// distant is a messages table that takes as long as DynamoDB does in its own Region, and computes next to nothing.
type distant struct {
	dynamo.LogAPI
	mu    sync.Mutex
	rooms map[string][]map[string]types.AttributeValue // rows, by index from 1
	puts  int
	reads int
}

const readTime, writeTime = 4 * time.Millisecond, 5 * time.Millisecond

func newDistant() *distant { return &distant{rooms: map[string][]map[string]types.AttributeValue{}} }

func (d *distant) PutItem(_ context.Context, in *dynamodb.PutItemInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	time.Sleep(writeTime / 2)
	defer time.Sleep(writeTime / 2)
	room := in.Item["room_name"].(*types.AttributeValueMemberS).Value
	d.mu.Lock()
	defer d.mu.Unlock()
	d.puts++
	if numberOf(in.Item["index"]) <= len(d.rooms[room]) {
		return nil, &types.ConditionalCheckFailedException{}
	}
	d.rooms[room] = append(d.rooms[room], in.Item)
	return &dynamodb.PutItemOutput{}, nil
}

// Query answers the two queries of dynamo.Log: for the last row, and for rows between two indexes.
func (d *distant) Query(_ context.Context, in *dynamodb.QueryInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	time.Sleep(readTime / 2)
	defer time.Sleep(readTime / 2)
	values := in.ExpressionAttributeValues
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	rows := d.rooms[values[":room"].(*types.AttributeValueMemberS).Value]
	first, last := len(rows), len(rows)
	if values[":first"] != nil {
		first, last = numberOf(values[":first"]), min(len(rows), numberOf(values[":last"]))
		last = min(last, first-1+int(*in.Limit))
	}
	if first < 1 || first > last {
		return &dynamodb.QueryOutput{}, nil
	}
	return &dynamodb.QueryOutput{Items: rows[first-1 : last]}, nil
}

func numberOf(v types.AttributeValue) int {
	n, _ := strconv.Atoi(v.(*types.AttributeValueMemberN).Value)
	return n
}

// BenchmarkSequencer measures how long it takes to store a message in one room. Sixteen processes send to it at a
// fixed rate, whatever becomes of the messages. Each process remembers the tail that it has seen.
func BenchmarkSequencer(b *testing.B) {
	for _, rate := range []int{10, 50, 100, 150, 200} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			d := newDistant()
			processes := make([]*dynamo.Log, 16)
			for i := range processes {
				processes[i] = dynamo.NewLog(d, "messages", 0)
			}
			var took []time.Duration
			failed := 0
			for b.Loop() {
				random := rand.New(rand.NewPCG(1, 2))
				var all sync.WaitGroup
				var mu sync.Mutex
				for range 4 * rate {
					process := processes[random.IntN(len(processes))]
					all.Go(func() {
						began := time.Now()
						_, _, err := process.Append(b.Context(), chat.Message{Room: "r", User: "ann", Content: "hi"})
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							failed++
							return
						}
						took = append(took, time.Since(began))
					})
					time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second) / float64(rate)))
				}
				all.Wait()
			}
			slices.Sort(took)
			milliseconds := func(q int) float64 { return float64(took[(len(took)-1)*q/100].Microseconds()) / 1000 }
			b.ReportMetric(milliseconds(50), "p50-ms")
			b.ReportMetric(milliseconds(99), "p99-ms")
			b.ReportMetric(float64(d.puts)/float64(len(took)), "puts/message")
			b.ReportMetric(float64(d.reads)/float64(len(took)), "reads/message")
			b.ReportMetric(float64(failed), "refused")
		})
	}
}
