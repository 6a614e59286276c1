// Package contract holds what every chat.Log and chat.Roster must do, as tests that each implementation's own tests run.
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
			if got := appendTo(t, log, chat.Message{Room: name, User: "u", Content: "c", CreateAt: time.Now().Unix()}); got.Index != i+1 {
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
		{User: "b", Content: strings.Repeat("x", chat.MaxContentBytes)},
		{User: strings.Repeat("u", chat.MaxNameBytes), Content: " ", ID: strings.Repeat("i", chat.MaxNameBytes)},
	} {
		m.Room, m.CreateAt = room(t), time.Now().Unix()
		if !ids {
			m.ID = ""
		}
		stored := appendTo(t, log, m)
		m.Index = int64(i + 1)
		if stored != m {
			t.Errorf("stored %+v, want %+v", stored, m)
		}
		found, err := log.Read(t.Context(), m.Room, chat.Span{After: m.Index - 1, Limit: 1})
		if err != nil || len(found) != 1 || found[0] != m {
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

// manySenders appends from 16 senders at once, each message three times at once where repeats is set.
func manySenders(t *testing.T, log chat.Log, repeats bool) {
	const senders, each = 16, 10
	name := room(t)
	var wg sync.WaitGroup
	told := make([]sync.Map, senders*each) // the indexes that the sender of a message was told
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				m := chat.Message{Room: name, User: fmt.Sprint(s), Content: fmt.Sprint(s*each + i), CreateAt: time.Now().Unix()}
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
		model = append(model, appendTo(t, log, chat.Message{Room: name, User: "u", Content: fmt.Sprint(i), CreateAt: time.Now().Unix()}))
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
	for _, span := range []chat.Span{{Limit: 10}, {Limit: 10, Newest: true}, {Limit: 10, After: 5}, {Limit: 10, Before: 5, Newest: true}} {
		if found, err := log.Read(t.Context(), room(t), span); err != nil || len(found) != 0 {
			t.Errorf("%+v: got %v, %v", span, found, err)
		}
	}
	if tail, err := log.Tail(t.Context(), room(t)); err != nil || tail != 0 {
		t.Errorf("the tail is %d, %v", tail, err)
	}
}
