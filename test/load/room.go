package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
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

func (r *room) note(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sentAt[id] = time.Now()
}

// refuse notes that a message was refused.
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

// member is one connection, and what it got.
type member struct {
	room      *room
	user      string
	conn      net.Conn
	signalled atomic.Int64 // signals that it sent
	signals   atomic.Int64 // signals that it got

	mu         sync.Mutex
	got        map[int64]string // ids of this run's messages, by index
	ids        map[string]bool  // the same ids
	frames     int              // with messages
	repeated   int              // messages that it had
	overtaken  int              // messages that came after one with a greater index
	greatest   int64
	latencies  []time.Duration // from the send to here
	last       time.Time
	problem    error
	writing    sync.Mutex
	notMessage int // frames that API Gateway itself sent
}

func newMember(r *room, user string, conn net.Conn, early *bufio.Reader) *member {
	m := &member{room: r, user: user, conn: conn, got: map[int64]string{}, ids: map[string]bool{}}
	var stream io.Reader = conn
	if early != nil { // what came with the answer to the handshake
		stream = early
	}
	go m.read(stream)
	return m
}

func (m *member) send(frame string) {
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := ws.WriteFrame(m.conn, ws.MaskFrame(ws.NewTextFrame([]byte(frame)))); err != nil {
		m.fail(err)
	}
}

func (m *member) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.problem == nil {
		m.problem = err
	}
}

func (m *member) read(stream io.Reader) {
	for {
		header, err := ws.ReadHeader(stream)
		if err != nil {
			m.fail(err)
			return
		}
		payload := make([]byte, header.Length) // what the chat sends is at most 32 KB
		if _, err := io.ReadFull(stream, payload); err != nil {
			m.fail(err)
			return
		}
		switch header.OpCode {
		case ws.OpText:
			m.take(payload, time.Now())
		case ws.OpClose:
			m.fail(io.EOF)
			return
		}
	}
}

// take notes what is in a frame. Messages of others do not count.
func (m *member) take(payload []byte, at time.Time) {
	var frame struct {
		Messages []struct {
			Index int64  `json:"index"`
			ID    string `json:"message_id"`
		}
		Error *struct {
			Code string
			ID   string `json:"message_id"`
		}
		ConnectionID string `json:"connectionId"`
		Signal       json.RawMessage
	}
	if err := json.Unmarshal(payload, &frame); err != nil {
		m.fail(err)
		return
	}
	if frame.Signal != nil {
		m.signals.Add(1)
	}
	if frame.Error != nil {
		m.room.refuse(frame.Error.Code, frame.Error.ID)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if frame.ConnectionID != "" {
		m.notMessage++
	}
	counted := false
	for _, message := range frame.Messages {
		if !strings.HasPrefix(message.ID, m.room.run+"-") {
			continue
		}
		if !counted {
			counted, m.last = true, at
			m.frames++
		}
		if _, again := m.got[message.Index]; again || m.ids[message.ID] {
			m.repeated++
			continue
		}
		if message.Index < m.greatest {
			m.overtaken++
		}
		m.greatest = max(m.greatest, message.Index)
		m.got[message.Index], m.ids[message.ID] = message.ID, true
		m.room.mu.Lock()
		sent, ok := m.room.sentAt[message.ID]
		m.room.mu.Unlock()
		if ok {
			m.latencies = append(m.latencies, at.Sub(sent))
		}
	}
}

func (m *member) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.got)
}

func (m *member) lastAt() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}
