// Package abuse attacks the chat from one client, and looks at what an unrelated room sees of that.
package abuse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// room is a room whose members get what one of them says.
type room struct {
	members []*websocket.Conn
	reading sync.WaitGroup

	mu      sync.Mutex
	sentAt  map[string]time.Time       // by message id
	got     map[string][]time.Duration // by message id: after how long each member got it
	refused int
}

// dial opens a connection with a query such as "room_name=lobby".
func dial(ctx context.Context, address, query string) (*websocket.Conn, error) {
	conn, answer, err := websocket.Dial(ctx, address+"?"+query, &websocket.DialOptions{HTTPClient: &http.Client{}})
	if err != nil {
		status := 0
		if answer != nil {
			status = answer.StatusCode
		}
		return nil, fmt.Errorf("connect with %s: status %d, %w", query, status, err)
	}
	conn.SetReadLimit(1 << 20)
	return conn, nil
}

// newRoom opens a room with so many members, each under a name of its own.
func newRoom(ctx context.Context, address, name string, members int) (*room, error) {
	r := &room{sentAt: map[string]time.Time{}, got: map[string][]time.Duration{}}
	r.members = make([]*websocket.Conn, members)
	errs := make([]error, members)
	var connecting sync.WaitGroup // all at once: one by one, each would wait for the room to be told of the one before
	for i := range members {
		connecting.Go(func() {
			r.members[i], errs[i] = dial(ctx, address,
				"room_name="+url.QueryEscape(name)+"&user_name="+fmt.Sprint("user", i))
		})
	}
	connecting.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, conn := range r.members {
		r.reading.Go(func() { r.read(conn) })
	}
	return r, nil
}

func (r *room) read(conn *websocket.Conn) {
	for {
		_, text, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		r.take(text, time.Now())
	}
}

func (r *room) take(text []byte, at time.Time) {
	var frame struct {
		Messages []struct {
			ID string `json:"message_id"`
		}
		Error   json.RawMessage
		Message string // of API Gateway itself
	}
	if json.Unmarshal(text, &frame) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if frame.Error != nil || frame.Message != "" {
		r.refused++
	}
	for _, m := range frame.Messages {
		if sent, ok := r.sentAt[m.ID]; ok {
			r.got[m.ID] = append(r.got[m.ID], at.Sub(sent))
		}
	}
}

// close closes the connections, and waits until nothing is read.
func (r *room) close() {
	for _, conn := range r.members {
		_ = conn.CloseNow()
	}
	r.reading.Wait()
}

// seen is what the members of a room saw of what was said in it.
type seen struct {
	p99           time.Duration // from a send until a member got it
	lost, refused int
}

func (s seen) String() string {
	return fmt.Sprintf("p99 %v, %d deliveries lost, %d sends refused", s.p99.Round(100*time.Microsecond), s.lost,
		s.refused)
}

// speak has one member say something five times a second, for so long, and tells what the members saw of it, up to
// five seconds later.
func (r *room) speak(ctx context.Context, name string, d time.Duration) (seen, error) {
	run := fmt.Sprint(time.Now().UnixNano(), "-")
	r.mu.Lock()
	r.refused = 0
	r.mu.Unlock()
	ids := []string{}
	tick := time.NewTicker(time.Second / 5)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		id := fmt.Sprint(run, len(ids))
		frame, err := json.Marshal(map[string]any{"action": "sendMessage", "room_name": name, "user_name": "user0",
			"content": "Is anybody disturbed?", "message_id": id})
		if err != nil {
			return seen{}, err
		}
		r.mu.Lock()
		r.sentAt[id] = time.Now()
		r.mu.Unlock()
		ids = append(ids, id)
		if err := r.members[0].Write(ctx, websocket.MessageText, frame); err != nil {
			return seen{}, errors.Join(fmt.Errorf("say message %d", len(ids)), err)
		}
	}
	for end := time.Now().Add(5 * time.Second); r.sum(ids).lost > 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	return r.sum(ids), nil
}

func (r *room) sum(ids []string) seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := seen{refused: r.refused}
	var all []time.Duration
	for _, id := range ids {
		all = append(all, r.got[id]...)
		s.lost += max(0, len(r.members)-len(r.got[id]))
	}
	if len(all) > 0 {
		slices.Sort(all)
		s.p99 = all[len(all)*99/100]
	}
	return s
}
