package localgateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

	// IdentitySources name the headers and query parameters that a handshake must have, as in
	// route.request.header.Authorization and route.request.querystring.token. A handshake without one of them gets 401,
	// and the function is not asked. Optional.
	IdentitySources []string
}

// maxAuthorizerResult is the largest answer of an authorizer that is accepted, in bytes.
const maxAuthorizerResult = 8 << 10

const (
	headerSource = "route.request.header."
	querySource  = "route.request.querystring."
)

func (a *Authorizer) check() error {
	if a == nil {
		return nil
	}
	if a.Handler == nil {
		return errors.New("localgateway: Config.Authorizer.Handler is nil")
	}
	for _, source := range a.IdentitySources {
		name, isHeader := strings.CutPrefix(source, headerSource)
		if !isHeader {
			var isQuery bool
			if name, isQuery = strings.CutPrefix(source, querySource); !isQuery {
				name = ""
			}
		}
		if name == "" {
			return fmt.Errorf("localgateway: Config.Authorizer has the identity source %q, which is neither %sNAME "+
				"nor %sNAME", source, headerSource, querySource)
		}
	}
	return nil
}

// identified reports whether a handshake has a non-empty value for every identity source.
func (a *Authorizer) identified(header http.Header, query url.Values) bool {
	for _, source := range a.IdentitySources {
		value := ""
		if name, ok := strings.CutPrefix(source, headerSource); ok {
			value = header.Get(name)
		} else {
			value = query.Get(strings.TrimPrefix(source, querySource))
		}
		if value == "" {
			return false
		}
	}
	return true
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
}

var (
	unauthorized   = refusal{http.StatusUnauthorized, "Unauthorized"}
	forbidden      = refusal{http.StatusForbidden, "Forbidden"}
	internalError  = refusal{http.StatusInternalServerError, "Internal server error"}
	tooMany        = refusal{http.StatusTooManyRequests, "Too Many Requests"}
	badIntegration = refusal{http.StatusBadGateway, "Internal server error"}
	timedOut       = refusal{http.StatusGatewayTimeout, "Endpoint request timed out"}
)

// authorize asks the authorizer about a handshake. It keeps the returned context in the connection, for later events.
// It returns nil if the client may go on.
func (g *Gateway) authorize(c *connection, r *http.Request) *refusal {
	a := g.config.Authorizer
	if a == nil {
		return nil
	}
	query := r.URL.Query()
	if !a.identified(r.Header, query) {
		return &unauthorized
	}
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
	asked := g.clock.Now()
	payload, err := g.call(a.Handler, e)
	if err != nil {
		if isUnauthorized(err) {
			return &unauthorized
		}
		g.logFailure("the authorizer failed", err)
		return &internalError
	}
	result, allowed, err := evaluate(payload, e.MethodARN)
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

// evaluate reads an authorizer's answer and reports whether it allows the method.
func evaluate(payload []byte, methodARN string) (result authorizerResult, allowed bool, err error) {
	if len(payload) > maxAuthorizerResult {
		return result, false, fmt.Errorf("it has %d bytes, more than %d", len(payload), maxAuthorizerResult)
	}
	if err := unmarshal(payload, &result); err != nil {
		return result, false, err
	}
	if result.PrincipalID == "" {
		return result, false, errors.New("it has no principalId")
	}
	allowed, err = result.Policy.allows(methodARN)
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
