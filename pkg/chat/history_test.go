package chat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/fakes"
)

// logOf is a room with n messages, of which the first have expired.
func logOf(n, expired int) *world {
	w := &world{}
	w.Expired = int64(expired)
	for i := range n {
		w.Stored = append(w.Stored, chat.Message{Room: "r", Index: int64(i + 1), Content: "m"})
	}
	return w
}

func TestHistory(t *testing.T) {
	at := func(n int64) *int64 { return &n }
	for _, tc := range []struct {
		name          string
		stored, gone  int // messages ever stored, and how many of them have expired
		limit         int
		after, before *int64
		want          string // indexes, then what is said of them
	}{
		{"never used", 0, 0, 10, nil, nil, ""},
		{"all fit", 3, 0, 10, nil, nil, "1 2 3"},
		{"exactly the limit", 3, 0, 3, nil, nil, "1 2 3"},
		{"the last", 5, 0, 3, nil, nil, "3 4 5 more"},
		{"before", 9, 0, 3, nil, at(6), "3 4 5 more"},
		{"before, at the beginning", 9, 0, 3, nil, at(4), "1 2 3"},
		{"before the first", 9, 0, 3, nil, at(1), ""},
		{"before, beyond the end", 4, 0, 3, nil, at(100), "2 3 4 more"},
		{"after", 9, 0, 3, at(2), nil, "3 4 5 more"},
		{"after 0", 3, 0, 10, at(0), nil, "1 2 3"},
		{"after, to the end", 5, 0, 3, at(2), nil, "3 4 5"},
		{"after the last", 5, 0, 3, at(5), nil, ""},
		{"after, beyond the end", 5, 0, 3, at(50), nil, ""},
		{"after, in a room never used", 0, 0, 3, at(0), nil, ""},

		{"expired: the last", 9, 4, 10, nil, nil, "5 6 7 8 9 expired"},
		{"expired, not asked for", 9, 4, 3, nil, nil, "7 8 9 more"},
		{"expired, and the limit is met", 9, 4, 5, nil, nil, "5 6 7 8 9 expired"},
		{"expired: after", 9, 4, 3, at(2), nil, "5 6 7 more expired"},
		{"expired: after, just before the oldest", 9, 4, 3, at(4), nil, "5 6 7 more"},
		{"expired: before", 9, 4, 3, nil, at(6), "5 expired"},
		{"expired: before the oldest", 9, 4, 3, nil, at(5), "expired"},
		{"all expired", 9, 9, 3, nil, nil, "expired"},
		{"all expired: after", 9, 9, 3, at(3), nil, "expired"},
		{"all expired: after the last", 9, 9, 3, at(9), nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := logOf(tc.stored, tc.gone)
			page, err := w.Service().History(t.Context(), "ann", chat.Query{Room: "r", Limit: tc.limit, After: tc.after,
				Before: tc.before})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range page.Messages {
				got = append(got, fmt.Sprint(m.Index))
			}
			if page.More {
				got = append(got, "more")
			}
			if page.Expired {
				got = append(got, "expired")
			}
			if (page.Tail != nil) != (tc.after != nil) || page.Tail != nil && *page.Tail != int64(tc.stored) {
				t.Errorf("the tail is %v, want %d with after and none without", page.Tail, tc.stored)
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("got %q, want %q", s, tc.want)
			}
			if len(w.Posts["ann"]) != 1 {
				t.Errorf("posted %q, want one frame", w.Posts["ann"])
			}
		})
	}
}

// A message that is stored between the first look and the look at the tail is no expired one.
func TestAMessageStoredMeanwhileHasNotExpired(t *testing.T) {
	w := logOf(0, 0)
	s := w.Service()
	s.Log = &lateLog{world: w}
	after := int64(0)
	page, err := s.History(t.Context(), "ann", chat.Query{Room: "r", Limit: 10, After: &after})
	if err != nil || page.Expired || len(page.Messages) != 1 || *page.Tail < 1 {
		t.Errorf("got %+v, %v", page, err)
	}
}

// lateLog stores a message just before its tail is read.
type lateLog struct{ *world }

func (l *lateLog) Tail(ctx context.Context, room string) (int64, error) {
	_, _, err := l.Append(ctx, chat.Message{Room: room, User: "bob", Content: "late"})
	if err != nil {
		return 0, err
	}
	return l.world.Tail(ctx, room)
}

func TestHistoryThatCannotBeReadSaysSo(t *testing.T) {
	for _, w := range []*world{{fakes.World{ReadErr: errors.New("reset")}},
		{fakes.World{TailErr: errors.New("reset")}}} {
		_, err := w.Service().History(t.Context(), "ann", chat.Query{Room: "r", Limit: 10})
		if chat.AsError(err).Code != chat.CodeUnavailable || len(w.Posts) > 0 {
			t.Errorf("got %v, posts %v", err, w.Posts)
		}
	}
}

func TestRefusedQueriesReadNothing(t *testing.T) {
	at := func(n int64) *int64 { return &n }
	for _, tc := range []struct {
		query chat.Query
		says  string
	}{
		{chat.Query{Room: "r", Limit: 0}, "limit must be a whole number from 1 to 100"},
		{chat.Query{Room: "r", Limit: -1}, "limit must be a whole number from 1 to 100"},
		{chat.Query{Room: "r", Limit: 101}, "limit must be a whole number from 1 to 100"},
		{chat.Query{Room: "r", Limit: 1, After: at(1), Before: at(9)}, "after must not be given together with before"},
		{chat.Query{Room: "r", Limit: 1, After: at(-1)}, "after must be a whole number, 0 or greater"},
		{chat.Query{Room: "r", Limit: 1, Before: at(0)}, "before must be a whole number, 1 or greater"},
		{chat.Query{Room: "#x", Limit: 1}, "room_name must not begin with #"},
	} {
		w := &world{}
		_, err := w.Service().History(t.Context(), "ann", tc.query)
		if e := chat.AsError(err); err == nil || e.Code != chat.CodeInvalidField || e.Message != tc.says {
			t.Errorf("%+v: got %v, want %q", tc.query, err, tc.says)
		}
		if len(w.Calls) > 0 {
			t.Errorf("%+v: calls %v", tc.query, w.Calls)
		}
	}
}

// A new member is answered in one go: that it joined, what was said, and who is there. "part" stands wherever more
// follows.
func TestJoinAndCatchUp(t *testing.T) {
	at := func(n int64) *int64 { return &n }
	const joined, messages, members = "ann joined r", "2:m 3:m ", "r [{ann 1}]"
	for _, tc := range []struct {
		name string
		ask  chat.CatchUp
		want []string
	}{
		{"silently", chat.CatchUp{}, nil},
		{"with a ref", chat.CatchUp{Ref: "7"}, []string{joined + "7"}},
		{"and the last messages", chat.CatchUp{Messages: &chat.Query{Limit: 2}, Ref: "7"},
			[]string{joined + "7part", messages}},
		{"and those after an index, without a ref", chat.CatchUp{Messages: &chat.Query{Limit: 10, After: at(1)}},
			[]string{joined + "part", messages}},
		{"and the members", chat.CatchUp{Members: true, Ref: "7"}, []string{joined + "7part", members + "7"}},
		{"and both", chat.CatchUp{Messages: &chat.Query{Limit: 2}, Members: true, Ref: "7"},
			[]string{joined + "7part", messages + "part", members + "7"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := logOf(3, 0)
			err := w.Service().Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c", User: "ann",
				ConnectedAt: time.Now()}, tc.ask)
			if err != nil || !slices.Equal(w.Posts["c"], tc.want) {
				t.Errorf("got %q, %v; want %q", w.Posts["c"], err, tc.want)
			}
			if len(w.Roll) != 1 {
				t.Errorf("the members are %v", w.Roll)
			}
		})
	}
}

// What is wrong with the question is said before anything is stored; what fails afterwards leaves the membership in
// place.
func TestJoinAndCatchUpFails(t *testing.T) {
	bob := chat.Member{Room: "r", ConnectionID: "c", User: "bob", ConnectedAt: time.Now()}
	w := logOf(3, 0)
	err := w.Service().Join(t.Context(), bob, chat.CatchUp{Messages: &chat.Query{Limit: 101}})
	if chat.AsError(err).Code != chat.CodeInvalidField || len(w.Roll) != 0 || len(w.Posts) != 0 {
		t.Errorf("got %v, members %v, posts %v", err, w.Roll, w.Posts)
	}
	for _, w := range []*world{{fakes.World{ReadErr: errors.New("reset")}},
		{fakes.World{MembersErr: errors.New("reset")}}} {
		err := w.Service().Join(t.Context(), bob, chat.CatchUp{Messages: &chat.Query{Limit: 1}, Members: true,
			Ref: "7"})
		if chat.AsError(err).Code != chat.CodeUnavailable || len(w.Roll) != 1 {
			t.Errorf("got %v, members %v", err, w.Roll)
		}
	}
}
