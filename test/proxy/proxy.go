// Package proxy stands between clients and a server, and can go dead or be slow as a network does.
package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
	return start(t, target, func(from io.Reader) io.Reader { return from })
}

// StartSlow starts a proxy that delivers everything later by a delay in each direction, and no faster than a rate.
func StartSlow(t *testing.T, target string, delay time.Duration, bytesPerSecond int) *Proxy {
	t.Helper()
	return start(t, target, func(from io.Reader) io.Reader { return slowed(from, delay, bytesPerSecond) })
}

// slowed passes on what comes from a reader.
func slowed(from io.Reader, delay time.Duration, bytesPerSecond int) io.Reader {
	type chunk struct {
		bytes []byte
		due   time.Time
	}
	const size = 1 << 10 // small, so that the first bytes do not wait for the last
	chunks := make(chan chunk, 4096)
	go func() {
		defer close(chunks)
		var free time.Time // when the line has nothing more to carry
		for {
			buffer := make([]byte, size)
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(n) * time.Second / time.Duration(bytesPerSecond))
			chunks <- chunk{buffer[:n], free.Add(delay)}
		}
	}()
	r, w := io.Pipe()
	go func() {
		defer w.Close()
		for c := range chunks {
			time.Sleep(time.Until(c.due))
			if _, err := w.Write(c.bytes); err != nil {
				for range chunks { // the other side is gone
				}
				return
			}
		}
	}()
	return r
}

func start(t *testing.T, target string, through func(io.Reader) io.Reader) *Proxy {
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
			connections.Go(func() { carry(client, through(client), server, alive) })
			connections.Go(func() { carry(server, through(server), client, alive) })
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
func carry(from net.Conn, read io.Reader, to net.Conn, alive *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := read.Read(buffer)
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
