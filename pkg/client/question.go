package client

import (
	"context"
	"strconv"
	"time"
)

// mostQuestions bounds the requests in flight on a connection: a client in many rooms must not use up its quota.
const mostQuestions = 8

// question is a request with a ref. Its answer may have several frames.
type question struct {
	ref    string
	frames []*frame
	timer  *time.Timer
	done   chan struct{} // closed when the answer is complete, or err is set
	err    error
}

func (c *conn) answered(q *question, f *frame) {
	q.frames = append(q.frames, f)
	switch {
	case f.Part:
		q.timer.Reset(c.timing.patience)
	case f.Error != nil:
		c.settle(q, f.Error.err())
	default:
		c.settle(q, nil)
	}
}

// settle ends a question. The caller holds mu.
func (c *conn) settle(q *question, err error) {
	if c.questions[q.ref] != q {
		return
	}
	delete(c.questions, q.ref)
	delete(c.awaited, q.ref)
	q.timer.Stop()
	q.err = err
	close(q.done)
}

// ask asks a question when few enough are in flight, and waits for the whole answer.
func (c *conn) ask(ctx context.Context, action string, f fields) (*answer, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-c.ctx.Done():
		return nil, causeOf(c.ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q := c.register()
	b, err := encode(action, f, q.ref)
	if err == nil {
		err = c.send(ctx, b, q.ref)
	}
	if err == nil {
		select {
		case <-q.done:
			err = q.err
		case <-c.ctx.Done():
			err = causeOf(c.ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	c.mu.Lock()
	c.settle(q, err)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return assemble(q.frames), nil
}

func (c *conn) register() *question {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refs++
	q := &question{ref: strconv.Itoa(c.refs), done: make(chan struct{})}
	q.timer = time.AfterFunc(c.timing.patience, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.settle(q, errUnavailable("The chat did not answer."))
	})
	c.questions[q.ref] = q
	return q
}
