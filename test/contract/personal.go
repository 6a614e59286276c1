package contract

import (
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
)

// personStoring is a store in which people can be found, with what puts them there.
type personStoring struct {
	chat.PersonFinder
	chat.ErasureProgress
	ruleStoring
}

// Personal tests a chat.PersonFinder and a chat.ErasureProgress on the store of messages, with what is stored there.
func Personal(t *testing.T, find chat.PersonFinder, progress chat.ErasureProgress, rules chat.RuleStore,
	log ChangingLog) {
	store := personStoring{PersonFinder: find, ErasureProgress: progress, ruleStoring: ruleStoring{rules, log}}
	for name, test := range map[string]func(*testing.T, personStoring){
		"what somebody has sent, and nothing of others": findsMessages,
		"rules, direct rooms and message ids":           findsRules,
		"by name":                                       findsByName,
		"in many parts":                                 findsInParts,
		"progress":                                      keepsProgress,
		"no such position":                              refusesPositions,
	} {
		t.Run(name, func(t *testing.T) { test(t, store) })
	}
}

// findAll reads all parts.
func findAll(t *testing.T, finder chat.PersonFinder, of chat.Person) (all chat.Found, parts int) {
	t.Helper()
	for parts = 1; ; parts++ {
		found, err := finder.Find(t.Context(), of, all.Next, 300)
		if err != nil {
			t.Fatal(err)
		}
		all.Messages = append(all.Messages, found.Messages...)
		all.Rules = append(all.Rules, found.Rules...)
		all.Rows = append(all.Rows, found.Rows...)
		all.Members = append(all.Members, found.Members...)
		all.Looked += found.Looked
		if all.Next = found.Next; all.Next == "" {
			return all, parts
		}
	}
}

// strangers are people that are almost one.
func strangers(id string) []chat.Person {
	return []chat.Person{{Name: "x", ID: id + "x"}, {Name: "x", ID: "x" + id}, {Name: id},
		{Name: "x", ID: strings.ToUpper(id)}, {Name: "x", ID: `"` + id + `"`}, {Name: "x", ID: id + "\x00"}}
}

func findsMessages(t *testing.T, store personStoring) {
	name := room(t)
	me := chat.Person{Name: "Me", ID: `<i "é> ` + name}
	say := func(p chat.Person, content string) chat.Message {
		m, _, err := store.Append(t.Context(), chat.Message{Room: name, User: p.Name, UserID: p.ID, Content: content,
			CreateAt: time.Now().Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	react := func(p chat.Person, index int64) {
		_, err := store.Change(t.Context(), name, index, func(m chat.Message) (chat.Message, error) {
			m.Reactions = append(slices.Clone(m.Reactions), chat.Reaction{Reaction: "+", Users: []chat.Person{p}})
			return m, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mine := say(me, "mine")
	for _, other := range strangers(me.ID) {
		m := say(other, "not mine, "+me.ID)
		react(other, m.Index)
		react(other, mine.Index)
	}
	reacted := say(chat.Person{Name: "x", ID: "x"}, "with a reaction")
	react(me, reacted.Index)
	found, _ := findAll(t, store.PersonFinder, me)
	if len(found.Messages) != 2 || len(found.Rows)+len(found.Rules)+len(found.Members) > 0 {
		t.Fatalf("found %+v", found)
	}
	if found.Messages[0].Index != mine.Index || found.Messages[1].Index != reacted.Index ||
		found.Messages[0].Content != "mine" || len(found.Messages[1].Reactions) != 1 {
		t.Errorf("found %+v", found.Messages)
	}
}

func findsRules(t *testing.T, store personStoring) {
	name := room(t)
	me := chat.Person{Name: "Me", ID: `<i "é> ` + name}
	names := []string{name}
	for i, p := range append(strangers(me.ID), me) {
		if p.ID == "" {
			continue
		}
		inRules := name + string(rune('a'+i))
		changeRules(t, store.ruleStoring, inRules, func(r *chat.Rules) {
			r.People = map[string]chat.Standing{p.ID: {Role: chat.RoleMember, Name: me.ID}}
		})
		names = append(names, inRules)
		if _, err := store.DirectRoom(t.Context(), p.ID, "zz", "@"+inRules); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := findAll(t, store.PersonFinder, me)
	if len(found.Messages) != 0 || !slices.Equal(found.Rules, names[len(names)-1:]) || len(found.Rows) != 1 {
		t.Fatalf("found %+v", found)
	}
	for range 2 { // it is gone already the second time
		if err := store.Delete(t.Context(), found.Rows[0]); err != nil {
			t.Fatal(err)
		}
	}
	if found, _ := findAll(t, store.PersonFinder, me); len(found.Rows) != 0 {
		t.Errorf("after it was deleted, %v remains", found.Rows)
	}
	if again, err := store.DirectRoom(t.Context(), me.ID, "zz", "@new"); err != nil || again != "@new" {
		t.Errorf("the direct room is %q, %v", again, err)
	}
}

// In an open chat, a name is all there is. Messages of people with ids are not touched.
func findsByName(t *testing.T, store personStoring) {
	name := room(t)
	me := chat.Person{Name: "Me of " + name}
	for _, p := range []chat.Person{me, {Name: me.Name, ID: "x"}, {Name: me.Name + "x"}, {Name: "x" + me.Name}} {
		_, _, err := store.Append(t.Context(), chat.Message{Room: name, User: p.Name, UserID: p.ID, Content: "hi",
			CreateAt: time.Now().Unix(), ID: "1"})
		if err != nil {
			t.Fatal(err)
		}
	}
	found, _ := findAll(t, store.PersonFinder, me)
	if len(found.Messages) != 1 || found.Messages[0].Index != 1 || len(found.Rows) > 1 {
		t.Fatalf("found %+v", found)
	}
	for _, row := range found.Rows {
		if err := store.Delete(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
}

func findsInParts(t *testing.T, store personStoring) {
	name := room(t)
	const messages = 700
	for i := range messages {
		_, _, err := store.Append(t.Context(), chat.Message{Room: name, User: "x", UserID: name, CreateAt: 1,
			Content: strings.Repeat("x", i%3+1)})
		if err != nil {
			t.Fatal(err)
		}
	}
	found, parts := findAll(t, store.PersonFinder, chat.Person{ID: name})
	if len(found.Messages) != messages || parts < 3 || found.Looked < messages {
		t.Errorf("%d messages of %d were found in %d parts", len(found.Messages), messages, parts)
	}
	for i, m := range found.Messages {
		if m.Index != int64(i+1) {
			t.Fatalf("message %d comes as %d", m.Index, i+1)
		}
	}
}

func keepsProgress(t *testing.T, store personStoring) {
	key := room(t)
	want := chat.ErasureState{Erased: chat.Erased{Messages: 3, Looked: 7},
		Began: time.Now().Truncate(time.Second).UTC(), Stores: 1, Next: "a\x00\"b"}
	for _, state := range []chat.ErasureState{{}, want} {
		got, err := store.Erasure(t.Context(), key)
		if err != nil || got != state {
			t.Fatalf("the progress is %+v, %v; want %+v", got, err, state)
		}
		if err := store.KeepErasure(t.Context(), key, want); err != nil {
			t.Fatal(err)
		}
	}
	want.Done = true
	for range 2 {
		if err := store.KeepErasure(t.Context(), key, want); err != nil {
			t.Fatal(err)
		}
		if got, err := store.Erasure(t.Context(), key); err != nil || got != (chat.ErasureState{}) {
			t.Errorf("after the end the progress is %+v, %v", got, err)
		}
	}
}

func refusesPositions(t *testing.T, store personStoring) {
	for _, from := range []string{"x", "{", "[]", `["a"]`, `["","1"]`} {
		_, err := store.Find(t.Context(), chat.Person{ID: "x"}, from, 10)
		if chat.AsError(err).Code != chat.CodeInvalidField {
			t.Errorf("from %q: %v", from, err)
		}
	}
}
