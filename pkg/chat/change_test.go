package chat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/pkg/protocol"
	"wschat/test/fakes"
)

// changing is a chat whose messages can be changed, with the real frames.
func changing(t *testing.T) (chat.Service, *fakes.World) {
	log, err := localstore.OpenLog(filepath.Join(t.TempDir(), "chat.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	w := &fakes.World{Posts: map[string][]string{}}
	return chat.Service{
		Log: log, Changes: log, Roster: &localstore.Roster{}, Poster: w, Encoder: protocol.Encoder{}, Now: time.Now,
		Workers: 4, Broadcaster: broadcast.Broadcaster{Leases: &localstore.Leases{}},
	}, w
}

// store stores a message, and returns an act of its sender on it.
func store(t *testing.T, s chat.Service, m chat.Message) chat.Act {
	t.Helper()
	m.Room, m.CreateAt = "lobby", time.Now().Unix()
	stored, _, err := s.Log.Append(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return chat.Act{Room: "lobby", Index: stored.Index, By: chat.Person{Name: m.User, ID: m.UserID}}
}

// by is the act of somebody else.
func by(a chat.Act, name, id string) chat.Act {
	a.By = chat.Person{Name: name, ID: id}
	return a
}

func checkCode(t *testing.T, what string, err error, want chat.Code) {
	t.Helper()
	if got, ok := errors.AsType[*chat.Error](err); want == "" && err != nil || want != "" && (!ok || got.Code != want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// Who may change a message: in the open chat the same name, where people sign in the same id, and moderators.
func TestAMessageObeysItsSender(t *testing.T) {
	for _, tc := range []struct {
		name           string
		user, userID   string // the message's
		actor, id      string
		moderates      bool
		writes, reacts bool
	}{
		{"the sender in the open chat", "ann", "", "ann", "", false, true, true},
		{"somebody else in the open chat", "ann", "", "bob", "", false, false, true},
		{"the sender, signed in", "ann", "u1", "ann", "u1", false, true, true},
		{"the sender under another name", "ann", "u1", "anna", "u1", false, true, true},
		{"another of the same name", "ann", "u1", "ann", "u2", false, false, true},
		{"a moderator", "ann", "u1", "mo", "u9", true, true, true},
		{"the open chat, after sign-in was left", "ann", "u1", "ann", "", false, false, false},
		{"sign-in, of a message from before", "ann", "", "ann", "u1", false, false, false},
		{"a moderator, of a message from before", "ann", "", "mo", "u9", true, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := changing(t)
			act := by(store(t, s, chat.Message{User: tc.user, UserID: tc.userID, Content: "hi"}), tc.actor, tc.id)
			code := func(may bool) chat.Code {
				if may {
					return ""
				}
				return chat.CodeForbidden
			}
			as := func(action chat.Action) chat.Act {
				act.Admission = admitted(t, s, action, tc.id, tc.moderates)
				return act
			}
			_, err := s.AddReaction(t.Context(), "c", as(chat.ActionAddReaction), "+")
			checkCode(t, "addReaction", err, code(tc.reacts))
			_, err = s.RemoveReaction(t.Context(), "c", as(chat.ActionRemoveReaction), "+")
			checkCode(t, "removeReaction", err, code(tc.reacts))
			_, err = s.Edit(t.Context(), "c", as(chat.ActionEditMessage), "new", nil)
			checkCode(t, "edit", err, code(tc.writes))
			_, err = s.Delete(t.Context(), "c", as(chat.ActionDeleteMessage))
			checkCode(t, "delete", err, code(tc.writes))
		})
	}
}

// admitted is how somebody comes to an action in room r, which has no rules.
func admitted(t *testing.T, s chat.Service, action chat.Action, id string, moderates bool) chat.Admission {
	t.Helper()
	if id != "" {
		s.Rules = chat.NewRuleBook(noRules{}, time.Now)
	}
	a, err := s.Admit(t.Context(), action, "r", chat.Actor{Person: chat.Person{ID: id}, Moderates: moderates})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// noRules is a store in which no room has rules.
type noRules struct{ chat.RuleStore }

func (noRules) Rules(_ context.Context, room string) (chat.Rules, error) {
	return chat.Rules{Room: room}, nil
}

// A repeat of an edit that was overtaken does not undo the newer one; a reaction does not overtake an edit.
func TestALateEditUndoesNothing(t *testing.T) {
	s, _ := changing(t)
	var later atomic.Int64
	s.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	act := store(t, s, chat.Message{User: "ann", Content: "a"})
	zero, one, two := int64(0), int64(1), int64(2)
	edit := func(content string, version *int64, want chat.Code) chat.Changed {
		t.Helper()
		changed, err := s.Edit(t.Context(), "c", act, content, version)
		checkCode(t, fmt.Sprintf("edit to %q of version %d", content, *version), err, want)
		if e, ok := errors.AsType[*chat.Error](err); ok && (e.Current == nil || e.Current.Index != 1) {
			t.Errorf("the refusal has no message: %+v", e)
		}
		return changed
	}
	if _, err := s.AddReaction(t.Context(), "c", by(act, "bob", ""), "+"); err != nil {
		t.Fatal(err)
	}
	if c := edit("b", &zero, ""); c.Message.Version != 2 || c.Message.EditedAt == 0 || c.Same {
		t.Errorf("the edit is %+v", c)
	}
	if c := edit("b", &zero, ""); c.Message.Version != 2 || !c.Same { // its answer was lost
		t.Errorf("the repeated edit is %+v", c)
	}
	edit("c", &two, "")
	edit("b", &zero, chat.CodeConflict)
	edit("d", &one, chat.CodeConflict)
	if _, err := s.Delete(t.Context(), "c", act); err != nil {
		t.Fatal(err)
	}
	later.Add(int64(time.Hour))
	edit("e", &two, chat.CodeConflict)
	_, err := s.AddReaction(t.Context(), "c", act, "+")
	checkCode(t, "a reaction to a tombstone", err, chat.CodeConflict)
	changed, err := s.Delete(t.Context(), "c", act)
	if m := changed.Message; err != nil || !changed.Same || m.Content != "" || m.Reactions != nil || m.EditedAt != 0 ||
		m.DeletedAt == 0 || m.Version != 4 {
		t.Errorf("deleting twice: %+v, %v", changed, err)
	}
}

// A message has at most 20 reactions, of 500 people, and stays in one frame.
func TestReactionsHaveBounds(t *testing.T) {
	s, _ := changing(t)
	act := store(t, s, chat.Message{User: "ann", Content: "hi"})
	add := func(act chat.Act, user, reaction string, want chat.Code) {
		t.Helper()
		_, err := s.AddReaction(t.Context(), "c", by(act, user, ""), reaction)
		checkCode(t, fmt.Sprintf("%s adds %q", user, reaction), err, want)
	}
	for i := range chat.MaxReactions {
		add(act, "ann", fmt.Sprint("r", i), "")
	}
	add(act, "ann", "one more", chat.CodeTooLarge)
	add(act, "ann", "r1", "") // it is there
	for i := 1; i < chat.MaxReactingUsers; i++ {
		add(act, fmt.Sprint("user", i), "r0", "")
	}
	add(act, "one more", "r0", chat.CodeTooLarge)
	add(act, "ann", "r0", "")
	add(act, "user1", "r1", "") // somebody who has reacted may do it again
	if m, err := s.RemoveReaction(t.Context(), "c", by(act, "user2", ""), "r0"); err != nil ||
		len(m.Message.Reactions[0].Users) != chat.MaxReactingUsers-1 {
		t.Errorf("a reaction taken back: %v", err)
	}
	add(act, "one more", "r0", "")

	long := store(t, s, chat.Message{User: "ann", Content: strings.Repeat("\x01", 5000)}) // 30 KB as JSON
	for i := range 20 {
		_, err := s.AddReaction(t.Context(), "c", by(long, strings.Repeat("u", 100)+fmt.Sprint(i), ""), "+")
		if err != nil {
			checkCode(t, "a reaction that makes the message too long", err, chat.CodeTooLarge)
			return
		}
	}
	t.Error("a message of 30 KB takes 20 reactions of 100 bytes each")
}

// Fields that no message can have are refused, and nothing is stored.
func TestWhatIsNoChange(t *testing.T) {
	s, w := changing(t)
	act := store(t, s, chat.Message{User: "ann", Content: "hi"})
	for _, reaction := range []string{"", strings.Repeat("r", 33), "\xff", "\u200d", "a\nb", " ", "e\u0301"} {
		_, err := s.AddReaction(t.Context(), "c", act, reaction)
		checkCode(t, fmt.Sprintf("the reaction %q", reaction), err, chat.CodeInvalidField)
	}
	for _, index := range []int64{-1, 0, 2, 1 << 62} {
		wrong := act
		wrong.Index = index
		_, err := s.Delete(t.Context(), "c", wrong)
		checkCode(t, fmt.Sprint("the index ", index), err, chat.CodeInvalidField)
	}
	_, err := s.Edit(t.Context(), "c", act, strings.Repeat("x", chat.MaxContentBytes+1), nil)
	checkCode(t, "a long edit", err, chat.CodeTooLarge)
	_, err = s.Edit(t.Context(), "c", act, strings.Repeat("\x01", 6000), nil)
	checkCode(t, "an edit that is long as JSON", err, chat.CodeTooLarge)
	_, err = s.Send(t.Context(), "c", chat.Draft{Room: "lobby", User: "ann", Content: "hi", ReplyTo: 2})
	checkCode(t, "a reply to the future", err, chat.CodeInvalidField)
	_, err = s.Send(t.Context(), "c", chat.Draft{Room: "lobby", User: "ann", Content: "hi",
		Metadata: `{"a":"` + strings.Repeat("x", chat.MaxMetadataBytes-7) + `"}`})
	checkCode(t, "large metadata", err, chat.CodeTooLarge)
	if last, err := s.Changes.LastChange(t.Context(), "lobby"); err != nil || last != 0 || len(w.Posts) != 0 {
		t.Errorf("there are %d changes, %v, and the posts %v", last, err, w.Posts)
	}
	if tail, err := s.Log.Tail(t.Context(), "lobby"); err != nil || tail != 1 {
		t.Errorf("there are %d messages, %v", tail, err)
	}
}

// Many changes that an answer has no room for are left for the next request, and none is lost.
func TestAnAnswerOfChangesHasBounds(t *testing.T) {
	s, w := changing(t)
	for i := range 12 { // of 25 KB each
		act := store(t, s, chat.Message{User: "ann", Content: "hi"})
		if _, err := s.Edit(t.Context(), "", act, strings.Repeat("\x01", 4300)+fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	seen, after := 0, int64(0)
	for requests := 1; ; requests++ {
		w.Posts["c"] = nil
		query := chat.ChangesQuery{Room: "lobby", After: after, Limit: 100, Ref: "r"}
		page, err := s.GetChanges(t.Context(), "c", query)
		if err != nil || len(w.Posts["c"]) > chat.MaxAnswerFrames {
			t.Fatalf("%d frames, %v", len(w.Posts["c"]), err)
		}
		for i, frame := range w.Posts["c"] {
			seen += strings.Count(frame, `"index":`)
			isLast := i == len(w.Posts["c"])-1
			if len(frame) > chat.MaxFrameBytes || strings.Contains(frame, `"part":true`) == isLast {
				t.Errorf("frame %d has %d bytes and ends with %s", i, len(frame), frame[len(frame)-60:])
			}
		}
		if after = page.UpTo; !page.More {
			if seen != 12 || after != 12 || requests != 2 {
				t.Errorf("%d requests brought %d messages up to change %d", requests, seen, after)
			}
			return
		}
	}
}

// A change whose sender died before it was sent is sent after the room's next message, and once.
func TestAChangeThatWasLeftIsSentWithTheNextMessage(t *testing.T) {
	s, w := changing(t)
	act := store(t, s, chat.Message{User: "ann", Content: "hi"})
	member := chat.Member{Room: "lobby", ConnectionID: "m", JoinID: 1, Opened: true, ConnectedAt: time.Now(),
		ExpiresAt: time.Now().Add(time.Hour)}
	if _, err := s.Roster.Join(t.Context(), member); err != nil {
		t.Fatal(err)
	}
	send := func(content string) {
		t.Helper()
		w.Posts["m"] = nil
		if _, err := s.Send(t.Context(), "m", chat.Draft{Room: "lobby", User: "ann", Content: content}); err != nil {
			t.Fatal(err)
		}
	}
	kinds := func() (kinds string) {
		for _, frame := range w.Posts["m"] {
			kinds += frame[2:strings.Index(frame, `":`)] + " "
		}
		return kinds
	}
	for i := range 3 {
		_, err := s.Changes.Change(t.Context(), "lobby", act.Index, func(m chat.Message) (chat.Message, error) {
			m.Content = fmt.Sprint("edit ", i)
			return m, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	send("one")
	if got := kinds(); got != "messages changes " || !strings.Contains(w.Posts["m"][1], `"after":0,"up_to":3`) {
		t.Errorf("the member got %s: %q", got, w.Posts["m"])
	}
	send("two")
	if got := kinds(); got != "messages " {
		t.Errorf("after that, the member got %s: %q", got, w.Posts["m"])
	}
	if _, err := s.Edit(t.Context(), "c", act, "sent at once", nil); err != nil {
		t.Fatal(err)
	}
	if got := kinds(); got != "messages changes " {
		t.Errorf("after an edit, the member got %s: %q", got, w.Posts["m"])
	}
	send("three")
	if got := kinds(); got != "messages " {
		t.Errorf("after a message, the member got %s: %q", got, w.Posts["m"])
	}
}
