package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"wschat/pkg/localchat"
)

// If only some pages may connect, the chat's own may all the same, by every name that this machine has for a
// browser on it.
func TestTheOwnPageMayConnect(t *testing.T) {
	o, err := parse([]string{"-addr", "127.0.0.1:0", "-data", filepath.Join(t.TempDir(), "chat.db"), "-allowed-origins",
		"https://X.example:443/"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := localchat.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		origin, host string
		status       int
	}{
		{"http://127.0.0.1:" + port, "127.0.0.1:" + port, 101},
		{"http://localhost:" + port, "localhost:" + port, 101},
		{"http://[::1]:" + port, "[::1]:" + port, 101},
		{"http://box.lan:9000", "Box.lan:9000", 101}, // another port of another machine leads here
		{"https://x.example", "127.0.0.1:" + port, 101},
		{"", "127.0.0.1:" + port, 101},
		{"https://X.example:443", "127.0.0.1:" + port, 403}, // no browser sends it
		{"http://localhost:3000", "localhost:" + port, 403}, // another program of this machine
		{"https://evil.example", "127.0.0.1:" + port, 403},
		{"null", "127.0.0.1:" + port, 403},
	} {
		header := http.Header{}
		if tc.origin != "" {
			header.Set("Origin", tc.origin)
		}
		c, answer, err := websocket.Dial(t.Context(), "ws://"+s.Addr+"/dev", &websocket.DialOptions{HTTPHeader: header,
			Host: tc.host})
		if answer == nil || answer.StatusCode != tc.status {
			t.Errorf("%s, to %s: %v, %v; want %d", tc.origin, tc.host, answer, err, tc.status)
		}
		if c != nil {
			_ = c.CloseNow()
		}
	}
}

// What is printed can be opened: it is an address of this machine, with the host that was asked for if there was one.
func TestThePrintedAddressCanBeOpened(t *testing.T) {
	for asked, host := range map[string]string{
		":0": "127.0.0.1", "0.0.0.0:0": "127.0.0.1", "127.0.0.1:0": "127.0.0.1", "localhost:0": "localhost",
		"[::]:0": "[::1]", "[::1]:0": "[::1]", "[0:0:0:0:0:0:0:0]:0": "[::1]",
	} {
		t.Run(asked, func(t *testing.T) {
			if listener, err := net.Listen("tcp", asked); err != nil {
				t.Skip(err) // a machine without IPv6
			} else {
				_ = listener.Close()
			}
			ctx, stop := context.WithCancel(t.Context())
			printed, w := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				ended <- run(ctx, []string{"-addr", asked, "-data", filepath.Join(t.TempDir(), "chat.db"),
					"-demo-users", "ann"}, w, io.Discard)
				_ = w.Close()
			}()
			lines := bufio.NewScanner(printed)
			var said []string
			for len(said) < 2 && lines.Scan() {
				said = append(said, lines.Text())
			}
			if len(said) < 2 {
				t.Fatalf("it says %q and ends: %v", said, <-ended)
			}
			go func() { _, _ = io.Copy(io.Discard, printed) }()
			match := regexp.MustCompile(`^The chat is at (http://(.*):[0-9]+/) and takes WebSocket clients at ` +
				`(ws://.*)/dev$`).FindStringSubmatch(said[0])
			if match == nil || match[2] != host || "http"+strings.TrimPrefix(match[3], "ws")+"/" != match[1] ||
				!strings.HasPrefix(said[1], "ann: "+match[1]+"#token=") {
				t.Fatalf("it says %q", said)
			}
			answer, err := http.Get(match[1])
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			// The provider is reached at the address that is in its tokens.
			token := strings.TrimPrefix(said[1], "ann: "+match[1]+"#token=")
			c, _, err := websocket.Dial(t.Context(), match[3]+"/dev",
				&websocket.DialOptions{Subprotocols: []string{"chat", token}})
			if err != nil {
				t.Error(err)
			} else {
				_ = c.CloseNow()
			}
			stop()
			if err := <-ended; err != nil || answer.StatusCode != 200 {
				t.Errorf("the page is %d; the end is %v", answer.StatusCode, err)
			}
		})
	}
}
