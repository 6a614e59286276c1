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
		return chat.Rules{}, fmt.Errorf("%w: they have the format 2", chat.ErrUnreadableRules)
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
		if n := store.reads.Load(); n != 2 { // the rules of the room, and those of everyone
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
		{name: "too long", verdict: chat.Verdict{Allow: true, Content: long}, code: chat.CodeRejected,
			says: "not accepted"},
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

// Nobody gains a right by giving up a role: a reader in an open room would be a member then.
func TestAReaderStaysAReader(t *testing.T) {
	_, s, store := ruled(t)
	for _, private := range []bool{false, true} {
		_, err := store.ChangeRules(t.Context(), "r", func(r chat.Rules) (chat.Rules, error) {
			r.Private = private
			r.People = map[string]chat.Standing{"a": {Role: chat.RoleOwner}, "b": {Role: chat.RoleReader},
				"m": {Role: chat.RoleModerator}}
			return r, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Rules = chat.NewRuleBook(store, s.Now)
		want := chat.CodeForbidden
		if private {
			want = ""
		}
		for _, by := range []string{"m", "b"} {
			_, err := moderate(t, s, chat.Person{Name: "X", ID: by}, chat.ActionRemoveMember,
				chat.Moderation{UserID: "b"})
			checkCode(t, fmt.Sprintf("%s removes a reader, private: %v", by, private), err, want)
			if want == "" {
				break
			}
		}
	}
}

// What is over is not told, and is no obstacle to what comes next.
func TestBansEnd(t *testing.T) {
	w, s, store := ruled(t)
	people := map[string]chat.Standing{"a": {Role: chat.RoleOwner}}
	for i := range chat.MaxSanctions {
		people[fmt.Sprint(i)] = chat.Standing{BannedUntil: time.Now().Unix() - 1, Reason: "long ago"}
	}
	people["b"] = chat.Standing{Role: chat.RoleMember, MutedUntil: time.Now().Unix() - 1, MuteReason: "noise"}
	if _, err := store.ChangeRules(t.Context(), "r", func(r chat.Rules) (chat.Rules, error) {
		r.People = people
		return r, nil
	}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Admit(t.Context(), chat.ActionGetRoom, "r", chat.Actor{Person: bobID})
	if err != nil {
		t.Fatal(err)
	}
	view, err := s.Room(t.Context(), "bob", chat.RoomQuery{Admission: a, Room: "r", People: true})
	if err != nil || view.Standing() != (chat.Standing{Role: chat.RoleMember}) || len(view.People) != 2 {
		t.Errorf("bob is told %+v and %v, %v", view.Standing(), view.People, err)
	}
	done, err := moderate(t, s, annID, chat.ActionBanUser, chat.Moderation{UserID: "b", Seconds: 60})
	if err != nil || len(done.Rules.People) != 2 || done.Removed != 1 {
		t.Errorf("%d people are in the rules, %d were removed, %v", len(done.Rules.People), done.Removed, err)
	}
	if ids := w.IDs(); slices.Contains(ids, "r/bob") {
		t.Errorf("the members are %v", ids)
	}
}

// A connection is told of a room that its user is added to if its token allows the room, and of no room that its user
// has never been in.
func TestInboxes(t *testing.T) {
	w, s, _ := ruled(t)
	s.Workers = 1
	for id, patterns := range map[string][]string{"all": nil, "some": {"r*"}, "none": {"x"}} {
		who := chat.Actor{Person: chat.Person{Name: "Eve", ID: "e"}, Patterns: patterns}
		if _, err := s.Rooms(t.Context(), id, chat.RoomsQuery{By: who, ConnectedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	told := func() string {
		var ids []string
		for _, id := range []string{"all", "some", "none"} {
			for _, frame := range w.Posts[id] {
				if strings.HasPrefix(frame, "room r@") {
					ids = append(ids, id)
				}
			}
		}
		w.Posts = nil
		return strings.Join(ids, " ")
	}
	for _, step := range []struct {
		action chat.Action
		want   string
	}{
		{chat.ActionMuteUser, ""}, // she is not in the room
		{chat.ActionUnmuteUser, ""},
		{chat.ActionAddMember, "all some"},
		{chat.ActionAddMember, ""}, // she has the role
		{chat.ActionMuteUser, ""},
		{chat.ActionBanUser, "all some"}, // is not hers any more
		{chat.ActionBanUser, ""},
		{chat.ActionUnbanUser, ""},
	} {
		if _, err := moderate(t, s, annID, step.action, chat.Moderation{UserID: "e"}); err != nil {
			t.Fatal(err)
		}
		if got := told(); got != step.want {
			t.Errorf("after %s the connections %q were told, want %q", step.action, got, step.want)
		}
	}
}

type markers = chat.ReadMarkers // a field must not have the name of a method

// failingMarkers fails a few times to make a marker.
type failingMarkers struct {
	markers
	left atomic.Int64
}

func (f *failingMarkers) Begin(ctx context.Context, userID, room string, index int64) error {
	if f.left.Add(-1) >= 0 {
		return errors.New("the store does not answer")
	}
	return f.markers.Begin(ctx, userID, room, index)
}

// A direct room that its other person has left is in that person's list before the person is told of a message in it,
// also if the store fails meanwhile. If the room cannot be listed, the sender learns that it was not sent.
func TestAnAbsentPersonIsCalled(t *testing.T) {
	w, s, _ := ruled(t)
	failing := &failingMarkers{markers: s.ReadMarkers}
	s.ReadMarkers = failing
	ann, bob := chat.Actor{Person: annID}, chat.Actor{Person: bobID}
	view, err := s.OpenDirect(t.Context(), "phone", chat.Direct{By: ann, UserID: "b"})
	if err != nil {
		t.Fatal(err)
	}
	room := view.Rules.Room
	if err := s.ForgetRoom(t.Context(), bobID, room); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rooms(t.Context(), "bob", chat.RoomsQuery{By: bob, ConnectedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	w.Posts = nil // the list
	send := func(ctx context.Context, id string) error {
		a, err := s.Admit(ctx, chat.ActionSendMessage, room, ann)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Send(ctx, "phone", chat.Draft{Admission: a, Room: room, User: annID.Name, UserID: annID.ID,
			Content: "hi", ID: id})
		return err
	}
	failing.left.Store(1 << 30)
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := send(short, "1"); chat.AsError(err).Code != chat.CodeNotSent || w.Posts["bob"] != nil {
		t.Errorf("the room cannot be listed, and the sender learns %v, bob %q", err, w.Posts["bob"])
	}
	failing.left.Store(2)
	if err := send(t.Context(), "1"); err != nil || len(w.Posts["bob"]) != 1 {
		t.Errorf("the message is sent again: %v, and bob is told %q", err, w.Posts["bob"])
	}
	page, err := s.Rooms(t.Context(), "bob", chat.RoomsQuery{By: bob, ConnectedAt: time.Now()})
	if err != nil || len(page.Rooms) != 1 {
		t.Errorf("bob's rooms are %+v, %v", page.Rooms, err)
	}
}

// A room whose rules cannot be read is not in the list, in which all others are.
func TestAnUnreadableRoomIsNotListed(t *testing.T) {
	_, s, store := ruled(t)
	for _, room := range []string{"r", "attic"} {
		if err := s.ReadMarkers.Begin(t.Context(), "b", room, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Admit(t.Context(), chat.ActionJoinRoom, "attic", chat.Actor{Person: bobID}); err != nil {
		t.Fatal(err) // these rules are known then
	}
	store.broken.Store(true)
	page, err := s.Rooms(t.Context(), "bob", chat.RoomsQuery{By: chat.Actor{Person: bobID}, ConnectedAt: time.Now()})
	if err != nil || len(page.Rooms) != 1 || page.Rooms[0].Room != "attic" {
		t.Errorf("the rooms are %+v, %v", page.Rooms, err)
	}
}

// A right that ends while others keep a change from being stored is not used any more.
func TestTheRightEndsDuringAChange(t *testing.T) {
	w, s, store := ruled(t)
	w.Stored[0].User, w.Stored[0].UserID = annID.Name, annID.ID
	now := time.Now()
	s.Now = func() time.Time { return now }
	s.Rules = chat.NewRuleBook(store, s.Now)
	promote := func(role chat.Role) {
		_, err := store.ChangeRules(t.Context(), "r", func(r chat.Rules) (chat.Rules, error) {
			r.People = map[string]chat.Standing{"b": {Role: role}}
			return r, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	promote(chat.RoleModerator)
	a, err := s.Admit(t.Context(), chat.ActionDeleteMessage, "r", chat.Actor{Person: bobID})
	if err != nil {
		t.Fatal(err)
	}
	s.Changes = &busyOnce{s.Changes, func() {
		promote(chat.RoleMember)
		now = now.Add(3 * time.Second)
	}}
	_, err = s.Delete(t.Context(), "bob", chat.Act{Admission: a, Room: "r", Index: 1, By: bobID})
	checkCode(t, "delete", err, chat.CodeForbidden)
	if w.Stored[0].DeletedAt != 0 {
		t.Error("the message of somebody else is deleted")
	}
}

// busyOnce is a log of changes in which the first attempt to change something fails, because others change too much.
type busyOnce struct {
	chat.ChangeLog
	meanwhile func()
}

func (b *busyOnce) Change(ctx context.Context, room string, index int64,
	change func(chat.Message) (chat.Message, error)) (chat.Message, error) {
	if b.meanwhile != nil {
		meanwhile := b.meanwhile
		b.meanwhile = nil
		meanwhile()
		return chat.Message{}, &chat.Error{Code: chat.CodeRoomBusy}
	}
	return b.ChangeLog.Change(ctx, room, index, change)
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
