package chat

import (
	"errors"
	"time"
)

const (
	// hanging is how long a post may take before its round no longer waits for it, and its worker is free for another.
	hanging = 300 * time.Millisecond

	// mostUnderWay is how many posts may be under way for each worker, with those that hang or may.
	mostUnderWay = 4
)

// posting is what one member is posted in one round, and what became of it.
type posting struct {
	Member
	lag      lag
	round    int  // counted from 1
	awaited  bool // its round waits for it, unless it hangs
	frames   []Frame
	began    time.Time
	notAfter time.Time // no frame is begun after this
	hangs    bool

	// What became of it, once it has ended.
	at        time.Time // when the last frame was begun
	taken     int       // frames
	delivered int64     // the index of the last message in them
	err       error
}

// errNoTime says that the broadcaster's time, or its lease's, ended before a member's turn or in it.
var errNoTime = errors.New("there was no time left for it")

// posts are those that are under way, at most one for each member. Of those that a round waits for there are as many as workers at
// a time. Those that nobody waits for, because they hang or may, have room of their own: there is always a worker for the rest.
type posts struct {
	workers  int
	underWay map[string]*posting // by connection id
	ended    chan *posting       // has room for all
	awaited  int                 // how many a round waits for
}

func newPosts(workers int) posts {
	return posts{workers: workers, underWay: map[string]*posting{}, ended: make(chan *posting, mostUnderWay*workers)}
}

// takes tells whether one more post may begin.
func (p *posts) takes(one *posting) bool {
	if one.awaited {
		return p.awaited < p.workers && len(p.underWay) < cap(p.ended)
	}
	return len(p.underWay) < cap(p.ended)-p.workers
}

// begin has one more post made, by post.
func (p *posts) begin(one *posting, post func() error) {
	p.underWay[one.ConnectionID] = one
	if one.awaited {
		p.awaited++
	}
	go func() {
		one.err = safely(post)
		p.ended <- one
	}()
}

// waitNoLonger lets nobody wait for what began before a time.
func (p *posts) waitNoLonger(before time.Time) {
	for _, one := range p.underWay {
		if one.awaited && !one.hangs && one.began.Before(before) {
			one.hangs = true
			p.awaited--
		}
	}
}

// end removes a post that has ended.
func (p *posts) end(one *posting) {
	delete(p.underWay, one.ConnectionID)
	if one.awaited && !one.hangs {
		p.awaited--
	}
}
