// Package localruntime runs a built Lambda function on this machine as Lambda does. Each process takes one invocation
// at a time from a runtime API. A new process starts if all are busy, and a process that exits is replaced. The package
// knows nothing of what the function does.
//
// The rules are those of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
package localruntime

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Config has the settings of a Pool.
type Config struct {
	// Bootstrap is the path of the executable. Required.
	Bootstrap string

	// Env is the processes' environment, as NAME=value. The Pool adds the variables of the runtime. The processes
	// inherit nothing else.
	Env []string

	// MaxProcesses is how many processes run at once. Further invocations wait. Zero means 32.
	MaxProcesses int

	// Output gets the output of the processes: whole lines in each Write, and one Write at a time. Nil discards it.
	Output io.Writer
}

// invocationTimeout is the longest time that an invocation may take, also if its context has no deadline.
const invocationTimeout = 29 * time.Second

// Pool is a set of processes that run one function. Its Invoke makes it a lambda.Handler.
type Pool struct {
	config Config
	slots  chan struct{} // holds one element for each invocation under way

	mu     sync.Mutex
	closed bool
	idle   []*process // the most recently used one last, as Lambda prefers warm ones
	all    map[*process]bool
}

// New returns a Pool without processes. It fails if Bootstrap is not an executable file.
func New(c Config) (*Pool, error) {
	info, err := os.Stat(c.Bootstrap)
	if err != nil {
		return nil, fmt.Errorf("localruntime: %w", err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("localruntime: %s is not an executable file", c.Bootstrap)
	}
	if c.MaxProcesses == 0 {
		c.MaxProcesses = 32
	}
	if c.Output == nil {
		c.Output = io.Discard
	}
	c.Output = &serial{to: c.Output}
	return &Pool{config: c, slots: make(chan struct{}, c.MaxProcesses), all: map[*process]bool{}}, nil
}

// FunctionError is the error that a function posted instead of a response, or the way its process ended.
type FunctionError struct {
	Payload []byte // the error object that the function posted; nil if its process ended without one
	Reason  string
}

// Error says what happened.
func (e *FunctionError) Error() string {
	if e.Payload != nil {
		return fmt.Sprintf("%s: %.500s", e.Reason, e.Payload)
	}
	return e.Reason
}

// ErrorMessage is the errorMessage of the object that the function posted, or "" if it posted none.
func (e *FunctionError) ErrorMessage() string {
	var posted struct {
		ErrorMessage string `json:"errorMessage"`
	}
	_ = json.Unmarshal(e.Payload, &posted)
	return posted.ErrorMessage
}

// Invoke sends an event to a process and returns its response. The function gets ctx's deadline. A process that has not
// answered by then is killed, as on Lambda, and the error is ctx's. If the function fails, the error is a
// *FunctionError.
func (p *Pool) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, invocationTimeout)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	deadline, _ := ctx.Deadline()
	in := &invocation{id: rand.Text(), payload: payload, deadline: deadline, answer: make(chan answer, 1)}
	for {
		worker, used, err := p.take()
		if err != nil {
			return nil, err
		}
		a, err := worker.run(ctx, in)
		if err == nil {
			p.giveBack(worker)
			return a.response, a.err
		}
		worker.kill()
		p.forget(worker)
		if !used || !errors.Is(err, errNotTaken) {
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
	if worker, err = start(p.config); err != nil {
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

// Close kills every process. Invocations in flight fail.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	workers := p.all
	p.all, p.idle = map[*process]bool{}, nil
	p.mu.Unlock()
	for worker := range workers {
		worker.kill()
		<-worker.exited
	}
}
