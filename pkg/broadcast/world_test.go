package broadcast_test

import (
	"fmt"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/test/fakes"
)

// world is a chat in memory. The tests of this package add methods.
type world struct{ fakes.World }

type (
	roster = fakes.Roster
	leases = fakes.Leases
)

var draft = chat.Draft{Room: "r", User: "ann", Content: "hi"}

// counts is what became of the posts.
func counts(sent chat.Sent) string {
	d := sent.Delivery
	return fmt.Sprintf("delivered %d, gone %d, failed %d", d.Delivered, len(d.Gone), d.Failed)
}

// join makes a connection a member of room r.
func join(t *testing.T, s chat.Service, id, user string) {
	t.Helper()
	if err := s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: id, User: user, ConnectedAt: time.Now()},
		chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
}
