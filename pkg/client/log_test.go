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
				c.write(`{"changes":{"room_name":"lobby","after":0,"up_to":1,"messages":[{"room_name":"lobby",` +
					`"index":1,"user_name":"bob","content":"edited","create_at":1001,"version":1}]}}`)
			}
			return false
		})
		got, err := r.History(within(t), Span{Limit: 2})
		if err != nil || len(got.Messages) != 2 || got.Messages[0].Content != "edited" ||
			got.Messages[1].Content != "m2" {
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
