package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wschat/pkg/client"
)

// room is a room with its members, and what was sent to it.
type room struct {
	name   string
	run    string // what the ids of this run's messages begin with
	shared bool   // others may be in it, and it may have had messages before

	mu      sync.Mutex
	members []*member
	sentAt  map[string]time.Time // by message id; what was refused is taken out
	refused map[string]int       // by code
}

func (r *room) add(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = append(r.members, m)
}

func (r *room) note(id string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sentAt[id] = at
}

// refuse notes that a message was refused. The client may send it again.
func (r *room) refuse(code, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused == nil {
		r.refused = map[string]int{}
	}
	r.refused[code]++
	delete(r.sentAt, id)
}

func (r *room) sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sentAt)
}

// complete reports whether every member has every message.
func (r *room) complete() bool {
	want := r.sent()
	for _, m := range r.members {
		if m.count() < want {
			return false
		}
	}
	return true
}

// tally is which messages of a run came to a member, and how.
type tally struct {
	got       map[int64]string // ids of this run's messages, by index
	ids       map[string]bool  // the same ids
	repeated  int              // messages that it had
	overtaken int              // messages that came after one with a greater index
	greatest  int64
}

func newTally() tally { return tally{got: map[int64]string{}, ids: map[string]bool{}} }

// add counts a message, and reports whether it is new.
func (t *tally) add(index int64, id string) bool {
	if _, again := t.got[index]; again || t.ids[id] {
		t.repeated++
		return false
	}
	if index < t.greatest {
		t.overtaken++
	}
	t.greatest = max(t.greatest, index)
	t.got[index], t.ids[id] = id, true
	return true
}

// member is one client in a room, and what it got. The client puts in order what comes out of order, drops what comes
// twice and fetches what does not come. So two things are counted: what the chat sent by itself, frame by frame, and
// what the client delivered. The chat must do without such help.
type member struct {
	room      *room
	user      string
	client    *client.Client
	entered   *client.Room
	events    sync.WaitGroup // runs while the client delivers
	signalled atomic.Int64   // signals that it sent
	signals   atomic.Int64   // signals that it got

	mu        sync.Mutex
	pushed    tally // what the chat sent by itself
	delivered tally // what the client delivered
	frames    int   // with messages
	latencies []time.Duration
	last      time.Time
	problem   error
	isReady   bool
	failures  chan error // why it cannot connect; has room for one

	notMessage int // frames that API Gateway itself sent
}

func newMember(r *room, user string) *member {
	return &member{room: r, user: user, pushed: newTally(), delivered: newTally(), failures: make(chan error, 1)}
}

// connect connects and enters the room.
func (m *member) connect(ctx context.Context, o options) error {
	config := client.Config{URL: o.url, User: m.user, Trace: client.Trace{
		State:    m.state,
		Received: m.take,
		Pushed:   m.takePushed,
	}}
	join := []client.JoinOption{client.History(0)}
	switch {
	case o.token != "":
		config.User, config.Token = "", func(context.Context) (string, error) { return o.token, nil }
	case !o.typing: // members with a name get signals, and lists of members
		join = append(join, client.Hidden())
	}
	var err error
	if m.client, err = client.New(config); err != nil {
		return err
	}
	m.entered = m.client.Join(m.room.name, join...)
	ready := make(chan struct{})
	m.events.Go(func() { m.deliver(ready) })
	select {
	case <-ready:
		m.mu.Lock()
		m.isReady = true
		m.mu.Unlock()
		return m.entered.Err()
	case err := <-m.failures:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// state notes that a connection failed. The client connects again; for a load, that is a failure.
func (m *member) state(s client.State, why error) {
	if s != client.Offline {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isReady {
		select {
		case m.failures <- why:
		default:
		}
		return
	}
	m.fail(why)
}

// fail notes the first thing that went wrong. The caller holds mu.
func (m *member) fail(err error) {
	if m.problem == nil {
		m.problem = err
	}
}

// deliver counts what the client delivers, until the room ends.
func (m *member) deliver(ready chan<- struct{}) {
	started := sync.OnceFunc(func() { close(ready) })
	defer started()
	for e := range m.entered.Events(context.Background()) {
		switch e := e.(type) {
		case client.Ready:
			started()
		case client.Message:
			m.takeDelivered(e, time.Now())
		}
	}
}

func (m *member) takeDelivered(message client.Message, at time.Time) {
	if !m.room.isOurs(message.ID) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.delivered.add(message.Index, message.ID) {
		return
	}
	m.last = at
	m.room.mu.Lock()
	sent, ok := m.room.sentAt[message.ID]
	m.room.mu.Unlock()
	if ok {
		m.latencies = append(m.latencies, at.Sub(sent))
	}
}

// isOurs reports whether a message is of this run. Messages of others do not count.
func (r *room) isOurs(id string) bool { return strings.HasPrefix(id, r.run+"-") }

// takePushed counts the messages of a frame that the chat sent by itself.
func (m *member) takePushed(messages []client.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counted := 0
	for _, message := range messages {
		if m.room.isOurs(message.ID) {
			m.pushed.add(message.Index, message.ID)
			counted++
		}
	}
	if counted > 0 {
		m.frames++
	}
}

// take counts what else can be in a frame. The messages are decoded once, by the client.
func (m *member) take(payload []byte) {
	if bytes.HasPrefix(payload, []byte(`{"messages":`)) {
		return
	}
	var frame struct {
		Error *struct {
			Code string
			ID   string `json:"message_id"`
		}
		ConnectionID string `json:"connectionId"`
		Signal       json.RawMessage
	}
	err := json.Unmarshal(payload, &frame)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
		m.fail(err)
	case frame.Signal != nil:
		m.signals.Add(1)
	case frame.Error != nil:
		m.room.refuse(frame.Error.Code, frame.Error.ID)
	case frame.ConnectionID != "":
		m.notMessage++
	}
}

func (m *member) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.delivered.got)
}

func (m *member) lastAt() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// close ends the client.
func (m *member) close() {
	if m.client != nil {
		m.client.Close()
	}
	m.events.Wait()
}
