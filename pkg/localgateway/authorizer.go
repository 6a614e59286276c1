package localgateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Authorizer is a Lambda authorizer of type REQUEST. The gateway asks it before $connect
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html).
//
// It lets a client in by returning a policy that allows execute-api:Invoke on the event's methodArn. All later events
// of the connection carry the context that it returned, in requestContext.authorizer. A client that it does not let in
// gets 403. If the function fails with the error "Unauthorized", the client gets 401. If it fails otherwise, or its
// answer is not valid, the client gets 500.
type Authorizer struct {
	// Handler is the authorizer's function. Required. An error counts as "Unauthorized" if that is its text, or if it
	// has a method ErrorMessage() string that returns that text.
	Handler Handler

	// IdentitySources name what a handshake must have, in these forms
	// (https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_apigatewayv2_authorizers.WebSocketLambdaAuthorizerProps.html):
	// route.request.header.NAME, route.request.querystring.NAME, stageVariables.NAME and context.NAME. NAME of the
	// last is a path in the event's requestContext, as in context.identity.sourceIp. A handshake without one of them,
	// or with an empty one, gets 401, and the function is not asked. Optional.
	IdentitySources []string
}

// maxAuthorizerResult is the largest answer of an authorizer that is accepted, in bytes.
const maxAuthorizerResult = 8 << 10

// identitySource matches an identity source. Its groups are the place and the name.
var identitySource = regexp.MustCompile(
	`^(route\.request\.header|route\.request\.querystring|stageVariables|context)\.([A-Za-z0-9._-]+)$`)

func (a *Authorizer) check() error {
	if a == nil {
		return nil
	}
	if a.Handler == nil {
		return errors.New("localgateway: Config.Authorizer.Handler is nil")
	}
	for _, source := range a.IdentitySources {
		if !identitySource.MatchString(source) {
			return fmt.Errorf("localgateway: Config.Authorizer has the identity source %q, which does not match %s",
				source, identitySource)
		}
	}
	return nil
}

// identified reports whether an event has a non-empty value for every identity source.
func (a *Authorizer) identified(e authorizerEvent) bool {
	for _, source := range a.IdentitySources {
		m := identitySource.FindStringSubmatch(source)
		value := ""
		switch name := m[2]; m[1] {
		case "route.request.header":
			for header, last := range e.Headers { // their names match in any case
				if strings.EqualFold(header, name) {
					value = last
				}
			}
		case "route.request.querystring":
			value = e.Query[name]
		case "stageVariables":
			value = e.StageVariables[name]
		case "context":
			value = e.Context.value(name)
		}
		if value == "" {
			return false
		}
	}
	return true
}

// value returns the text at a path in the context's JSON, such as identity.sourceIp. It returns "" if there is no
// string and no number.
func (c requestContext) value(path string) string {
	raw := json.RawMessage(mustJSON(c))
	for _, name := range strings.Split(path, ".") {
		var object map[string]json.RawMessage // a map, because the fields of a struct match in any case
		if json.Unmarshal(raw, &object) != nil {
			return ""
		}
		raw = object[name]
	}
	var text scalar
	if len(raw) == 0 || text.UnmarshalJSON(raw) != nil {
		return ""
	}
	return string(text)
}

// authorizerEvent is the event that an authorizer gets. Unlike the event of $connect, it has the headers of the
// upgrade, and without a query it has an empty object.
type authorizerEvent struct {
	Type              string              `json:"type"`
	MethodARN         string              `json:"methodArn"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	StageVariables    map[string]string   `json:"stageVariables"`
	Context           requestContext      `json:"requestContext"`
}

// authorizerResult is an authorizer's answer
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html).
type authorizerResult struct {
	PrincipalID string             `json:"principalId"`
	Policy      policy             `json:"policyDocument"`
	Context     map[string]*scalar `json:"context"`
}

// refusal is why a handshake is not granted.
type refusal struct {
	status  int
	message string
	name    string // the error type, if there is one
}

var (
	unauthorized   = refusal{status: http.StatusUnauthorized, message: "Unauthorized"}
	forbidden      = refusal{status: http.StatusForbidden, message: "Forbidden"}
	internalError  = refusal{status: http.StatusInternalServerError, message: "Internal server error"}
	tooMany        = refusal{status: http.StatusTooManyRequests, message: "Too Many Requests"}
	badIntegration = refusal{status: http.StatusBadGateway, message: "Internal server error"}
	timedOut       = refusal{status: http.StatusGatewayTimeout, message: "Endpoint request timed out"}
)

// authorize checks a handshake's signature, or asks the authorizer about it. It returns nil if the client may go on.
func (g *Gateway) authorize(c *connection, r *http.Request) *refusal {
	switch {
	case g.config.IAM:
		// The answers are those of a REST API, because AWS's page says that IAM authorization is as it is there. The
		// fields connectionId and requestId, which other refusals of a handshake have, are a choice.
		if problem := g.checkSignature(r, nil); problem != nil {
			return &refusal{http.StatusForbidden, problem.message, problem.name}
		}
	case g.config.Authorizer != nil:
		return g.askAuthorizer(c, r)
	}
	return nil
}

// askAuthorizer asks the authorizer about a handshake. It keeps the returned context in the connection, for later
// events. It returns nil if the client may go on.
func (g *Gateway) askAuthorizer(c *connection, r *http.Request) *refusal {
	a, query := g.config.Authorizer, r.URL.Query()
	headers := g.forwardedHeaders(r)
	headers["Connection"], headers["Upgrade"] = r.Header.Values("Connection"), r.Header.Values("Upgrade")
	headers["content-length"] = []string{"0"}
	e := authorizerEvent{
		Type:              "REQUEST",
		MethodARN:         g.methodARN(),
		Headers:           lastValues(headers),
		MultiValueHeaders: headers,
		Query:             lastValues(query),
		MultiValueQuery:   query,
		StageVariables:    g.config.StageVariables,
		Context:           g.newContext(c, routeConnect, "CONNECT"),
	}
	if !a.identified(e) {
		return &unauthorized
	}
	asked := g.clock.Now()
	payload, err := g.call(a.Handler, e)
	if err != nil {
		if isUnauthorized(err) {
			return &unauthorized
		}
		g.logFailure("the authorizer failed", err)
		return &internalError
	}
	result, allowed, err := evaluate(payload, call{e.MethodARN, c.client.SourceIP})
	switch {
	case err != nil:
		g.logFailure("the authorizer's answer is not valid", err)
		return &internalError
	case !allowed:
		return &forbidden
	}
	c.authorizer = result.context()
	c.authorizer["integrationLatency"] = g.clock.Now().Sub(asked).Milliseconds()
	return nil
}

// context is what later events carry in requestContext.authorizer. Numbers and booleans arrive there as text, as "123"
// and "true" (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html,
// measured for https://github.com/dherault/serverless-offline/pull/1376). Lists and objects are refused before
// (https://github.com/dherault/serverless-offline/issues/533). A null does not fail: the types of @types/aws-lambda,
// which say what API Gateway takes, have it (APIGatewayAuthorizerResultContext). No source says how it arrives. Here
// its key is left out, which is a choice: a function then sees no value either way.
func (r authorizerResult) context() map[string]any {
	context := map[string]any{}
	for name, value := range r.Context {
		if value != nil {
			context[name] = string(*value)
		}
	}
	context["principalId"] = r.PrincipalID
	return context
}

// methodARN is the ARN of $connect.
func (g *Gateway) methodARN() string {
	return "arn:aws:execute-api:" + region + ":" + accountID + ":" + apiID + "/" + g.config.Stage + "/" + routeConnect
}

// evaluate reads an authorizer's answer and reports whether it allows the call.
func evaluate(payload []byte, of call) (result authorizerResult, allowed bool, err error) {
	if len(payload) > maxAuthorizerResult {
		return result, false, fmt.Errorf("it has %d bytes, more than %d", len(payload), maxAuthorizerResult)
	}
	if err := unmarshal(payload, &result); err != nil {
		return result, false, err
	}
	if result.PrincipalID == "" {
		return result, false, errors.New("it has no principalId")
	}
	allowed, err = result.Policy.allows(of)
	return result, allowed, err
}

// isUnauthorized reports whether a function failed with the error that means 401.
func isUnauthorized(err error) bool {
	message := err.Error()
	if e, ok := errors.AsType[interface {
		error
		ErrorMessage() string
	}](err); ok {
		message = e.ErrorMessage()
	}
	return message == "Unauthorized"
}
