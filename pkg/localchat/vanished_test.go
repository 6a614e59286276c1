package localchat

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A broadcast to 100 members of which 30 have vanished with no close, as when a network drops, reaches the other 70,
// and the 30 are gone from the roster afterwards, from every room.
func TestVanishedMembersCostNobodyElse(t *testing.T) {
	h := newHarness(t)
	h.lossy.Store(true)
	const members, vanished = 100, 30
	conns := make([]*websocket.Conn, members)
	for i := range conns {
		c, _, err := websocket.Dial(t.Context(), "ws://"+h.server.Addr+"/dev?room_name=lobby", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		conns[i] = c
		h.call(t, c, fmt.Sprintf(`{"action":"joinRoom","room_name":"attic","trace":"join%d"}`, i))
	}
	for _, c := range conns[:vanished] {
		_ = c.CloseNow()
	}
	sender := conns[members-1]
	h.call(t, sender,
		`{"action":"sendMessage","room_name":"lobby","user_name":"ann","content":"anybody?","trace":"send"}`)
	for i, c := range conns[vanished:] {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, b, err := c.Read(ctx)
		cancel()
		if err != nil || !strings.Contains(string(b), "anybody?") {
			t.Errorf("member %d got %s, %v", vanished+i, b, err)
		}
	}
	for _, room := range []string{"lobby", "attic"} {
		left, err := h.server.Roster.Members(t.Context(), room, 0)
		if err != nil || len(left) != members-vanished {
			t.Errorf("%d members are left in the %s, %v; want %d", len(left), room, err, members-vanished)
		}
	}
}

// call sends a frame with a trace and waits until its invocation has ended.
func (h *harness) call(t *testing.T, c *websocket.Conn, frame string) {
	t.Helper()
	var f struct{ Trace string }
	if err := json.Unmarshal([]byte(frame), &f); err != nil || f.Trace == "" {
		t.Fatalf("frame %s: %v", frame, err)
	}
	ended := h.expect(f.Trace)
	if err := c.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("not invoked: %s", frame)
	}
}
