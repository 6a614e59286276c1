// Package fakes is a chat in memory for tests, which writes down the calls of its stores in order.
package fakes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// World is a Log, a Poster and an Encoder in memory, and the store of a ChangeLog, a Roster and of Leases. Tests change
// its fields before they use it, or hold Mu. The zero value is an empty chat.
type World struct {
	Mu      sync.Mutex
	Calls   []string            // of the stores, in order
	Stored  []chat.Message      // the log, of all rooms
	Changed []int64             // the changes: the indexes of the messages that they name
	Expired int64               // messages up to this index are no longer kept
	Roll    []chat.Member       // of all rooms
	Posts   map[string][]string // frames that were taken, by connection id

	LeaseStore        localstore.Leases
	AnnouncementStore localstore.Announcements

	AppendErr, MembersErr, ReadErr, TailErr, AcquireErr error // what the calls of these names return

	OnPost        func(ctx context.Context, id string) error // decides what becomes of a post; nil takes each
	BeforeRelease func()                                     // is called before a lease is given back; nil for nothing
}

var (
	_ chat.Log         = (*World)(nil)
	_ chat.ChangeLog   = ChangeLog{}
	_ chat.Roster      = Roster{}
	_ broadcast.Leases = Leases{}
	_ chat.Poster      = (*World)(nil)
	_ chat.Encoder     = (*World)(nil)
)

// Service is a chat on the world, with four workers.
func (w *World) Service() chat.Service {
	return chat.Service{
		Log: w, Changes: ChangeLog{w}, Roster: Roster{w}, Poster: w, Encoder: w, Now: time.Now, Workers: 4,
		Broadcaster:   broadcast.Broadcaster{Leases: Leases{w}},
		Announcements: &w.AnnouncementStore,
	}
}

// Messages makes one frame of as many bytes as the contents have, and a few that name them.
func (w *World) Messages(p chat.Page) []chat.Frame {
	s, last := "", int64(0)
	for _, m := range p.Messages {
		s += fmt.Sprintf("%d:%s ", m.Index, m.Content)
		last = m.Index
	}
	return []chat.Frame{{Text: []byte(s + partOf(p.Part)), Last: last}}
}

// Changes makes one frame that lists the messages with their changes.
func (w *World) Changes(p chat.ChangesPage) []chat.Frame {
	s := ""
	for _, c := range p.Messages {
		s += fmt.Sprintf("%d@%d:%s ", c.Message.Index, c.Change, c.Message.Content)
	}
	text := fmt.Appendf(nil, "changes %d-%d %s%s", p.After, p.UpTo, s, partOf(p.Part))
	return []chat.Frame{{Text: text, Last: p.UpTo}}
}

// Change makes a frame of a message and its version.
func (w *World) Change(m chat.Message, ref string) []byte {
	return fmt.Appendf(nil, "change %d@%d:%s%s", m.Index, m.Version, m.Content, ref)
}

// Members makes one frame that lists the users.
func (w *World) Members(a chat.Attendance, _ int) [][]byte {
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

func (w *World) Presence(p chat.Presence) []byte {
	return fmt.Appendf(nil, "%s %s %s%s%s", nameAndID(p.User, p.UserID), p.Event, p.Room, p.Ref, partOf(p.Part))
}

func (w *World) Signal(s chat.Signal) []byte {
	return fmt.Appendf(nil, "signal %s %s %s %s", s.Room, nameAndID(s.User, s.UserID), s.Name, s.Data)
}

func (w *World) HasRead(m chat.Mark) []byte {
	return fmt.Appendf(nil, "read %s %s %d", m.Room, nameAndID(m.By.Name, m.By.ID), m.Index)
}

func (w *World) RoomList(p chat.RoomsPage) [][]byte {
	return [][]byte{fmt.Appendf(nil, "rooms %v %v%s", p.Rooms, p.More, p.Ref)}
}

func (w *World) Room(v chat.RoomView) [][]byte {
	return [][]byte{fmt.Appendf(nil, "room %s@%d %s%s%s", v.Rules.Room, v.Rules.Version, v.Role, v.Ref, partOf(v.Part))}
}

func (w *World) Exported(e chat.Exported) []byte { return fmt.Appendf(nil, "export %+v", e) }

func (w *World) Erased(e chat.Erased, ref string) []byte {
	return fmt.Appendf(nil, "erased %+v %s", e, ref)
}

func (w *World) Done(ref string) []byte { return fmt.Appendf(nil, "done %s", ref) }

func partOf(follows bool) string {
	if follows {
		return "part"
	}
	return ""
}

func (w *World) Pong(at time.Time, ref string) []byte {
	return fmt.Appendf(nil, "pong %d%s", at.Unix(), ref)
}

func (w *World) Note(format string, args ...any) {
	w.Calls = append(w.Calls, fmt.Sprintf(format, args...))
}

func (w *World) Append(_ context.Context, m chat.Message) (chat.Message, bool, error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Note("append")
	if w.AppendErr != nil {
		return chat.Message{}, false, w.AppendErr
	}
	for _, old := range w.Stored {
		if m.ID != "" && old.ID == m.ID && old.User == m.User && old.UserID == m.UserID && old.Room == m.Room {
			return old, true, nil
		}
	}
	m.Index = int64(len(w.Stored)) + 1
	w.Stored = append(w.Stored, m)
	return m, false, nil
}

func (w *World) Read(_ context.Context, _ string, span chat.Span) (found []chat.Message, err error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Note("read")
	for _, m := range w.Stored {
		if m.Index > max(span.After, w.Expired) && (span.Before == 0 || m.Index < span.Before) {
			found = append(found, m)
		}
	}
	if excess := len(found) - span.Limit; excess > 0 && span.Newest {
		found = found[excess:]
	} else if excess > 0 {
		found = found[:span.Limit]
	}
	return found, w.ReadErr
}

func (w *World) Tail(context.Context, string) (int64, error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Note("tail")
	return int64(len(w.Stored)), w.TailErr
}

func (w *World) Ping(context.Context) error { return w.AppendErr }

func (w *World) Join(_ context.Context, m chat.Member) (before chat.Member, err error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Note("join")
	left := w.Drop(func(old chat.Member) bool { return old.Room == m.Room && old.ConnectionID == m.ConnectionID })
	w.Roll = append(w.Roll, m)
	return append(left, chat.Member{})[0], w.MembersErr
}

func (w *World) Leave(_ context.Context, room, id string) (chat.Member, error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	left := w.Drop(func(m chat.Member) bool { return m.Room == room && m.ConnectionID == id })
	return append(left, chat.Member{})[0], w.MembersErr
}

func (w *World) Remove(_ context.Context, m chat.Member) (bool, error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	return len(w.Drop(m.Same)) > 0, w.MembersErr
}

func (w *World) Forget(_ context.Context, id string) ([]chat.Member, error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	return w.Drop(func(m chat.Member) bool { return m.ConnectionID == id }), w.MembersErr
}

func (w *World) Drop(which func(chat.Member) bool) (removed []chat.Member) {
	w.Roll = slices.DeleteFunc(w.Roll, func(m chat.Member) bool {
		if which(m) {
			removed = append(removed, m)
			return true
		}
		return false
	})
	return removed
}

func (w *World) Rooms(_ context.Context, id string, most int) (n int, err error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for _, m := range w.Roll {
		if m.ConnectionID == id && n < most {
			n++
		}
	}
	return n, w.MembersErr
}

// ChangeLog is the world as a chat.ChangeLog, whose Changes is not the Encoder's.
type ChangeLog struct{ *World }

func (c ChangeLog) Change(_ context.Context, _ string, index int64, change func(chat.Message) (chat.Message, error)) (
	chat.Message, error) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Note("change")
	if index > int64(len(c.Stored)) {
		return chat.Message{}, chat.ErrNoMessage
	}
	m := &c.Stored[index-1]
	to, err := change(*m)
	if err == nil && !m.Equal(to) {
		c.World.Changed = append(c.World.Changed, index)
		*m = m.Changed(to, int64(len(c.World.Changed)))
	}
	return *m, err
}

func (c ChangeLog) Changes(_ context.Context, _ string, after int64, limit int) (found chat.Changes, err error) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Note("changes")
	found.UpTo = int64(len(c.World.Changed))
	if after >= found.UpTo {
		return found, nil
	}
	if found.More = found.UpTo-after > int64(limit); found.More {
		found.UpTo = after + int64(limit)
	}
	part := c.World.Changed[after:found.UpTo]
	for i, index := range part {
		if !slices.Contains(part[i+1:], index) {
			found.Messages = append(found.Messages,
				chat.ChangedMessage{Change: after + int64(i) + 1, Message: c.Stored[index-1]})
		}
	}
	return found, nil
}

func (c ChangeLog) LastChange(context.Context, string) (int64, error) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Note("last change")
	return int64(len(c.World.Changed)), nil
}

// Leases is the world as broadcast.Leases.
type Leases struct{ *World }

func (l Leases) Acquire(ctx context.Context, room, owner string, start int64) (int64, bool, error) {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Note("acquire")
	if l.AcquireErr != nil {
		return 0, false, l.AcquireErr
	}
	return l.World.LeaseStore.Acquire(ctx, room, owner, start)
}

func (l Leases) Renew(ctx context.Context, room, owner string, sent int64) (bool, error) {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Note("renew")
	return l.World.LeaseStore.Renew(ctx, room, owner, sent)
}

func (l Leases) Sent(ctx context.Context, room string) (int64, error) {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Note("sent")
	return l.World.LeaseStore.Sent(ctx, room)
}

func (l Leases) Release(ctx context.Context, room, owner string, sent int64) error {
	if l.BeforeRelease != nil {
		l.BeforeRelease()
	}
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Note("release")
	return l.World.LeaseStore.Release(ctx, room, owner, sent)
}

// Roster is the world as a chat.Roster, whose Members is not the Encoder's.
type Roster struct{ *World }

func (r Roster) Members(_ context.Context, room string, most int) ([]chat.Member, error) {
	w := r.World
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Note("members")
	members := slices.DeleteFunc(slices.Clone(w.Roll), func(m chat.Member) bool { return m.Room != room })
	if most > 0 && len(members) > most {
		members = members[:most]
	}
	return members, w.MembersErr
}

func (w *World) Close(_ context.Context, id string) error {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Note("close %s", id)
	return nil
}

func (w *World) Post(ctx context.Context, id string, frame []byte) error {
	w.Mu.Lock()
	w.Note("post %s", id)
	post := w.OnPost
	w.Mu.Unlock()
	if post != nil {
		if err := post(ctx, id); err != nil {
			return err
		}
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	if w.Posts == nil {
		w.Posts = map[string][]string{}
	}
	w.Posts[id] = append(w.Posts[id], string(frame))
	return nil
}

// AddMember adds a member of a room that connected some time ago. If ago is 0, it is still in its own $connect.
func (w *World) AddMember(room, id string, ago time.Duration) {
	at := time.Now().Add(-ago)
	w.Roll = append(w.Roll, chat.Member{Room: room, ConnectionID: id, ConnectedAt: at,
		ExpiresAt: at.Add(chat.ConnectionLife), Opened: ago > 0})
}

// IDs are the memberships as room/connection, sorted.
func (w *World) IDs() (ids []string) {
	for _, m := range w.Roll {
		ids = append(ids, m.Room+"/"+m.ConnectionID)
	}
	slices.Sort(ids)
	return ids
}

// Count is how many calls there were whose text begins with name.
func (w *World) Count(name string) (n int) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	for _, call := range w.Calls {
		if strings.HasPrefix(call, name) {
			n++
		}
	}
	return n
}
