package localgateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// hostile clients keep the gateway busy until they are stopped, and say when they have done the worst that they will
// do.
var hostile = []struct {
	name string
	do   func(t *testing.T, addr string, worst func(), stop <-chan struct{})
}{
	{"headers a byte at a time", func(t *testing.T, addr string, worst func(), stop <-chan struct{}) {
		worst()
		conn := tcp(t, addr)
		drip(conn, "GET /dev HTTP/1.1\r\nHost: "+addr+"\r\nX-Long: "+strings.Repeat("x", 10_000), stop)
	}},
	{"a frame that never ends", func(t *testing.T, addr string, worst func(), stop <-chan struct{}) {
		worst()
		conn, _ := handshake(t, addr, "/dev")
		_, _ = conn.Write([]byte{0x81, 0xfe, 0x80, 0x00, 0, 0, 0, 0}) // text of 32 KB
		drip(conn, strings.Repeat("x", 32<<10-1), stop)
	}},
	{"a message that never ends", func(t *testing.T, addr string, worst func(), stop <-chan struct{}) {
		worst()
		conn, _ := handshake(t, addr, "/dev")
		first := ws.MaskFrame(ws.NewFrame(ws.OpText, false, nil))
		next := ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, false, nil)))
		_ = ws.WriteFrame(conn, first)
		for !stopped(stop) {
			if _, err := conn.Write(next); err != nil {
				return
			}
		}
	}},
	{"100,000 pings", func(t *testing.T, addr string, worst func(), stop <-chan struct{}) {
		conn, _ := handshake(t, addr, "/dev") // and no pong is read
		ping := ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame(make([]byte, 125))))
		batch := slices.Repeat(ping, 1000)
		_ = conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
		for range 100 {
			if _, err := conn.Write(batch); err != nil {
				t.Errorf("the pings are not taken: %v", err)
				break
			}
		}
		worst()
		<-stop
	}},
	{"a huge URL", func(t *testing.T, addr string, worst func(), stop <-chan struct{}) {
		worst()
		for !stopped(stop) {
			conn, answer := handshake(t, addr, "/dev?x="+strings.Repeat("x", 5000))
			if answer.StatusCode != 414 {
				t.Errorf("a URL over 4,096 characters got %d, want 414", answer.StatusCode)
			}
			_ = conn.Close()
			time.Sleep(time.Millisecond)
		}
	}},
	{"a client that does not read", func(t *testing.T, addr string, worst func(), stop <-chan struct{}) {
		worst()
		conn, _ := handshake(t, addr, "/dev")
		// is answered with 32 KB
		unknown := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"action":"copy"}`))))
		for !stopped(stop) {
			if _, err := conn.Write(unknown); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}},
	{"handshakes that are given up", func(t *testing.T, addr string, worst func(), stop <-chan struct{}) {
		worst()
		for !stopped(stop) {
			conn := tcp(t, addr)
			_, _ = io.WriteString(conn, upgrade)
			_ = conn.Close()
			time.Sleep(time.Millisecond)
		}
	}},
}

// upgrade is a handshake, byte by byte.
const upgrade = "GET /dev HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " +
	"websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func tcp(t *testing.T, addr string) net.Conn {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// drip writes a byte every millisecond.
func drip(conn net.Conn, text string, stop <-chan struct{}) {
	for i := 0; i < len(text) && !stopped(stop); i++ {
		if _, err := conn.Write([]byte(text[i : i+1])); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	<-stop
}

// Whatever some clients do, posts to others arrive, and the gateway's memory does not grow. How long the posts take is
// printed with -v.
func TestHostileClientsCostOthersNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	config := allRoutes
	config.Routes = append(slices.Clone(config.Routes), "copy")
	friends := make(chan string, 1)
	copies := make(chan string, 10_000) // connections that are posted 32 KB, as by a handler
	gw, err := localgateway.New(func() localgateway.Config {
		config.Handler = handlerFunc(func(_ context.Context, payload []byte) ([]byte, error) {
			var e struct {
				RequestContext        struct{ EventType, RouteKey, ConnectionID string }
				QueryStringParameters map[string]string
			}
			if err := json.Unmarshal(payload, &e); err != nil {
				return nil, err
			}
			switch {
			case e.QueryStringParameters["friend"] != "":
				friends <- e.RequestContext.ConnectionID
			case e.RequestContext.RouteKey == "copy":
				select {
				case copies <- e.RequestContext.ConnectionID:
				default:
				}
			}
			return []byte(`{"statusCode":200}`), nil
		})
		return config
	}())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	addr := srv.Listener.Addr().String()
	var copying sync.WaitGroup
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := gw.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		close(copies)
		copying.Wait()
		srv.Close()
	})
	copying.Go(func() {
		for id := range copies {
			answer, err := http.Post("http://"+addr+"/dev/@connections/"+id, "",
				strings.NewReader(strings.Repeat("x", 32<<10)))
			if err != nil {
				t.Error(err)
				continue
			}
			_ = answer.Body.Close()
		}
	})

	const people, posts = 10, 100
	type friend struct {
		conn net.Conn
		post string
	}
	var all []friend
	for range people {
		conn, _ := handshake(t, addr, "/dev?friend=1")
		all = append(all, friend{conn, "http://" + addr + "/dev/@connections/" + <-friends})
	}
	measure := func() (took []time.Duration) {
		for i := range posts {
			to := all[i%people]
			began := time.Now()
			if status, _, _ := call(t, "POST", to.post, "hello"); status != 200 {
				t.Fatalf("post %d: %d", i, status)
			}
			_ = to.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, payload, err := readFrame(to.conn); err != nil || string(payload) != "hello" {
				t.Fatalf("post %d did not arrive within 5 s: %v", i, err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took
	}
	quiet := measure()
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			before := heap()
			stop := make(chan struct{})
			var wg, busy sync.WaitGroup
			for range 4 {
				busy.Add(1)
				wg.Go(func() { h.do(t, addr, sync.OnceFunc(busy.Done), stop) })
			}
			time.Sleep(200 * time.Millisecond)
			meanwhile := measure()
			busy.Wait()
			grown := int64(heap()) - int64(before)
			close(stop)
			wg.Wait()
			t.Logf("posts to others took p50 %v, p99 %v; before p50 %v, p99 %v; the heap grew by %d KB",
				meanwhile[posts/2], meanwhile[posts*99/100], quiet[posts/2], quiet[posts*99/100], grown>>10)
			if grown > 16<<20 {
				t.Errorf("the heap grew by %d MB", grown>>20)
			}
		})
	}
}

// heap is the memory in use, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
