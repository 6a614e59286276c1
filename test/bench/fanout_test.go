// Package bench measures what crosses packages. Compare within one run: go test -bench . ./test/bench
package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"wschat/pkg/awsclient"
	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/pkg/management"
	"wschat/pkg/protocol"
)

const (
	workers   = 64
	postDelay = 10 * time.Millisecond // what the sink takes for a post
)

// BenchmarkFanOut is one message in a quiet room, from Send to the last post's answer, beside a bare loop: the same
// workers, bytes and sink with plain net/http, which is what the network alone costs. What Send does after that is
// not in ms/delivered: it pauses after a round, looks for more, and gives the lease back.
func BenchmarkFanOut(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(postDelay)
	}))
	defer sink.Close()
	for _, members := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("chat/members=%d", members), func(b *testing.B) {
			s := service(b, sink.URL, members)
			watched := &lastPost{Poster: s.Poster}
			s.Poster = watched
			var delivering time.Duration
			n := 0
			for ; b.Loop(); n++ {
				began := time.Now()
				sent, err := s.Send(b.Context(), "0", chat.Draft{Room: "r", User: "ann", Content: "hello"})
				if err != nil || sent.Delivery.Delivered != members {
					b.Fatal(sent, err)
				}
				delivering += watched.at.Sub(began)
			}
			b.ReportMetric(float64(delivering.Microseconds())/1000/float64(n), "ms/delivered")
		})
		b.Run(fmt.Sprintf("bare/members=%d", members), func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConns: workers, MaxIdleConnsPerHost: workers}}
			frame := protocol.Encoder{}.Messages(chat.Page{Messages: []chat.Message{{Room: "r", User: "ann",
				Content: "hello", CreateAt: 1795515136}}})[0].Text
			for b.Loop() {
				bareLoop(b, client, sink.URL, frame, members)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/delivered")
		})
	}
}

// lastPost notes when the last post was answered.
type lastPost struct {
	chat.Poster
	mu sync.Mutex
	at time.Time
}

func (p *lastPost) Post(ctx context.Context, connectionID string, frame []byte) error {
	err := p.Poster.Post(ctx, connectionID, frame)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = time.Now()
	return err
}

// service is the chat with a room of so many members, on a log in memory: the store is not what is measured.
func service(b *testing.B, endpoint string, members int) chat.Service {
	roster := &localstore.Roster{}
	for i := range members {
		_, err := roster.Join(b.Context(), chat.Member{Room: "r", ConnectionID: fmt.Sprint(i),
			ExpiresAt: time.Now().Add(time.Hour)})
		if err != nil {
			b.Fatal(err)
		}
	}
	stages := management.Stages{Options: management.Options{Endpoint: endpoint, Region: "local", Workers: workers,
		Credentials: localCredentials()}}
	return chat.Service{Log: &counter{}, Roster: roster,
		Broadcaster: broadcast.Broadcaster{Leases: &localstore.Leases{}}, Poster: stages.Poster("", ""),
		Encoder: protocol.Encoder{},
		Now:     time.Now, Workers: workers}
}

// counter is a chat.Log that only counts.
type counter struct {
	chat.Log
	n int64
}

func (c *counter) Append(_ context.Context, m chat.Message) (chat.Message, bool, error) {
	c.n++
	m.Index = c.n
	return m, false, nil
}

// Read finds nothing: nobody else sends.
func (c *counter) Read(context.Context, string, chat.Span) ([]chat.Message, error) { return nil, nil }

func bareLoop(b *testing.B, client *http.Client, url string, frame []byte, posts int) {
	ids := make(chan int, posts)
	for i := range posts {
		ids <- i
	}
	close(ids)
	var wg sync.WaitGroup
	for range min(workers, posts) {
		wg.Go(func() {
			for id := range ids {
				answer, err := client.Post(fmt.Sprint(url, "/@connections/", id), "application/octet-stream",
					bytes.NewReader(frame))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
	wg.Wait()
}

// localCredentials are for endpoints on this machine, which check none.
func localCredentials() aws.CredentialsProvider {
	return awsclient.Static(aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"})
}
