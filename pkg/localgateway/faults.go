package localgateway

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Effect is what a Fault does.
type Effect string

// The effects, and the occasions on which each may take place.
const (
	// DropSocket closes the socket without a close frame when a message comes from the client or a post goes to it. The
	// message is lost. The post is answered with 200, because API Gateway cannot know yet that the client is gone.
	DropSocket Effect = "drop socket"

	// FailPost answers a post with 500 and does not deliver it.
	FailPost Effect = "fail post"

	// ThrottlePost answers a post with 429 and does not deliver it.
	ThrottlePost Effect = "throttle post"

	// DelayPost holds a post back for the fault's Delay.
	DelayPost Effect = "delay post"

	// FailHandler makes an invocation fail before it reaches the handler, like a function that crashes at once.
	FailHandler Effect = "fail handler"

	// HangHandler makes an invocation last until the integration timeout. It does not reach the handler.
	HangHandler Effect = "hang handler"

	// LoseDisconnect skips the invocation of $disconnect when a connection ends.
	LoseDisconnect Effect = "lose $disconnect"
)

// Fault is a failure that the gateway causes on purpose.
type Fault struct {
	// Effect is what happens. Required.
	Effect Effect

	// ConnectionID is the connection that the fault affects. Empty means every connection.
	ConnectionID string

	// RouteKey is the route whose invocations fail or hang. Empty means every route. Other effects have no route.
	RouteKey string

	// Rate is the probability of the fault on each occasion, from 0 to 1. Zero means 1: every time.
	Rate float64

	// Delay is how long DelayPost waits. Other effects have none.
	Delay time.Duration
}

func (f Fault) check() error {
	switch f.Effect {
	case DropSocket, FailPost, ThrottlePost, DelayPost, FailHandler, HangHandler, LoseDisconnect:
	default:
		return fmt.Errorf("localgateway: there is no effect %q", f.Effect)
	}
	if f.Rate < 0 || f.Rate > 1 {
		return fmt.Errorf("localgateway: the rate %v of %q is not between 0 and 1", f.Rate, f.Effect)
	}
	if (f.Delay != 0) != (f.Effect == DelayPost) || f.Delay < 0 {
		return fmt.Errorf("localgateway: the delay of %q is %v; %q needs one, and no other effect has one", f.Effect,
			f.Delay, DelayPost)
	}
	if f.RouteKey != "" && f.Effect != FailHandler && f.Effect != HangHandler {
		return fmt.Errorf("localgateway: %q has the route key %q, but no route", f.Effect, f.RouteKey)
	}
	return nil
}

// SetFaults replaces all faults from now on. Without faults, it removes them. The seed makes a run repeatable. Whether
// a fault strikes depends only on the seed, the fault, the connection's number in the order of handshakes, and the
// number of the occasion on that connection. So the timing of other connections changes nothing. Concurrent posts to
// one connection, and calls of HTTP routes, are numbered in the order in which they arrive.
func (g *Gateway) SetFaults(seed uint64, faults ...Fault) error {
	for _, f := range faults {
		if err := f.check(); err != nil {
			return err
		}
	}
	if len(faults) == 0 {
		g.faults.Store(nil)
		return nil
	}
	g.faults.Store(&faultPlan{seed: seed, faults: slices.Clone(faults), occasions: map[occasion]uint64{}})
	return nil
}

// Drop closes the socket of a connection without a close frame, like a network that fails. Its $disconnect follows,
// with code 1006. Drop returns false if there is no such connection.
func (g *Gateway) Drop(connectionID string) bool {
	c := g.connection(connectionID)
	if c != nil {
		c.abandon()
	}
	return c != nil
}

// faultPlan decides which faults strike. A nil plan has no faults.
type faultPlan struct {
	seed   uint64
	faults []Fault

	mu        sync.Mutex
	occasions map[occasion]uint64 // how many of each there have been
}

// occasion is the key for counting the occasions on which a fault may strike a connection.
type occasion struct {
	fault      int    // its index
	connection uint64 // its number in the order of handshakes; 0 for HTTP routes
}

// strikes reports whether an effect strikes now, and returns its fault. c is nil for HTTP routes. routeKey is empty if
// the effect has no route.
func (p *faultPlan) strikes(effect Effect, c *connection, routeKey string) (Fault, bool) {
	if p == nil {
		return Fault{}, false
	}
	id, number := "", uint64(0)
	if c != nil {
		id, number = c.id, c.number
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.faults {
		if f.Effect != effect || (f.ConnectionID != "" && f.ConnectionID != id) ||
			(f.RouteKey != "" && f.RouteKey != routeKey) {
			continue
		}
		o := occasion{i, number}
		nth := p.occasions[o]
		p.occasions[o]++
		if f.Rate == 0 || p.chance(o, nth) < f.Rate {
			return f, true
		}
	}
	return Fault{}, false
}

// chance returns a number from 0 to 1 that depends only on the seed, the occasion and its number.
func (p *faultPlan) chance(o occasion, nth uint64) float64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, [...]uint64{p.seed, uint64(o.fault), o.connection, nth}) // never fails
	return rand.New(rand.NewPCG(h.Sum64(), 0)).Float64()
}

// forget removes the counts of a connection that has ended.
func (p *faultPlan) forget(c *connection) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.faults {
		delete(p.occasions, occasion{i, c.number})
	}
}
