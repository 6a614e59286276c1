package client

import (
	"context"
	"time"
)

// start enters the room on a connection, in the background, and keeps it up to date there. It calls tried when it has
// tried once, or will not. The caller holds the client's mutex.
func (r *Room) start(conn *conn, tried func()) {
	r.running++
	before, mine := conn.queue(r.name)
	r.c.goroutines.Go(func() {
		defer tried()
		defer r.stopped()
		defer close(mine)
		select {
		case <-before:
			r.live(conn, tried)
		case <-conn.ctx.Done():
		}
	})
}

func (r *Room) stopped() {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.running--
	if r.running == 0 && r.ctx.Err() != nil {
		r.closeGone()
	}
}

// live is the room's time on one connection.
func (r *Room) live(conn *conn, tried func()) {
	if r.enter(conn, tried) {
		select {
		case <-conn.used:
			r.follow(conn)
		case <-conn.ctx.Done():
		case <-r.ctx.Done():
		}
	}
	r.c.mu.Lock()
	r.interrupt(conn)
	leaving, name := r.leaving, r.name
	r.c.mu.Unlock()
	if leaving && conn.ctx.Err() == nil {
		_, err := conn.ask(context.Background(), "leaveRoom", fields{"room_name": name})
		if err != nil {
			r.c.config.Logger.Warn("a room was not left", "room", name, "error", err)
		}
	}
}

// enter joins, and tries again while that can help. It reports whether the room was entered.
func (r *Room) enter(conn *conn, tried func()) bool {
	for attempt := 1; r.ctx.Err() == nil; attempt++ {
		err := r.join(conn)
		tried()
		switch {
		case conn.ctx.Err() != nil || r.ctx.Err() != nil:
			return false
		case err == nil:
			return true
		case !isPassing(err):
			r.end(err)
			return false
		}
		r.c.config.Logger.Warn("a room cannot be entered", "room", r.Name(), "error", err)
		r.rest(conn, attempt)
	}
	return false
}

// rest is the pause after a failed attempt. It ends with the connection, and with the room.
func (r *Room) rest(conn *conn, attempt int) {
	_ = r.c.pause(r.ctx, conn, attempt)
}

// join joins and reads what was missed, in one request: no message can be lost between the two.
func (r *Room) join(conn *conn) error {
	r.c.mu.Lock()
	f := fields{"room_name": r.name, "user_name": r.userField()}
	if r.options.hidden {
		delete(f, "user_name")
	} else {
		f["members"] = true
	}
	if r.c.config.Token != nil {
		f["rules"] = true
	}
	isFull, after := r.isFull(), r.log.changes
	q := r.question()
	if !isFull {
		for name, value := range q.fields {
			f[name] = value
		}
		if !q.first {
			f["changes_after"] = after
		}
	}
	r.c.mu.Unlock()
	// It is not given up when the room is left: a leave that overtakes it would be undone by it.
	a, err := conn.ask(context.Background(), "joinRoom", f)
	if err != nil {
		return err
	}
	r.c.mu.Lock()
	if r.ctx.Err() != nil {
		r.c.mu.Unlock()
		return causeOf(r.ctx)
	}
	r.named(conn, a.presence)
	more := r.log.refresh
	if !isFull {
		// An older chat answers without messages, or without changes.
		more = !a.hasMessages || r.take(a, q) || more
		if !q.first && r.log.started && r.log.generation == q.generation {
			r.log.changesDue = a.changes == nil || r.takeChanges(*a.changes, after)
		}
	}
	if a.rules != nil {
		r.ruled(*a.rules) // after what may show that the log went back
	}
	if a.members != nil {
		r.listed(conn, *a.members)
	}
	more = more || r.log.changesDue && !isFull
	r.readyUnless(more)
	r.c.mu.Unlock()
	if more {
		return r.fetch(conn)
	}
	return nil
}

// named takes the names as the chat spells them. Frames have that spelling.
func (r *Room) named(conn *conn, p *Presence) {
	if p == nil {
		return
	}
	if !r.options.hidden && p.UserName != "" {
		r.c.user, r.c.userID, r.c.named = p.UserName, p.UserID, true
	}
	if p.Room == "" || p.Room == r.name {
		return
	}
	if other := r.c.rooms[p.Room]; other != nil {
		r.end(&Error{Code: CodeInvalidArgument, Message: "The room is joined already, as " + p.Room + "."})
		return
	}
	delete(r.c.rooms, r.name)
	conn.rename(r.name, p.Room)
	r.name = p.Room
	r.c.rooms[r.name] = r
	r.log.refresh = true // what the chat has sent under that name was not for this room so far
}

func (r *Room) readyUnless(more bool) {
	if more || r.behind || !r.log.started || r.log.ready {
		return
	}
	r.log.ready = true
	r.emit(Ready{})
}

// follow uses the connection from now on, and fetches what turns out to be missing, until the connection ends.
func (r *Room) follow(conn *conn) {
	r.c.mu.Lock()
	r.conn = conn
	r.changedConn()
	r.c.mu.Unlock()
	signal(r.due) // what was missing on the connection before
	news := time.NewTimer(soonerThan(r.c.timing.news))
	defer news.Stop()
	for failures := 0; ; {
		select {
		case <-conn.ctx.Done():
			return
		case <-r.ctx.Done():
			return
		case <-news.C:
			r.wantNews()
		case <-r.due:
		}
		if !r.isDue(conn, failures) {
			continue
		}
		news.Reset(soonerThan(r.c.timing.news))
		err := r.fetch(conn)
		switch e, _ := err.(*Error); {
		case err == nil:
			failures = 0
		case conn.ctx.Err() != nil || r.ctx.Err() != nil:
			return
		case isPassing(err):
			r.c.config.Logger.Warn("a room cannot be read", "room", r.Name(), "error", err)
			failures++
			r.rest(conn, failures)
			r.wantNews()
		case e != nil && e.Code == "forbidden": // the right to be in the room has ended
			r.end(err)
		default: // asking again cannot help
			r.c.config.Logger.Error("a room cannot be read", "room", r.Name(), "error", err)
		}
	}
}

// wantNews has the room ask for messages and changes.
func (r *Room) wantNews() {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.log.refresh, r.log.changesDue = true, true
	signal(r.due)
}

// isDue reports whether something is to be fetched. Messages and changes that overtook others get the time to arrive.
func (r *Room) isDue(conn *conn, failures int) bool {
	r.c.mu.Lock()
	now, soon := r.log.refresh, r.hasGap() || r.log.doubt > 0
	r.c.mu.Unlock()
	if now || !soon {
		return now
	}
	wait := min(r.c.timing.gap<<min(failures, 10), r.c.timing.pauses.Most)
	if sleep(conn.ctx, wait) != nil {
		return false
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if len(r.log.spans) > 0 || r.log.doubt > 0 {
		r.log.changesDue = true
	}
	return r.log.refresh || r.hasGap() || r.log.doubt > 0
}
