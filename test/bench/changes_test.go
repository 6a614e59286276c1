package bench

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/app"
	"wschat/pkg/awsclient"
	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/pkg/dynamo"
	"wschat/pkg/protocol"
	"wschat/test/dynamolocal"
)

// calls counts the calls of DynamoDB.
type calls struct {
	dynamodb.HTTPClient
	n     atomic.Int64
	rules chat.RuleStore // of the same tables
}

func (c *calls) Do(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.HTTPClient.Do(r)
}

// posts counts the posts, each of which takes its time, and their bytes.
type posts struct {
	delay    time.Duration
	n, bytes atomic.Int64
}

func (p *posts) Post(_ context.Context, _ string, frame []byte) error {
	p.n.Add(1)
	p.bytes.Add(int64(len(frame)))
	time.Sleep(p.delay)
	return nil
}

func (p *posts) Close(context.Context, string) error { return nil }

// onDynamoDBLocal is the chat on DynamoDB Local, with so many members in room r.
func onDynamoDBLocal(b *testing.B, members int) (chat.Service, *calls, *posts) {
	b.Helper()
	counted, posted := &calls{}, &posts{delay: postDelay}
	env := awsclient.Env{Region: "local", DynamoDBEndpoint: dynamolocal.Start(b), Credentials: localCredentials()}
	db := dynamo.NewClient(env, func(o *dynamodb.Options) {
		counted.HTTPClient = o.HTTPClient
		o.HTTPClient = counted
	})
	c := config.Config{ConnectionsTable: "connections", MessagesTable: "messages"}
	for table, definition := range map[string]dynamo.Table{
		c.ConnectionsTable: dynamo.ConnectionsTable(), c.MessagesTable: dynamo.MessagesTable()} {
		if err := dynamo.Create(b.Context(), db, table, definition); err != nil {
			b.Fatal(err)
		}
	}
	stores := app.OnDynamoDB(db, c)
	counted.rules = stores.Rules
	for i := range members {
		if _, err := stores.Roster.Join(b.Context(), chat.Member{Room: "r", ConnectionID: fmt.Sprint(i),
			ConnectedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now().Add(time.Hour), Opened: true}); err != nil {
			b.Fatal(err)
		}
	}
	return chat.Service{Log: stores.Log, Changes: stores.Changes, Roster: stores.Roster, Poster: posted,
		Broadcaster: broadcast.Broadcaster{Leases: stores.Leases}, Encoder: protocol.Encoder{}, Now: time.Now,
		Workers: workers}, counted, posted
}

// BenchmarkChange is one reaction in a quiet room, from AddReaction to its end, beside one message.
func BenchmarkChange(b *testing.B) {
	for _, members := range []int{1, 100} {
		s, counted, posted := onDynamoDBLocal(b, members)
		measure := func(name string, act func(i int) error) {
			b.Run(fmt.Sprintf("%s/members=%d", name, members), func(b *testing.B) {
				counted.n.Store(0)
				posted.n.Store(0)
				n := 0
				for ; b.Loop(); n++ {
					if err := act(n); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(counted.n.Load())/float64(n), "calls")
				b.ReportMetric(float64(posted.n.Load())/float64(n), "posts")
			})
		}
		measure("message", func(int) error {
			_, err := s.Send(b.Context(), "0", chat.Draft{Room: "r", User: "ann", Content: "hello"})
			return err
		})
		measure("reaction", func(i int) error {
			act := chat.Act{Room: "r", Index: 1, By: chat.Person{Name: fmt.Sprint("user", i%20)}}
			if i/20%2 == 0 {
				_, err := s.AddReaction(b.Context(), "0", act, "👍")
				return err
			}
			_, err := s.RemoveReaction(b.Context(), "0", act, "👍")
			return err
		})
	}
}

// BenchmarkCatchUp is what a client costs that has missed 1,000 changes of 30 messages: one that asks for the changes,
// and one that loads the messages again.
func BenchmarkCatchUp(b *testing.B) {
	const messages, changes = 30, 1000
	s, counted, posted := onDynamoDBLocal(b, 0)
	posted.delay = 0
	for range messages {
		if _, err := s.Send(b.Context(), "0", chat.Draft{Room: "r", User: "ann", Content: "hello"}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range changes {
		act := chat.Act{Room: "r", Index: int64(1 + i%messages), By: chat.Person{Name: "ann"}}
		if _, err := s.Edit(b.Context(), "0", act, fmt.Sprint("hello ", i), nil); err != nil {
			b.Fatal(err)
		}
	}
	measure := func(name string, ask func() error) {
		b.Run(name, func(b *testing.B) {
			counted.n.Store(0)
			posted.n.Store(0)
			posted.bytes.Store(0)
			n := 0
			for ; b.Loop(); n++ {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(counted.n.Load())/float64(n), "calls")
			b.ReportMetric(float64(posted.n.Load())/float64(n), "frames")
			b.ReportMetric(float64(posted.bytes.Load())/float64(n), "bytes")
		})
	}
	measure("changes", func() error {
		for after, more := int64(0), true; more; {
			page, err := s.GetChanges(b.Context(), "0", chat.ChangesQuery{Room: "r", After: after, Limit: 500})
			if err != nil {
				return err
			}
			after, more = page.UpTo, page.More
		}
		return nil
	})
	measure("messages", func() error {
		_, err := s.History(b.Context(), "0", chat.Query{Room: "r", Limit: 100})
		return err
	})
}
