package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wschat/pkg/client"
)

type options struct {
	url, token         string
	connections, rooms int
	room               string // the room's name, or what rooms' names begin with; "" for names that nobody uses
	rate               float64
	duration, patience time.Duration
	connecting, size   int
	typing             bool
}

// typingEvery is how often clients say that their users type.
const typingEvery = 5 * time.Second

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
	typing, stop := context.WithCancel(ctx)
	if o.typing {
		typeAll(typing, rooms)
	}
	sent := send(ctx, o, rooms)
	stop()
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

// connect connects every member.
func connect(ctx context.Context, o options) ([]*room, error) {
	rooms := o.newRooms(strconv.FormatInt(time.Now().UnixNano(), 36))
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
		m := newMember(rooms[i%o.rooms], user(i))
		m.room.add(m)
		wg.Go(func() {
			defer func() { <-slots }()
			if err := m.connect(ctx, o); err != nil {
				err = fmt.Errorf("connection %d of %d: %w", i+1, o.connections, err)
				failed.Store(&err)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return rooms, *err
	}
	return rooms, nil
}

// send sends at the rate, from one member after the other, whether or not what was sent before has arrived. A member
// has one message in flight, as the client does it, and the wait for that counts in the times. It returns how many
// messages were sent.
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
		now := time.Now()
		r.note(id, now)
		go r.members[n/len(rooms)%len(r.members)].send(ctx, id, pad(id, o.size), now)
	}
}

// send sends a message that was noted at a time, and notes what became of it.
func (m *member) send(ctx context.Context, id, content string, at time.Time) {
	_, err := m.entered.SendDraft(ctx, client.Draft{Content: content, ID: id})
	switch e, ok := errors.AsType[*client.Error](err); {
	case err == nil:
		m.room.note(id, at) // it may have been refused before
	case ok && e.RequestID == "" && e.Code != client.CodeClosed: // otherwise the refusal was counted as it came
		m.room.refuse(e.Code, id)
	}
}

// typeAll has every member say that its user types, from now on until ctx ends.
func typeAll(ctx context.Context, rooms []*room) {
	for _, r := range rooms {
		for i, m := range r.members {
			go func() {
				pause := typingEvery * time.Duration(i) / time.Duration(len(r.members)) // not all at once
				for {
					select {
					case <-time.After(pause):
					case <-ctx.Done():
						return
					}
					if m.entered.Signal(ctx, "typing", nil) == nil {
						m.signalled.Add(1)
					}
					pause = typingEvery
				}
			}()
		}
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
	var closing sync.WaitGroup
	for _, r := range rooms {
		for _, m := range r.members {
			closing.Go(m.close)
		}
	}
	closing.Wait()
}

// user is the name of a connection's user.
func user(i int) string { return fmt.Sprint("load", i) }
