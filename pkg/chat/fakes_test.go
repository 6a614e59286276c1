package chat_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// world is a Log, a Roster and a Poster in memory that writes down what was called, in order.
type world struct {
	mu      sync.Mutex
	calls   []string
	log     []chat.Message
	expired int64 // messages up to this index are no longer kept
	members []chat.Member
	posts   map[string][]string // by connection id
	leases  localstore.Leases

	announcements localstore.Announcements

	appendErr, membersErr, readErr, tailErr, acquireErr error
	post                                                func(ctx context.Context, id string) error
	beforeRelease                                       func() // of a lease
}

var (
	_ chat.Log    = (*world)(nil)
	_ chat.Roster = roster{}
	_ chat.Leases = leases{}
	_ chat.Poster = (*world)(nil)
)

func (w *world) service() chat.Service {
	return chat.Service{Log: w, Roster: roster{w}, Leases: leases{w}, Poster: w, Encoder: w, Now: time.Now, Workers: 4,
		Announcements: &w.announcements}
}

// Messages makes one frame of as many bytes as the contents have, and a few that name them.
func (w *world) Messages(p chat.Page) []chat.Frame {
	s, last := "", int64(0)
	for _, m := range p.Messages {
		s += fmt.Sprintf("%d:%s ", m.Index, m.Content)
		last = m.Index
	}
	return []chat.Frame{{Text: []byte(s + partOf(p.Part)), Last: last}}
}

// Members makes one frame that lists the users.
func (w *world) Members(a chat.Attendance, _ int) [][]byte {
	if a.OverLimit {
		return [][]byte{fmt.Appendf(nil, "%s over", a.Room)}
	}
	users := make([]string, len(a.Users))
	for i, u := range a.Users {
		users[i] = fmt.Sprintf("{%s %d}", nameAndID(u.Name, u.ID), u.Connections)
	}
	return [][]byte{fmt.Appendf(nil, "%s %v%s", a.Room, users, a.Ref)}
}

func nameAndID(name, id string) string {
	if id == "" {
		return name
	}
	return name + "=" + id
}

func (w *world) Presence(p chat.Presence) []byte {
	return fmt.Appendf(nil, "%s %s %s%s%s", nameAndID(p.User, p.UserID), p.Event, p.Room, p.Ref, partOf(p.Part))
}

func partOf(follows bool) string {
	if follows {
		return "part"
	}
	return ""
}

func (w *world) Pong(at time.Time, ref string) []byte {
	return fmt.Appendf(nil, "pong %d%s", at.Unix(), ref)
}

func (w *world) call(format string, args ...any) {
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
}

func (w *world) Append(_ context.Context, m chat.Message) (chat.Message, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call("append")
	if w.appendErr != nil {
		return chat.Message{}, false, w.appendErr
	}
	for _, old := range w.log {
		if m.ID != "" && old.ID == m.ID && old.User == m.User && old.UserID == m.UserID && old.Room == m.Room {
			return old, true, nil
		}
	}
	m.Index = int64(len(w.log)) + 1
	w.log = append(w.log, m)
	return m, false, nil
}

func (w *world) Read(_ context.Context, _ string, span chat.Span) (found []chat.Message, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call("read")
	for _, m := range w.log {
		if m.Index > max(span.After, w.expired) && (span.Before == 0 || m.Index < span.Before) {
			found = append(found, m)
		}
	}
	if excess := len(found) - span.Limit; excess > 0 && span.Newest {
		found = found[excess:]
	} else if excess > 0 {
		found = found[:span.Limit]
	}
	return found, w.readErr
}

func (w *world) Tail(context.Context, string) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call("tail")
	return int64(len(w.log)), w.tailErr
}

func (w *world) Ping(context.Context) error { return w.appendErr }

func (w *world) Join(_ context.Context, m chat.Member) (before chat.Member, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call("join")
	left := w.remove(func(old chat.Member) bool { return old.Room == m.Room && old.ConnectionID == m.ConnectionID })
	w.members = append(w.members, m)
	return append(left, chat.Member{})[0], w.membersErr
}

func (w *world) Leave(_ context.Context, room, id string) (chat.Member, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.remove(func(m chat.Member) bool { return m.Room == room && m.ConnectionID == id })
	return append(left, chat.Member{})[0], w.membersErr
}

func (w *world) Remove(_ context.Context, m chat.Member) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.remove(m.Same)) > 0, w.membersErr
}

func (w *world) Forget(_ context.Context, id string) ([]chat.Member, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.remove(func(m chat.Member) bool { return m.ConnectionID == id }), w.membersErr
}

func (w *world) remove(which func(chat.Member) bool) (removed []chat.Member) {
	w.members = slices.DeleteFunc(w.members, func(m chat.Member) bool {
		if which(m) {
			removed = append(removed, m)
			return true
		}
		return false
	})
	return removed
}

func (w *world) Rooms(_ context.Context, id string, most int) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members {
		if m.ConnectionID == id && n < most {
			n++
		}
	}
	return n, w.membersErr
}

// leases is the world as chat.Leases.
type leases struct{ *world }

func (l leases) Acquire(ctx context.Context, room, owner string, start int64) (int64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call("acquire")
	if l.acquireErr != nil {
		return 0, false, l.acquireErr
	}
	return l.world.leases.Acquire(ctx, room, owner, start)
}

func (l leases) Renew(ctx context.Context, room, owner string, sent int64) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call("renew")
	return l.world.leases.Renew(ctx, room, owner, sent)
}

func (l leases) Release(ctx context.Context, room, owner string, sent int64) error {
	if l.beforeRelease != nil {
		l.beforeRelease()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call("release")
	return l.world.leases.Release(ctx, room, owner, sent)
}

// roster is the world as a chat.Roster, whose Members is not the Encoder's.
type roster struct{ *world }

func (r roster) Members(_ context.Context, room string, most int) ([]chat.Member, error) {
	w := r.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call("members")
	members := slices.DeleteFunc(slices.Clone(w.members), func(m chat.Member) bool { return m.Room != room })
	if most > 0 && len(members) > most {
		members = members[:most]
	}
	return members, w.membersErr
}

func (w *world) Close(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call("close %s", id)
	return nil
}

func (w *world) Post(ctx context.Context, id string, frame []byte) error {
	w.mu.Lock()
	w.call("post %s", id)
	post := w.post
	w.mu.Unlock()
	if post != nil {
		if err := post(ctx, id); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.posts == nil {
		w.posts = map[string][]string{}
	}
	w.posts[id] = append(w.posts[id], string(frame))
	return nil
}

// member adds a member of a room that connected some time ago, and is in its own $connect where that is 0.
func (w *world) member(room, id string, ago time.Duration) {
	at := time.Now().Add(-ago)
	w.members = append(w.members, chat.Member{Room: room, ConnectionID: id, ConnectedAt: at, ExpiresAt: at.Add(chat.ConnectionLife), Opened: ago > 0})
}

func (w *world) ids() (ids []string) {
	for _, m := range w.members {
		ids = append(ids, m.Room+"/"+m.ConnectionID)
	}
	slices.Sort(ids)
	return ids
}

// count is how many calls there were whose name begins so.
func (w *world) count(name string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, call := range w.calls {
		if strings.HasPrefix(call, name) {
			n++
		}
	}
	return n
}
