package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"wschat/pkg/localruntime"
)

// function is a handler whose processes can be replaced while it is invoked.
type function struct {
	spec    *spec
	env     []string
	region  string
	scratch string // a folder for what is built
	console *console

	mu      sync.Mutex
	current *generation
	old     map[*generation]bool // those that still have invocations in flight
	closed  bool
}

// generation is the processes of one build.
type generation struct {
	pool  *localruntime.Pool
	built string // the folder of what was built; "" for none
	users int    // invocations in flight
}

// renew builds the function and starts to use what was built. If that fails, what was there before stays.
func (f *function) renew(ctx context.Context) error {
	c, err := f.spec.target.config(ctx, f.scratch)
	if err != nil {
		return err
	}
	next := &generation{}
	if f.spec.target.kind == "go" {
		next.built = filepath.Dir(c.Bootstrap)
	}
	c.Env, c.Name, c.Region, c.Output = f.env, f.spec.name, f.region, f.console.of(f.spec.name)
	c.MemoryMB, c.Timeout = f.spec.memoryMB, f.spec.timeout
	if f.spec.handler != "" && c.Handler == "" {
		c.Handler = f.spec.handler
	}
	if next.pool, err = localruntime.New(c); err != nil {
		return err
	}
	if unused := f.use(next); unused != nil {
		unused.close()
	}
	return nil
}

// use makes a generation the current one. It returns the generation that is to be closed now, or nil: the previous one
// is closed when its last invocation has ended.
func (f *function) use(next *generation) (unused *generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed { // while it was built
		return next
	}
	previous := f.current
	f.current = next
	if previous == nil || previous.users == 0 {
		return previous
	}
	if f.old == nil {
		f.old = map[*generation]bool{}
	}
	f.old[previous] = true
	return nil
}

// Invoke hands an event to a process of the last build.
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	f.mu.Lock()
	g := f.current
	g.users++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		g.users--
		last := f.old[g] && g.users == 0
		if last {
			delete(f.old, g)
		}
		f.mu.Unlock()
		if last {
			g.close()
		}
	}()
	return g.pool.Invoke(ctx, payload)
}

// close ends the processes, also those of earlier builds. Invocations in flight fail.
func (f *function) close() {
	f.mu.Lock()
	f.closed = true
	all := slices.Collect(maps.Keys(f.old))
	if f.current != nil {
		all = append(all, f.current)
	}
	f.old = nil
	f.mu.Unlock()
	for _, g := range all {
		g.close()
	}
}

func (g *generation) close() {
	g.pool.Close()
	if g.built != "" {
		_ = os.RemoveAll(g.built)
	}
}
