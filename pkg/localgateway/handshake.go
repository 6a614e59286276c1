package localgateway

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// maxURLLength is how many characters the URL of a handshake may have
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
// AWS does not document the answer to a longer one. Here it is the answer of a REST API.
const maxURLLength = 4096

// serveHandshake runs the authorizer and $connect, and only then answers the handshake: with their refusal, or with the
// upgrade.
func (g *Gateway) serveHandshake(w http.ResponseWriter, r *http.Request) {
	if len("wss://"+r.Host+r.URL.RequestURI()) > maxURLLength {
		writeJSON(w, http.StatusRequestURITooLong, map[string]string{"message": "Request URI too long"})
		return
	}
	// Several header lines make one list. The upgrade would read only the first.
	if len(r.Header.Values("Connection")) > 1 {
		r.Header.Set("Connection", strings.Join(r.Header.Values("Connection"), ", "))
	}
	if problem := needsUpgrade(r); problem != "" {
		requireUpgrade(w, problem)
		return
	}
	if problem := checkHandshake(r); problem != "" {
		w.Header().Set("Connection", "close") // what follows may be frames, and not a body
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": problem})
		return
	}
	if !g.begin() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
		return
	}
	c := &connection{
		id:          newID(),
		number:      g.number(),
		domainName:  g.domainName(r),
		client:      client{SourceIP: sourceIP(r), UserAgent: r.UserAgent()},
		connectedAt: g.clock.Now(),
		clock:       g.clock,
		unread:      &g.unread,

		closeWritten: make(chan struct{}),
	}
	c.touch()
	connected := false
	defer func() { // also if connect panics
		if !connected {
			g.faults.Load().forget(c)
			g.work.Done()
		}
	}()
	stream, ok := g.connect(c, w, r)
	if !ok {
		return
	}
	connected = true
	go func() { // a new goroutine, because this one keeps the request's memory while it runs
		defer g.work.Done()
		code, reason := closeAbnormal, reasonAbnormal
		if stream != nil {
			code, reason = g.converse(c, stream)
		}
		g.remove(c)
		c.abandon()
		_, lost := g.faults.Load().strikes(LoseDisconnect, c, routeDisconnect)
		if !lost && g.routes[routeDisconnect] != nil {
			_, _ = g.invoke(g.handler(c, routeDisconnect), routeDisconnect, g.disconnectEvent(c, code, reason),
				webSocketAPI)
		}
		g.faults.Load().forget(c)
	}()
}

// connect asks the authorizer, runs $connect and upgrades. It returns the stream of the client's frames. The stream is
// nil if $connect succeeded and the client left before the answer: then $disconnect must still run. It returns false if
// there is no connection.
func (g *Gateway) connect(c *connection, w http.ResponseWriter, r *http.Request) (io.Reader, bool) {
	refuse := func(why refusal) {
		if why.name != "" {
			w.Header().Set("x-amzn-ErrorType", why.name)
		}
		writeJSON(w, why.status, notice{why.message, c.id, newID()})
	}
	if !g.quotas.connections.take() || !g.routes[routeConnect].take() {
		refuse(tooMany)
		return nil, false
	}
	if why := g.authorize(c, r); why != nil {
		refuse(*why)
		return nil, false
	}
	protocol := ""
	if g.routes[routeConnect] != nil {
		answer, err := g.invoke(g.handler(c, routeConnect), routeConnect, g.connectEvent(c, r), webSocketAPI)
		switch {
		case errors.Is(err, errTimedOut):
			refuse(timedOut)
			return nil, false
		case err != nil:
			refuse(badIntegration)
			return nil, false
		case answer.StatusCode < 200 || answer.StatusCode > 299:
			answer.write(w)
			return nil, false
		}
		protocol = answer.header().Get("Sec-WebSocket-Protocol")
	}
	// From here on posts are accepted, and wait until the handshake is written. Otherwise a post right after the client
	// sees its handshake could get 410.
	if !g.add(c) {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
		return nil, true
	}
	c.watch() // before a test can see that the client is connected
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
	if n := rw.Reader.Buffered(); n > 0 { // the client sent frames before it got the answer
		early, _ := rw.Reader.Peek(n)
		stream = io.MultiReader(strings.NewReader(string(early)), conn)
	}
	c.start(conn)
	return stream, true
}

// needsUpgrade says why a request does not ask for a WebSocket of version 13. It returns "" if it does.
func needsUpgrade(r *http.Request) string {
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor == 0:
		return "The handshake must be one of HTTP/1.1."
	case r.Method != http.MethodGet || !isUpgrade(r) || !hasToken(r.Header.Get("Connection"), "upgrade"):
		return notWebSocket
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "The WebSocket version must be 13."
	}
	return ""
}

const notWebSocket = "This is a WebSocket API: connect to it with a WebSocket client."

// requireUpgrade answers a request that is no handshake with 426, as AWS answers an HTTP GET of a WebSocket API:
// serverless-offline's tests, which also run against AWS, expect it, below the stage too
// (tests/manual/websocket/main/test/e2e/ws.e2e.js). An answer with 426 must have Upgrade (RFC 9110, section 15.5.22),
// and one to another version of the protocol must name the right one (RFC 6455, section 4.2.2).
func requireUpgrade(w http.ResponseWriter, problem string) {
	w.Header().Set("Sec-WebSocket-Version", "13")
	w.Header().Set("Upgrade", "websocket")
	writeJSON(w, http.StatusUpgradeRequired, map[string]string{"message": problem})
}

// checkHandshake says what is wrong with a handshake. It returns "" if nothing is. No source says how API Gateway
// answers these. 400 is what RFC 6455 suggests (section 4.2.1). There must be one key (section 11.3.1), and it must be
// 16 bytes in base64 (section 4.2.1). A body is refused because its bytes would be read as frames.
func checkHandshake(r *http.Request) string {
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return "The handshake must have one Sec-WebSocket-Key."
	}
	if key, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(key) != 16 {
		return "The handshake has no valid Sec-WebSocket-Key."
	}
	if r.ContentLength != 0 {
		return "The handshake must have no body."
	}
	return ""
}
