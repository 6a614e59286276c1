package localgateway

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config has the settings of a Gateway.
type Config struct {
	// Handler is invoked for every route that has none in Handlers. It may be nil if each route has one there.
	Handler Handler

	// Handlers are the handlers of single routes, by route key: those of Routes, or of HTTPRoutes as in "GET /ping". A
	// key that is in both lists has one handler for both. Optional.
	Handlers map[string]Handler

	// Routes are the route keys of the WebSocket API. If $connect or $disconnect is not among them, clients connect or
	// leave without an invocation. A message that matches no route goes to $default. If there is no $default, it is
	// answered with Forbidden. Empty means $connect, $disconnect and $default.
	Routes []string

	// RouteSelectionExpression says which part of a message names its route, as in $request.body.action or
	// ${request.body.request.action}. It is keys of objects alone, without indexes of lists and other JSONPath. Empty
	// means $request.body.action.
	RouteSelectionExpression string

	// RouteResponses are those of Routes that have a route response, which AWS's console calls two-way communication
	// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html). The
	// body of the handler's response then reaches the client in a frame, whatever the response's statusCode is. An
	// empty body is an empty frame. $connect and $disconnect may be among them, without an effect: the answer to a
	// handshake has no body, and after $disconnect there is no client. No source says more. Optional.
	RouteResponses []string

	// HTTPRoutes are the route keys of an HTTP API beside it, METHOD and path, as in "GET /ping". Optional.
	HTTPRoutes []string

	// Stage is the WebSocket API's stage, the first part of its path. Empty means "dev".
	Stage string

	// StageVariables are in the events of handlers and of the authorizer, also in those of HTTP routes. A name has
	// letters, digits and underscores. A value has at least one letter, digit or character of -._~:/?#&=,
	// (https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename.html). Optional.
	StageVariables map[string]string

	// KeepPort leaves the port in the events' header Host and domainName, as in localhost:8080. On AWS they have none.
	// Set it for a handler that makes the callback URL, or its own origin, from an event.
	KeepPort bool

	// IntegrationTimeout is how long an invocation may take. Zero means 29 s, which is API Gateway's maximum.
	IntegrationTimeout time.Duration

	// Authorizer decides before $connect whether a client may connect. Optional.
	Authorizer *Authorizer

	// IAM makes clients sign their handshakes with Credentials, in headers or in the query. It is what
	// AuthorizationType: AWS_IAM of $connect does
	// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html). A
	// handshake that is not signed so gets 403. IAM needs Credentials, and excludes an Authorizer.
	IAM bool

	// Quotas limits connections and requests per second. &Quotas{} is AWS's default for an account. Nil means no
	// limits.
	Quotas *Quotas

	// Throttle limits each route of the WebSocket API that is not in RouteThrottles. Each has its own count. Nil means
	// no limit.
	Throttle *Throttle

	// RouteThrottles limit single routes, by route key. HTTP routes are those of another API, and have none. Optional.
	RouteThrottles map[string]Throttle

	// Credentials are the keys that must sign calls of @connections, and handshakes with IAM. Nil means that signatures
	// are not checked.
	Credentials *Credentials

	// Clock measures the idle timeout of 10 minutes, the connection duration of 2 hours, the integration timeout, the
	// quotas, the throttles and the DelayPost of faults. The times in events come from it too. The deadline in the
	// handler's context, the age of a signature, and timeouts of sockets always use this machine's clock, because the
	// handler, the signer and the client use it too. Nil means this machine's clock for everything.
	Clock Clock

	// Logger gets one line for each handler or authorizer that fails, or whose answer is not valid. Optional.
	Logger *slog.Logger
}

// setDefaults fills in what may be left empty. The caller's maps are copied, because invocations read them.
func (c *Config) setDefaults() {
	if len(c.Routes) == 0 {
		c.Routes = []string{routeConnect, routeDisconnect, routeDefault}
	}
	if c.RouteSelectionExpression == "" {
		c.RouteSelectionExpression = "$request.body.action"
	}
	if c.Stage == "" {
		c.Stage = "dev"
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
	c.Handlers = maps.Clone(c.Handlers)
	variables := map[string]string{} // never nil, because the events of authorizers have an empty object then
	maps.Copy(variables, c.StageVariables)
	c.StageVariables = variables
}

// check returns an error that names the first field that is wrong.
func (c *Config) check() error {
	for _, check := range [...]func() error{
		c.checkRoutes, c.checkHandlers, c.checkRouteResponses, c.checkStage, c.checkVariables, c.checkTimeout,
		c.Authorizer.check, c.Quotas.check, c.checkThrottles, c.Credentials.check, c.checkIAM,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkRoutes() error {
	for _, key := range c.Routes {
		if key == "" || strings.HasPrefix(key, "$") && key != routeConnect && key != routeDisconnect &&
			key != routeDefault {
			return fmt.Errorf("localgateway: Config.Routes has %q; a route key is not empty, and only %s, %s and %s "+
				"begin with $", key, routeConnect, routeDisconnect, routeDefault)
		}
	}
	for _, key := range c.HTTPRoutes {
		// A client's method is in capitals, so that no request would reach the route "get /ping".
		if method, path, ok := strings.Cut(key, " "); !ok || method == "" || method == "ANY" ||
			method != strings.ToUpper(method) || !strings.HasPrefix(path, "/") || strings.Contains(path, "{") {
			return fmt.Errorf("localgateway: Config.HTTPRoutes has %q, which is not METHOD /path with one method, in "+
				"capitals, and a fixed path", key)
		}
	}
	return nil
}

func (c *Config) checkHandlers() error {
	keys := slices.Concat(c.Routes, c.HTTPRoutes)
	for _, key := range slices.Sorted(maps.Keys(c.Handlers)) {
		if !slices.Contains(keys, key) {
			return fmt.Errorf("localgateway: Config.Handlers has %q, which is none of Config.Routes %q and none of "+
				"Config.HTTPRoutes %q", key, c.Routes, c.HTTPRoutes)
		}
		if c.Handlers[key] == nil {
			return fmt.Errorf("localgateway: Config.Handlers has nil for the route %q", key)
		}
	}
	for _, key := range keys {
		if c.handlerOf(key) == nil {
			return fmt.Errorf("localgateway: Config.Handler is nil, and Config.Handlers has none for the route %q", key)
		}
	}
	return nil
}

// handlerOf returns the handler of a route, or nil if it has none.
func (c *Config) handlerOf(key string) Handler {
	if handler := c.Handlers[key]; handler != nil {
		return handler
	}
	return c.Handler
}

func (c *Config) checkRouteResponses() error {
	for _, key := range c.RouteResponses {
		if !slices.Contains(c.Routes, key) {
			return fmt.Errorf("localgateway: Config.RouteResponses has %q, which is none of Config.Routes %q", key,
				c.Routes)
		}
	}
	return nil
}

func (c *Config) checkStage() error {
	if strings.ContainsAny(c.Stage, "/@?#% ") {
		return fmt.Errorf("localgateway: Config.Stage %q cannot be the first part of a path", c.Stage)
	}
	return nil
}

// What a stage variable may be
// (https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename.html).
var (
	variableName  = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]+$`)
)

func (c *Config) checkVariables() error {
	for name, value := range c.StageVariables {
		if !variableName.MatchString(name) {
			return fmt.Errorf("localgateway: Config.StageVariables has the name %q, which does not match %s", name,
				variableName)
		}
		if !variableValue.MatchString(value) {
			return fmt.Errorf("localgateway: Config.StageVariables has the value %q of %s, which does not match %s",
				value, name, variableValue)
		}
	}
	return nil
}

func (c *Config) checkThrottles() error {
	if c.Throttle != nil {
		if err := c.Throttle.check(); err != nil {
			return fmt.Errorf("localgateway: Config.Throttle %w", err)
		}
	}
	for key, throttle := range c.RouteThrottles {
		if !slices.Contains(c.Routes, key) {
			return fmt.Errorf("localgateway: Config.RouteThrottles has %q, which is none of Config.Routes %q", key,
				c.Routes)
		}
		if err := throttle.check(); err != nil {
			return fmt.Errorf("localgateway: Config.RouteThrottles[%q] %w", key, err)
		}
	}
	return nil
}

// throttleOf returns a bucket for the throttle of a route, or nil if it has none.
func (c *Config) throttleOf(key string) *bucket {
	throttle, ok := c.RouteThrottles[key]
	if !ok && c.Throttle == nil {
		return nil
	}
	if !ok {
		throttle = *c.Throttle
	}
	return newBucket(c.Clock, throttle.RequestsPerSecond, throttle.Burst)
}

func (c *Config) checkIAM() error {
	switch {
	case c.IAM && c.Credentials == nil:
		return errors.New("localgateway: Config.IAM needs Config.Credentials, with which clients sign")
	case c.IAM && c.Authorizer != nil:
		return errors.New("localgateway: Config has IAM and an Authorizer, and $connect can have one of them")
	}
	return nil
}

func (c *Config) checkTimeout() error {
	if c.IntegrationTimeout < 0 {
		return fmt.Errorf("localgateway: Config.IntegrationTimeout is %v", c.IntegrationTimeout)
	}
	return nil
}

// selection returns the parsed route selection expression.
func (c *Config) selection() (expression, error) {
	selection, err := parseExpression(c.RouteSelectionExpression)
	if err != nil {
		return nil, fmt.Errorf("localgateway: Config.RouteSelectionExpression: %w", err)
	}
	if !selection.canSelect(c.Routes) {
		return nil, fmt.Errorf("localgateway: Config.RouteSelectionExpression %q can never be one of Config.Routes %q",
			c.RouteSelectionExpression, c.Routes)
	}
	return selection, nil
}
