package route_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/pkg/protocol"
	"wschat/pkg/route"
	"wschat/pkg/telemetry"
)

// broken is a store that fails where a test says.
type broken struct {
	chat.Log
	chat.Roster
	localstore.Leases
	appendErr, membersErr error
	tail                  int64
}

func (b *broken) Append(_ context.Context, m chat.Message) (chat.Message, bool, error) {
	b.tail++
	m.Index = b.tail
	return m, m.ID == "again", b.appendErr
}

func (b *broken) Read(context.Context, string, chat.Span) ([]chat.Message, error) { return nil, nil }

func (b *broken) Members(_ context.Context, room string, _ int) ([]chat.Member, error) {
	long := time.Now().Add(-time.Hour)
	return []chat.Member{
		{Room: room, ConnectionID: "c=", ConnectedAt: long, ExpiresAt: long.Add(2 * time.Hour), Opened: true},
		{Room: room, ConnectionID: "other=", ConnectedAt: long, ExpiresAt: long.Add(2 * time.Hour), Opened: true},
	}, b.membersErr
}

func (b *broken) Leave(context.Context, string, string) (chat.Member, error) {
	return chat.Member{}, nil
}
func (b *broken) Remove(context.Context, chat.Member) (bool, error)     { return true, nil }
func (b *broken) Forget(context.Context, string) ([]chat.Member, error) { return nil, nil }

// failing is a Poster that fails for one connection, so many times.
type failing struct {
	to    string
	err   error
	times int
}

func (f *failing) Post(_ context.Context, id string, _ []byte) error {
	if id == f.to && f.times > 0 {
		f.times--
		return fmt.Errorf("post to connection %s: %w", id, f.err)
	}
	return nil
}

func (f *failing) Close(context.Context, string) error { return nil }

// Whatever goes wrong moves a metric, so that somebody can find out.
func TestEveryFaultMovesAMetric(t *testing.T) {
	const always = 1 << 30
	for _, tc := range []struct {
		name  string
		id    string // of the message
		store *broken
		posts *failing
		moves map[telemetry.Metric]float64 // besides those of every message
	}{
		{"nothing", "", &broken{}, &failing{}, map[telemetry.Metric]float64{
			telemetry.MessagesStored: 1, telemetry.Rounds: 1, telemetry.Posts: 2, telemetry.Deliveries: 2,
			telemetry.MessagesPerPost: 1}},
		{"a repeat", "again", &broken{}, &failing{}, map[telemetry.Metric]float64{telemetry.Duplicates: 1}},
		{"a connection is gone", "", &broken{}, &failing{"other=", chat.ErrGone, always},
			map[telemetry.Metric]float64{telemetry.GoneConnections: 1, telemetry.Posts: 1}},
		{"a post is throttled once", "", &broken{}, &failing{"other=", chat.ErrTryAgain, 1},
			map[telemetry.Metric]float64{telemetry.PostsAgain: 1, telemetry.Posts: 2}},
		{"a client does not read", "", &broken{}, &failing{"other=", chat.ErrTryAgain, always},
			map[telemetry.Metric]float64{telemetry.Undelivered: 1, telemetry.SendErrors: 1}},
		{"a post is forbidden", "", &broken{}, &failing{"other=", errors.New("403"), always},
			map[telemetry.Metric]float64{telemetry.Undelivered: 1, telemetry.SendErrors: 1}},
		{"the log fails", "", &broken{appendErr: errors.New("reset")}, &failing{},
			map[telemetry.Metric]float64{telemetry.Errors: 1, telemetry.Refusals: 1}},
		{"the room is busy", "", &broken{appendErr: &chat.Error{Code: chat.CodeRoomBusy}}, &failing{},
			map[telemetry.Metric]float64{telemetry.Errors: 1, telemetry.Refusals: 1}},
		{"the members cannot be read", "", &broken{membersErr: errors.New("reset")}, &failing{},
			map[telemetry.Metric]float64{
				telemetry.Errors: 1, telemetry.Refusals: 1, telemetry.SendErrors: 1, telemetry.MessagesStored: 1}},
		{"nor can the sender be told", "", &broken{appendErr: errors.New("reset")},
			&failing{"c=", errors.New("403"), always}, map[telemetry.Metric]float64{
				telemetry.Errors: 1, telemetry.SendErrors: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.handler = route.New(route.Config{
					Chat: chat.Service{Log: tc.store, Roster: tc.store,
						Broadcaster: broadcast.Broadcaster{Leases: &tc.store.Leases}, Encoder: protocol.Encoder{},
						Now: time.Now, Workers: 2},
					Poster: func(string, string) chat.Poster { return tc.posts },
					Logger: slog.New(slog.NewJSONHandler(f.lines, nil)),
					Meter:  telemetry.New("chat"),
				})
				body := fmt.Sprintf(
					`{"action":"sendMessage","room_name":"r","user_name":"ann","content":"hi","message_id":%q}`, tc.id)
				if tc.id == "" {
					body = `{"action":"sendMessage","room_name":"r","user_name":"ann","content":"hi"}`
				}
				f.message("sendMessage", body)
				line := f.lastLine()
				for metric, want := range tc.moves {
					if line[string(metric)] != want {
						t.Errorf("%s is %v, want %v, in %v", metric, line[string(metric)], want, line)
					}
				}
				if line["room"] != "r" {
					t.Errorf("the line does not say in which room: %v", line)
				}
				if _, measured := line[telemetry.Directive]; !measured {
					t.Errorf("CloudWatch is told of no metric: %v", line)
				}
			})
		})
	}
}

// slow is a Poster as fast as API Gateway.
type slow struct{ failing }

func (slow) Post(context.Context, string, []byte) error {
	time.Sleep(10 * time.Millisecond)
	return nil
}

// BenchmarkTelemetry is a message in a quiet room, from the event to the answer, with its log line and metrics and
// without.
func BenchmarkTelemetry(b *testing.B) {
	for name, c := range map[string]route.Config{
		"on":  {Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)), Meter: telemetry.New("chat")},
		"off": {Logger: slog.New(slog.DiscardHandler)},
	} {
		b.Run(name, func(b *testing.B) {
			store := &broken{}
			c.Chat = chat.Service{Log: store, Roster: store, Broadcaster: broadcast.Broadcaster{Leases: &store.Leases},
				Encoder: protocol.Encoder{}, Now: time.Now, Workers: 2}
			c.Poster = func(string, string) chat.Poster { return &slow{} }
			h := route.New(c)
			payload := []byte(`{"requestContext":{"routeKey":"sendMessage","eventType":"MESSAGE","requestId":"req=","connectionId":"c="},` +
				`"body":"{\"action\":\"sendMessage\",\"room_name\":\"r\",\"user_name\":\"ann\",\"content\":\"hi\"}"}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Invoke(b.Context(), payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
