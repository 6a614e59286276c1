package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wschat/infra/price"
	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/pkg/localstore"
	"wschat/pkg/protocol"
)

// functionGB is the function's memory.
const functionGB = 0.5

// counted is what the calls of a chat cost, each of which takes its time.
type counted struct {
	chat.Roster
	chat.ChangeLog
	broadcast.Leases
	memberUnits float64 // of a read of the members
	posts       atomic.Int64
	leaseWrites atomic.Int64
	memberReads atomic.Int64
	changeReads atomic.Int64
}

// Changes says that nothing was ever changed in the room.
func (c *counted) Changes(context.Context, string, int64, int) (chat.Changes, error) {
	c.changeReads.Add(1)
	time.Sleep(readTime)
	return chat.Changes{}, nil
}

func (c *counted) Members(ctx context.Context, room string, most int) ([]chat.Member, error) {
	c.memberReads.Add(1)
	time.Sleep(readTime)
	return c.Roster.Members(ctx, room, most)
}

func (c *counted) Acquire(ctx context.Context, room, owner string, start int64) (int64, bool, error) {
	c.leaseWrites.Add(1)
	time.Sleep(writeTime)
	return c.Leases.Acquire(ctx, room, owner, start)
}

func (c *counted) Renew(ctx context.Context, room, owner string, sent int64) (bool, error) {
	c.leaseWrites.Add(1)
	time.Sleep(writeTime)
	return c.Leases.Renew(ctx, room, owner, sent)
}

func (c *counted) Release(ctx context.Context, room, owner string, sent int64) error {
	c.leaseWrites.Add(1)
	time.Sleep(writeTime)
	return c.Leases.Release(ctx, room, owner, sent)
}

func (c *counted) Post(context.Context, string, []byte) error {
	c.posts.Add(1)
	time.Sleep(postDelay)
	return nil
}

func (c *counted) Close(context.Context, string) error { return nil }

// BenchmarkCost counts what a room of 100 members costs at several rates of messages, in dollars for a million
// messages delivered. Each message is delivered 100 times.
func BenchmarkCost(b *testing.B) {
	const members, seconds = 100, 5
	for _, rate := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			roster := &localstore.Roster{}
			for i := range members {
				if _, err := roster.Join(b.Context(), chat.Member{Room: "r", ConnectionID: fmt.Sprint(i),
					ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
					b.Fatal(err)
				}
			}
			table := newDistant()
			// 100 rows of 150 bytes, strongly consistent
			c := &counted{Roster: roster, Leases: &localstore.Leases{}, memberUnits: 4}
			processes := make([]chat.Service, 16)
			for i := range processes {
				processes[i] = chat.Service{Log: dynamo.NewLog(table, "messages", 0), Changes: c, Roster: c,
					Broadcaster: broadcast.Broadcaster{Leases: c}, Poster: c,
					Encoder: protocol.Encoder{}, Now: time.Now, Workers: workers}
			}
			var busy atomic.Int64 // nanoseconds of invocations
			messages := 0
			for b.Loop() {
				var all sync.WaitGroup
				for range seconds * rate {
					messages++
					s := processes[messages%len(processes)]
					all.Go(func() {
						began := time.Now()
						if _, err := s.Send(b.Context(), "0",
							chat.Draft{Room: "r", User: "ann", Content: "hello"}); err != nil {
							b.Error(err)
						}
						busy.Add(int64(time.Since(began)))
					})
					time.Sleep(time.Second / time.Duration(rate))
				}
				all.Wait()
			}
			n := float64(messages)
			gateway := (n + float64(c.posts.Load())) * price.Message
			function := n*price.Request + time.Duration(busy.Load()).Seconds()*functionGB*price.GBSecond
			database := (float64(table.puts)+float64(c.leaseWrites.Load()))*price.WriteUnit +
				(float64(table.reads+int(c.changeReads.Load()))+float64(c.memberReads.Load())*c.memberUnits)*
					price.ReadUnit
			delivered := n * members / 1e6
			b.ReportMetric(float64(members)*n/float64(c.posts.Load()), "messages/post")
			b.ReportMetric(gateway/delivered, "$-gateway")
			b.ReportMetric(function/delivered, "$-function")
			b.ReportMetric(database/delivered, "$-database")
			b.ReportMetric((gateway+function+database)/delivered, "$-all")
			// API Gateway's part, with a post for each message and member
			b.ReportMetric((n+n*members)*price.Message/delivered, "$-a-post-each")
		})
	}
}
