package chat_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
)

// parts is a store of ten parts, each of which takes half a second to read and has one row, and the progress in it.
type parts struct {
	asked   []string
	deleted []string
	fails   string // the row that cannot be deleted
	state   map[string]chat.ErasureState
}

func (p *parts) Find(_ context.Context, _ chat.Person, from string, _ int) (chat.Found, error) {
	time.Sleep(500 * time.Millisecond)
	p.asked = append(p.asked, from)
	n, _ := strconv.Atoi(from)
	found := chat.Found{Looked: 100, Rows: []string{fmt.Sprint("row ", n)}}
	if n < 9 {
		found.Next = strconv.Itoa(n + 1)
	}
	return found, nil
}

func (p *parts) Delete(_ context.Context, row string) error {
	if row == p.fails {
		return errors.New("the store does not answer")
	}
	p.deleted = append(p.deleted, row)
	return nil
}

func (p *parts) Erasure(_ context.Context, key string) (chat.ErasureState, error) {
	return p.state[key], nil
}

func (p *parts) KeepErasure(_ context.Context, key string, state chat.ErasureState) error {
	if p.state[key] = state; state.Done {
		delete(p.state, key)
	}
	return nil
}

// An erasure takes as many steps as it needs, and goes on where the last one stopped: in time, with an error, or dead.
func TestAnErasureGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.Service()
		s.Workers, s.Now = 1, time.Now
		log, roster := &parts{state: map[string]chat.ErasureState{}}, &parts{}
		s.PersonalData = chat.PersonalData{Log: log, Roster: roster, Progress: log}
		step := func() (chat.Erased, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 3300*time.Millisecond) // two thirds are five parts
			defer cancel()
			return s.EraseUser(ctx, "program", chat.Erasure{Of: annID})
		}
		first, err := step()
		if err != nil || first.Done || first.Looked != 500 || first.Rows != 5 || len(log.asked) != 5 {
			t.Fatalf("the first step: %+v, %v, asked for %q", first, err, log.asked)
		}
		log.fails = "row 5"
		if _, err := step(); chat.AsError(err).Code.Retry() == chat.Never {
			t.Fatalf("a store that fails: %v", err)
		}
		log.fails = ""
		kept := log.state[keyOf(t, log)]
		if second, err := step(); err != nil || second.Looked != 1000 {
			t.Fatalf("after the failure: %+v, %v", second, err)
		}
		log.state[keyOf(t, log)] = kept // the process died before it kept its progress
		for steps := 0; ; steps++ {
			last, err := step()
			if err != nil || steps > 10 {
				t.Fatalf("%+v, %v", last, err)
			}
			if last.Done {
				if last.Looked != 2000 || last.Rows != 20 || len(log.state) != 0 {
					t.Errorf("at the end: %+v; the progress %v is kept", last, log.state)
				}
				break
			}
		}
		if slices.Contains(log.asked[1:], "") {
			t.Errorf("it began again: %q", log.asked)
		}
		for n := range 10 {
			if row := fmt.Sprint("row ", n); !slices.Contains(log.deleted, row) ||
				!slices.Contains(roster.deleted, row) {
				t.Errorf("%s remains", row)
			}
		}
	})
}

// ruleMap keeps rules in memory.
type ruleMap struct {
	chat.RuleStore
	rules map[string]chat.Rules
}

func (r ruleMap) Rules(_ context.Context, room string) (chat.Rules, error) { return r.rules[room], nil }

func (r ruleMap) ChangeRules(_ context.Context, room string, change func(chat.Rules) (chat.Rules, error)) (chat.Rules,
	error) {
	to, err := change(r.rules[room])
	if err == nil {
		r.rules[room] = to
	}
	return to, err
}

// An erasure that goes on after so long that the person was let in again begins again: what came meanwhile may be
// anywhere. One that goes on soon does not.
func TestAnErasureThatRestedBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&world{}).Service()
		s.Workers, s.Now = 1, time.Now
		s.Rules = chat.NewRuleBook(ruleMap{rules: map[string]chat.Rules{}}, s.Now)
		log, roster := &parts{state: map[string]chat.ErasureState{}}, &parts{}
		s.PersonalData = chat.PersonalData{Log: log, Roster: roster, Progress: log}
		began := time.Now()
		step := func(part string) {
			t.Helper()
			log.asked = nil
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			erased, err := s.EraseUser(ctx, "program", chat.Erasure{Of: annID})
			if err != nil || erased.Done || len(log.asked) == 0 || log.asked[0] != part {
				t.Fatalf("%v later: %+v, %v; it asked for %q, want %q first", time.Since(began), erased, err, log.asked,
					part)
			}
			if _, err := s.Admit(t.Context(), chat.ActionSendMessage, "r", chat.Actor{Person: annID}); err == nil {
				t.Error("the person is let in")
			}
		}
		step("") // it waits for five seconds, and then reads four parts
		time.Sleep(23 * time.Hour)
		log.state[keyOf(t, log)] = withNext(log.state[keyOf(t, log)], "1")
		step("1")
		time.Sleep(25 * time.Hour)
		if _, err := s.Admit(t.Context(), chat.ActionSendMessage, "r", chat.Actor{Person: annID}); err != nil {
			t.Errorf("after a day the person is kept out: %v", err)
		}
		log.state[keyOf(t, log)] = withNext(log.state[keyOf(t, log)], "2")
		step("")
	})
}

func withNext(s chat.ErasureState, next string) chat.ErasureState {
	s.Next, s.Stores = next, 0
	return s
}

// keyOf is the key of the only progress.
func keyOf(t *testing.T, p *parts) string {
	for key := range p.state {
		return key
	}
	t.Fatal("no progress is kept")
	return ""
}

// A person that is erased or exported is known by something.
func TestWhomToErase(t *testing.T) {
	s := (&world{}).Service()
	for _, of := range []chat.Person{{}, {Name: "\u202e"}, {ID: string(make([]byte, 300))}} {
		_, err := s.EraseUser(t.Context(), "program", chat.Erasure{Of: of})
		_, exportErr := s.ExportUser(t.Context(), "program", chat.Export{Of: of})
		for _, err := range []error{err, exportErr} {
			if code := chat.AsError(err).Code; code != chat.CodeMissingField && code != chat.CodeInvalidField {
				t.Errorf("%+v: %v", of, err)
			}
		}
	}
}
