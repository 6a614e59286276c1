// Package contract holds what every chat.Log and chat.Roster must do, as tests that each implementation's own tests
// run.
package contract

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wschat/pkg/chat"
)

// Log tests a chat.Log. The rooms that it uses have names that nothing else uses, so one store serves many runs.
func Log(t *testing.T, log chat.Log) {
	LogWithoutIDs(t, log)
	t.Run("MessagesWithIDsComeBackAsTheyWere", func(t *testing.T) { messagesComeBack(t, log, true) })
	t.Run("ARepeatIsStoredOnce", func(t *testing.T) { repeatIsStoredOnce(t, log) })
	t.Run("AnIDIsTheUsersOwn", func(t *testing.T) { idIsTheUsersOwn(t, log) })
	t.Run("ARepeatOfAMessageFromBeforeIDs", func(t *testing.T) { repeatFromBeforeIDs(t, log) })
	t.Run("ManySendersOfRepeatsLeaveNoGap", func(t *testing.T) { manySenders(t, log, true) })
}

// LogWithoutIDs tests a chat.Log as far as messages have no id, for stores that know no transactions.
func LogWithoutIDs(t *testing.T, log chat.Log) {
	t.Run("AppendCountsFromOne", func(t *testing.T) { appendCountsFromOne(t, log) })
	t.Run("MessagesComeBackAsTheyWere", func(t *testing.T) { messagesComeBack(t, log, false) })
	t.Run("ManySendersLeaveNoGap", func(t *testing.T) { manySenders(t, log, false) })
	t.Run("ReadAgreesWithAModel", func(t *testing.T) { readAgreesWithAModel(t, log) })
	t.Run("ARoomNeverUsedIsEmpty", func(t *testing.T) { neverUsed(t, log) })
	t.Run("PingWrites", func(t *testing.T) {
		for range 2 {
			if err := log.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// room is a name that no other test uses.
func room(t *testing.T) string {
	name := t.Name()
	if len(name) > chat.MaxNameBytes {
		name = name[len(name)-chat.MaxNameBytes:]
	}
	return name
}

func appendTo(t *testing.T, log chat.Log, m chat.Message) chat.Message {
	t.Helper()
	stored, _, err := log.Append(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func readAll(t testing.TB, log chat.Log, room string) []chat.Message {
	t.Helper()
	var all []chat.Message
	for after := int64(0); ; after = all[len(all)-1].Index {
		page, err := log.Read(t.Context(), room, chat.Span{After: after, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, page...); len(page) < 100 {
			return all
		}
	}
}

func appendCountsFromOne(t *testing.T, log chat.Log) {
	a, b := room(t)+"a", room(t)+"b"
	for i := range int64(12) {
		for _, name := range []string{a, b} {
			if got := appendTo(t, log, chat.Message{Room: name, User: "u", Content: "c",
				CreateAt: time.Now().Unix()}); got.Index != i+1 {
				t.Errorf("message %d of %s has index %d", i+1, name, got.Index)
			}
			if tail, err := log.Tail(t.Context(), name); err != nil || tail != i+1 {
				t.Errorf("the tail of %s is %d, %v; want %d", name, tail, err, i+1)
			}
		}
	}
}

func messagesComeBack(t *testing.T, log chat.Log, ids bool) {
	for i, m := range []chat.Message{
		{User: "ann", Content: "hi", ID: "m-1"},
		{User: "ann", Content: "no id"},
		{User: "地震", Content: "\u202eabc\u0000\n\"\\<&>'\u2028😀", ID: "ид"},
		{User: "sam", UserID: "auth0|1", Content: "hi", ID: "m-1"},
		{User: "sam", UserID: " \x00\u202ee\u0301\u00e9", Content: "hi", ID: "m-1"},
		{User: "b", Content: strings.Repeat("x", chat.MaxContentBytes)},
		{User: strings.Repeat("u", chat.MaxNameBytes), UserID: strings.Repeat("i", 255), Content: " ",
			ID: strings.Repeat("i", chat.MaxNameBytes)},
	} {
		m.Room, m.CreateAt = room(t), time.Now().Unix()
		if !ids {
			m.ID = ""
		}
		stored := appendTo(t, log, m)
		m.Index = int64(i + 1)
		if !stored.Equal(m) {
			t.Errorf("stored %+v, want %+v", stored, m)
		}
		found, err := log.Read(t.Context(), m.Room, chat.Span{After: m.Index - 1, Limit: 1})
		if err != nil || len(found) != 1 || !found[0].Equal(m) {
			t.Errorf("read %+v, %v; want %+v", found, err, m)
		}
	}
}

func repeatIsStoredOnce(t *testing.T, log chat.Log) {
	a, b := room(t)+"a", room(t)+"b"
	for _, tc := range []struct {
		room, user, id string
		index          int64
		repeat         bool
	}{
		{a, "ann", "1", 1, false},
		{a, "ann", "1", 1, true},
		{a, "bob", "1", 2, false}, // an id is the sender's own
		{b, "ann", "1", 1, false}, // and the room's
		{a, "ann", "2", 3, false},
		{a, "ann", "", 4, false},
		{a, "ann", "", 5, false}, // no id is no repeat
		{a, "ann", "1", 1, true},
		{a, "bob", "1", 2, true},
		{a, "an", "n1", 6, false}, // user and id are not run together
		{a, "ann#1", "2", 7, false},
		{a, "ann", "1#2", 8, false},
	} {
		m := chat.Message{Room: tc.room, User: tc.user, ID: tc.id, Content: fmt.Sprint(tc), CreateAt: time.Now().Unix()}
		stored, repeat, err := log.Append(t.Context(), m)
		if err != nil || stored.Index != tc.index || repeat != tc.repeat {
			t.Errorf("%+v: got index %d, repeat %v, %v", tc, stored.Index, repeat, err)
		}
		if repeat && stored.Content == m.Content {
			t.Errorf("%+v: answered with what was sent again, not with what is stored", tc)
		}
	}
	if got := len(readAll(t, log, a)); got != 8 {
		t.Errorf("%d messages are stored, want 8", got)
	}
}

// appended is what a test appends, and what must become of it.
type appended struct {
	user, userID, id, content string
	index                     int64
	repeat                    bool
}

// appendAll appends to one room, and checks that the log is what was stored.
func appendAll(t *testing.T, log chat.Log, rows ...appended) {
	t.Helper()
	name := room(t)
	var want []chat.Message
	for _, a := range rows {
		m := chat.Message{Room: name, User: a.user, UserID: a.userID, ID: a.id, Content: a.content,
			CreateAt: time.Now().Unix()}
		stored, repeat, err := log.Append(t.Context(), m)
		if err != nil || stored.Index != a.index || repeat != a.repeat {
			t.Errorf("%+v: got index %d, repeat %v, %v", a, stored.Index, repeat, err)
		}
		if m.Index = a.index; !a.repeat {
			want = append(want, m)
		}
		if stored.Index > 0 && int(stored.Index) <= len(want) && !stored.Equal(want[stored.Index-1]) {
			t.Errorf("%+v: got %+v, which is not what is stored: %+v", a, stored, want[stored.Index-1])
		}
	}
	if got := readAll(t, log, name); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("stored is %+v, want %+v", got, want)
	}
}

// Two people of one name are two senders, and one person with two names is one.
func idIsTheUsersOwn(t *testing.T, log chat.Log) {
	appendAll(t, log, []appended{
		{"sam", "u1", "1", "one", 1, false},
		{"sam", "u2", "1", "one", 2, false},
		{"sam", "u1", "1", "another", 1, true},
		{"sam", "u2", "1", "another", 2, true},
		{"Sam S.", "u1", "1", "one", 1, true},
		{"ann", "u2", "1", "one", 2, true},
		{"sam", "u3", "1", "one", 3, false},
		{"sam", "u1", "2", "one", 4, false},
		{"sam", "u1", "", "one", 5, false},
		{"sam", "u1", "", "one", 6, false},
		// Ids are compared byte for byte, and nothing is run together.
		{"sam", "U1", "1", "one", 7, false},
		{"sam", "u1 ", "1", "one", 8, false},
		{"sam", "\u00e9", "1", "one", 9, false},
		{"sam", "e\u0301", "1", "one", 10, false},
		{"sam", "u", "11", "one", 11, false},
		{"sam", "u\x001", "1", "one", 12, false},
		{"sam", "u1\x00", "1", "one", 13, false},
		{"sam", "\x00u1", "1", "one", 14, false},
		// A name is no id, and an id is no name.
		{"u1", "", "1", "one", 15, false},
		{"sam", "sam", "1", "one", 16, false},
		{"u1", "", "1", "another", 15, true},
	}...)
}

// A message that was stored without an id is its sender's, if the name and the content say so.
func repeatFromBeforeIDs(t *testing.T, log chat.Log) {
	appendAll(t, log, []appended{
		{"sam", "", "1", "old", 1, false},
		{"sam", "", "2", "old", 2, false},
		{"sam", "u1", "1", "old", 1, true},
		{"sam", "u1", "2", "another", 3, false}, // it is new
		{"sam", "u1", "2", "another", 3, true},
		{"sam", "u1", "2", "old", 3, true}, // the user's own message counts
		{"sam", "u2", "2", "another", 4, false},
		{"sam", "u2", "2", "another", 4, true},
		{"sam", "u3", "2", "old", 2, true}, // as nobody can tell
		{"ann", "u1", "1", "old", 5, false},
		{"sam", "", "1", "old", 1, true}, // an older process
		{"sam", "", "2", "old", 2, true},
	}...)
}

// manySenders appends from 16 senders at once, each message three times at once where repeats is set.
func manySenders(t *testing.T, log chat.Log, repeats bool) {
	const senders, each = 16, 10
	name := room(t)
	var wg sync.WaitGroup
	told := make([]sync.Map, senders*each) // the indexes that the sender of a message was told
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				m := chat.Message{Room: name, User: fmt.Sprint(s), Content: fmt.Sprint(s*each + i),
					CreateAt: time.Now().Unix()}
				if s%2 == 0 { // half of them have signed in, and have one name
					m.User, m.UserID = "sam", fmt.Sprint(s)
				}
				times := 1
				if repeats {
					m.ID, times = fmt.Sprint(i), 3
				}
				var same sync.WaitGroup
				for range times {
					same.Go(func() {
						stored, _, err := log.Append(t.Context(), m)
						if err != nil {
							t.Error(err)
							return
						}
						told[s*each+i].Store(stored.Index, true)
					})
				}
				same.Wait()
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for i, m := range readAll(t, log, name) {
		if m.Index != int64(i+1) {
			t.Fatalf("message %d has index %d", i+1, m.Index)
		}
		if seen[m.Content] {
			t.Errorf("%q is stored twice", m.Content)
		}
		seen[m.Content] = true
		var n int
		fmt.Sscan(m.Content, &n)
		told[n].Range(func(index, _ any) bool {
			if index != m.Index {
				t.Errorf("%q is at %d, its sender was told %d", m.Content, m.Index, index)
			}
			return true
		})
	}
	if len(seen) != senders*each {
		t.Errorf("%d messages are stored, want %d", len(seen), senders*each)
	}
}

func readAgreesWithAModel(t *testing.T, log chat.Log) {
	const n = 30
	name := room(t)
	var model []chat.Message
	for i := range n {
		model = append(model, appendTo(t, log, chat.Message{Room: name, User: "u", Content: fmt.Sprint(i),
			CreateAt: time.Now().Unix()}))
	}
	rapid.Check(t, func(r *rapid.T) {
		span := chat.Span{
			After:  rapid.Int64Range(0, n+3).Draw(r, "after"),
			Before: rapid.Int64Range(0, n+3).Draw(r, "before"),
			Limit:  rapid.IntRange(1, n+3).Draw(r, "limit"),
			Newest: rapid.Bool().Draw(r, "newest"),
		}
		var want []chat.Message
		for _, m := range model {
			if m.Index > span.After && (span.Before == 0 || m.Index < span.Before) {
				want = append(want, m)
			}
		}
		if excess := len(want) - span.Limit; excess > 0 && span.Newest {
			want = want[excess:]
		} else if excess > 0 {
			want = want[:span.Limit]
		}
		got, err := log.Read(t.Context(), name, span)
		if err != nil {
			r.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			r.Fatalf("%+v: got %v, want %v", span, got, want)
		}
	})
}

func neverUsed(t *testing.T, log chat.Log) {
	for _, span := range []chat.Span{{Limit: 10}, {Limit: 10, Newest: true}, {Limit: 10, After: 5},
		{Limit: 10, Before: 5, Newest: true}} {
		if found, err := log.Read(t.Context(), room(t), span); err != nil || len(found) != 0 {
			t.Errorf("%+v: got %v, %v", span, found, err)
		}
	}
	if tail, err := log.Tail(t.Context(), room(t)); err != nil || tail != 0 {
		t.Errorf("the tail is %d, %v", tail, err)
	}
}
