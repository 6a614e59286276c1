package client

import (
	"math/rand/v2"
	"time"

	"wschat/pkg/backoff"
)

// timing has every time limit of a client. The tests shorten some.
type timing struct {
	handshake time.Duration  // the longest time that an attempt to connect may take
	answer    time.Duration  // after a frame that must be answered: the client sends a ping
	pong      time.Duration  // after a ping that is not answered: the connection is dead
	heartbeat time.Duration  // of silence: the client sends a ping
	patience  time.Duration  // the longest wait for an answer. API Gateway waits 29 s for the function
	late      time.Duration  // the longest wait after API Gateway reported a failure: it does not say what failed
	news      time.Duration  // each room asks for news this often. API Gateway closes after 10 silent minutes
	swap      time.Duration  // then a second connection takes over. API Gateway closes each after 2 hours
	renew     time.Duration  // before a token's end, a new one takes over; for a short token a third of its life
	gap       time.Duration  // messages that overtook others may arrive in this time; then the rest is fetched
	stable    time.Duration  // a connection that lasts so long works: the next pause is short again
	farewell  time.Duration  // the longest wait for the other end's answer to a close
	pauses    backoff.Policy // between attempts
}

func defaultTiming() timing {
	return timing{
		handshake: 15 * time.Second,
		answer:    7 * time.Second,
		pong:      6 * time.Second,
		heartbeat: 25 * time.Second,
		patience:  30 * time.Second,
		late:      2 * time.Second,
		news:      8 * time.Minute,
		swap:      110 * time.Minute,
		renew:     time.Minute,
		gap:       100 * time.Millisecond,
		stable:    5 * time.Second,
		farewell:  time.Second,
		pauses:    backoff.Policy{First: 500 * time.Millisecond, Most: 30 * time.Second},
	}
}

// soonerThan returns a time of 90 to 100% of d: many clients that came at once do not act at once.
func soonerThan(d time.Duration) time.Duration { return d - rand.N(d/10+1) }
