package client

import (
	"fmt"
	"testing"
	"time"
)

// What expired before it could be delivered is said, and the rest is delivered.
func TestExpired(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.messages = numbered(1, 3)
		_, r, states := f.online(Config{User: "ann"})
		f.script(func(c *fakeConn, r request) bool {
			switch r.Action {
			case "joinRoom", "getRecentMessages":
				c.write(`{"messages":[{"room_name":"lobby","index":8,"user_name":"bob","content":"m8","create_at":1}],`+
					`"expired":true,"tail":8,"ref":%q}`, r.Ref)
				return true
			}
			return false
		})
		_ = f.last().socket.CloseNow()
		f.await(states, Offline)
		f.await(states, Online)
		expectSettled(t, r, "expired 4-7", "8 m8")
	})
}

// A log that went back is loaded anew: its tail shows it, or a message that is not the one that was there.
func TestALogThatWentBack(t *testing.T) {
	other := func() []Message {
		all := numbered(1, 4)
		for i := range all {
			all[i].Content, all[i].CreateAt = fmt.Sprint("other", i+1), 5000
		}
		return all
	}
	for name, restored := range map[string][]Message{"shorter": numbered(1, 2), "another": other(), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeChat) {
				f.messages = numbered(1, 4)
				_, r, states := f.online(Config{User: "ann"})
				f.mu.Lock()
				f.messages = restored
				f.mu.Unlock()
				_ = f.last().socket.CloseNow()
				f.await(states, Offline)
				f.await(states, Online)
				want := []string{"reset 4"}
				for _, m := range restored {
					want = append(want, short(m))
				}
				expectSettled(t, r, append(want, "ready")...)
				m := f.store("lobby", "bob", "and on", "")
				f.last().messages(m)
				expectSettled(t, r, short(m))
			})
		})
	}
}

// A new message under an old index is a sign, too: the answer of the log decides.
func TestASignThatTheLogWentBack(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options []JoinOption
		mine    bool
		later   int64 // seconds after the last message
		want    []string
	}{
		{"it differs", nil, false, 1, []string{"reset 4", "1 m1", "2 m2", "3 new", "ready"}},
		{"it is mine", []JoinOption{History(0)}, true, 1, []string{"reset 4", "ready"}},
		{"it is far younger", []JoinOption{History(0)}, false, 61, []string{"reset 4", "ready"}},
		{"it may be old", []JoinOption{History(0)}, false, 60, []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeChat) {
				f.messages = numbered(1, 4)
				_, r, _ := f.online(Config{User: "ann"}, tc.options...)
				settled(r)
				m := Message{Room: "lobby", Index: 3, UserName: "bob", Content: "new", CreateAt: 1004 + tc.later}
				if tc.mine {
					m.UserName, m.ID = "ann", "mine"
				}
				f.mu.Lock()
				f.messages = append(numbered(1, 2), m)
				f.mu.Unlock()
				f.script(func(c *fakeConn, r request) bool {
					if r.Action == "sendMessage" {
						c.messages(m)
					}
					return r.Action == "sendMessage"
				})
				if tc.mine {
					got, err := r.SendDraft(within(t), Draft{Content: "new", ID: "mine"})
					if err != nil || got.Index != 3 {
						t.Fatal(got, err)
					}
				} else {
					f.last().messages(m)
				}
				time.Sleep(time.Second)
				expectSettled(t, r, tc.want...)
			})
		})
	}
}

// The number of the last change shows that the log went back, too. The room begins with that of its history.
func TestTheChangesWentBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.messages = numbered(1, 2)
		upTo := 7
		f.script(func(c *fakeConn, r request) bool {
			switch {
			case r.Action == "joinRoom" && r.Changes == nil:
				c.page(r, f.messages, `,"changes_up_to":7`)
			case r.Action == "joinRoom":
				c.page(r, f.messages, `,"part":true`)
				c.write(`{"changes":{"room_name":"lobby","after":%d,"up_to":%d,"messages":[]},"ref":%q}`, *r.Changes,
					upTo, r.Ref)
			default:
				return false
			}
			return true
		})
		_, r, states := f.online(Config{User: "ann"})
		for _, want := range [][]string{{}, {"reset 2", "1 m1", "2 m2", "ready"}} {
			settled(r)
			_ = f.last().socket.CloseNow()
			f.await(states, Offline)
			f.await(states, Online)
			joins := f.asked("joinRoom")
			if c := joins[len(joins)-1].Changes; c == nil || *c != 7 {
				t.Errorf("it joined with %+v", joins[len(joins)-1])
			}
			expectSettled(t, r, want...)
			upTo = 6
		}
	})
}
