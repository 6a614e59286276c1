package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what came of the load.
type report struct {
	options             options
	connecting, sending time.Duration

	sent, stored int            // messages
	refused      map[string]int // messages, by the code of the refusal
	delivered    int            // messages at members
	frames       int            // with messages, at members
	missing      int            // messages that a member did not get, or that its client had to ask for
	repeated     int            // messages that a member got again
	overtaken    int            // messages that a member got after one with a greater index
	gatewaySaid  int            // frames in which API Gateway says that something failed
	broken       map[string]int // connections that ended, by why
	latencies    []time.Duration
	signalled    int64 // signals that members sent
	signals      int64 // signals at members
}

// collect makes a report of what the members got.
func collect(rooms []*room, sent int) report {
	r := report{sent: sent, refused: map[string]int{}, broken: map[string]int{}}
	for _, room := range rooms {
		room.mu.Lock()
		stored := len(room.sentAt)
		ids := slices.Collect(maps.Keys(room.sentAt))
		for code, n := range room.refused {
			r.refused[code] += n
		}
		room.mu.Unlock()
		r.stored += stored
		for _, m := range room.members {
			m.mu.Lock()
			r.delivered += len(m.delivered.got)
			r.frames += m.frames
			r.repeated += m.pushed.repeated + m.delivered.repeated
			r.overtaken += m.pushed.overtaken + m.delivered.overtaken
			r.gatewaySaid += m.notMessage
			for _, id := range ids {
				if !m.pushed.ids[id] || !m.delivered.ids[id] {
					r.missing++
				}
			}
			if !room.shared { // whose messages have the indexes from 1, with no gap
				r.missing += max(0, int(max(m.pushed.greatest, m.delivered.greatest))-stored)
			}
			r.latencies = append(r.latencies, m.latencies...)
			r.signalled += m.signalled.Load()
			r.signals += m.signals.Load()
			if m.problem != nil {
				r.broken[m.problem.Error()]++
			}
			m.mu.Unlock()
		}
	}
	slices.Sort(r.latencies)
	return r
}

// good is the verdict: everybody got everything that was stored, once, in order, and nothing else went wrong.
func (r report) good() bool {
	return r.missing+r.repeated+r.overtaken+r.gatewaySaid+len(r.refused)+len(r.broken) == 0 && r.delivered > 0
}

func (r report) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(len(r.latencies)-1, int(q*float64(len(r.latencies))))].Round(100 * time.Microsecond)
}

func (r report) String() string {
	var b strings.Builder
	o := r.options
	fmt.Fprintf(&b, "%d connections in %d rooms, connected in %v; %g messages a second for %v\n",
		o.connections, o.rooms, r.connecting.Round(time.Millisecond), o.rate, o.duration)
	fmt.Fprintf(&b, "sent %d, stored %d, refused %v; the last arrived after %v\n", r.sent, r.stored, r.refused,
		r.sending.Round(time.Millisecond))
	if r.delivered > 0 {
		fmt.Fprintf(&b, "delivered %d, %.0f a second, in %d frames: %.3f for each message\n",
			r.delivered, float64(r.delivered)/r.sending.Seconds(), r.frames, float64(r.frames)/float64(r.delivered))
	}
	fmt.Fprintf(&b, "from sending to receiving: p50 %v, p99 %v, at most %v\n", r.quantile(0.5), r.quantile(0.99),
		r.quantile(1))
	if o.typing {
		fmt.Fprintf(&b, "signals: sent %d, received %d, %.0f a second\n", r.signalled, r.signals,
			float64(r.signals)/r.sending.Seconds())
	}
	fmt.Fprintf(&b, "missing %d, repeated %d, overtaken %d, told of failures by API Gateway %d, connections that "+
		"broke %v\n",
		r.missing, r.repeated, r.overtaken, r.gatewaySaid, r.broken)
	if r.good() {
		b.WriteString("every member got every message, once and in order\n")
	} else {
		b.WriteString("NOT every member got every message, once and in order\n")
	}
	return b.String()
}
