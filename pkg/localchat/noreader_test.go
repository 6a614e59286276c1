package localchat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wschat/pkg/chat"
)

// Clients ask for a long history again and again and read none of the answers. What this process holds for them is
// bounded, for one and for several, and another client is served meanwhile.
func TestAnswersThatNobodyReadsHoldLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, tc := range []struct {
		clients  int
		megabyte uint64 // at most
	}{{1, 400}, {8, 900}} {
		t.Run(fmt.Sprint(tc.clients), func(t *testing.T) {
			s := startQuietly(t)
			for i := range chat.MaxHistory {
				if _, _, err := s.Log.Append(t.Context(),
					chat.Message{Room: "long", User: "ann", Content: strings.Repeat("x", chat.MaxContentBytes),
						CreateAt: int64(i)}); err != nil {
					t.Fatal(err)
				}
			}
			before := heap()
			for range tc.clients {
				askAndNeverRead(t, s.Addr, 1000)
			}
			most := uint64(0)
			for began := time.Now(); time.Since(began) < 6*time.Second; time.Sleep(20 * time.Millisecond) {
				most = max(most, heap())
			}
			held := (most - min(most, before)) >> 20
			t.Logf("%d clients: %d MB at most", tc.clients, held)
			if held > tc.megabyte {
				t.Errorf("%d clients that read nothing held %d MB, more than %d", tc.clients, held, tc.megabyte)
			}
			began := time.Now()
			conn, _, _, err := ws.Dial(t.Context(), "ws://"+s.Addr+"/dev")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(began.Add(20 * time.Second))
			ping := ws.NewTextFrame([]byte(`{"action":"ping","ref":"1"}`))
			if err := ws.WriteFrame(conn, ws.MaskFrame(ping)); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 64)
			if n, err := conn.Read(answer); err != nil || !strings.Contains(string(answer[:n]), "pong") {
				t.Errorf("another client got %q, %v, after %v", answer[:n], err, time.Since(began))
			}
		})
	}
}

// heap is what is allocated, reachable or not, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// startQuietly starts the chat with a file of its own, and no log.
func startQuietly(t *testing.T) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{
		Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

// askAndNeverRead sends so many requests for the last messages of a room, on a connection of its own, and reads no
// answer.
func askAndNeverRead(t *testing.T, addr string, requests int) {
	t.Helper()
	small := ws.Dialer{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = errors.Join(err, tcp.SetReadBuffer(4<<10)) // so that the kernel does not read for it
		}
		return conn, err
	}}
	conn, _, _, err := small.Dial(t.Context(), "ws://"+addr+"/dev")
	if err != nil {
		t.Fatal(err)
	}
	request := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"action":"getRecentMessages","room_name":"long","limit":100}`))))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range requests {
			if _, err := conn.Write(request); err != nil {
				return // the test is over
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
}
