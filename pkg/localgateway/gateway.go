package localgateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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

// Config has the settings of a Gateway.
type Config struct {
	// Handler is invoked for every route. Required.
	Handler Handler

	// Routes are the route keys of the WebSocket API. If $connect or $disconnect is not among them, clients connect or
	// leave without an invocation. A message that matches no route goes to $default. If there is no $default, it is
	// answered with Forbidden. Empty means $connect, $disconnect and $default.
	Routes []string

	// RouteSelectionExpression says which part of a message names its route, as in $request.body.action or
	// ${request.body.request.action}. It is keys of objects alone, without indexes of lists and other JSONPath. Empty
	// means $request.body.action.
	RouteSelectionExpression string

	// HTTPRoutes are the route keys of an HTTP API beside it, METHOD and path, as in "GET /ping". Optional.
	HTTPRoutes []string

	// Stage is the WebSocket API's stage, the first part of its path. Empty means "dev".
	Stage string

	// KeepPort leaves the port in the events' header Host and domainName, as in localhost:8080. On AWS they have none.
	// Set it for a handler that makes the callback URL, or its own origin, from an event.
	KeepPort bool

	// IntegrationTimeout is how long an invocation may take. Zero means 29 s, which is API Gateway's maximum.
	IntegrationTimeout time.Duration

	// Authorizer decides before $connect whether a client may connect. Optional.
	Authorizer *Authorizer

	// Quotas limits connections and requests per second. &Quotas{} is AWS's default for an account. Nil means no
	// limits.
	Quotas *Quotas

	// Credentials are the keys that must sign calls of @connections. Nil means that signatures are not checked.
	Credentials *Credentials

	// Clock measures the idle timeout of 10 minutes, the connection duration of 2 hours, the integration timeout, the
	// quotas and the DelayPost of faults. The times in events come from it too. The deadline in the handler's context,
	// the age of a signature, and timeouts of sockets always use this machine's clock, because the handler, the signer
	// and the client use it too. Nil means this machine's clock for everything.
	Clock Clock

	// Logger gets one line for each handler or authorizer that fails. Optional.
	Logger *slog.Logger
}

// Gateway is an http.Handler that serves ws://HOST/STAGE, http://HOST/STAGE/@connections/ID and the HTTP routes.
type Gateway struct {
	config     Config
	selection  expression
	routes     map[string]bool
	httpRoutes map[string]bool
	clock      Clock
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

// New returns a Gateway, or an error that names the field of the Config that is wrong.
func New(c Config) (*Gateway, error) {
	if c.Handler == nil {
		return nil, errors.New("localgateway: Config.Handler is nil")
	}
	if len(c.Routes) == 0 {
		c.Routes = []string{routeConnect, routeDisconnect, routeDefault}
	}
	if c.Stage == "" {
		c.Stage = "dev"
	}
	if strings.ContainsAny(c.Stage, "/@?#% ") {
		return nil, fmt.Errorf("localgateway: Config.Stage %q cannot be the first part of a path", c.Stage)
	}
	for _, key := range c.Routes {
		if key == "" || strings.HasPrefix(key, "$") && key != routeConnect && key != routeDisconnect &&
			key != routeDefault {
			return nil, fmt.Errorf("localgateway: Config.Routes has %q; a route key is not empty, and only %s, %s "+
				"and %s begin with $", key, routeConnect, routeDisconnect, routeDefault)
		}
	}
	if c.IntegrationTimeout < 0 {
		return nil, fmt.Errorf("localgateway: Config.IntegrationTimeout is %v", c.IntegrationTimeout)
	}
	if c.IntegrationTimeout == 0 {
		c.IntegrationTimeout = 29 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	if c.RouteSelectionExpression == "" {
		c.RouteSelectionExpression = "$request.body.action"
	}
	selection, err := parseExpression(c.RouteSelectionExpression)
	if err != nil {
		return nil, fmt.Errorf("localgateway: Config.RouteSelectionExpression: %w", err)
	}
	if !selection.canSelect(c.Routes) {
		return nil, fmt.Errorf("localgateway: Config.RouteSelectionExpression %q can never be one of Config.Routes %q",
			c.RouteSelectionExpression, c.Routes)
	}
	if c.Authorizer != nil {
		if err := c.Authorizer.check(); err != nil {
			return nil, err
		}
	}
	if c.Quotas != nil {
		if err := c.Quotas.check(); err != nil {
			return nil, err
		}
	}
	if c.Credentials != nil && (c.Credentials.AccessKeyID == "" || c.Credentials.SecretAccessKey == "") {
		return nil, errors.New("localgateway: Config.Credentials has no access key id or no secret access key")
	}
	g := &Gateway{
		config:      c,
		selection:   selection,
		routes:      map[string]bool{},
		httpRoutes:  map[string]bool{},
		clock:       c.Clock,
		quotas:      newQuotas(c.Quotas, c.Clock),
		connections: map[string]*connection{},
	}
	g.quiet.L = &g.mu
	for _, key := range c.Routes {
		g.routes[key] = true
	}
	for _, key := range c.HTTPRoutes {
		if method, path, ok := strings.Cut(key, " "); !ok || method == "" || method == "ANY" ||
			!strings.HasPrefix(path, "/") || strings.Contains(path, "{") {
			return nil, fmt.Errorf("localgateway: Config.HTTPRoutes has %q, which is not METHOD /path with one "+
				"method and a fixed path", key)
		}
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
