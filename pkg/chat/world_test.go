package chat_test

import (
	"fmt"

	"wschat/pkg/chat"
	"wschat/test/fakes"
)

// world is a chat in memory. The tests of this package add methods.
type world struct{ fakes.World }

type roster = fakes.Roster

// counts is what became of the posts.
func counts(sent chat.Sent) string {
	d := sent.Delivery
	return fmt.Sprintf("delivered %d, gone %d, failed %d", d.Delivered, len(d.Gone), d.Failed)
}
