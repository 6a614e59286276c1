package conformance

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serveRaw serves connections with a function, which gets the key of the handshake. It returns the URL.
func serveRaw(t *testing.T, serve func(conn net.Conn, key string)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				serve(conn, request.Header.Get("Sec-WebSocket-Key"))
			}
			_ = conn.Close()
		}
	}()
	return "ws://" + listener.Addr().String() + "/dev"
}

// upgrade is the answer to a handshake.
func upgrade(key string) string {
	hash := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(hash[:]) + "\r\n\r\n"
}

// A server that is not one at all fails a behaviour with a reason. It does not hang or crash the suite.
func TestBrokenServers(t *testing.T) {
	for says, serve := range map[string]func(conn net.Conn, key string){
		"read the answer to the handshake: unexpected EOF": func(net.Conn, string) {},
		"read the answer to the handshake: malformed HTTP": func(c net.Conn, _ string) {
			_, _ = io.WriteString(c, "hello\r\n\r\n")
		},
		"i/o timeout":             func(c net.Conn, _ string) { _, _ = io.Copy(io.Discard, c) },
		"Sec-WebSocket-Accept is": func(c net.Conn, _ string) { _, _ = io.WriteString(c, upgrade("another key")) },
		"a frame that a server must not send: {Fin:true Rsv:0 OpCode:1 Masked:true": func(c net.Conn, key string) {
			_, _ = io.WriteString(c, upgrade(key)+"\x81\x81\x00\x00\x00\x00x")
		},
		"Length:1099511627776}": func(c net.Conn, key string) {
			_, _ = io.WriteString(c, upgrade(key)+"\x81\x7f\x00\x00\x01\x00\x00\x00\x00\x00x")
		},
		`binary "x" of 1 bytes came to ann, want text`: func(c net.Conn, key string) {
			_, _ = io.WriteString(c, upgrade(key)+"\x82\x01x")
		},
		"nothing came to ann, want text": func(c net.Conn, key string) {
			_, _ = io.WriteString(c, upgrade(key)+"\x89\x01x")
			_, _ = io.Copy(io.Discard, c)
		},
		`a close frame with 1005 "" came to ann`: func(c net.Conn, key string) {
			_, _ = io.WriteString(c, upgrade(key)+"\x88\x00")
		},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			s := Suite{
				Deployments: map[string]Deployment{"open": {}},
				Behaviours: []Behaviour{{Given: given{Deployment: "open", Connected: []string{"ann"}},
					Then: []json.RawMessage{[]byte(`{"frame": "ann"}`)}}},
			}
			target := Target{URLs: map[string]string{"open": serveRaw(t, serve)}, Patience: 300 * time.Millisecond}
			got := s.Run(t.Context(), target)[0]
			if got.Outcome != Failed || !strings.Contains(got.Reason, says) {
				t.Errorf("got %s: %s", got.Outcome, got.Reason)
			}
		})
	}
}

// A file that names what is not there fails, and says what.
func TestMistakesThatShowWhileItRuns(t *testing.T) {
	url := serveRaw(t, func(c net.Conn, key string) {
		_, _ = io.WriteString(c, upgrade(key)+"\x81\x01x")
		_, _ = io.Copy(io.Discard, c)
	})
	for says, then := range map[string]string{
		"there is no client bob":            `{"frame": "bob"}`,
		"nothing has asked for the answer":  `{"answer": "bob", "status": 1}`,
		"there is no ${bob.id}":             `{"frame": "ann", "text": "${bob.id}"}`,
		"then 1: the message: it is \"x\"":  `{"frame": "ann", "text": "y"}`,
		"the message has frames of [1] byt": `{"frame": "ann", "sizes": [2]}`,
		"and no event":                      `{"event": "ann"}`,
		"want close":                        `{"closed": "ann", "code": 1000}`,
	} {
		s := Suite{Deployments: map[string]Deployment{"open": {}}, Behaviours: []Behaviour{{
			Given: given{Deployment: "open", Connected: []string{"ann"}}, Then: []json.RawMessage{[]byte(then)}}}}
		got := s.Run(t.Context(), Target{URLs: map[string]string{"open": url}, Patience: 5 * time.Second})[0]
		if got.Outcome != Failed || !strings.Contains(got.Reason, says) {
			t.Errorf("%s: got %s: %s, want %q", then, got.Outcome, got.Reason, says)
		}
	}
}

// A server that does not read does not hold the suite up.
func TestAServerThatDoesNotRead(t *testing.T) {
	here, there := net.Pipe() // without a buffer
	defer there.Close()
	defer here.Close()
	(&client{conn: here, patience: 10 * time.Millisecond}).writeBytes([]byte("x"))
}
