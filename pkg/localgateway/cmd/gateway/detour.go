package main

import (
	_ "embed"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// detour leads a function's requests to https://API.execute-api.REGION.amazonaws.com to this gateway. Go and Python
// follow HTTPS_PROXY. Node.js does not, and its SDK does not follow NODE_USE_ENV_PROXY either
// (https://github.com/go-to-k/cdkd/issues/2388), so a file that Node.js loads first does it there.
type detour struct {
	domain  string // the end of the names that are led here, as .execute-api.us-east-1.amazonaws.com
	gateway string // host and port
}

// ServeHTTP is a proxy for TLS connections: those to the domain go to the gateway, and others where they want to.
func (d detour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "This is a proxy for https:// alone.", http.StatusMethodNotAllowed)
		return
	}
	to := r.Host
	if host, _, err := net.SplitHostPort(r.Host); err == nil && strings.HasSuffix(host, d.domain) {
		to = d.gateway
	}
	there, err := net.DialTimeout("tcp", to, 10*time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer here.Close()
	// net/http would add Transfer-Encoding, which this answer must not have (RFC 9110, section 9.3.6).
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	transfer := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from)
		done <- struct{}{}
	}
	go transfer(there, buffered)
	go transfer(here, there)
	<-done // the other ends when both are closed
}

// redirect is what Node.js loads before a function.
//
//go:embed redirect.cjs
var redirect []byte

// preload writes the file that Node.js loads first, and returns its path as NODE_OPTIONS takes it: in quotes, as it
// may have spaces (https://nodejs.org/api/cli.html#node_optionsoptions), and with slashes, because a backslash would
// escape what follows (https://github.com/nodejs/node/pull/24065).
func (d detour) preload(dir string) (string, error) {
	host, port, err := net.SplitHostPort(d.gateway)
	if err != nil {
		return "", err
	}
	where, err := json.Marshal(map[string]string{"domain": d.domain, "host": host, "port": port})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "redirect.json"), where, 0o600); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "redirect.cjs")
	return `"` + filepath.ToSlash(path) + `"`, os.WriteFile(path, redirect, 0o600)
}
