package localstore

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// guard ends the use of a data file that has changed under the process. bbolt reads the file where it is mapped into
// memory: reading what was cut off is a fault there, and damage makes bbolt panic, in both cases perhaps with locks
// held that nobody gives back. So after the first trouble no call waits for bbolt any longer.
type guard struct {
	path   string
	logger *slog.Logger
	once   sync.Once
	failed chan struct{} // closed at the first trouble
	cause  error         // set before failed is closed
}

func newGuard(path string, logger *slog.Logger) *guard {
	return &guard{path: path, logger: logger, failed: make(chan struct{})}
}

// fail gives the file up and says so in the log, once.
func (g *guard) fail(cause error) {
	g.once.Do(func() {
		g.cause = fmt.Errorf("the data file %s cannot be used until the chat is started again: %w", g.path, cause)
		close(g.failed)
		g.logger.Error("the data file cannot be used any longer, and nothing is stored until the chat is started "+
			"again: "+
			"stop the chat, put the right file in place or move a damaged one away, and start it",
			slog.String("file", g.path), slog.String("error", cause.Error()))
	})
}

// isFailed reports whether the file was given up.
func (g *guard) isFailed() bool {
	select {
	case <-g.failed:
		return true
	default:
		return false
	}
}

// guarded calls f in a goroutine of its own and returns what it returns, or an error once the file is given up, whether
// f has ended by then or not. A panic in f and a fault in mapped memory give it up.
func guarded[T any](g *guard, f func() (T, error)) (none T, err error) {
	if g.isFailed() {
		return none, g.cause
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := recovered(f)
		if _, ok := errors.AsType[*panicError](err); ok {
			g.fail(err)
		}
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-g.failed:
		return none, g.cause
	}
}

// panicError is a panic as an error.
type panicError struct{ cause any }

// Error is the panic's value.
func (e *panicError) Error() string { return fmt.Sprint(e.cause) }

// recovered calls f, and returns a panic or a fault in mapped memory as a panicError.
func recovered[T any](f func() (T, error)) (value T, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return f()
}
