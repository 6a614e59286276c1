package broadcast_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/fakes"
)

// world is a chat in memory. The tests of this package add methods.
type world struct{ fakes.World }

type (
	changeLog = fakes.ChangeLog
	roster    = fakes.Roster
	leases    = fakes.Leases
)

var draft = chat.Draft{Room: "r", User: "ann", Content: "hi"}

// counts is what became of the posts.
func counts(sent chat.Sent) string {
	d := sent.Delivery
	return fmt.Sprintf("delivered %d, gone %d, failed %d", d.Delivered, len(d.Gone), d.Failed)
}

// join makes a connection a member of room r.
func join(t *testing.T, s chat.Service, id, user string) {
	t.Helper()
	if err := s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: id, User: user, ConnectedAt: time.Now()},
		chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
}

// say sends a message of a member, and returns what became of it. The test fails if the message cannot be sent.
func (w *world) say(t *testing.T, id, content string) chat.Sent {
	t.Helper()
	sent, err := w.Service().Send(t.Context(), id, chat.Draft{Room: "r", User: id, Content: content})
	if err != nil {
		t.Errorf("%s says %s: %v", id, content, err)
	}
	return sent
}

// got is all that a connection was posted.
func (w *world) got(id string) []string {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	return slices.Clone(w.Posts[id])
}

// slowly has every post take d.
func slowly(d time.Duration) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// inOrder fails unless a connection got so many messages, each once and after the one before it.
func inOrder(t *testing.T, w *world, id string, messages int) {
	t.Helper()
	next := int64(1)
	for _, frame := range w.got(id) {
		for _, index := range indexes(frame) {
			if index != next {
				t.Fatalf("%s got message %d, but %d is next", id, index, next)
			}
			next++
		}
	}
	if next != int64(messages)+1 {
		t.Errorf("%s got %d messages of %d", id, next-1, messages)
	}
}

// indexes are those of the messages in a frame of the world's.
func indexes(frame string) (list []int64) {
	for _, m := range strings.Fields(frame) {
		number, _, _ := strings.Cut(m, ":")
		index, _ := strconv.ParseInt(number, 10, 64)
		list = append(list, index)
	}
	return list
}

// keepUp has one member say so many things, and fails if another has not got each of them before the next.
func (w *world) keepUp(t *testing.T, from, to string, messages int, every time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for i := range messages {
		all.Go(func() { w.say(t, from, fmt.Sprint(i)) })
		time.Sleep(every)
		if got := w.got(to); len(got) <= i {
			t.Errorf("%v after message %d %s has got %d", every, i+1, to, len(got))
		}
	}
	all.Wait()
}
