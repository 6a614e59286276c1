package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// readRoutes reads the routes of both APIs, and the authorizer.
func readRoutes(r *resolver, s *Stack, _ Options) (err error) {
	if s.Routes, err = r.routes(s, s.WebSocketAPI.LogicalID); err != nil {
		return err
	}
	s.HTTPRoutes, err = r.routes(s, s.HTTPAPI.LogicalID)
	return err
}

// routes reads the routes of an API, in the order of their keys.
func (r *resolver) routes(s *Stack, api string) (routes []Route, err error) {
	ids, err := r.of(typeRoute, api)
	if err != nil {
		return nil, err
	}
	responses, err := r.responses(api)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		key, err := r.property(id, "RouteKey", 0)
		if err != nil {
			return nil, err
		}
		if key == "" {
			return nil, fmt.Errorf("%s: it is missing", place(id, "RouteKey"))
		}
		if slices.ContainsFunc(routes, func(other Route) bool { return other.Key == key }) {
			return nil, fmt.Errorf("%s: there is another route %q", place(id, "RouteKey"), key)
		}
		route := Route{Key: key}
		function, err := r.integrated(s, id)
		if err != nil {
			route.Problem = err
		} else {
			route.Function = function
		}
		selects, err := r.property(id, "RouteResponseSelectionExpression", 0)
		if err != nil {
			return nil, err
		}
		// On AWS a client gets an answer if the route selects route responses and has one
		// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html).
		route.Response = selects != "" && responses[id]
		if err := r.authorization(s, id, route.Key, api); err != nil {
			return nil, err
		}
		routes = append(routes, route)
	}
	slices.SortFunc(routes, func(a, b Route) int { return strings.Compare(a.Key, b.Key) })
	return routes, nil
}

// responses returns the ids of the routes that have a route response.
func (r *resolver) responses(api string) (map[string]bool, error) {
	ids, err := r.of(typeRouteResponse, api)
	if err != nil {
		return nil, err
	}
	responses := map[string]bool{}
	for _, id := range ids {
		route, err := r.property(id, "RouteId", 0)
		if err != nil {
			return nil, err
		}
		responses[route] = true
	}
	return responses, nil
}

// integrated returns the function of a route.
func (r *resolver) integrated(s *Stack, route string) (function string, err error) {
	target, err := r.property(route, "Target", 0)
	if err != nil {
		return "", err
	}
	id, ok := strings.CutPrefix(target, "integrations/")
	if !ok || r.Resources[id].Type != typeIntegration {
		return "", fmt.Errorf("%s: %.100q is no integration of the template", place(route, "Target"), target)
	}
	kind, err := r.property(id, "IntegrationType", 0)
	if err != nil {
		return "", err
	}
	if kind != "AWS_PROXY" {
		return "", fmt.Errorf("%s: it is %q; only AWS_PROXY is supported, with a function",
			place(id, "IntegrationType"), kind)
	}
	return r.invoked(s, id, "IntegrationUri")
}

// invoked returns the function that the URI in a property invokes. Its text is the ARN of a function, or
// arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations. A stage variable may be in it, as
// ${stageVariables.NAME}
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/aws-api-gateway-stage-variables-reference.html).
func (r *resolver) invoked(s *Stack, id, property string) (function string, err error) {
	uri, err := r.property(id, property, 0)
	if err != nil {
		return "", err
	}
	for name, value := range s.Stage.Variables {
		if err := r.spend(len(uri)); err != nil {
			return "", err
		}
		if variable := "${stageVariables." + name + "}"; strings.Contains(uri, variable) {
			uri = strings.Replace(uri, variable, value, 1)
		}
	}
	arn := uri
	if _, path, ok := strings.Cut(uri, ":lambda:path/2015-03-31/functions/"); ok {
		arn = strings.TrimSuffix(path, "/invocations")
	}
	_, qualified, ok := strings.Cut(arn, ":lambda:")
	if ok {
		_, qualified, ok = strings.Cut(qualified, ":"+functionPart)
	}
	if !ok {
		return "", fmt.Errorf("%s: %.300q invokes no function", place(id, property), uri)
	}
	name, _, _ := strings.Cut(qualified, ":") // a version or an alias may follow
	all, err := r.ofType(typeFunction)
	if err != nil {
		return "", err
	}
	for _, id := range all {
		if called, err := r.name(id, "FunctionName", 0); err == nil && called == name {
			return id, nil
		}
	}
	return "", fmt.Errorf("%s: the function %q is not in the template", place(id, property), name)
}

// authorization reads who may use a route. On a WebSocket API only that of $connect counts
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html).
func (r *resolver) authorization(s *Stack, route, key, api string) error {
	kind, err := r.property(route, "AuthorizationType", 0)
	if err != nil {
		return err
	}
	keyRequired, err := r.property(route, "ApiKeyRequired", 0)
	if err != nil {
		return err
	}
	if keyRequired == "true" {
		s.note("The route %s is served without an API key.", key)
	}
	switch {
	case kind == "" || kind == "NONE":
	case api != s.WebSocketAPI.LogicalID || key != "$connect":
		s.note("The authorization %s of the route %s is left out.", kind, key)
	case kind == "AWS_IAM":
		s.IAM = true
	case kind == "CUSTOM":
		id, err := r.property(route, "AuthorizerId", 0)
		if err != nil {
			return err
		}
		if r.Resources[id].Type != typeAuthorizer {
			return fmt.Errorf("%s: %.100q is no authorizer of the template", place(route, "AuthorizerId"), id)
		}
		s.Authorizer, err = r.authorizer(s, id)
		return err
	default:
		return fmt.Errorf("%s: %q is not supported", place(route, "AuthorizationType"), kind)
	}
	return nil
}

func (r *resolver) authorizer(s *Stack, id string) (*Authorizer, error) {
	kind, err := r.property(id, "AuthorizerType", 0)
	if err != nil {
		return nil, err
	}
	if kind != "REQUEST" {
		return nil, fmt.Errorf("%s: it is %q; an authorizer of a WebSocket API has REQUEST",
			place(id, "AuthorizerType"), kind)
	}
	a := &Authorizer{}
	if a.Function, err = r.invoked(s, id, "AuthorizerUri"); err != nil {
		a.Problem = err
	}
	v, ok := r.Resources[id].Properties["IdentitySource"]
	if !ok {
		return a, nil
	}
	sources, err := r.list(v, 0)
	for _, source := range sources {
		text, isText := source.(string)
		if !isText {
			err = errors.New("it has an element that is no text")
		}
		a.IdentitySources = append(a.IdentitySources, text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place(id, "IdentitySource"), err)
	}
	return a, nil
}
