// Package parallel runs functions in goroutines, and hands their panics to the caller.
//
// It is written by hand because of the panics: a panic in a goroutine that nobody recovers ends the process, and with
// it every other invocation that Lambda would have sent there.
package parallel

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// ErrPanicked is wrapped by the error of a function that panicked.
var ErrPanicked = errors.New("panic")

// Safely calls f. A panic in f becomes an error that wraps ErrPanicked and has the stack.
func Safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrPanicked, p, debug.Stack())
		}
	}()
	return f()
}

// Go calls f in a goroutine. The channel gets f's error, once. A panic is an error, as in Safely.
func Go(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- Safely(f) }()
	return done
}

// ForEach calls f(0) … f(n-1), at most workers of them at a time, and returns when all calls have returned. If a call
// panics, ForEach panics with that error after the others have returned.
func ForEach(workers, n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var panicked atomic.Value
	for range min(workers, n) {
		wg.Go(func() {
			err := Safely(func() error {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					f(i)
				}
				return nil
			})
			if err != nil {
				panicked.Store(err)
			}
		})
	}
	wg.Wait()
	if p := panicked.Load(); p != nil {
		panic(p)
	}
}
