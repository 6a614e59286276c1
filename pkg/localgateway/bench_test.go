package localgateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// servers are what the benchmarks compare: a gateway whose handler posts every message back, and a loop that echoes
// frames with the library that the gateway is made with. Each returns its address.
var servers = []struct {
	name  string
	serve func(b *testing.B) string
}{{"gateway", echoGateway}, {"bare", bareEcho}}

func echoGateway(b *testing.B) string {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	base := ""
	gw, err := localgateway.New(localgateway.Config{Handler: handlerFunc(func(_ context.Context,
		payload []byte) ([]byte, error) {
		var e struct {
			RequestContext struct{ EventType, ConnectionID string }
			Body           string
		}
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, err
		}
		if e.RequestContext.EventType == "MESSAGE" {
			answer, err := client.Post(base+e.RequestContext.ConnectionID, "", strings.NewReader(e.Body))
			if err != nil {
				return nil, err
			}
			_ = answer.Body.Close()
		}
		return []byte(`{"statusCode":200}`), nil
	})})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	base = srv.URL + "/dev/@connections/"
	b.Cleanup(func() {
		if err := gw.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
		client.CloseIdleConnections()
		srv.Close()
	})
	return srv.Listener.Addr().String()
}

func bareEcho(b *testing.B) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := ws.Upgrade(conn); err != nil {
					return
				}
				for {
					header, payload, err := readFrame(conn)
					if err != nil || header.OpCode == ws.OpClose {
						return
					}
					if err := ws.WriteFrame(conn, ws.NewTextFrame(payload)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func dialBench(b *testing.B, addr string) net.Conn {
	conn, _, _, err := ws.Dial(context.Background(), "ws://"+addr+"/dev")
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// BenchmarkRoundTrip is the time for a message of 100 bytes to the server and back, on one connection, and a
// message's share of the time where 1,000 connections send at once. The gateway's includes an invocation and an HTTP
// call of @connections.
func BenchmarkRoundTrip(b *testing.B) {
	message := bytes.Repeat([]byte("x"), 100)
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(message)))
	for _, connections := range []int{1, 1000} {
		for _, server := range servers {
			b.Run(strconv.Itoa(connections)+"/"+server.name, func(b *testing.B) {
				addr := server.serve(b)
				clients := make([]net.Conn, connections)
				for i := range clients {
					clients[i] = dialBench(b, addr)
					defer clients[i].Close()
				}
				b.ResetTimer()
				var wg sync.WaitGroup
				for i, conn := range clients {
					trips := (b.N + i) / connections // b.N in all
					wg.Go(func() {
						answer := make([]byte, 2+len(message))
						for range trips {
							if _, err := conn.Write(frame); err != nil {
								b.Error(err)
								return
							}
							if _, err := io.ReadFull(conn, answer); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkConnect is the time for a handshake, with $connect and $disconnect where they are.
func BenchmarkConnect(b *testing.B) {
	for _, server := range servers {
		b.Run(server.name, func(b *testing.B) {
			addr := server.serve(b)
			b.ResetTimer()
			for range b.N {
				conn := dialBench(b, addr)
				_ = conn.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "connects/s")
		})
	}
}
