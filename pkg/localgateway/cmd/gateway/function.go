package main

import (
	"context"
	"os"
	"path/filepath"
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
	closed  bool
}

// generation is the processes of one build.
type generation struct {
	pool  *localruntime.Pool
	built string // the folder of what was built; "" for none
	users int    // invocations in flight
	old   bool   // it is closed when it has no users
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
	f.mu.Lock()
	previous := f.current
	f.current = next
	if f.closed { // while it was built
		previous = next
	}
	if previous != nil {
		previous.old = true
	}
	idle := previous != nil && previous.users == 0
	f.mu.Unlock()
	if idle {
		previous.close()
	}
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
		last := g.old && g.users == 0
		f.mu.Unlock()
		if last {
			g.close()
		}
	}()
	return g.pool.Invoke(ctx, payload)
}

// close ends the processes. Invocations in flight fail.
func (f *function) close() {
	f.mu.Lock()
	f.closed = true
	g := f.current
	f.mu.Unlock()
	if g != nil {
		g.close()
	}
}

func (g *generation) close() {
	g.pool.Close()
	if g.built != "" {
		_ = os.RemoveAll(g.built)
	}
}
