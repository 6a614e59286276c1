package chat

import (
	"context"
	"time"
)

// Broadcaster sends stored messages to their rooms. Package broadcast has one.
type Broadcaster interface {
	// Broadcast sees that a stored message is sent to every member of its room that joined before it was stored. Either
	// this call sends it, as the room's broadcaster, together with what else is to be sent; or the present broadcaster
	// does. It works with the stores and the poster of the service that stored the message.
	//
	// It calls seen once, with the members that it read after the message was stored, and then goes on; not if it
	// returns an error before. The error says that the message may not have been sent. What became of other messages
	// is in the delivery, which counts also if there is an error.
	Broadcast(ctx context.Context, s Service, stored Message, seen func(members []Member)) (Delivery, error)

	// BroadcastChange does the same for a change of a message or of the room's rules. What is sent is what they are
	// then, which may have been changed again.
	BroadcastChange(ctx context.Context, s Service, room string, changed ChangedMessage) (Delivery, error)

	// BroadcastLeft sends a room the changes that were left unsent by a broadcaster that died, if there are any and no
	// other call sends them.
	BroadcastLeft(ctx context.Context, s Service, room string) (Delivery, error)
}

// Delivery counts what became of the messages that a sender sent, as the room's broadcaster and in replies.
type Delivery struct {
	// how many times members were posted to; 0 if another sender is the broadcaster, or nothing was to be sent
	Rounds    int
	SentAfter int64     // as the broadcaster, the messages after this index were sent …
	SentUpTo  int64     // … up to this one
	Posts     int       // frames that were taken
	Delivered int       // messages in them, each counted for each of its recipients
	Again     int       // posts that failed or were throttled, and are retried
	Gone      []Member  // members that were found closed, and are to be removed
	Failed    int       // messages that recipients will never get, each counted for each of them
	Left      int       // messages that there was no time for, counted likewise: the room's next broadcaster sends them
	Failures  []error   // why recipients will not get messages: the first mostFailures
	Err       error     // one of the failures, for the log; nil if there was none
	PostedAt  time.Time // when the last post of the first round was taken; zero if there was none

	// Oldest is the largest delay between a message's CreateAt and its delivery to a reachable member. CreateAt is in
	// whole seconds, so the delay may be a second too long.
	Oldest time.Duration
}

// mostFailures is how many failures are told one by one.
const mostFailures = 20

// Fail counts messages that a recipient will never get.
func (d *Delivery) Fail(messages int, err error) {
	d.Failed += messages
	d.Err = err
	if len(d.Failures) < mostFailures {
		d.Failures = append(d.Failures, err)
	}
}

func (d *Delivery) countReply(err error) {
	if err != nil {
		d.Fail(1, err)
		return
	}
	d.Posts++
	d.Delivered++
}
