package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

type options struct {
	url, token         string
	connections, rooms int
	room               string // the room's name, or what rooms' names begin with; "" for names that nobody uses
	rate               float64
	duration, patience time.Duration
	connecting, size   int
}

func (o options) check() error {
	switch {
	case o.rooms < 1 || o.connections < o.rooms:
		return errors.New("there must be a room, and a connection for each room")
	case o.rate <= 0 || o.duration <= 0:
		return errors.New("the rate and the duration must be greater than 0")
	case o.size < 40:
		return errors.New("a message's content must have at least 40 bytes, which say when it was sent")
	}
	return nil
}

// run puts the load on, waits for the last message, and reports.
func run(ctx context.Context, o options) (report, error) {
	if err := o.check(); err != nil {
		return report{}, err
	}
	began := time.Now()
	rooms, err := connect(ctx, o)
	defer closeAll(rooms)
	if err != nil {
		return report{}, err
	}
	connected := time.Since(began)
	sent := send(ctx, o, rooms)
	last := wait(ctx, o, rooms)
	r := collect(rooms, sent)
	r.options, r.connecting, r.sending = o, connected, last.Sub(began.Add(connected))
	return r, nil
}

// newRooms returns the rooms of a run that has this id.
func (o options) newRooms(id string) []*room {
	rooms := make([]*room, o.rooms)
	for i := range rooms {
		rooms[i] = &room{run: id, shared: o.room != "", sentAt: map[string]time.Time{}}
		switch {
		case o.room == "":
			rooms[i].name = fmt.Sprintf("load-%s-%d", id, i)
		case o.rooms == 1:
			rooms[i].name = o.room
		default:
			rooms[i].name = fmt.Sprintf("%s-%d", o.room, i+1)
		}
	}
	return rooms
}

// connect opens every connection.
func connect(ctx context.Context, o options) ([]*room, error) {
	rooms := o.newRooms(strconv.FormatInt(time.Now().UnixNano(), 36))
	dialer := ws.Dialer{Timeout: 30 * time.Second, Header: ws.HandshakeHeaderHTTP(http.Header{})}
	if o.token != "" {
		dialer.Protocols = []string{"chat", o.token}
	}
	slots := make(chan struct{}, o.connecting)
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for i := range o.connections {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return rooms, ctx.Err()
		}
		if failed.Load() != nil {
			break
		}
		r := rooms[i%o.rooms]
		wg.Go(func() {
			defer func() { <-slots }()
			conn, early, _, err := dialer.Dial(ctx, o.url+"?room_name="+url.QueryEscape(r.name))
			if err != nil {
				err = fmt.Errorf("connection %d of %d: %w", i+1, o.connections, err)
				failed.Store(&err)
				return
			}
			r.add(newMember(r, conn, early))
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return rooms, *err
	}
	return rooms, nil
}

// send sends at the rate, from one member after the other, whether or not what was sent before has arrived. It
// returns how many messages were sent.
func send(ctx context.Context, o options, rooms []*room) int {
	begin := time.Now()
	n := 0
	for ; ; n++ {
		at := begin.Add(time.Duration(float64(n) / o.rate * float64(time.Second)))
		if at.Sub(begin) >= o.duration {
			return n
		}
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return n
		}
		r := rooms[n%len(rooms)]
		id := fmt.Sprintf("%s-%d", r.run, n) // the room may hold messages of other runs
		r.note(id)
		r.members[n/len(rooms)%len(r.members)].send(fmt.Sprintf(
			`{"action":"sendMessage","room_name":%q,%s"message_id":%q,"content":%q}`, r.name, o.userField(), id,
			pad(id, o.size)))
	}
}

func pad(s string, size int) string { return s + " " + strings.Repeat("x", max(0, size-len(s)-1)) }

// wait returns when every member has every message that was sent and not refused, or when patience is over; and when
// the last message came.
func wait(ctx context.Context, o options, rooms []*room) time.Time {
	for deadline := time.Now().Add(o.patience); time.Now().Before(deadline) &&
		ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		missing := false
		for _, r := range rooms {
			missing = missing || !r.complete()
		}
		if !missing {
			break
		}
	}
	last := time.Time{}
	for _, r := range rooms {
		for _, m := range r.members {
			if at := m.lastAt(); at.After(last) {
				last = at
			}
		}
	}
	return last
}

func closeAll(rooms []*room) {
	for _, r := range rooms {
		for _, m := range r.members {
			_ = m.conn.Close()
		}
	}
}

// userField is a message's name, which with a token is the token's.
func (o options) userField() string {
	if o.token != "" {
		return ""
	}
	return `"user_name":"load",`
}
