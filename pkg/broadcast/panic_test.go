package broadcast_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
)

// A panic, in whatever runs beside the sender's own goroutine, does not end the process: it is an error of what was
// done.
func TestAPanicIsAnErrorOfWhatWasDone(t *testing.T) {
	sent := func(w *world) chat.Service { return w.Service() }
	for name, tc := range map[string]struct {
		service func(w *world) chat.Service
		sender  string
		failed  bool // the sender is told
	}{
		"post": {func(w *world) chat.Service {
			w.OnPost = func(_ context.Context, id string) error {
				if id == "hung" {
					panic("on purpose")
				}
				return nil
			}
			return w.Service()
		}, "bob", false},
		"reply": {func(w *world) chat.Service {
			w.OnPost = func(_ context.Context, id string) error {
				if id == "nobody" {
					panic("on purpose")
				}
				return nil
			}
			return w.Service()
		}, "nobody", false},
		"members": {func(w *world) chat.Service {
			s := sent(w)
			s.Roster = panickingRoster{roster{World: &w.World}}
			return s
		}, "bob", true},
		"renew": {func(w *world) chat.Service {
			w.OnPost = slowly(50 * time.Millisecond)
			s := sent(w)
			s.Broadcaster = broadcast.Broadcaster{Leases: panickingLeases{leases{World: &w.World}}}
			return s
		}, "bob", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				w.AddMember("r", "hung", time.Hour)
				w.AddMember("r", "bob", time.Hour)
				s := tc.service(w)
				began := time.Now()
				var all sync.WaitGroup
				all.Go(func() {
					sent, err := s.Send(t.Context(), tc.sender, draft)
					told := errors.Join(err, sent.Delivery.Err)
					if text := fmt.Sprint(told); (err != nil) != tc.failed || !strings.Contains(text, "on purpose") ||
						!strings.Contains(text, "_test.go") {
						t.Errorf("got %+v, %v", sent.Delivery, err)
					}
				})
				time.Sleep(10 * time.Millisecond)
				all.Go(func() { _, _ = s.Send(t.Context(), "bob", draft) })
				all.Wait()
				if took := time.Since(began); took > time.Second {
					t.Errorf("took %v", took)
				}
				if !tc.failed && !slices.Contains(w.got("bob"), "1:hi ") {
					t.Errorf("bob got %q", w.got("bob"))
				}
			})
		})
	}
}

type panickingRoster struct{ roster }

func (panickingRoster) Members(context.Context, string, int) ([]chat.Member, error) {
	panic("on purpose")
}

type panickingLeases struct{ leases }

func (panickingLeases) Renew(context.Context, string, string, int64) (bool, error) {
	panic("on purpose")
}
