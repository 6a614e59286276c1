package localchat

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/test/issuer"
)

// person is somebody at the door with one connection.
type person struct {
	t    testing.TB
	id   string
	conn *websocket.Conn
	refs int
	rest []string // frames that were no answer
}

// arrive lets somebody in.
func (d *door) arrive(t *testing.T, p *issuer.Provider, id string, claims map[string]any) *person {
	t.Helper()
	all := map[string]any{"sub": id, "name": "name of " + id, "rooms": []string{"*"}}
	for name, value := range claims {
		all[name] = value
	}
	c, status := d.knock(t, "", "chat", p.Token(all))
	if status != 101 {
		t.Fatalf("%s is not let in: %d", id, status)
	}
	return &person{t: t, id: id, conn: c}
}

// do asks for something, and returns the last frame of the answer.
func (p *person) do(action chat.Action, fields map[string]any) string {
	p.t.Helper()
	p.refs++
	ref := fmt.Sprint(p.id, "-", p.refs)
	frame := map[string]any{"action": action, "ref": ref}
	for name, value := range fields {
		frame[name] = value
	}
	answered := func(text string) bool { return strings.Contains(text, `"ref":"`+ref+`"`) }
	if action == chat.ActionSendMessage {
		frame["message_id"] = ref
		answered = func(text string) bool {
			return strings.Contains(text, `"message_id":"`+ref+`"`) || strings.Contains(text, `"ref":"`+ref+`"`)
		}
	}
	b, _ := json.Marshal(frame)
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if err := p.conn.Write(ctx, websocket.MessageText, b); err != nil {
		p.t.Fatal(err)
	}
	for {
		_, text, err := p.conn.Read(ctx)
		if err != nil {
			p.t.Fatalf("%s gets no answer to %s: %v", p.id, b, err)
		}
		if answered(string(text)) && !strings.Contains(string(text), `"part":true`) {
			return string(text)
		}
		p.rest = append(p.rest, string(text))
	}
}

// must does something that is not refused.
func (p *person) must(action chat.Action, fields map[string]any) string {
	p.t.Helper()
	answer := p.do(action, fields)
	if strings.Contains(answer, `"error"`) {
		p.t.Fatalf("%s: %s %v is refused: %s", p.id, action, fields, answer)
	}
	return answer
}

type fields = map[string]any

// The table of rights is what happens: every action of every role in every kind of room is allowed or refused as it
// says, in this process and in the built binary.
func TestRights(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoorWith(t, p, bootstrap, config.Values{config.AuthRolesClaim: "roles"})
		patterns := fields{"rooms": []string{"in-*"}}
		people := map[string]*person{
			"owner":     d.arrive(t, p, "owner", patterns),
			"moderator": d.arrive(t, p, "moderator", patterns),
			"member":    d.arrive(t, p, "member", patterns),
			"reader":    d.arrive(t, p, "reader", patterns),
			"nobody":    d.arrive(t, p, "nobody", patterns),
			"claim": d.arrive(t, p, "claim",
				fields{"rooms": []string{"in-*"}, "roles": []string{"x", "moderator"}}),
		}
		everywhere := d.arrive(t, p, "owner", nil) // the same person, with a token for all rooms
		const none = chat.RoleStranger
		roles := func(owner, moderator, member, reader, nobody, claim chat.Role) map[string]chat.Role {
			return map[string]chat.Role{"owner": owner, "moderator": moderator, "member": member, "reader": reader,
				"nobody": nobody, "claim": claim}
		}
		const own, mod, mem, rea, ban = chat.RoleOwner, chat.RoleModerator, chat.RoleMember, chat.RoleReader,
			chat.RoleBanned
		kinds := map[string]map[string]chat.Role{
			"in-private":  roles(own, mod, mem, rea, none, mod),
			"in-open":     roles(own, mod, mem, rea, mem, mod),
			"in-readonly": roles(own, mod, rea, rea, rea, mod),
			"in-muted":    roles(own, mod, rea, rea, mem, mod),
			"in-banned":   roles(own, mod, ban, rea, mem, mod),
			"in-norules":  roles(mem, mem, mem, mem, mem, mod),
			"outside":     roles(none, none, none, none, none, none),
		}
		for room := range kinds {
			setUpRoom(everywhere, room)
		}
		if bootstrap != "" {
			time.Sleep(chat.RightsGrace) // for as long a process may allow what its last look at the rules allowed
		}
		before := people["nobody"].do(chat.ActionJoinRoom, fields{"room_name": "outside"})
		for name, actor := range people {
			t.Run(name, func(t *testing.T) {
				for room, roles := range kinds {
					for _, right := range chat.Rights() {
						checkRight(t, actor, room, roles[name], right)
					}
				}
			})
		}
		// A private room does not exist for a stranger.
		hidden := people["nobody"].do(chat.ActionJoinRoom, fields{"room_name": "in-private"})
		if strings.ReplaceAll(sentenceOf(hidden), "in-private", "outside") != sentenceOf(before) {
			t.Errorf("a stranger is told of a private room: %s, and of one outside the token: %s", hidden, before)
		}
	})
}

func sentenceOf(answer string) string {
	var frame struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal([]byte(answer), &frame)
	return frame.Error.Code + ": " + frame.Error.Message
}

// setUpRoom makes a room of a kind, in which the owner has said something.
func setUpRoom(owner *person, room string) {
	with := func(more fields) fields {
		all := fields{"room_name": room}
		for name, value := range more {
			all[name] = value
		}
		return all
	}
	if room != "in-norules" {
		owner.must(chat.ActionCreateRoom, with(fields{"private": room == "in-private"}))
		for _, role := range []chat.Role{chat.RoleModerator, chat.RoleMember, chat.RoleReader} {
			owner.must(chat.ActionAddMember, with(fields{"user_id": role}))
			owner.must(chat.ActionSetRole, with(fields{"user_id": role, "role": role}))
		}
		owner.must(chat.ActionAddMember, with(fields{"user_id": "target"}))
	}
	owner.must(chat.ActionSendMessage, with(fields{"content": "hello"}))
	switch room {
	case "in-readonly":
		owner.must(chat.ActionSetRoom, with(fields{"read_only": true}))
	case "in-muted":
		owner.must(chat.ActionMuteUser, with(fields{"user_id": "member", "seconds": 600, "reason": "noise"}))
	case "in-banned":
		owner.must(chat.ActionBanUser, with(fields{"user_id": "member", "seconds": 600, "reason": "spam"}))
	}
}

// checkRight asks for an action on what is the owner's or a target's, and compares the answer with the table.
func checkRight(t *testing.T, actor *person, room string, role chat.Role, right chat.Right) {
	f := fields{"room_name": room, "index": 1, "content": "hello", "reaction": "👍", "name": "typing", "after": 0}
	allowed := role.Reaches(right.Own)
	about := "" // whose it is
	switch right.Action {
	case chat.ActionPing, chat.ActionGetRooms:
		f = nil
	case chat.ActionOpenDirect:
		f = fields{"user_id": "target"}
	case chat.ActionCreateRoom:
		allowed = false // it is there
	case chat.ActionLeaveRoom:
		allowed = room != "outside"
	case chat.ActionGetRoom:
		delete(f, "after")
	case chat.ActionEditMessage, chat.ActionDeleteMessage:
		about = "owner"
		if right.Action == chat.ActionDeleteMessage { // the message is to stay
			if about == actor.id || role.Reaches(right.Others) {
				return
			}
		}
	case chat.ActionSetRole:
		f["role"] = chat.RoleMember
		if room == "in-private" || right.Others == "" {
			about = "target"
		}
	case chat.ActionAddMember, chat.ActionRemoveMember, chat.ActionBanUser, chat.ActionUnbanUser, chat.ActionMuteUser,
		chat.ActionUnmuteUser:
		about = "somebody"
	case chat.ActionSetRoom:
		f["topic"] = "what we talk about"
	}
	if right.Others != "" {
		if about == "" {
			about = "somebody"
		}
		f["user_id"] = about
		delete(f, "name")
		allowed = allowed && (about == actor.id || role.Reaches(right.Others))
	}
	if right.Action == chat.ActionAddMember {
		defer func() { // a ban ends, so that the next one can add
			if allowed {
				actor.do(chat.ActionRemoveMember, f)
			}
		}()
	}
	answer := actor.do(right.Action, f)
	if right.Action == chat.ActionBanUser && allowed {
		actor.do(chat.ActionUnbanUser, f)
	}
	if right.Action == chat.ActionMuteUser && allowed {
		actor.do(chat.ActionUnmuteUser, f)
	}
	refused := strings.Contains(answer, `"error"`)
	if refused == allowed || refused && !strings.Contains(answer, `"code":"forbidden"`) {
		t.Errorf("%s, %s in %s, asks for %s and gets %s; allowed: %v", actor.id, role, room, right.Action, answer,
			allowed)
	}
	if refused && role == chat.RoleStranger && right.Own != chat.RoleStranger &&
		!strings.Contains(answer, "your token does not allow the room") {
		t.Errorf("a stranger asks for %s in %s and is told %s", right.Action, room, answer)
	}
}

// What somebody is told who is removed, and that nothing of the room comes after it.
func TestARightThatEndsEnds(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		owner, spammer := d.arrive(t, p, "owner", nil), d.arrive(t, p, "spammer", nil)
		other := d.arrive(t, p, "other", nil)
		in := fields{"room_name": "plaza"}
		owner.must(chat.ActionCreateRoom, in)
		for _, who := range []*person{owner, spammer, other} {
			who.must(chat.ActionJoinRoom, in)
		}
		answer := owner.must(chat.ActionBanUser,
			fields{"room_name": "plaza", "user_id": "spammer", "seconds": 3600, "reason": "spam"})
		if !strings.Contains(answer, `"room":{"room_name":"plaza"`) || strings.Contains(answer, "people") {
			t.Errorf("the ban is answered with %s", answer)
		}
		told := until(t, spammer.conn, `"removed"`)
		for _, want := range []string{`"banned":true`, `"banned_until":`, `"reason":"spam"`, `"room_name":"plaza"`} {
			if !strings.Contains(told, want) {
				t.Errorf("the banned person is told %s, without %s", told, want)
			}
		}
		until(t, other.conn, `{"room":{"room_name":"plaza","version":2`)
		owner.must(chat.ActionSendMessage, fields{"room_name": "plaza", "content": "peace"})
		other.must(chat.ActionPing, nil)
		spammer.rest = nil
		for _, action := range []chat.Action{chat.ActionJoinRoom, chat.ActionSendMessage, chat.ActionGetRecentMessages,
			chat.ActionGetMembers, chat.ActionGetRoom} {
			deadline := time.Now().Add(chat.RightsGrace)
			refusal := ""
			for !strings.Contains(refusal, `"error"`) && time.Now().Before(deadline) {
				refusal = spammer.do(action, fields{"room_name": "plaza", "content": "buy this"})
				if action == chat.ActionJoinRoom { // is refused at once
					break
				}
			}
			if !strings.Contains(refusal, "you are banned from this room until 20") ||
				!strings.Contains(refusal, "spam") {
				t.Errorf("%s is answered with %s", action, refusal)
			}
		}
		sent := slices.DeleteFunc(spammer.rest, func(frame string) bool { // a list from before the ban can come late
			return strings.Contains(frame, `"members"`) && strings.Contains(frame, `"user_id":"spammer"`)
		})
		if len(sent) > 0 {
			t.Errorf("after the ban, the banned person is sent %q", sent)
		}
		if members := owner.must(chat.ActionGetMembers, in); strings.Contains(members, "spammer") {
			t.Errorf("the members are %s", members)
		}
		ban := d.log.Line(t, 10*time.Second, `"route_key":"banUser"`) // it comes after the answer
		for _, want := range []string{`"by_name":"name of owner","by_id":"owner"`, `"user_id":"spammer"`, `"until":"20`,
			`"room":"plaza"`, `"Moderations":1`, `"Action":"banUser"`} {
			if !strings.Contains(ban, want) {
				t.Errorf("the log's line about the ban has no %s: %s", want, ban)
			}
		}
		owner.must(chat.ActionUnbanUser, fields{"room_name": "plaza", "user_id": "spammer"})
		time.Sleep(300 * time.Millisecond) // a process refuses for as long by what it has read
		spammer.must(chat.ActionJoinRoom, in)
		spammer.must(chat.ActionSendMessage, fields{"room_name": "plaza", "content": "sorry"})
	})
}

// The room of two people is one room, whoever opens it, and nobody else's.
func TestDirectRooms(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoorWith(t, p, bootstrap, config.Values{config.AuthRolesClaim: "roles"})
		nowhere := fields{"rooms": []string{}} // the token's patterns do not apply to direct rooms
		ann, bob := d.arrive(t, p, "ann", nowhere), d.arrive(t, p, "bob", nowhere)
		eve := d.arrive(t, p, "eve", fields{"roles": "moderator"})
		bob.must(chat.ActionGetRooms, nil)
		opened := ann.must(chat.ActionOpenDirect, fields{"user_id": "bob", "name": "Bob"})
		room := roomOf(opened)
		if !strings.HasPrefix(room, "@") || len(room) < 20 ||
			!strings.Contains(opened, `"with":{"user_name":"Bob","user_id":"bob"}`) {
			t.Fatalf("opened: %s", opened)
		}
		told := until(t, bob.conn, `"room":{"room_name":"`+room)
		if !strings.Contains(told, `"direct":true`) || !strings.Contains(told, `"user_id":"ann"`) {
			t.Errorf("the other one is told %s", told)
		}
		if again := roomOf(bob.must(chat.ActionOpenDirect, fields{"user_id": "ann"})); again != room {
			t.Errorf("the other one opens %s, want %s", again, room)
		}
		in := fields{"room_name": room}
		for _, who := range []*person{ann, bob} {
			who.must(chat.ActionJoinRoom, in)
		}
		ann.must(chat.ActionSendMessage, fields{"room_name": room, "content": "just us"})
		until(t, bob.conn, "just us")
		rooms := bob.must(chat.ActionGetRooms, nil)
		if !strings.Contains(rooms, `"room_name":"`+room+`","last":1,"read":0,"private":true,"direct":true`) {
			t.Errorf("the rooms are %s", rooms)
		}
		bob.must(chat.ActionLeaveRoom, fields{"room_name": room, "forget": true})
		if rooms := bob.must(chat.ActionGetRooms, nil); strings.Contains(rooms, room) {
			t.Errorf("a room that was left is listed: %s", rooms)
		}
		ann.must(chat.ActionSendMessage, fields{"room_name": room, "content": "are you there?"})
		until(t, bob.conn, `{"room":{"room_name":"`+room)
		if rooms := bob.must(chat.ActionGetRooms, nil); !strings.Contains(rooms, `"last":2,"read":1`) {
			t.Errorf("somebody wrote, and bob's rooms are %s, and a moment later %s; bob was also sent %q", rooms,
				bob.must(chat.ActionGetRooms, nil), bob.rest)
		}
		for _, action := range []chat.Action{chat.ActionJoinRoom, chat.ActionGetRecentMessages, chat.ActionSendMessage,
			chat.ActionBanUser, chat.ActionGetRoom, chat.ActionSetRole} {
			f := fields{"room_name": room, "content": "hi", "user_id": "ann", "role": "reader"}
			if answer := eve.do(action, f); !strings.Contains(answer, "your token does not allow the room") {
				t.Errorf("a third person asks for %s and gets %s", action, answer)
			}
		}
		for _, action := range []chat.Action{chat.ActionBanUser, chat.ActionRemoveMember, chat.ActionSetRoom} {
			answer := ann.do(action, fields{"room_name": room, "user_id": "bob", "topic": "x"})
			if !strings.Contains(answer, "forbidden") {
				t.Errorf("one of the two asks for %s and gets %s", action, answer)
			}
		}
		alone := eve.do(chat.ActionOpenDirect, fields{"user_id": "eve"})
		if !strings.Contains(alone, "invalid_field") {
			t.Errorf("a room with oneself: %s", alone)
		}
		for _, name := range []string{"@x", "@" + strings.Repeat("A", 26)} {
			for _, action := range []chat.Action{chat.ActionCreateRoom, chat.ActionJoinRoom, chat.ActionSendMessage} {
				answer := eve.do(action, fields{"room_name": name, "content": "hi"})
				if !strings.Contains(answer, `"error"`) {
					t.Errorf("%s of %s: %s", action, name, answer)
				}
			}
		}
	})
}

func roomOf(answer string) string {
	var frame struct {
		Room struct {
			Name string `json:"room_name"`
		}
	}
	_ = json.Unmarshal([]byte(answer), &frame)
	return frame.Room.Name
}

// A private room is in the lists of its members only, and those who are added are told of it.
func TestPrivateRoomsAreListed(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		ann, bob, eve := d.arrive(t, p, "ann", nil), d.arrive(t, p, "bob", nil), d.arrive(t, p, "eve", nil)
		for _, who := range []*person{ann, bob, eve} {
			who.must(chat.ActionGetRooms, nil)
		}
		ann.must(chat.ActionCreateRoom,
			fields{"room_name": "plans", "private": true, "title": "Plans", "members": []string{"bob"}})
		until(t, bob.conn, `{"room":{"room_name":"plans"`, `"title":"Plans"`, `"you":{"role":"member"}`)
		for who, want := range map[*person]bool{ann: true, bob: true, eve: false} {
			rooms := who.must(chat.ActionGetRooms, nil)
			entry := `{"room_name":"plans","last":0,"read":0,"title":"Plans","private":true}`
			if strings.Contains(rooms, entry) != want {
				t.Errorf("%s lists %s", who.id, rooms)
			}
		}
		ann.must(chat.ActionRemoveMember, fields{"room_name": "plans", "user_id": "bob"})
		until(t, bob.conn, `{"room":{"room_name":"plans"`, `"removed":{}`)
		if rooms := bob.must(chat.ActionGetRooms, nil); strings.Contains(rooms, "plans") {
			t.Errorf("somebody who was removed lists %s", rooms)
		}
		if answer := ann.do(chat.ActionRemoveMember, fields{"room_name": "plans", "user_id": "ann"}); !strings.Contains(
			answer, "a room keeps an owner") {
			t.Errorf("the last owner goes: %s", answer)
		}
		if len(eve.rest) > 0 {
			t.Errorf("a stranger is sent %q", eve.rest)
		}
	})
}

// Many processes allow or refuse at once; five seconds after a ban nothing of the banned user is stored.
func TestBansAmongSends(t *testing.T) {
	if testing.Short() {
		t.Skip("it lasts eight seconds")
	}
	t.Parallel()
	p := issuer.Start(t)
	// A join has a process read the rules anew.
	for name, joins := range map[string]bool{"only sends": false, "with joins": true} {
		t.Run(name, func(t *testing.T) { bansAmongSends(t, p, joins) })
	}
}

func bansAmongSends(t *testing.T, p *issuer.Provider, joins bool) {
	d := startDoorWith(t, p, function.build(t), nil)
	owner := d.arrive(t, p, "owner", nil)
	owner.must(chat.ActionCreateRoom, fields{"room_name": "plaza"})
	spammers := make([]*person, 8)
	for i := range spammers {
		spammers[i] = d.arrive(t, p, "spammer", nil)
		spammers[i].must(chat.ActionJoinRoom, fields{"room_name": "plaza"})
	}
	end := make(chan struct{})
	var all sync.WaitGroup
	for i, s := range spammers { // they do not wait for answers
		go func() {
			for {
				if _, _, err := s.conn.Read(t.Context()); err != nil {
					return
				}
			}
		}()
		all.Go(func() {
			frame := `{"action":"sendMessage","room_name":"plaza","content":"buy this"}`
			if joins && i%4 == 3 {
				frame = `{"action":"joinRoom","room_name":"plaza"}`
			}
			for {
				select {
				case <-end:
					return
				case <-time.After(20 * time.Millisecond):
				}
				if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	helper := d.arrive(t, p, "helper", nil)
	owner.must(chat.ActionAddMember, fields{"room_name": "plaza", "user_id": "helper"})
	owner.must(chat.ActionSetRole, fields{"room_name": "plaza", "user_id": "helper", "role": "owner"})
	if joins {
		all.Go(func() { // another owner gives the spammer one role after the other, and the title changes
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				role := []chat.Role{chat.RoleMember, chat.RoleModerator}[n%2]
				helper.do(chat.ActionSetRole, fields{"room_name": "plaza", "user_id": "spammer", "role": role})
				helper.do(chat.ActionSetRoom, fields{"room_name": "plaza", "title": fmt.Sprint(n)})
			}
		})
	}
	time.Sleep(time.Second)
	owner.must(chat.ActionBanUser, fields{"room_name": "plaza", "user_id": "spammer"})
	banned := time.Now()
	time.Sleep(chat.RightsGrace)
	tail := lastIndex(owner)
	time.Sleep(2 * time.Second)
	if now := lastIndex(owner); now != tail {
		t.Errorf("%v after the ban, the room has %d messages; five seconds after it had %d", time.Since(banned), now,
			tail)
	}
	close(end)
	all.Wait()
	members := owner.must(chat.ActionGetMembers, fields{"room_name": "plaza"})
	if strings.Contains(members, "spammer") {
		t.Errorf("the banned user is still a member: %s", members)
	}
	if tail < 10 {
		t.Errorf("there were only %d messages", tail)
	}
}

func lastIndex(p *person) int64 {
	p.t.Helper()
	answer := p.must(chat.ActionGetRecentMessages, fields{"room_name": "plaza", "limit": 1})
	var frame struct{ Messages []struct{ Index int64 } }
	if err := json.Unmarshal([]byte(answer), &frame); err != nil || len(frame.Messages) == 0 {
		p.t.Fatalf("the last message: %s, %v", answer, err)
	}
	return frame.Messages[0].Index
}

// Of two owners who remove each other at once, one stays.
func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoor(t, p, bootstrap)
		ann, bob := d.arrive(t, p, "ann", nil), d.arrive(t, p, "bob", nil)
		for i := range 5 {
			room := fmt.Sprint("room ", i)
			ann.must(chat.ActionCreateRoom, fields{"room_name": room, "members": []string{"bob"}})
			ann.must(chat.ActionSetRole, fields{"room_name": room, "user_id": "bob", "role": "owner"})
			var both sync.WaitGroup
			for who, whom := range map[*person]string{ann: "bob", bob: "ann"} {
				both.Go(func() {
					action := []chat.Action{chat.ActionRemoveMember, chat.ActionBanUser, chat.ActionSetRole}[i%3]
					who.do(action, fields{"room_name": room, "user_id": whom, "role": "member"})
				})
			}
			both.Wait()
			owners := strings.Count(ann.do(chat.ActionGetRoom, fields{"room_name": room, "people": true}), `"owner"`) +
				strings.Count(bob.do(chat.ActionGetRoom, fields{"room_name": room, "people": true}), `"owner"`)
			if owners == 0 {
				t.Errorf("%s has no owner", room)
			}
		}
	})
}
