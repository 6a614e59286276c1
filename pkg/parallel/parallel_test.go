package parallel

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestForEachCallsEachOnceWithItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, n = 3, 20
		var calls [n]atomic.Int64
		var running, most atomic.Int64
		var mu sync.Mutex
		ForEach(workers, n, func(i int) {
			calls[i].Add(1)
			mu.Lock()
			most.Store(max(most.Load(), running.Add(1)))
			mu.Unlock()
			time.Sleep(time.Millisecond)
			running.Add(-1)
		})
		for i := range calls {
			if got := calls[i].Load(); got != 1 {
				t.Errorf("f(%d) was called %d times, want once", i, got)
			}
		}
		if most.Load() != workers {
			t.Errorf("%d calls ran at a time, want %d", most.Load(), workers)
		}
	})
}

func TestForEachPanicsForTheCaller(t *testing.T) {
	var calls atomic.Int64
	defer func() {
		err, ok := recover().(error)
		if !ok || !errors.Is(err, ErrPanicked) || !strings.Contains(err.Error(), "no third") {
			t.Errorf("the caller got %v, want the panic of the third call", err)
		}
		if calls.Load() < 4 {
			t.Errorf("%d calls were made, want those of the other worker too", calls.Load())
		}
	}()
	ForEach(2, 10, func(i int) {
		calls.Add(1)
		if i == 2 {
			panic("no third")
		}
	})
	t.Error("ForEach returned, want a panic")
}

func TestGoHandsOverErrorsAndPanics(t *testing.T) {
	failure := errors.New("failure")
	if err := <-Go(func() error { return failure }); err != failure {
		t.Errorf("got %v, want f's error", err)
	}
	if err := <-Go(func() error { panic("here") }); !errors.Is(err, ErrPanicked) ||
		!strings.Contains(err.Error(), "here") {
		t.Errorf("got %v, want the panic as an error", err)
	}
}
