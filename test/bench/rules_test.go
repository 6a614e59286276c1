package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/storedrules"
)

// BenchmarkPrivateRoom is a message, and a join, in a room of 100 connections: one without rules, as in an open chat,
// one without rules where people sign in, and a private room with 1,000 members. Each is on DynamoDB Local.
func BenchmarkPrivateRoom(b *testing.B) {
	const connections, people = 100, 1000
	for _, kind := range []string{"open chat", "no rules", "private"} {
		s, counted, _ := onDynamoDBLocal(b, 0)
		ctx := context.Background()
		if kind != "open chat" {
			s.Rules = chat.NewRuleBook(counted.rules, s.Now)
		}
		if kind == "private" {
			rules, err := counted.rules.ChangeRules(ctx, "r", func(r chat.Rules) (chat.Rules, error) {
				r.Private, r.People = true, map[string]chat.Standing{}
				for i := range people {
					r.People[userID(i)] = chat.Standing{Name: fmt.Sprintf("Person %d", i), Role: chat.RoleMember}
				}
				return r, nil
			})
			if err != nil {
				b.Fatal(err)
			}
			text, err := storedrules.Encode(rules)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("row of %d people", people), func(b *testing.B) {
				for b.Loop() {
					if _, err := storedrules.Decode("r", rules.Version, text); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(text)), "bytes")
			})
		}
		member := func(i int) chat.Member {
			m := chat.Member{Room: "r", ConnectionID: fmt.Sprint(i), User: fmt.Sprintf("Person %d", i),
				ConnectedAt: time.Now().Add(-time.Hour), Opened: true}
			if s.Rules != nil {
				m.UserID = userID(i)
			}
			return m
		}
		for i := range connections {
			if err := s.Join(ctx, member(i), chat.CatchUp{}); err != nil {
				b.Fatal(err)
			}
		}
		measure := func(what string, do func() error) {
			b.Run(what+"/"+kind, func(b *testing.B) {
				counted.n.Store(0)
				n := 0
				for ; b.Loop(); n++ {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(counted.n.Load())/float64(n), "calls/op")
			})
		}
		by := chat.Actor{Person: chat.Person{Name: "Person 1"}}
		if s.Rules != nil {
			by.ID = userID(1)
		}
		measure("message", func() error {
			a, err := s.Admit(ctx, chat.ActionSendMessage, "r", by)
			if err == nil {
				d := chat.Draft{Admission: a, Room: "r", User: by.Name, UserID: by.ID, Content: "hi"}
				_, err = s.Send(ctx, "1", d)
			}
			return err
		})
		measure("join", func() error { return s.Join(ctx, member(1), chat.CatchUp{}) })
	}
}

func userID(i int) string { return fmt.Sprintf("auth0|%024x", i) }
