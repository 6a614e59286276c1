// Package proxy stands between clients and a server, and can go dead as a network does.
package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy passes on TCP connections. It can swallow what goes over the connections that it has, in both directions, and
// close none of them: as a network does that is gone.
type Proxy struct {
	Addr string // HOST:PORT, where clients connect

	mu    sync.Mutex
	alive []*atomic.Bool // of each connection: whether what it carries is passed on
	ends  []net.Conn     // of all connections
}

// Start starts a proxy to the server at target, HOST:PORT, until the test ends.
func Start(t *testing.T, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String()}
	var connections sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		p.Close()
		connections.Wait()
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			alive := &atomic.Bool{}
			alive.Store(true)
			p.mu.Lock()
			p.alive, p.ends = append(p.alive, alive), append(p.ends, client, server)
			p.mu.Unlock()
			connections.Go(func() { carry(client, server, alive) })
			connections.Go(func() { carry(server, client, alive) })
		}
	}()
	return p
}

// Close closes all the connections that there are: a program that waits for a close to be answered need not wait
// longer.
func (p *Proxy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range p.ends {
		_ = end.Close()
	}
}

// Swallow cuts off all the connections that there are. New ones work.
func (p *Proxy) Swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, alive := range p.alive {
		alive.Store(false)
	}
}

// carry copies from one side to the other, for as long as the connection is alive; and an end of it, too.
func carry(from, to net.Conn, alive *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if alive.Load() && n > 0 {
			_, _ = to.Write(buffer[:n])
		}
		if err != nil {
			_ = from.Close()
			if alive.Load() {
				_ = to.Close()
			}
			return
		}
	}
}
