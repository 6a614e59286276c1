package contract

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wschat/pkg/chat"
)

// ChangingLog is a room's two logs in one store.
type ChangingLog interface {
	chat.Log
	chat.ChangeLog
}

// Changes tests a chat.ChangeLog, with the chat.Log whose messages it changes. The rooms that it uses have names that
// nothing else uses.
func Changes(t *testing.T, log ChangingLog) {
	t.Run("ChangesCountFromOne", func(t *testing.T) { changesCountFromOne(t, log) })
	t.Run("ChangedMessagesComeBackAsTheyWere", func(t *testing.T) { changedMessagesComeBack(t, log) })
	t.Run("NoChangeIsStoredForNothing", func(t *testing.T) { noChangeForNothing(t, log) })
	t.Run("OnlyMessagesAreChanged", func(t *testing.T) { onlyMessagesAreChanged(t, log) })
	t.Run("ManyChangeOneMessage", func(t *testing.T) { manyChangeOneMessage(t, log) })
	t.Run("ManyChangeOneRoom", func(t *testing.T) { manyChangeOneRoom(t, log) })
	t.Run("ChangesAgreeWithAModel", func(t *testing.T) { changesAgreeWithAModel(t, log) })
}

// edit changes a message's content.
func edit(t testing.TB, log ChangingLog, room string, index int64, content string) chat.Message {
	t.Helper()
	m, err := log.Change(t.Context(), room, index, func(m chat.Message) (chat.Message, error) {
		m.Content, m.EditedAt = content, time.Now().Unix()
		return m, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// say stores messages in a room.
func say(t testing.TB, log ChangingLog, room string, messages int) {
	t.Helper()
	for i := range messages {
		m := chat.Message{Room: room, User: "u", Content: fmt.Sprint("message ", i+1), CreateAt: time.Now().Unix()}
		if _, _, err := log.Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// get reads one message.
func get(t testing.TB, log ChangingLog, room string, index int64) chat.Message {
	t.Helper()
	found, err := log.Read(t.Context(), room, chat.Span{After: index - 1, Limit: 1})
	if err != nil || len(found) != 1 || found[0].Index != index {
		t.Fatalf("message %d of %s is %v, %v", index, room, found, err)
	}
	return found[0]
}

// checkLast checks the number of a room's last change.
func checkLast(t testing.TB, log ChangingLog, room string, want int64) {
	t.Helper()
	if last, err := log.LastChange(t.Context(), room); err != nil || last != want {
		t.Errorf("the last change of %s is %d, %v; want %d", room, last, err, want)
	}
}

func changesCountFromOne(t *testing.T, log ChangingLog) {
	a, b := room(t)+"a", room(t)+"b"
	say(t, log, a, 3)
	say(t, log, b, 1)
	checkLast(t, log, a, 0)
	if found, err := log.Changes(t.Context(), a, 0, 10); err != nil || len(found.Messages) != 0 || found.UpTo != 0 {
		t.Errorf("before there are any, the changes are %+v, %v", found, err)
	}
	for i, change := range []struct {
		room    string
		message int64
		want    int64
	}{{a, 2, 1}, {a, 1, 2}, {b, 1, 1}, {a, 2, 3}} {
		m := edit(t, log, change.room, change.message, fmt.Sprint("edit ", i))
		if m.Version != change.want || m.ContentVersion != change.want || m.Index != change.message {
			t.Errorf("%+v: changed is %+v", change, m)
		}
		if stored := get(t, log, change.room, change.message); !stored.Equal(m) {
			t.Errorf("%+v: stored is %+v, and Change returned %+v", change, stored, m)
		}
	}
	checkLast(t, log, a, 3)
	checkLast(t, log, b, 1)
	for _, tc := range []struct {
		after int64
		limit int
		want  string
	}{
		{0, 10, "1@2 2@3 up to 3, more false"}, // each message once, by its last change
		{0, 3, "1@2 2@3 up to 3, more false"},
		{0, 2, "2@1 1@2 up to 2, more true"}, // the limit counts changes
		{0, 1, "2@1 up to 1, more true"},
		{1, 10, "1@2 2@3 up to 3, more false"},
		{2, 10, "2@3 up to 3, more false"},
		{3, 10, "up to 3, more false"},
		{9, 10, "up to 3, more false"}, // the log went back: the reader learns it
	} {
		found, err := log.Changes(t.Context(), a, tc.after, tc.limit)
		if got := spell(found); err != nil || got != tc.want {
			t.Errorf("at most %d changes after %d: %s, %v; want %s", tc.limit, tc.after, got, err, tc.want)
		}
	}
	if tail, err := log.Tail(t.Context(), a); err != nil || tail != 3 {
		t.Errorf("the tail of the messages is %d, %v; want 3", tail, err)
	}
}

// spell lists changes as MESSAGE@CHANGE.
func spell(found chat.Changes) (s string) {
	for _, c := range found.Messages {
		s += fmt.Sprintf("%d@%d ", c.Message.Index, c.Change)
	}
	return s + fmt.Sprintf("up to %d, more %v", found.UpTo, found.More)
}

func changedMessagesComeBack(t *testing.T, log ChangingLog) {
	name := room(t)
	first := appendTo(t, log, chat.Message{
		Room: name, User: "ann", UserID: "id \x00é", Content: "hi", CreateAt: time.Now().Unix(),
		ReplyTo: 7, Metadata: `{"a":"\u0000<é"}`, ID: "id",
	})
	if stored := get(t, log, name, 1); !stored.Equal(first) || stored.ReplyTo != 7 || stored.Metadata == "" {
		t.Errorf("stored is %+v, want %+v", stored, first)
	}
	reactions := []chat.Reaction{
		{Reaction: "👍", Users: []chat.Person{{Name: "ann", ID: "id \x00é"}, {Name: "bob"}}},
		{Reaction: "\"", Users: []chat.Person{{Name: "地震"}}},
	}
	for i, change := range []func(m *chat.Message){
		func(m *chat.Message) { m.Reactions = reactions[:1] },
		func(m *chat.Message) { m.Content, m.EditedAt = "\u202eabc\u0000\n\"\\<&>'\u2028😀", 12 },
		func(m *chat.Message) { m.Metadata = "{}" },
		func(m *chat.Message) { m.Reactions = reactions },
		func(m *chat.Message) { m.Reactions = nil },
		func(m *chat.Message) { m.Content, m.Metadata, m.Reactions, m.DeletedAt = "", "", nil, 34 },
		func(m *chat.Message) { m.User, m.UserID, m.ID = "erased", "", "" },
	} {
		want := get(t, log, name, 1)
		contentVersion := want.ContentVersion
		if i == 1 || i == 5 {
			contentVersion = int64(i + 1)
		}
		change(&want)
		want.Version, want.ContentVersion = int64(i+1), contentVersion
		got, err := log.Change(t.Context(), name, 1, func(m chat.Message) (chat.Message, error) {
			change(&m)
			if m.DeletedAt == 0 {
				m.User, m.UserID, m.ID = "mallory", "m", "m" // these change with a tombstone only
			}
			m.CreateAt, m.ReplyTo, m.Index, m.Version = 1, 2, 3, 99 // not to be changed
			return m, nil
		})
		if err != nil || !got.Equal(want) {
			t.Errorf("change %d: got %+v, %v; want %+v", i, got, err, want)
		}
		if stored := get(t, log, name, 1); !stored.Equal(want) {
			t.Errorf("change %d: stored is %+v, want %+v", i, stored, want)
		}
	}
}

func noChangeForNothing(t *testing.T, log ChangingLog) {
	name := room(t)
	say(t, log, name, 1)
	before := get(t, log, name, 1)
	refusal := errors.New("no")
	for _, change := range []struct {
		to  func(m chat.Message) (chat.Message, error)
		err error
	}{
		{func(m chat.Message) (chat.Message, error) { return m, nil }, nil},
		{func(m chat.Message) (chat.Message, error) { m.Content = "x"; return m, refusal }, refusal},
	} {
		m, err := log.Change(t.Context(), name, 1, change.to)
		if !errors.Is(err, change.err) || err == nil && !m.Equal(before) {
			t.Errorf("Change returns %+v, %v; want %+v, %v", m, err, before, change.err)
		}
	}
	if stored := get(t, log, name, 1); !stored.Equal(before) {
		t.Errorf("stored is %+v, want %+v", stored, before)
	}
	checkLast(t, log, name, 0)
}

func onlyMessagesAreChanged(t *testing.T, log ChangingLog) {
	name := room(t)
	say(t, log, name, 1)
	for _, at := range []struct {
		room  string
		index int64
	}{{name, 0}, {name, -1}, {name, 2}, {name, 1 << 60}, {name + "?", 1}} {
		_, err := log.Change(t.Context(), at.room, at.index, func(m chat.Message) (chat.Message, error) {
			t.Errorf("%v: Change is called with %+v", at, m)
			return m, nil
		})
		if !errors.Is(err, chat.ErrNoMessage) {
			t.Errorf("%v: Change returns %v, want ErrNoMessage", at, err)
		}
	}
	checkLast(t, log, name, 0)
	say(t, log, name, 1)
	if m := get(t, log, name, 2); m.Content != "message 1" {
		t.Errorf("the next message is %+v", m)
	}
}

// react adds a reaction of somebody to a message, or takes it away.
func react(m chat.Message, user string, add bool) chat.Message {
	var users []chat.Person
	if len(m.Reactions) > 0 {
		users = slices.DeleteFunc(slices.Clone(m.Reactions[0].Users),
			func(p chat.Person) bool { return p.Name == user })
	}
	if add {
		users = append(users, chat.Person{Name: user})
	}
	m.Reactions = nil
	if len(users) > 0 {
		m.Reactions = []chat.Reaction{{Reaction: "+", Users: users}}
	}
	return m
}

// Each of many changes of one message counts once, and their numbers have no gap.
func manyChangeOneMessage(t *testing.T, log ChangingLog) {
	const people, each = 8, 5 // an odd number: in the end each one's reaction is there
	name := room(t)
	say(t, log, name, 1)
	var mu sync.Mutex
	versions := map[int64]bool{}
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			for n := range each {
				m, err := log.Change(t.Context(), name, 1, func(m chat.Message) (chat.Message, error) {
					return react(m, fmt.Sprint(i), n%2 == 0), nil
				})
				mu.Lock()
				if err != nil || versions[m.Version] {
					t.Errorf("change %d of %d: version %d, %v", n, i, m.Version, err)
				}
				versions[m.Version] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if m := get(t, log, name, 1); len(m.Reactions) != 1 || len(m.Reactions[0].Users) != people ||
		m.Version != people*each {
		t.Errorf("the message is %+v", m)
	}
	checkLast(t, log, name, people*each)
	found, err := log.Changes(t.Context(), name, 0, 1000)
	if got, want := spell(found), fmt.Sprintf("1@%d up to %d, more false", people*each, people*each); err != nil ||
		got != want {
		t.Errorf("the changes are %s, %v; want %s", got, err, want)
	}
}

// While many change messages of a room and others store more, a reader that follows the changes ends with what is
// stored, and never sees a message go back.
func manyChangeOneRoom(t *testing.T, log ChangingLog) {
	const people, each, messages = 6, 8, 4
	name := room(t)
	say(t, log, name, messages)
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			for n := range each {
				_, err := log.Change(t.Context(), name, 1+rand.Int64N(messages),
					func(m chat.Message) (chat.Message, error) {
						m.Content = fmt.Sprint(i, " ", n)
						return m, nil
					})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() { say(t, log, name, 10) })
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	seen, upTo := map[int64]chat.Message{}, int64(0)
	for last := false; ; {
		found, err := log.Changes(t.Context(), name, upTo, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range found.Messages {
			if c.Change <= upTo || c.Change > found.UpTo || c.Message.Version < max(c.Change,
				seen[c.Message.Index].Version) {
				t.Errorf("after %d: %+v, up to %d; before it was %+v", upTo, c, found.UpTo, seen[c.Message.Index])
			}
			seen[c.Message.Index] = c.Message
		}
		if upTo = found.UpTo; last && !found.More {
			break
		}
		select {
		case <-ended:
			last = true
		default:
		}
	}
	if upTo != people*each {
		t.Errorf("the reader has the changes up to %d, want %d", upTo, people*each)
	}
	for index, m := range seen {
		if stored := get(t, log, name, index); !stored.Equal(m) {
			t.Errorf("the reader has %+v, stored is %+v", m, stored)
		}
	}
}

func changesAgreeWithAModel(t *testing.T, log ChangingLog) {
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		name := fmt.Sprint(room(t), runs)
		messages := rapid.IntRange(1, 4).Draw(r, "messages")
		say(t, log, name, messages)
		changes := rapid.SliceOfN(rapid.Int64Range(1, int64(messages)), 0, 12).Draw(r, "changes")
		for i, index := range changes {
			if m := edit(t, log, name, index, fmt.Sprint("edit ", i)); m.Version != int64(i+1) {
				r.Fatalf("change %d has version %d", i+1, m.Version)
			}
		}
		after := rapid.Int64Range(0, int64(len(changes))).Draw(r, "after")
		limit := rapid.IntRange(1, 14).Draw(r, "limit")
		want := chat.Changes{UpTo: min(after+int64(limit), int64(len(changes)))}
		want.More = want.UpTo < int64(len(changes))
		part := changes[after:want.UpTo]
		for i, index := range part {
			if !slices.Contains(part[i+1:], index) {
				m := chat.Message{Index: index}
				want.Messages = append(want.Messages, chat.ChangedMessage{Change: after + int64(i) + 1, Message: m})
			}
		}
		found, err := log.Changes(t.Context(), name, after, limit)
		if err != nil || spell(found) != spell(want) {
			r.Fatalf("at most %d of %v after %d: %s, %v; want %s", limit, changes, after, spell(found), err,
				spell(want))
		}
		for _, c := range found.Messages {
			if stored := get(t, log, name, c.Message.Index); !stored.Equal(c.Message) {
				r.Fatalf("changed is %+v, stored %+v", c.Message, stored)
			}
		}
	})
}
