package localruntime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
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
	cmd    *exec.Cmd
	api    *http.Server
	next   chan *invocation // taken by the process when it asks for work
	exited chan struct{}
	end    error // why it exited; read it only after exited is closed

	mu      sync.Mutex
	current *invocation
}

// start starts a process. If the process fails during its start, the first invocation gets the error.
func start(c Config) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("localruntime: listen for a process: %w", err)
	}
	p := &process{
		cmd:    exec.Command(c.Bootstrap),
		next:   make(chan *invocation),
		exited: make(chan struct{}),
	}
	p.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME=local",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"_HANDLER=bootstrap",
	}, c.Env...)
	printed := &lines{to: c.Output}
	p.cmd.Stdout, p.cmd.Stderr = printed, printed
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.serveResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.serveError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted) // the process also prints the error, and exits
	})
	p.api = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	if err := p.cmd.Start(); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("localruntime: start %s: %w", c.Bootstrap, err)
	}
	go func() { _ = p.api.Serve(listener) }()
	go func() {
		p.end = p.cmd.Wait()
		printed.end()
		_ = p.api.Close()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

// errNotTaken means that an invocation has not reached the function.
var errNotTaken = errors.New("the event was not handled")

// run sends an invocation to the process and waits for its answer. It returns an error if the process cannot be used
// again: it has exited, or it has not answered in time.
func (p *process) run(ctx context.Context, in *invocation) (answer, error) {
	select {
	case p.next <- in:
	case <-p.exited:
		return answer{}, errors.Join(errNotTaken, p.ended("before it asked for work"))
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
			return answer{}, p.ended("while it handled an event")
		}
	}
}

func (p *process) ended(when string) error {
	reason := "exit status 0"
	if p.end != nil {
		reason = p.end.Error()
	}
	return &FunctionError{Reason: fmt.Sprintf("the process ended %s: %s", when, reason)}
}

// serveNext waits for an invocation and answers with its event.
func (p *process) serveNext(w http.ResponseWriter, r *http.Request) {
	select {
	case in := <-p.next:
		p.mu.Lock()
		p.current = in
		p.mu.Unlock()
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", in.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:local:000000000000:function:local")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(in.payload)
	case <-r.Context().Done():
	}
}

func (p *process) serveResponse(w http.ResponseWriter, r *http.Request) {
	p.take(w, r, func(body []byte) answer { return answer{response: body} })
}

func (p *process) serveError(w http.ResponseWriter, r *http.Request) {
	p.take(w, r, func(body []byte) answer {
		return answer{err: &FunctionError{Payload: body, Reason: "the function failed"}}
	})
}

// maxResponse is Lambda's limit for a response
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxResponse = 6 << 20

// take gives an answer to the invocation in flight.
func (p *process) take(w http.ResponseWriter, r *http.Request, answered func(body []byte) answer) {
	in := p.claim(r.PathValue("id"))
	if in == nil {
		http.Error(w, "no invocation with this id is in flight", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResponse))
	if err != nil {
		_, tooLarge := errors.AsType[*http.MaxBytesError](err)
		status := http.StatusBadRequest
		if tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "the response could not be read", status)
		in.answer <- answer{err: &FunctionError{Reason: fmt.Sprintf("the response could not be read: %v", err)}}
		return
	}
	w.WriteHeader(http.StatusAccepted)
	in.answer <- answered(body)
}

// claim returns the invocation in flight if it has this id. It returns each invocation only once.
func (p *process) claim(id string) *invocation {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.current
	if in == nil || in.id != id {
		return nil
	}
	p.current = nil
	return in
}
