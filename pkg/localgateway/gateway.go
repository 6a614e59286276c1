package localgateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// Handler is a Lambda function: an event in, a response out. It is invoked concurrently.
//
// Every lambda.Handler of aws-lambda-go is a Handler. But the result of lambda.NewHandler for a plain function is not
// safe for concurrent use: at v1.55.1 it returns a buffer that its next invocation overwrites
// (https://github.com/aws/aws-lambda-go/pull/639). Use a type of your own with this method instead.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Gateway is an http.Handler that serves ws://HOST/STAGE, http://HOST/STAGE/@connections/ID and the HTTP routes.
type Gateway struct {
	config     Config
	selection  expression
	routes     map[string]*route // by route key
	httpRoutes map[string]bool
	clock      Clock
	caller     *caller // nil without IAM
	quotas     quotas
	turns      turns
	unread     atomic.Int64              // bytes that wait to be written to clients
	faults     atomic.Pointer[faultPlan] // nil without faults

	mu          sync.Mutex
	closed      bool
	handshakes  uint64                 // so far
	connections map[string]*connection // by connection id, from the granted handshake to the close
	invocations int                    // in flight, of the handler
	quiet       sync.Cond              // on mu; signalled when invocations is 0
	work        sync.WaitGroup         // connections and invocations in flight; Add only under mu while not closed
}

// route is a route of the WebSocket API, with what belongs to it alone.
type route struct {
	isAnswered bool    // it has a route response
	throttle   *bucket // nil without a limit
}

// take takes a token of the route's throttle. It returns false if there is none. A route that is not there has no
// limit.
func (r *route) take() bool { return r == nil || r.throttle.take() }

// New returns a Gateway, or an error that names the field of the Config that is wrong.
func New(c Config) (*Gateway, error) {
	c.setDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	selection, err := c.selection()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		config:      c,
		selection:   selection,
		routes:      map[string]*route{},
		httpRoutes:  map[string]bool{},
		clock:       c.Clock,
		quotas:      newQuotas(c.Quotas, c.Clock),
		connections: map[string]*connection{},
	}
	g.quiet.L = &g.mu
	if c.IAM {
		g.caller = newCaller(c.Credentials.AccessKeyID)
	}
	for _, key := range c.Routes {
		g.routes[key] = &route{isAnswered: slices.Contains(c.RouteResponses, key), throttle: c.throttleOf(key)}
	}
	for _, key := range c.HTTPRoutes {
		g.httpRoutes[key] = true
	}
	return g, nil
}

// ServeHTTP serves WebSocket handshakes, @connections and the HTTP routes.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stage := "/" + g.config.Stage
	id, isManagement := strings.CutPrefix(r.URL.Path, stage+"/@connections/")
	switch {
	case !isQuery(r.URL.RawQuery):
		w.Header().Set("x-amzn-ErrorType", "BadRequestException")
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": "Bad Request: the query string is malformed"})
	case isManagement:
		g.serveConnections(w, r, id)
	case g.httpRoutes[r.Method+" "+r.URL.Path] && !isUpgrade(r):
		g.serveRoute(w, r)
	case r.URL.Path == stage || r.URL.Path == stage+"/":
		g.serveHandshake(w, r)
	case strings.Contains(r.URL.Path, "/@connections/"): // of another stage, or with none
		refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
	case isUpgrade(r): // another stage
		writeJSON(w, http.StatusForbidden, map[string]string{"message": "Forbidden"})
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, stage+"/"):
		requireUpgrade(w, notWebSocket)
	default:
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "Not Found"})
	}
}

// Shutdown refuses new connections, closes every client with 1001, runs their $disconnect, and waits for all
// invocations in flight. Those may still post, so stop the HTTP server only after Shutdown returns. It returns ctx's
// error if ctx ends first.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	for _, c := range g.connections {
		c.close(closeGoingAway, reasonGoingAway)
	}
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		g.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("localgateway: connections or invocations are still under way: %w", ctx.Err())
	}
}

// WaitForInvocations returns when the gateway waits for no invocation of the handler. A test calls it before it moves a
// ManualClock. Otherwise the time would also pass for an invocation that has had its effect but has not returned.
func (g *Gateway) WaitForInvocations() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.invocations > 0 {
		g.quiet.Wait()
	}
}

// countInvocation counts an invocation as in flight until end is called.
func (g *Gateway) countInvocation() (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.invocations++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.invocations--; g.invocations == 0 {
			g.quiet.Broadcast()
		}
	}
}

// number returns the next handshake's number, from 1.
func (g *Gateway) number() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handshakes++
	return g.handshakes
}

// begin counts work that Shutdown waits for. The caller ends it with g.work.Done. It returns false after Shutdown.
func (g *Gateway) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.work.Add(1)
	}
	return !g.closed
}

// add makes a connection known to @connections. It returns false after Shutdown.
func (g *Gateway) add(c *connection) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.connections[c.id] = c
	}
	return !g.closed
}

func (g *Gateway) remove(c *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.connections, c.id)
}

// connection returns the open connection with this id, or nil if there is none.
func (g *Gateway) connection(id string) *connection {
	g.mu.Lock()
	c := g.connections[id]
	g.mu.Unlock()
	if c != nil && !c.isOpen() {
		return nil
	}
	return c
}

// isQuery reports whether a query can be parsed and written into an event: two hexadecimal digits follow each %, & and
// not ; separates parameters, and names and values are UTF-8.
func isQuery(raw string) bool {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return false
	}
	for name, values := range query {
		if !utf8.ValidString(name) || slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
			return false
		}
	}
	return true
}

// isUpgrade reports whether a request asks for a WebSocket.
func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// hasToken reports whether a comma-separated header has a word among its values, in any case.
func hasToken(values, word string) bool {
	return slices.ContainsFunc(strings.Split(values, ","), func(s string) bool {
		return strings.EqualFold(strings.TrimSpace(s), word)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(v))
}
