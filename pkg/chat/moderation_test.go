package chat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// countingRules counts the readings of rules, and fails them if it is told to.
type countingRules struct {
	chat.RuleStore
	reads  atomic.Int64
	broken atomic.Bool
}

func (c *countingRules) Rules(ctx context.Context, room string) (chat.Rules, error) {
	c.reads.Add(1)
	if c.broken.Load() {
		return chat.Rules{}, errors.New("the rules of a room have the format 2, and this program knows 1")
	}
	return c.RuleStore.Rules(ctx, room)
}

// ruled is the chat of reading, in which rooms have rules: Ann owns room r, and Bob is a member of it.
func ruled(t *testing.T) (*world, chat.Service, *countingRules) {
	t.Helper()
	w, s := reading(t)
	log, err := localstore.OpenLog(filepath.Join(t.TempDir(), "rules.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	store := &countingRules{RuleStore: localstore.NewRules(log)}
	s.Rules = chat.NewRuleBook(store, s.Now)
	_, err = store.ChangeRules(t.Context(), "r", func(r chat.Rules) (chat.Rules, error) {
		r.People = map[string]chat.Standing{"a": {Name: "Ann", Role: chat.RoleOwner}, "b": {Role: chat.RoleMember}}
		return r, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, s, store
}

// moderate carries out a moderation of room r.
func moderate(t *testing.T, s chat.Service, by chat.Person, action chat.Action, m chat.Moderation) (chat.Moderated,
	error) {
	t.Helper()
	a, err := s.Admit(t.Context(), action, "r", chat.Actor{Person: by})
	if err != nil {
		return chat.Moderated{}, err
	}
	m.Room, m.Admission = "r", a
	return s.Moderate(t.Context(), "phone", m)
}

func draftOf(t *testing.T, s chat.Service, by chat.Person, id string) (chat.Draft, error) {
	t.Helper()
	a, err := s.Admit(t.Context(), chat.ActionSendMessage, "r", chat.Actor{Person: by})
	return chat.Draft{Admission: a, Room: "r", User: by.Name, UserID: by.ID, Content: "hi", ID: id}, err
}

// A process that knows the rules of a room does not read them for a message.
func TestRulesAreReadOnceForManyMessages(t *testing.T) {
	_, s, store := ruled(t)
	for i := range 50 {
		d, err := draftOf(t, s, bobID, "")
		if err == nil {
			_, err = s.Send(t.Context(), "bob", d)
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := store.reads.Load(); n != 1 {
			t.Fatalf("after %d messages the rules were read %d times", i+1, n)
		}
	}
}

// Rules that cannot be read let nobody do anything, and nothing is sent to anybody.
func TestRulesThatCannotBeReadRefuse(t *testing.T) {
	w, s, store := ruled(t)
	store.broken.Store(true)
	for _, right := range chat.Rights() {
		if right.Own == chat.RoleStranger {
			continue
		}
		_, err := s.Admit(t.Context(), right.Action, "r", chat.Actor{Person: annID, Moderates: true})
		checkCode(t, string(right.Action), err, chat.CodeUnavailable)
	}
	if members, err := s.Present(t.Context(), "r", 0); err == nil {
		t.Errorf("%v are present", members)
	}
	bob := chat.Member{Room: "r", ConnectionID: "new", User: "Bob", UserID: "b"}
	if err := s.Connect(t.Context(), bob); err == nil {
		t.Error("somebody has joined")
	}
	if ids := w.IDs(); slices.Contains(ids, "r/new") {
		t.Errorf("a membership remains: %v", ids)
	}
}

// If the one that bans dies before it removes anybody, the banned user is sent nothing all the same. The next change of
// the rules removes the membership.
func TestADeadRemoverRevealsNothing(t *testing.T) {
	w, s, store := ruled(t)
	ban := func(r chat.Rules) (chat.Rules, error) {
		r.People = map[string]chat.Standing{"a": {Role: chat.RoleOwner}, "b": {BannedUntil: chat.Forever}}
		return r, nil
	}
	if _, err := store.ChangeRules(t.Context(), "r", ban); err != nil {
		t.Fatal(err)
	}
	d, err := draftOf(t, s, annID, "")
	if err == nil {
		_, err = s.Send(t.Context(), "phone", d)
	}
	if err != nil || len(w.Posts["bob"]) > 0 || len(w.Posts["laptop"]) == 0 {
		t.Errorf("%v; bob got %q, the laptop %q", err, w.Posts["bob"], w.Posts["laptop"])
	}
	topic := "now"
	if _, err := moderate(t, s, annID, chat.ActionSetRoom, chat.Moderation{Topic: &topic}); err != nil {
		t.Fatal(err)
	}
	if ids := w.IDs(); slices.Contains(ids, "r/bob") {
		t.Errorf("the banned user is still a member: %v", ids)
	}
	if got := w.Posts["bob"]; len(got) != 1 || !strings.HasPrefix(got[0], "room r@") {
		t.Errorf("the banned user got %q", got)
	}
}

// A right that begins is used at once; one that ends, for as long as a process may keep what it has read.
func TestHowLongRulesAreKept(t *testing.T) {
	_, s, store := ruled(t)
	now := time.Now()
	s.Now = func() time.Time { return now }
	s.Rules = chat.NewRuleBook(store, s.Now)
	change := func(until int64) {
		t.Helper()
		_, err := store.ChangeRules(t.Context(), "r", func(r chat.Rules) (chat.Rules, error) {
			r.People = map[string]chat.Standing{"b": {Role: chat.RoleMember, MutedUntil: until}}
			return r, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, want bool) {
		t.Helper()
		if _, err := draftOf(t, s, bobID, ""); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("at first", true)
	change(chat.Forever)
	check("muted just now", true)
	now = now.Add(2100 * time.Millisecond)
	check("muted for two seconds", false)
	change(0)
	now = now.Add(300 * time.Millisecond)
	check("no longer muted", true)
	change(now.Unix() + 60)
	now = now.Add(3 * time.Second)
	check("muted for a minute", false)
	now = now.Add(time.Minute)
	check("after that minute", true)
	change(0)
	now = now.Add(3 * time.Second)
	check("no longer muted at all", true)
	now = now.Add(-time.Hour) // a clock that is set back
	change(chat.Forever)
	check("by rules that are read in the future", false)
}

// In slow mode a member writes once in a while, and moderators when they like. A repeat is no other message.
func TestSlowMode(t *testing.T) {
	_, s, _ := ruled(t)
	slow := 30
	if _, err := moderate(t, s, annID, chat.ActionSetRoom, chat.Moderation{SlowMode: &slow}); err != nil {
		t.Fatal(err)
	}
	send := func(by chat.Person, id string) error {
		d, err := draftOf(t, s, by, id)
		if err == nil {
			_, err = s.Send(t.Context(), by.ID, d)
		}
		return err
	}
	for _, step := range []struct {
		by   chat.Person
		id   string
		slow bool
	}{{bobID, "1", false}, {bobID, "1", false}, {bobID, "2", true}, {bobID, "", true}, {annID, "1", false},
		{annID, "2", false}} {
		err := send(step.by, step.id)
		if !step.slow {
			checkCode(t, step.by.Name+step.id, err, "")
			continue
		}
		checkCode(t, step.by.Name+step.id, err, chat.CodeSlowMode)
		if wait := chat.AsError(err).RetryAfter; wait < 25*time.Second || wait > 30*time.Second {
			t.Errorf("the sender is to wait for %v", wait)
		}
	}
}

// reviewer answers as a function does, and counts.
type reviewer struct {
	asked   []chat.Review
	verdict chat.Verdict
	err     error
}

func (r *reviewer) Review(_ context.Context, about chat.Review) (chat.Verdict, error) {
	r.asked = append(r.asked, about)
	return r.verdict, r.err
}

// What is written is reviewed once, before it is stored.
func TestReviews(t *testing.T) {
	long := strings.Repeat("x", chat.MaxContentBytes+1)
	for _, tc := range []struct {
		name    string
		verdict chat.Verdict
		err     error
		code    chat.Code
		says    string
		stored  string
	}{
		{name: "yes", verdict: chat.Verdict{Allow: true}, stored: "hi"},
		{name: "changed", verdict: chat.Verdict{Allow: true, Content: "**"}, stored: "**"},
		{name: "no", verdict: chat.Verdict{Reason: "no spam"}, code: chat.CodeRejected, says: "accepted: no spam"},
		{name: "no, with a reason for nobody", verdict: chat.Verdict{Reason: "a\nb"}, code: chat.CodeRejected,
			says: "not accepted"},
		{name: "no answer", err: errors.New("timeout"), code: chat.CodeUnavailable, says: "could not be reviewed"},
		{name: "too long", verdict: chat.Verdict{Allow: true, Content: long}, code: chat.CodeUnavailable,
			says: "could not be reviewed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, s, _ := ruled(t)
			r := &reviewer{verdict: tc.verdict, err: tc.err}
			s.Reviewer = r
			before := len(w.Stored)
			d, _ := draftOf(t, s, bobID, "m1")
			_, err := s.Send(t.Context(), "bob", d)
			checkCode(t, "send", err, tc.code)
			if err != nil && !strings.Contains(chat.AsError(err).Message, tc.says) {
				t.Errorf("the sender is told %q", chat.AsError(err).Message)
			}
			if stored := w.Stored[before:]; tc.stored == "" && len(stored) > 0 ||
				tc.stored != "" && (len(stored) != 1 || stored[0].Content != tc.stored) {
				t.Errorf("stored: %v", stored)
			}
			w.Stored[0].User, w.Stored[0].UserID = bobID.Name, bobID.ID
			_, err = s.Edit(t.Context(), "bob", chat.Act{Room: "r", Index: 1, By: bobID}, "hi", nil)
			checkCode(t, "edit", err, tc.code)
			want := []chat.Review{{Room: "r", By: bobID, Content: "hi", MessageID: "m1"},
				{Room: "r", By: bobID, Content: "hi", Index: 1}}
			if !slices.Equal(r.asked, want) {
				t.Errorf("reviewed: %+v", r.asked)
			}
		})
	}
}

// Whatever people with roles do to each other: a room that has an owner keeps one, nobody changes a person of the same
// or a higher role but owners, and nobody gains a role that the actor does not have.
func TestRulesObeyTheTable(t *testing.T) {
	_, s, store := ruled(t)
	people := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		room := fmt.Sprint("room ", rapid.Int64().Draw(t, "room"))
		start := map[string]chat.Standing{}
		for _, id := range people {
			role := rapid.SampledFrom([]chat.Role{"", "reader", "member", "moderator", "owner"}).Draw(t, "role")
			if id == "a" {
				role = chat.RoleOwner
			}
			if role != "" {
				start[id] = chat.Standing{Role: role}
			}
		}
		private := rapid.Bool().Draw(t, "private")
		rules, err := store.ChangeRules(context.Background(), room, func(r chat.Rules) (chat.Rules, error) {
			r.People, r.Private = start, private
			return r, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 12 {
			actor := rapid.SampledFrom(people).Draw(t, "actor")
			target := rapid.SampledFrom(people).Draw(t, "target")
			action := rapid.SampledFrom([]chat.Action{chat.ActionAddMember, chat.ActionRemoveMember, chat.ActionSetRole,
				chat.ActionBanUser, chat.ActionUnbanUser, chat.ActionMuteUser, chat.ActionUnmuteUser}).Draw(t, "action")
			role := rapid.SampledFrom([]chat.Role{"reader", "member", "moderator", "owner"}).Draw(t, "new role")
			by := chat.Actor{Person: chat.Person{Name: "X", ID: actor}}
			a, err := s.Admit(context.Background(), action, room, by)
			if err == nil {
				_, err = s.Moderate(context.Background(), "x", chat.Moderation{Admission: a, Room: room, UserID: target,
					Role: role, Seconds: rapid.SampledFrom([]int64{0, 60}).Draw(t, "seconds")})
			}
			after, readErr := store.Rules(context.Background(), room)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if err != nil && after.Version != rules.Version {
				t.Fatalf("%s of %s by %s was refused, and changed something: %v", action, target, actor, err)
			}
			checkChange(t, rules, after, actor)
			rules = after
		}
	})
}

func checkChange(t *rapid.T, before, after chat.Rules, actor string) {
	owners := 0
	mine := before.RoleIn(actor, false, time.Now())
	for _, s := range after.People {
		if s.Role == chat.RoleOwner {
			owners++
		}
	}
	if owners == 0 {
		t.Fatalf("nobody owns the room: %+v", after)
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		was, is := before.People[id], after.People[id]
		switch {
		case was == is:
		case id == actor:
			if is.Role.Reaches(chat.RoleModerator) && !mine.Reaches(is.Role) {
				t.Fatalf("%s, %s, has become %s", actor, mine, is.Role)
			}
		case !mine.Reaches(chat.RoleModerator), mine != chat.RoleOwner && was.Role.Reaches(mine):
			t.Fatalf("%s, %s, has changed %s from %+v to %+v", actor, mine, id, was, is)
		case mine != chat.RoleOwner && is.Role.Reaches(chat.RoleModerator):
			t.Fatalf("%s, %s, has made %s %s", actor, mine, id, is.Role)
		}
	}
}
