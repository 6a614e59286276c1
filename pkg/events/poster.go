package events

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"wschat/pkg/backoff"
	"wschat/pkg/chat"
	"wschat/pkg/protocol"
)

const (
	// queued is how many events wait at most for a program that is slow. The chat does not wait for it.
	queued = 10_000

	// patience is how long an event is posted again and again to a program that does not take it.
	patience = 5 * time.Minute

	// postTimeout bounds one attempt.
	postTimeout = 10 * time.Second
)

// Poster posts an event to a URL for each message that is stored or changed, in the form in which EventBridge delivers
// it. It is for one machine: what is not posted when the process ends is lost.
type Poster struct {
	url    string
	logger *slog.Logger
	queue  chan chat.Message
}

// NewPoster returns a poster to a URL, at work for as long as the process runs.
func NewPoster(url string, logger *slog.Logger) *Poster {
	p := &Poster{url: url, logger: logger, queue: make(chan chat.Message, queued)}
	go p.run()
	return p
}

// Log returns a log whose messages the poster tells of.
func (p *Poster) Log(inner chat.Log) chat.Log { return postedLog{inner, p} }

// Changes returns a log of changes that the poster tells of.
func (p *Poster) Changes(inner chat.ChangeLog) chat.ChangeLog { return postedChanges{inner, p} }

type postedLog struct {
	chat.Log
	poster *Poster
}

// Append stores a message; see chat.Log. A repeat is told of, too: what stored it first may have died.
func (l postedLog) Append(ctx context.Context, m chat.Message) (stored chat.Message, repeat bool, err error) {
	stored, repeat, err = l.Log.Append(ctx, m)
	if err == nil {
		l.poster.add(stored)
	}
	return stored, repeat, err
}

type postedChanges struct {
	chat.ChangeLog
	poster *Poster
}

// Change changes a message; see chat.ChangeLog.
func (l postedChanges) Change(ctx context.Context, room string, index int64,
	change func(chat.Message) (chat.Message, error)) (chat.Message, error) {
	stored, err := l.ChangeLog.Change(ctx, room, index, change)
	if err == nil && stored.Version > 0 {
		l.poster.add(stored)
	}
	return stored, err
}

func (p *Poster) add(m chat.Message) {
	select {
	case p.queue <- m:
	default:
		p.lose(m, "too many events wait for the program")
	}
}

func (p *Poster) lose(m chat.Message, why string) {
	p.logger.Error("an event is lost", slog.String("url", p.url), slog.String("room_name", m.Room),
		slog.Int64("index", m.Index), slog.Int64("version", m.Version), slog.String("error", why))
}

func (p *Poster) run() {
	for m := range p.queue {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		pauses := backoff.Policy{First: 100 * time.Millisecond, Most: 5 * time.Second}
		body := envelope(m)
		err := pauses.Retry(ctx, func(error) bool { return true }, func() error { return p.post(ctx, body) })
		cancel()
		if err != nil {
			p.lose(m, err.Error())
		}
	}
}

func (p *Poster) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // so that the connection can be used again
	if answer.StatusCode >= 300 {
		return fmt.Errorf("the program answers with status %d", answer.StatusCode)
	}
	return nil
}

// envelope is an event as EventBridge delivers it
// (https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html).
func envelope(m chat.Message) []byte {
	b, _ := json.Marshal(struct { // texts, and a detail that is JSON
		Version    string          `json:"version"`
		ID         string          `json:"id"`
		DetailType string          `json:"detail-type"`
		Source     string          `json:"source"`
		Account    string          `json:"account"`
		Time       time.Time       `json:"time"`
		Region     string          `json:"region"`
		Resources  []string        `json:"resources"`
		Detail     json.RawMessage `json:"detail"`
	}{"0", rand.Text(), protocol.EventType(m), Source("dev"), "000000000000", time.Now().UTC().Truncate(time.Second),
		"local",
		[]string{}, protocol.EncodeEvent(m)})
	return b
}
