package client

import (
	"testing"
	"testing/synctest"
	"time"
)

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
