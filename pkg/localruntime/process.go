package localruntime

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// invocation is one event on its way through a process.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	answer   chan answer // has room for one, so that the sender never waits
}

type answer struct {
	response []byte
	err      error
}

// process is one running function. It has its own runtime API, so every request there is known to come from it.
type process struct {
	cmd       *exec.Cmd
	api       *http.Server
	arn       string
	next      chan *invocation    // taken by the process when it asks for work
	initError chan *FunctionError // has room for the one that can be posted
	exited    chan struct{}
	end       error // why it exited; read it only after exited is closed

	mu       sync.Mutex
	started  bool        // it has asked for work, or has failed to start
	failed   bool        // it has failed to start
	current  *invocation // the one that it got last
	answered bool        // it has answered the current one
}

// outputDelay is how long the output of a process is read after it has ended and its children are killed. Only a
// process that has left the group can hold it open for longer.
const outputDelay = time.Second

// start starts a process. If the process fails during its start, the first invocation gets the error. c is complete.
func start(c Config, client bundledClient) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("localruntime: listen for a process: %w", err)
	}
	output, input, err := os.Pipe()
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("localruntime: make a pipe for a process: %w", err)
	}
	p := &process{
		cmd:       exec.Command(c.Bootstrap, client.arguments(c.Args)...),
		arn:       c.arn(),
		next:      make(chan *invocation),
		initError: make(chan *FunctionError, 1),
		exited:    make(chan struct{}),
	}
	p.cmd.Dir = c.Dir
	p.cmd.Env = environment(c, listener.Addr().String(), client.folder(c))
	p.cmd.Stdout, p.cmd.Stderr = input, input
	setGroup(p.cmd)
	p.api = &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second}
	err = p.cmd.Start()
	_ = input.Close()
	if err != nil {
		_ = listener.Close()
		_ = output.Close()
		return nil, fmt.Errorf("localruntime: start %s: %w", c.Bootstrap, err)
	}
	go func() { _ = p.api.Serve(listener) }()
	go p.wait(output, &lines{to: c.Output})
	return p, nil
}

// wait waits for the end of the process, ends its children, and forwards the rest of the output.
func (p *process) wait(output *os.File, printed *lines) {
	forwarded := make(chan struct{})
	go func() {
		_, _ = io.Copy(printed, output)
		printed.end()
		close(forwarded)
	}()
	p.end = p.cmd.Wait()
	killGroup(p.cmd) // on Lambda nothing outlives the runtime either
	select {
	case <-forwarded:
	case <-time.After(outputDelay):
	}
	_ = output.Close()
	_ = p.api.Close()
	close(p.exited)
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process and its children, and waits for that. Lambda sends no SIGTERM to a function without extensions
// (https://github.com/aws-samples/graceful-shutdown-with-aws-lambda).
func (p *process) kill() {
	if p.alive() {
		killGroup(p.cmd)
	}
	<-p.exited
}

// run sends an invocation to the process and waits for its answer. It returns an error if the process cannot be used
// again: it has exited, or it has not answered in time.
func (p *process) run(ctx context.Context, in *invocation) (answer, error) {
	select {
	case p.next <- in:
	case err := <-p.initError:
		return answer{}, err
	case <-p.exited:
		select {
		case err := <-p.initError: // it said why, and then exited
			return answer{}, err
		default:
			failed := exitError(in.id, "before it asked for work", p.end)
			failed.notTaken = true
			return answer{}, failed
		}
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	select {
	case a := <-in.answer:
		return a, nil
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-p.exited:
		select {
		case a := <-in.answer: // it answered, and then exited
			return a, nil
		default:
			return answer{}, exitError(in.id, "while it handled an event", p.end)
		}
	}
}

// asks notes that the process asks for work. It returns false if it must not.
func (p *process) asks() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = true
	return !p.failed && (p.current == nil || p.answered)
}

// starting reports whether the process can fail to start, and notes that it has.
func (p *process) starting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.started
	p.started, p.failed = true, p.failed || first
	return first
}

// claim returns the invocation in flight if it has this id. It returns each invocation only once: before is true if it
// has been claimed.
func (p *process) claim(id string) (in *invocation, before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || p.current.id != id {
		return nil, false
	}
	if p.answered {
		return nil, true
	}
	p.answered = true
	return p.current, false
}
