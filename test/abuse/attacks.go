package abuse

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/chat"
)

// attack is what one client does all the time.
type attack struct {
	name    string
	rate    int                // a second: how often it does it
	frame   func(i int) string // that is sent each time
	connect string             // or the query with which it connects and disconnects each time
}

const (
	crowd = "crowd" // the room that is attacked, with 98 members
	large = "large" // a room with a hundred messages of the greatest size, each changed once
)

func attacks() []attack {
	return []attack{
		{name: "connects and disconnects in a room of 98", rate: 100, connect: "room_name=" + crowd +
			"&user_name=mallory%d"},
		{name: "connects with no name and disconnects in a room of 98", rate: 100, connect: "room_name=" + crowd},
		{name: "joins a room of 98 again and again under other names", rate: 100, frame: func(i int) string {
			return object("action", "joinRoom", "room_name", crowd, "user_name", fmt.Sprint("mallory", i))
		}},
		{name: "joins and leaves a room of 98", rate: 100, frame: func(i int) string {
			return object("action", []string{"joinRoom", "leaveRoom"}[i%2], "room_name", crowd, "user_name", "mallory")
		}},
		{name: "asks for a history of large messages", rate: 25, frame: func(int) string {
			return object("action", "getRecentMessages", "room_name", large, "limit", chat.MaxHistory)
		}},
		{name: "reacts to a message in a room of 98 and takes it back", rate: 100, frame: func(i int) string {
			if i == 0 {
				return object("action", "sendMessage", "room_name", crowd, "user_name", "mallory", "content", "x")
			}
			return object("action", []string{"addReaction", "removeReaction"}[i%2], "room_name", crowd,
				"user_name", "mallory", "index", 1, "reaction", "x")
		}},
		{name: "sends signals to a room of 98", rate: 100, frame: func(int) string {
			return object("action", "signal", "room_name", crowd, "user_name", "mallory", "name", "typing", "ref", "1")
		}},
		{name: "asks what became of large messages", rate: 25, frame: func(int) string {
			return object("action", "getChanges", "room_name", large, "after", 0, "limit", chat.MaxChanges)
		}},
		{name: "joins a room with its history and its members", rate: 50, frame: func(i int) string {
			return object("action", "joinRoom", "room_name", large, "user_name", fmt.Sprint("mallory", i), "limit",
				chat.MaxHistory,
				"members", true, "ref", fmt.Sprint(i))
		}},
		{name: "asks who is there", rate: 500, frame: func(int) string {
			return object("action", "getMembers",
				"room_name", crowd)
		}},
		{name: "sends broken frames", rate: 1500, frame: func(int) string { return "{" }},
		{name: "sends unknown actions", rate: 1500, frame: func(int) string {
			return object("action", "fly", "ref",
				"1")
		}},
		{name: "asks whether it is heard", rate: 1500, frame: func(int) string { return object("action", "ping") }},
	}
}

// fill stores a hundred messages of the greatest size in the room that is large, and changes each.
func fill(ctx context.Context, address string) error {
	conn, err := dial(ctx, address, "room_name="+large)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	for i := range chat.MaxHistory {
		frame := object("action", "sendMessage", "room_name", large, "user_name", "mallory",
			"content", strings.Repeat("x", chat.MaxContentBytes), "message_id", fmt.Sprint(i))
		if err := conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
			return err
		}
		if _, _, err := conn.Read(ctx); err != nil { // it is stored
			return err
		}
		frame = object("action", "addReaction", "room_name", large, "user_name", "mallory", "index", i+1,
			"reaction", "x")
		if err := conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
			return err
		}
		if _, _, err := conn.Read(ctx); err != nil { // it is stored
			return err
		}
	}
	return nil
}

// object encodes an object of these names and values.
func object(fields ...any) string {
	m := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		m[fields[i].(string)] = fields[i+1]
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// run attacks until ctx ends, and returns how often it did. If its connection is closed, that was the attack.
func (a attack) run(ctx context.Context, address string) (times int) {
	if a.connect != "" {
		return a.comeAndGo(ctx, address)
	}
	conn, err := dial(ctx, address, "user_name=mallory")
	if err != nil {
		return 0
	}
	defer func() { _ = conn.CloseNow() }()
	go func() { // what it is sent it reads, and throws away
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}()
	began := time.Now()
	for ; ctx.Err() == nil; times++ {
		time.Sleep(time.Until(began.Add(time.Duration(times) * time.Second / time.Duration(a.rate))))
		if conn.Write(ctx, websocket.MessageText, []byte(a.frame(times))) != nil {
			break
		}
	}
	return times
}

// comeAndGo connects and disconnects, several times at once.
func (a attack) comeAndGo(ctx context.Context, address string) (times int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	began := time.Now()
	next := func() int {
		mu.Lock()
		defer mu.Unlock()
		times++
		return times
	}
	for range 16 {
		all.Go(func() {
			for ctx.Err() == nil {
				n := next()
				time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(a.rate))))
				query := a.connect
				if strings.Contains(query, "%d") {
					query = fmt.Sprintf(query, n)
				}
				if conn, err := dial(ctx, address, query); err == nil {
					_ = conn.CloseNow()
				}
			}
		})
	}
	all.Wait()
	return times
}
