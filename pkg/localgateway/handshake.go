package localgateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// serveHandshake runs $connect and only then answers the handshake: with what $connect refuses it, or with the upgrade.
func (g *Gateway) serveHandshake(w http.ResponseWriter, r *http.Request) {
	if problem := checkHandshake(r); problem != "" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		w.Header().Set("Upgrade", "websocket")
		writeJSON(w, http.StatusUpgradeRequired, map[string]string{"message": problem})
		return
	}
	if !g.begin() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
		return
	}
	c := &connection{
		id:          newID(),
		domainName:  r.Host,
		identity:    identity{SourceIP: sourceIP(r), UserAgent: r.UserAgent()},
		connectedAt: time.Now(),

		closeWritten: make(chan struct{}),
	}
	c.touch()
	stream, ok := g.connect(c, w, r)
	if !ok {
		g.work.Done()
		return
	}
	go func() { // not this goroutine, which holds the request's memory for as long as it runs
		defer g.work.Done()
		code, reason := closeAbnormal, reasonAbnormal
		if stream != nil {
			code, reason = g.converse(c, stream)
		}
		g.remove(c)
		c.abandon()
		if g.routes[routeDisconnect] {
			_, _ = g.invoke(g.disconnectEvent(c, code, reason))
		}
	}()
}

// connect runs $connect and upgrades. It returns the stream of the client's frames; nil where the client left before it
// was answered, but after $connect had succeeded, so that $disconnect is due; false where there is no connection.
func (g *Gateway) connect(c *connection, w http.ResponseWriter, r *http.Request) (io.Reader, bool) {
	protocol := ""
	if g.routes[routeConnect] {
		answer, err := g.invoke(g.connectEvent(c, r))
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			writeJSON(w, http.StatusGatewayTimeout, map[string]string{"message": "Endpoint request timed out"})
			return nil, false
		case err != nil:
			writeJSON(w, http.StatusBadGateway, map[string]string{"message": "Internal server error"})
			return nil, false
		case answer.StatusCode < 200 || answer.StatusCode > 299:
			answer.write(w)
			return nil, false
		}
		for name, value := range answer.Headers {
			if strings.EqualFold(name, "Sec-WebSocket-Protocol") {
				protocol = value
			}
		}
	}
	// From here on posts are taken, and wait for the handshake to be written: the client that sees it is connected.
	if !g.add(c) {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
		return nil, true
	}
	upgrader := ws.HTTPUpgrader{Timeout: 10 * time.Second}
	if protocol != "" {
		upgrader.Header = http.Header{"Sec-WebSocket-Protocol": {protocol}}
	}
	conn, rw, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		if conn != nil {
			_ = conn.Close()
		}
		return nil, true
	}
	var stream io.Reader = conn
	if n := rw.Reader.Buffered(); n > 0 { // the client did not wait for the answer
		early, _ := rw.Reader.Peek(n)
		stream = io.MultiReader(strings.NewReader(string(early)), conn)
	}
	c.start(conn)
	return stream, true
}

// checkHandshake says what a request lacks to be a WebSocket handshake, or "".
func checkHandshake(r *http.Request) string {
	switch {
	case r.Method != http.MethodGet || !isUpgrade(r) || !hasToken(r.Header.Get("Connection"), "upgrade"):
		return "This is a WebSocket API: connect to it with a WebSocket client."
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "The WebSocket version must be 13."
	case len(r.Header.Get("Sec-WebSocket-Key")) != 24:
		return "The handshake has no valid Sec-WebSocket-Key."
	}
	return ""
}
