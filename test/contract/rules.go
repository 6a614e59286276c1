package contract

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/chat"
)

// ruleStoring is a store of rules, and the log of the changes among which theirs are.
type ruleStoring struct {
	chat.RuleStore
	ChangingLog
}

// Rules tests a chat.RuleStore, with the log of the changes among which those of rules are.
func Rules(t *testing.T, rules chat.RuleStore, log ChangingLog) {
	store := ruleStoring{rules, log}
	for name, test := range map[string]func(*testing.T, ruleStoring){
		"a room without rules has none":              noRules,
		"rules come back, and are among the changes": rulesComeBack,
		"no change for nothing":                      noRulesForNothing,
		"many change the rules of one room":          manyChangeRules,
		"a thousand people":                          aThousandPeople,
		"two people have one room":                   onePairOneRoom,
		"slow mode":                                  slowMode,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, store)
		})
	}
}

func noRules(t *testing.T, store ruleStoring) {
	name := room(t)
	if got := rulesOf(t, store, name); !got.Equal(chat.Rules{Room: name}) {
		t.Errorf("a room without rules has %+v", got)
	}
}

func rulesOf(t testing.TB, store ruleStoring, name string) chat.Rules {
	t.Helper()
	r, err := store.Rules(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func changeRules(t testing.TB, store ruleStoring, name string, change func(*chat.Rules)) chat.Rules {
	t.Helper()
	r, err := store.ChangeRules(t.Context(), name, func(r chat.Rules) (chat.Rules, error) {
		change(&r)
		return r, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rulesComeBack(t *testing.T, store ruleStoring) {
	name := room(t)
	first := changeRules(t, store, name, func(r *chat.Rules) { r.Private = true })
	say(t, store, name, 2)
	edit(t, store, name, 2, "edited")
	want := chat.Rules{
		Room: name, Version: 3, Title: "Größe 👍", Topic: `"<&\`, Private: true, ReadOnly: true, SlowMode: 12,
		People: map[string]chat.Standing{
			"auth0|1\x00": {Name: "ann", Role: chat.RoleOwner},
			"2":           {Role: chat.RoleReader, MutedUntil: 1_900_000_000, Reason: "noise"},
			"3":           {BannedUntil: chat.Forever},
		},
	}
	second := changeRules(t, store, name, func(r *chat.Rules) {
		version := r.Version
		*r = want
		r.Version = version
	})
	if first.Version != 1 || !second.Equal(want) || !rulesOf(t, store, name).Equal(want) {
		t.Errorf("stored as %+v and %+v, read as %+v, want version 1 and %+v", first, second, rulesOf(t, store, name),
			want)
	}
	found, err := store.Changes(t.Context(), name, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range found.Messages {
		if c.Rules != nil {
			got = append(got, fmt.Sprintf("%d: rules %d", c.Change, c.Rules.Version))
		} else {
			got = append(got, fmt.Sprintf("%d: message %d", c.Change, c.Message.Index))
		}
	}
	if s := strings.Join(got, ", "); s != "2: message 2, 3: rules 3" || found.UpTo != 3 {
		t.Errorf("the changes are %s, up to %d", s, found.UpTo)
	}
	checkLast(t, store, name, 3)
	if m := edit(t, store, name, 1, "edited"); m.Version != 4 {
		t.Errorf("the next change has the number %d, want 4", m.Version)
	}
}

func noRulesForNothing(t *testing.T, store ruleStoring) {
	name := room(t)
	changeRules(t, store, name, func(*chat.Rules) {})
	refused := errors.New("refused")
	_, err := store.ChangeRules(t.Context(), name, func(r chat.Rules) (chat.Rules, error) {
		r.Private = true
		return r, refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("the error is %v, want the one that change returned", err)
	}
	if got := rulesOf(t, store, name); got.Version != 0 || got.Private {
		t.Errorf("the rules are %+v, want none", got)
	}
	checkLast(t, store, name, 0)
	changeRules(t, store, name, func(r *chat.Rules) { r.Private = true })
	if r := changeRules(t, store, name, func(r *chat.Rules) { r.Private = true }); r.Version != 1 {
		t.Errorf("the same rules are version %d, want 1", r.Version)
	}
}

func manyChangeRules(t *testing.T, store ruleStoring) {
	const many, each = 8, 4
	name := room(t)
	say(t, store, name, 1)
	var all sync.WaitGroup
	versions := make(chan int64, 2*many*each)
	for i := range many {
		all.Go(func() {
			for j := range each {
				id := fmt.Sprintf("%d-%d", i, j)
				r, err := store.ChangeRules(context.Background(), name, func(r chat.Rules) (chat.Rules, error) {
					return withPerson(r, id), nil
				})
				if err != nil {
					t.Errorf("change: %v", err)
					return
				}
				versions <- r.Version
				m := edit(t, store, name, 1, id)
				versions <- m.Version
			}
		})
	}
	all.Wait()
	close(versions)
	seen := map[int64]bool{}
	for v := range versions {
		if seen[v] || v < 1 || v > 2*many*each {
			t.Errorf("the change %d is there twice or out of range", v)
		}
		seen[v] = true
	}
	if r := rulesOf(t, store, name); len(r.People) != many*each {
		t.Errorf("%d people are in the rules, want %d", len(r.People), many*each)
	}
	checkLast(t, store, name, 2*many*each)
}

func withPerson(r chat.Rules, id string) chat.Rules {
	people := map[string]chat.Standing{id: {Role: chat.RoleMember}}
	for other, s := range r.People {
		people[other] = s
	}
	r.People = people
	return r
}

func aThousandPeople(t *testing.T, store ruleStoring) {
	name := room(t)
	want := changeRules(t, store, name, func(r *chat.Rules) {
		r.People = map[string]chat.Standing{}
		for i := range 1000 {
			r.People[fmt.Sprintf("auth0|%024d", i)] = chat.Standing{Name: fmt.Sprintf("person %d", i),
				Role: chat.RoleMember}
		}
	})
	if got := rulesOf(t, store, name); !got.Equal(want) || len(got.People) != 1000 {
		t.Errorf("%d people came back", len(got.People))
	}
	_, err := store.ChangeRules(t.Context(), name, func(r chat.Rules) (chat.Rules, error) {
		r.People = map[string]chat.Standing{}
		for i := range 1000 {
			r.People[fmt.Sprintf("%0255d", i)] = chat.Standing{Name: strings.Repeat("n", 128), Role: chat.RoleMember}
		}
		return r, nil
	})
	if e := chat.AsError(err); e.Code != chat.CodeTooLarge {
		t.Errorf("rules that no row can hold: %v, want %s", err, chat.CodeTooLarge)
	}
}

func onePairOneRoom(t *testing.T, store ruleStoring) {
	seed := room(t)
	names := make([]string, 8)
	var all sync.WaitGroup
	for i := range names {
		all.Go(func() {
			name, err := store.DirectRoom(context.Background(), seed+"a", seed+"b", fmt.Sprintf("@%s%d", seed, i))
			if err != nil {
				t.Error(err)
			}
			names[i] = name
		})
	}
	all.Wait()
	for _, name := range names {
		if name != names[0] || !strings.HasPrefix(name, "@"+seed) {
			t.Fatalf("the room is called %q", names)
		}
	}
	seen := map[string]bool{}
	for i, pair := range [][2]string{
		{"a", "bc"}, {"ab", "c"}, {"1:a", "b"}, {"1", ":ab"}, {"a\x00", "b"}, {"a", "\x00b"},
	} {
		name, err := store.DirectRoom(t.Context(), seed+pair[0], pair[1], fmt.Sprintf("@%d", i))
		if err != nil || seen[name] {
			t.Errorf("the pair %q has the room %q, %v", pair, name, err)
		}
		seen[name] = true
	}
}

func slowMode(t *testing.T, store ruleStoring) {
	name := room(t)
	const every = 3 * time.Second // longer than a busy machine takes for the calls below
	take := func(user, id string, wantWait bool) time.Duration {
		t.Helper()
		wait, err := store.TakeTurn(t.Context(), name, user, id, every)
		if err != nil || (wait > 0) != wantWait || wait > every {
			t.Errorf("%s writes %q: wait %v, %v; want a wait: %v", user, id, wait, err, wantWait)
		}
		return wait
	}
	take("ann", "1", false)
	take("ann", "2", true)
	take("ann", "", true)
	take("bob", "2", false)
	take("ann", "1", false) // a repeat, which does not wait
	wait := take("ann", "3", true)
	time.Sleep(wait + 50*time.Millisecond)
	take("ann", "3", false)
	var all sync.WaitGroup
	taken := make(chan bool, 16)
	for range 16 {
		all.Go(func() {
			wait, err := store.TakeTurn(context.Background(), name, "cay", "", every)
			if err != nil {
				t.Error(err)
			}
			taken <- wait == 0
		})
	}
	all.Wait()
	close(taken)
	n := 0
	for ok := range taken {
		if ok {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of 16 at once may write, want 1", n)
	}
}
