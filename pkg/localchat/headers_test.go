package localchat

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wschat/pkg/route"
)

// A browser takes no answer for anything else than it says: not those of the chat's routes, and not those of what
// stands in front of them or beside them.
func TestEveryHTTPAnswerIsNoSniff(t *testing.T) {
	s, err := Start(t.Context(), Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.DiscardHandler), Stats: newStats(slog.DiscardHandler), DemoUsers: []string{"ann"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	handshake := "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n"
	answers := map[string]int{ // to a request's line, and more of its headers
		"GET /ping?":                       200,
		"GET /\nIf-None-Match: *":          304,
		"GET /nothing":                     404,
		"GET /index.html":                  404,
		"GET /%2e%2e/secret":               404,
		"POST /":                           404,
		"POST /ping":                       404,
		"OPTIONS /":                        404,
		"OPTIONS *":                        400,
		"GET //ping":                       307,
		"GET /dev":                         426,
		"GET /dev\n" + handshake:           401,
		"GET /other\n" + handshake:         403,
		"GET /dev/@connections/x":          400,
		"POST /dev/@connections/x":         400,
		"DELETE /dev/@connections/x":       400,
		"PUT /dev/@connections/x":          400,
		"GET /stats":                       200,
		"GET /demo-issuer/keys":            200,
		"GET /demo-issuer/nothing":         404,
		"GET /demo-issuer":                 307,
		"GET /dev\nUpgrade: websocket":     426,
		"GET /demo-issuer/../demo-issuer/": 307,
	}
	for _, key := range route.HTTPKeys() {
		answers[key] = 200
	}
	for request, status := range answers {
		line, headers, _ := strings.Cut(request, "\n")
		answer := rawRequest(t, s.Addr, line, headers)
		if answer.StatusCode != status {
			t.Errorf("%q: %d, want %d", request, answer.StatusCode, status)
		}
		if got := answer.Header.Values("X-Content-Type-Options"); len(got) != 1 || got[0] != "nosniff" {
			t.Errorf("%q is answered with X-Content-Type-Options %q", request, got)
		}
		if got := answer.Header.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%q is answered without TLS, and with Strict-Transport-Security %q", request, got)
		}
	}
}

// rawRequest makes a request as it is written, and returns the answer without its body.
func rawRequest(t *testing.T, addr, line, headers string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	more := strings.ReplaceAll(strings.TrimSpace(headers)+"\n", "\n", "\r\n")
	fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", line, addr, strings.TrimPrefix(more, "\r\n"))
	method, _, _ := strings.Cut(line, " ")
	answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer
}

// Monitors and link checkers ask with HEAD.
func TestHeadOfThePage(t *testing.T) {
	h := newHarness(t)
	ask := func(method, path, encoding string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.server.Addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", encoding)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for path, status := range map[string]int{"/": 200, "/client.js": 200, "/ping": 200, "/nothing": 404} {
		encoding := map[bool]string{true: "gzip", false: "identity"}[path == "/client.js"]
		get, head := ask(http.MethodGet, path, encoding), ask(http.MethodHead, path, encoding)
		_ = get.Body.Close()
		body, err := io.ReadAll(head.Body)
		_ = head.Body.Close()
		if err != nil || len(body) > 0 || head.StatusCode != status || get.StatusCode != status {
			t.Errorf("%s: GET is %d, HEAD %d with %d bytes, %v; want %d", path, get.StatusCode, head.StatusCode,
				len(body), err, status)
		}
		if got := get.Header.Get("Content-Encoding"); (got == "gzip") != (encoding == "gzip") {
			t.Errorf("%s: asked for %s, the encoding is %q", path, encoding, got)
		}
		for _, name := range []string{"Content-Type", "Content-Encoding", "Etag", "Content-Security-Policy"} {
			if head.Header.Get(name) != get.Header.Get(name) {
				t.Errorf("%s: %s is %q, of HEAD %q", path, name, get.Header.Get(name), head.Header.Get(name))
			}
		}
	}
}
