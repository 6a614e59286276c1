package localruntime

import (
	"context"
	"errors"
	"sync"
)

// Pool is a set of processes that run one function. Its Invoke makes it a lambda.Handler.
type Pool struct {
	config Config // complete
	client bundledClient
	slots  chan struct{} // holds one element for each invocation under way

	mu     sync.Mutex
	closed bool
	idle   []*process // the most recently used one last, as Lambda prefers warm ones
	all    map[*process]bool
}

// New returns a Pool without processes. It fails if a field of the Config is wrong, and names it. Close the Pool.
func New(c Config) (*Pool, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	client, err := unpack(c.bundled)
	if err != nil {
		return nil, err
	}
	return &Pool{config: c, client: client, slots: make(chan struct{}, c.MaxProcesses), all: map[*process]bool{}}, nil
}

// Invoke sends an event to a process and returns its response. The function's deadline is ctx's or that of
// Config.Timeout, whichever is earlier. A process that has not answered by then is killed. If the function fails, or
// does not answer within Config.Timeout, the error is a *FunctionError. If ctx ends, the error is ctx's.
func (p *Pool) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	limited, cancel := context.WithTimeoutCause(ctx, p.config.Timeout, errTimedOut)
	defer cancel()
	deadline, _ := limited.Deadline()
	in := &invocation{id: requestID(), payload: payload, deadline: deadline, answer: make(chan answer, 1)}
	for {
		worker, used, err := p.take()
		if err != nil {
			return nil, err
		}
		a, err := worker.run(limited, in)
		if err == nil {
			p.giveBack(worker)
			return a.response, a.err
		}
		worker.kill()
		p.forget(worker)
		if errors.Is(err, context.DeadlineExceeded) && context.Cause(limited) == errTimedOut {
			return nil, timeoutError(in.id, p.config.Timeout)
		}
		if !used || !isNotTaken(err) {
			return nil, err
		}
		// A process that panics answers first and then exits. So its end belongs to the previous invocation, and this
		// one is tried again with another process.
	}
}

// take returns an idle process that is alive, or a new one. used is true for an idle process, because it has run
// before.
func (p *Pool) take() (worker *process, used bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 && !p.closed {
		last := len(p.idle) - 1
		worker := p.idle[last]
		p.idle = p.idle[:last]
		if worker.alive() {
			return worker, true, nil
		}
		delete(p.all, worker)
	}
	if p.closed {
		return nil, false, errors.New("localruntime: the pool is closed")
	}
	if worker, err = start(p.config, p.client); err != nil {
		return nil, false, err
	}
	p.all[worker] = true
	return worker, false, nil
}

func (p *Pool) giveBack(worker *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, worker)
}

func (p *Pool) forget(worker *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, worker)
}

// Close kills every process with its children, and waits for that. Invocations in flight fail.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	workers := p.all
	p.all, p.idle = map[*process]bool{}, nil
	p.mu.Unlock()
	var ended sync.WaitGroup
	for worker := range workers {
		ended.Go(worker.kill)
	}
	ended.Wait()
	p.client.remove()
}
