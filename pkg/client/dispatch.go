package client

import "time"

// received takes a frame that is no answer to a question.
func (c *Client) received(f *frame, conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.Pong != nil {
		c.ahead = time.Until(time.Unix(f.Pong.Time, 0).Add(time.Second / 2)) // it is in whole seconds
	}
	// An older chat does not know ping. Then this machine's clock must do.
	if f.Pong != nil || f.Error != nil && f.Error.Action == "ping" {
		select {
		case conn.clocked <- struct{}{}:
		default:
		}
	}
	switch {
	case f.Error != nil:
		c.refused(f.Error)
	case f.GatewayMessage != "" && f.ConnectionID != "":
		for _, r := range c.rooms { // what failed is not said, so what is not answered is sent again
			r.sendFailed("", errUnavailable("API Gateway says: "+f.GatewayMessage))
		}
	case f.Ref == "": // otherwise it is the late rest of an answer, and has been asked for again
		c.dispatch(f, conn)
	}
}

// refused takes the refusal of a frame.
func (c *Client) refused(r *refusal) {
	switch {
	case r.MessageID != "":
		for _, room := range c.rooms {
			room.sendFailed(r.MessageID, r.err())
		}
	case r.Action != "ping":
		c.config.Logger.Info("the chat refused a frame", "action", r.Action, "code", r.Code, "error", r.Message)
	}
}

// dispatch gives news to the rooms that they are about.
func (c *Client) dispatch(f *frame, conn *conn) {
	for _, m := range f.Messages {
		if r := c.rooms[m.Room]; r != nil {
			r.pushed(m)
		}
	}
	if f.Changes != nil {
		if r := c.rooms[f.Changes.Room]; r != nil {
			r.changed(*f.Changes)
		}
	}
	if f.Members != nil {
		if r := c.rooms[f.Members.Room]; r != nil {
			r.listed(conn, *f.Members)
		}
	}
	if f.Presence != nil {
		if r := c.rooms[f.Presence.Room]; r != nil {
			r.courtesy(*f.Presence)
		}
	}
	if f.Signal != nil {
		if r := c.rooms[f.Signal.Room]; r != nil {
			r.courtesy(*f.Signal)
		}
	}
	if f.Read != nil {
		if r := c.rooms[f.Read.Room]; r != nil {
			r.courtesy(*f.Read)
		}
	}
	if f.Rules != nil {
		if r := c.rooms[f.Rules.Room]; r != nil {
			r.ruled(*f.Rules)
		}
	}
}
