package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/client"
	"wschat/test/localchat"
)

// The verdict is what the members got, message by message.
func TestTheVerdict(t *testing.T) {
	frame := func(indexes ...int) string {
		var messages []string
		for _, i := range indexes {
			messages = append(messages, fmt.Sprintf(`{"index":%d,"message_id":"m-%d"}`, i, i))
		}
		return `{"messages":[` + strings.Join(messages, ",") + `]}`
	}
	for _, tc := range []struct {
		name   string
		frames []string
		good   bool
		is     func(report) bool
		shared bool
	}{
		{"one frame each", []string{frame(1), frame(2), frame(3)}, true, func(r report) bool { return r.frames == 3 },
			false},
		{"all in one frame", []string{frame(1, 2, 3)}, true, func(r report) bool {
			return r.frames == 1 &&
				r.delivered == 3
		}, false},
		{"one missing", []string{frame(1), frame(3)}, false, func(r report) bool { return r.missing == 1 }, false},
		{"one again", []string{frame(1), frame(2), frame(2), frame(3)}, false,
			func(r report) bool { return r.repeated == 1 }, false},
		{"one overtaken", []string{frame(1), frame(3), frame(2)}, false,
			func(r report) bool { return r.overtaken == 1 }, false},
		{"nothing", nil, false, func(r report) bool { return r.missing == 3 }, false},
		{"one refused", []string{frame(1), frame(2), `{"error":{"code":"room_busy","message_id":"m-3"}}`}, false,
			func(r report) bool {
				return r.missing == 0 && r.refused["room_busy"] == 1
			}, false},
		{"a failure at API Gateway", []string{frame(1, 2, 3), `{"message":"Internal server error","connectionId":"c"}`},
			false, func(r report) bool {
				return r.gatewaySaid == 1
			}, false},
		{"stored twice", []string{frame(1, 2, 3), `{"messages":[{"index":4,"message_id":"m-3"}]}`}, false,
			func(r report) bool {
				return r.repeated == 1
			}, true},
		{"an index that no message has", []string{frame(1), frame(2), `{"messages":[{"index":4,"message_id":"m-3"}]}`},
			false, func(r report) bool {
				return r.missing == 1
			}, false},
		{"a room that had messages", []string{
			`{"messages":[{"index":8,"message_id":"m-1"},{"index":9,"message_id":"m-2"},{"index":10,"message_id":"m-3"}]}`,
		}, true, func(r report) bool { return r.delivered == 3 && r.frames == 1 }, true},
		{"others talk too", []string{
			frame(1), `{"messages":[{"index":2},{"index":3,"message_id":"other-1"},{"index":4,"message_id":"m-2"}]}`,
			`{"messages":[{"index":3,"message_id":"other-1"}]}`, `{"messages":[{"index":5,"message_id":"m-3"}]}`,
		}, true, func(r report) bool { return r.delivered == 3 && r.frames == 3 }, true},
	} {
		r := &room{run: "m", shared: tc.shared, sentAt: map[string]time.Time{"m-1": {}, "m-2": {}, "m-3": {}}}
		m := newMember(r, "ann")
		r.add(m)
		for _, f := range tc.frames {
			m.take([]byte(f))
			var frame struct{ Messages []client.Message }
			if err := json.Unmarshal([]byte(f), &frame); err != nil {
				t.Fatal(err)
			}
			m.takePushed(frame.Messages)
		}
		for index, id := range m.pushed.got { // a client delivers what comes
			m.takeDelivered(client.Message{Index: index, ID: id}, time.Now())
		}
		m.delivered.overtaken = 0 // a map has no order
		if got := collect([]*room{r}, 3); got.good() != tc.good || !tc.is(got) {
			t.Errorf("%s: %v, %+v", tc.name, got.good(), got)
		}
	}
}

// The chat on this machine, under a load that it carries; open, and if one must sign in.
func TestALightLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds for each load")
	}
	for _, flags := range [][]string{nil, {"-demo-users", "load"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) { lightLoad(t, flags) })
	}
}

func lightLoad(t *testing.T, flags []string) {
	server := localchat.Start(t, flags...)
	token := ""
	if len(flags) > 0 {
		user, err := server.Printed.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, token, _ = strings.Cut(strings.TrimSpace(user), "#token=")
	}
	url := server.URL()
	r, err := run(context.Background(), options{url: url, token: token, connections: 20, rooms: 4, rate: 50,
		duration: 2 * time.Second,
		patience: 20 * time.Second, connecting: 8, size: 100, typing: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.signalled == 0 || r.signals == 0 {
		t.Errorf("%d signals were sent, %d came", r.signalled, r.signals)
	}
	if r.sent != 100 || r.stored != 100 || r.delivered != 500 || r.missing+r.repeated > 0 ||
		len(r.broken)+len(r.refused) > 0 {
		t.Errorf("got %v", r)
	}
	for range 2 { // in one room, which the second time has the messages of the first
		r, err := run(context.Background(), options{url: url, token: token, connections: 5, rooms: 1, room: "a & b",
			rate: 50, duration: time.Second,
			patience: 20 * time.Second, connecting: 8, size: 100})
		if err != nil {
			t.Fatal(err)
		}
		if !r.good() || r.sent != 50 || r.stored != 50 || r.delivered != 250 {
			t.Errorf("in a room with a name: %v", r)
		}
	}
}

func TestRoomNames(t *testing.T) {
	for _, tc := range []struct {
		room  string
		rooms int
		want  []string
	}{
		{"", 2, []string{"load-x-0", "load-x-1"}},
		{"lobby", 1, []string{"lobby"}},
		{"lobby", 3, []string{"lobby-1", "lobby-2", "lobby-3"}},
	} {
		var got []string
		for _, r := range (options{room: tc.room, rooms: tc.rooms}).newRooms("x") {
			got = append(got, r.name)
			if r.shared != (tc.room != "") {
				t.Errorf("%s: shared is %v", r.name, r.shared)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q, %d: got %v", tc.room, tc.rooms, got)
		}
	}
}
