package client

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// numbered makes the messages of a log, from one index to another.
func numbered(from, to int64) []Message {
	var all []Message
	for i := from; i <= to; i++ {
		all = append(all, Message{Room: "lobby", Index: i, UserName: "bob", Content: fmt.Sprint("m", i),
			CreateAt: 1000 + i})
	}
	return all
}

// expectNothing fails the test if an event waits.
func expectNothing(t *testing.T, r *Room) {
	t.Helper()
	synctest.Wait()
	if e, ok := r.pop(); ok {
		t.Errorf("an event came: %s", short(e))
	}
}

// settled takes the events that wait, and leaves out those that are no messages or changes.
func settled(r *Room) []string {
	synctest.Wait()
	got := []string{}
	for {
		e, ok := r.pop()
		switch e.(type) {
		case Message, Change, Expired, Reset, Ready:
			got = append(got, short(e))
		}
		if !ok {
			return got
		}
	}
}

func expectSettled(t *testing.T, r *Room, want ...string) {
	t.Helper()
	if got := settled(r); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("the events are %q, not %q", got, want)
	}
}

// Messages that overtook one another are put in order, and nothing is asked for. What does not come is fetched.
func TestMessagesComeInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		var pushed []int64
		trace := Trace{Pushed: func(messages []Message) {
			for _, m := range messages {
				pushed = append(pushed, m.Index)
			}
		}}
		_, r, _ := f.online(Config{User: "ann", Trace: trace})
		m := numbered(1, 6)
		f.mu.Lock()
		f.messages = m
		f.mu.Unlock()
		c := f.last()
		c.messages(m[1])
		c.messages(m[2], m[1])
		expectNothing(t, r)
		c.messages(m[0])
		c.messages(m[0], m[2])
		expectSettled(t, r, "1 m1", "2 m2", "3 m3")
		time.Sleep(time.Second)
		if n := len(f.asked("getRecentMessages")); n != 0 {
			t.Errorf("the client asked %d times", n)
		}
		c.messages(m[5])
		expectNothing(t, r)
		time.Sleep(101 * time.Millisecond)
		expectSettled(t, r, "4 m4", "5 m5", "6 m6")
		if fmt.Sprint(pushed) != "[2 3 2 1 1 3 6]" {
			t.Errorf("the chat has pushed %d", pushed)
		}
		if asked := f.asked("getRecentMessages"); len(asked) != 1 || *asked[0].After != 2 || asked[0].Limit != 100 {
			t.Errorf("the client asked %+v", asked)
		}
		time.Sleep(time.Hour) // of questions for news
		if n := len(f.asked("getRecentMessages")); n < 7 || n > 9 {
			t.Errorf("the client asked %d times", n)
		}
		expectSettled(t, r)
	})
}

// A log that is longer than one answer is fetched to its end.
func TestALongLog(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.messages = numbered(1, 250)
		f.script(func(c *fakeConn, r request) bool {
			if r.Action != "getRecentMessages" || *r.After+100 >= 250 {
				return false
			}
			c.page(r, f.messages, `,"more":true`)
			return true
		})
		_, r, _ := f.online(Config{User: "ann"}, After(0))
		if got := r.Last(); got != 250 {
			t.Errorf("the last message is %d", got)
		}
	})
}

// The greatest version of a message counts, in whatever order its states come.
func TestTheGreatestVersionCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, _ := f.online(Config{User: "ann"})
		c := f.last()
		m := numbered(1, 2)
		f.mu.Lock()
		f.messages = m
		f.mu.Unlock()
		changes := func(after, upTo int, messages string) {
			c.write(`{"changes":{"room_name":"lobby","after":%d,"up_to":%d,"messages":[%s]}}`, after, upTo, messages)
		}
		state := func(index, version int, content string) string {
			return fmt.Sprintf(`{"room_name":"lobby","index":%d,"user_name":"bob","content":%q,"create_at":%d,`+
				`"version":%d}`, index, content, 1000+index, version)
		}
		c.messages(m[0])
		changes(0, 1, state(1, 1, "v1"))
		changes(0, 1, state(1, 1, "v1"))
		expectSettled(t, r, "1 m1", "change 1 v1")
		changes(2, 3, state(1, 3, "v3")) // overtakes
		changes(1, 2, state(1, 2, "v2"))
		expectSettled(t, r, "change 1 v3")
		changes(3, 4, state(2, 4, "new")) // of a message that has not come
		expectSettled(t, r)
		c.messages(m[1])
		c.messages(m[1])
		c.messages(m[0])
		expectSettled(t, r, "2 new")
		time.Sleep(time.Second)
		if n := len(f.asked("getChanges")); n != 0 {
			t.Errorf("the client asked %d times for changes", n)
		}
		changes(6, 7, state(1, 7, "v7")) // changes 5 and 6 do not come
		expectSettled(t, r, "change 1 v7")
		f.script(func(c *fakeConn, r request) bool {
			if r.Action != "getChanges" {
				return false
			}
			if *r.After == 4 {
				c.write(`{"changes":{"room_name":"lobby","after":4,"up_to":6,"more":true,"messages":[%s]},"ref":%q}`,
					state(2, 6, "v6"), r.Ref)
			} else {
				c.write(`{"changes":{"room_name":"lobby","after":%d,"up_to":7,"messages":[%s]},"ref":%q}`, *r.After,
					state(1, 7, "v7"), r.Ref)
			}
			return true
		})
		time.Sleep(time.Second)
		expectSettled(t, r, "change 2 v6")
		if asked := f.asked("getChanges"); len(asked) != 2 || *asked[0].After != 4 || *asked[1].After < 6 {
			t.Errorf("the client asked %+v", asked)
		}
		_ = c.socket.CloseNow()
		time.Sleep(time.Second)
		if joins := f.asked("joinRoom"); len(joins) != 2 || *joins[1].Changes != 7 || *joins[1].After != 1 ||
			joins[1].Limit != 100 {
			t.Errorf("it joined with %+v", joins)
		}
	})
}

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
					if got, err := r.SendDraft(within(t), Draft{Content: "new", ID: "mine"}); err != nil || got.Index != 3 {
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
				c.write(`{"changes":{"room_name":"lobby","after":%d,"up_to":%d,"messages":[]},"ref":%q}`, *r.Changes, upTo,
					r.Ref)
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

// An older chat answers a join without messages, and knows no changes.
func TestAnOlderChat(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.messages = numbered(1, 2)
		f.script(func(c *fakeConn, r request) bool {
			switch r.Action {
			case "joinRoom":
				c.write(`{"presence":{"room_name":"lobby","user_name":"ann","event":"joined"},"ref":%q}`, r.Ref)
			case "getChanges", "ping":
				c.refuse(r, "unknown_action", "")
			default:
				return false
			}
			return true
		})
		client, states := f.client(Config{User: "ann"})
		r := client.Join("lobby")
		f.await(states, Online)
		expectSettled(t, r, "1 m1", "2 m2", "ready")
		_ = f.last().socket.CloseNow()
		f.await(states, Offline)
		f.store("lobby", "bob", "meanwhile", "")
		f.await(states, Online)
		expectSettled(t, r, "3 meanwhile")
		if n := len(f.asked("getChanges")); n != 1 {
			t.Errorf("it asked %d times for changes", n)
		}
		time.Sleep(time.Hour)
		if len(states) != 0 {
			t.Error("the connection did not last")
		}
	})
}

// What could not be fetched is fetched later.
func TestFetchingIsRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, _ := f.online(Config{User: "ann"})
		refusals := 0
		f.script(func(c *fakeConn, r request) bool {
			if r.Action != "getRecentMessages" || refusals == 3 {
				return false
			}
			refusals++
			c.refuse(r, "unavailable", "")
			return true
		})
		f.mu.Lock()
		f.messages = numbered(1, 2)
		f.mu.Unlock()
		f.last().messages(numbered(2, 2)...)
		time.Sleep(10 * time.Second)
		expectSettled(t, r, "1 m1", "2 m2")
	})
}

// A part of the history is never older than what a change has said.
func TestAHistoryThatIsLate(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.messages = numbered(1, 2)
		_, r, _ := f.online(Config{User: "ann"}, History(0))
		f.script(func(c *fakeConn, r request) bool {
			if r.Action == "getRecentMessages" {
				c.write(`{"changes":{"room_name":"lobby","after":0,"up_to":1,"messages":[{"room_name":"lobby","index":1,` +
					`"user_name":"bob","content":"edited","create_at":1001,"version":1}]}}`)
			}
			return false
		})
		got, err := r.History(within(t), Span{Limit: 2})
		if err != nil || len(got.Messages) != 2 || got.Messages[0].Content != "edited" || got.Messages[1].Content != "m2" {
			t.Errorf("the history is %+v, %v", got, err)
		}
		expectSettled(t, r, "change 1 edited")
	})
}

// What the chat sends to a room before it has told how it spells the name is not lost.
func TestAMessageUnderAnotherSpelling(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.script(func(c *fakeConn, r request) bool {
			if r.Action != "joinRoom" {
				return false
			}
			c.messages(f.store("Lobby", "bob", "hello", ""))
			c.write(`{"presence":{"room_name":"Lobby","user_name":"ann","event":"joined"},"part":true,"ref":%q}`, r.Ref)
			c.write(`{"messages":[],"ref":%q}`, r.Ref)
			return true
		})
		c, _ := f.client(Config{User: "ann"})
		r := c.Join("lobby")
		time.Sleep(time.Second)
		expectSettled(t, r, "1 hello", "ready")
		if r.Name() != "Lobby" || c.Join("Lobby") != r {
			t.Errorf("the room is %q", r.Name())
		}
	})
}

// A leave does not overtake the join that it is to undo, and the next join does not overtake the leave.
func TestALeaveWaitsForTheJoin(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		f.script(func(c *fakeConn, r request) bool {
			time.AfterFunc(time.Second, func() { f.answer(c, r) })
			return true
		})
		c, states := f.client(Config{User: "ann"})
		f.await(states, Online)
		r := c.Join("lobby")
		synctest.Wait()
		left := make(chan error)
		go func() { left <- r.Leave(t.Context()) }()
		synctest.Wait()
		again := c.Join("lobby")
		if err := <-left; err != nil {
			t.Fatal(err)
		}
		ready(t, again)
		f.mu.Lock()
		defer f.mu.Unlock()
		want := []string{"joinRoom", "leaveRoom", "joinRoom"}
		for i, r := range f.requests {
			if i >= len(want) || r.Action != want[i] {
				t.Fatalf("request %d is %s", i, r.Action)
			}
			if i > 0 && r.at.Sub(f.requests[i-1].at) < time.Second {
				t.Errorf("%s came before %s was answered", r.Action, f.requests[i-1].Action)
			}
		}
	})
}

// One room's trouble stays its own, and ends by itself. A refusal ends the room.
func TestTroubleOfOneRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		began := time.Now()
		f.script(func(c *fakeConn, r request) bool {
			switch {
			case r.Room == "busy" && time.Since(began) < time.Minute:
				c.refuse(r, "unavailable", "")
			case r.Room == "silent" && time.Since(began) < time.Minute:
			case r.Room == "forbidden":
				c.refuse(r, "forbidden", "")
			default:
				return false
			}
			return true
		})
		c, states := f.client(Config{User: "ann"})
		lobby, busy, silent, forbidden := c.Join("lobby"), c.Join("busy"), c.Join("silent"), c.Join("forbidden")
		online := f.await(states, Online)
		if took := online.at.Sub(began); took > 10*time.Second {
			t.Errorf("it took %v until the client was online", took)
		}
		send(t, lobby, "hello")
		if err := waitErr(t, forbidden); !isCode(err, "forbidden") {
			t.Errorf("the forbidden room: %v", err)
		}
		if _, err := forbidden.Send(t.Context(), "hello"); !isCode(err, "forbidden") {
			t.Errorf("sending to it: %v", err)
		}
		time.Sleep(3 * time.Minute)
		for _, r := range []*Room{busy, silent} {
			if r.Err() != nil {
				t.Errorf("%s: %v", r.Name(), r.Err())
			}
			ready(t, r)
		}
		if joins := len(f.asked("joinRoom")); joins > 20 {
			t.Errorf("there were %d attempts to join", joins)
		}
		f.script(func(c *fakeConn, r request) bool { // the right to read ends
			if r.Action == "getRecentMessages" {
				c.refuse(r, "forbidden", "")
			}
			return r.Action == "getRecentMessages"
		})
		time.Sleep(10 * time.Minute)
		if !isCode(lobby.Err(), "forbidden") {
			t.Errorf("the room has %v", lobby.Err())
		}
	})
}

// The rules of a room come when they change, and end it if they say so.
func TestRules(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, _ := f.online(Config{User: "ann"})
		c := f.last()
		c.write(`{"room":{"room_name":"lobby","version":2,"title":"Two","you":{"role":"member"}}}`)
		c.write(`{"room":{"room_name":"lobby","version":1,"title":"One","you":{"role":"reader"}}}`)
		if got := until[Rules](t, r, nil); got.Title != "Two" || got.You.Role != "member" {
			t.Errorf("the rules are %+v", got)
		}
		c.write(`{"room":{"room_name":"lobby","version":3,"removed":{"banned":true,"reason":"noise"}}}`)
		if got := until[Rules](t, r, nil); got.Version != 3 || got.Removed.Reason != "noise" {
			t.Errorf("the rules are %+v", got)
		}
		if err := waitErr(t, r); !isCode(err, "forbidden") {
			t.Errorf("the room has %v", err)
		}
	})
}

// Of two lists of members on one connection, the greater version counts. Courtesies never take the place of messages.
func TestMembersAndCourtesies(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, states := f.online(Config{User: "ann"})
		list := func(version int) {
			f.last().write(`{"members":{"room_name":"lobby","version":%d,"users":[{"user_name":"v%d"}]}}`, version,
				version)
		}
		list(5)
		list(4)
		list(6)
		for _, want := range []string{"v5", "v6"} {
			if got := until[Members](t, r, nil); got.Users[0].Name != want {
				t.Errorf("the members are %+v, not %s", got, want)
			}
		}
		_ = f.last().socket.CloseNow()
		f.await(states, Offline)
		f.await(states, Online)
		list(1)
		if got := until[Members](t, r, nil); got.Users[0].Name != "v1" {
			t.Errorf("on another connection, the members are %+v", got)
		}
		f.last().write(`{"presence":{"room_name":"lobby","user_name":"bob","event":"left"}}`)
		f.last().write(`{"read":{"room_name":"lobby","user_name":"bob","user_id":"b","index":7}}`)
		if got := until[Presence](t, r, nil); got.Event != "left" || got.UserName != "bob" {
			t.Errorf("the presence is %+v", got)
		}
		if got := until[Read](t, r, nil); got.Index != 7 || got.UserID != "b" {
			t.Errorf("the marker is %+v", got)
		}
		for range 3 * mostEvents {
			f.last().write(`{"signal":{"room_name":"lobby","user_name":"bob","name":"typing"}}`)
		}
		synctest.Wait()
		if n := len(r.events); n != mostEvents/2 {
			t.Errorf("%d events wait", n)
		}
		m := f.store("lobby", "bob", "hello", "")
		f.last().messages(m)
		if got := until[Message](t, r, nil); got.Index != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

// What is no frame, and keys and events that are not known, do no harm.
func TestStrangeFrames(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeChat) {
		_, r, states := f.online(Config{User: "ann"})
		for _, frame := range []string{"", "no JSON", "[]", "null", "7", `{"news":{}}`, `{"messages":7}`,
			`{"messages":[{"index":-1,"room_name":"lobby"},{"index":1,"room_name":"elsewhere"}]}`,
			`{"changes":{"room_name":"lobby"}}`, `{"members":{"room_name":"lobby","over_limit":true}}`,
			`{"messages":[],"ref":"99"}`, `{"error":{"code":"new_code","message":"?"}}`} {
			f.last().write("%s", frame)
		}
		send(t, r, "hello")
		expectSettled(t, r, "1 hello")
		if len(states) != 0 {
			t.Errorf("the client was %v", <-states)
		}
	})
}
