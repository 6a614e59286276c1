package localgateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// authorizer is a Handler that answers with a text, into which it puts the methodArn for ARN.
type authorizer struct {
	asked  chan []byte
	answer string
	err    error
}

func (a *authorizer) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	a.asked <- payload
	var e struct{ MethodARN string }
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	return []byte(strings.ReplaceAll(a.answer, "ARN", e.MethodARN)), a.err
}

// withAuthorizer is a configuration that asks the authorizer.
func withAuthorizer(a *authorizer, sources ...string) localgateway.Config {
	a.asked = make(chan []byte, 100)
	c := allRoutes
	c.Authorizer = &localgateway.Authorizer{Handler: a, IdentitySources: sources}
	return c
}

// answer is an authorizer's answer with one statement.
func answer(effect, action, resource string) string {
	return fmt.Sprintf(`{"principalId":"ann","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":%q,"Resource":%q}]}}`, effect, action, resource)
}

// functionError is how a function's error may come from another process.
type functionError struct{ message string }

func (e functionError) Error() string        { return "the function failed" }
func (e functionError) ErrorMessage() string { return e.message }

func TestWhatAnAuthorizerAnswers(t *testing.T) {
	const allow = `{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"ARN"}`
	policy := func(statements string) string {
		return `{"principalId":"ann","policyDocument":{"Version":"2012-10-17","Statement":` + statements + `}}`
	}
	for _, tc := range []struct {
		name   string
		answer string
		err    error
		status int
	}{
		{"allow", answer("Allow", "execute-api:Invoke", "ARN"), nil, 101},
		{"allow, one statement alone", policy(allow), nil, 101},
		{"allow, lists", policy(`[{"Effect":"Allow","Action":["execute-api:ManageConnections","execute-api:Invoke"],"Resource":["x","ARN"]}]`), nil, 101},
		{"any action", answer("Allow", "*", "ARN"), nil, 101},
		{"any action of the service", answer("Allow", "execute-api:*", "ARN"), nil, 101},
		{"an action in another case", answer("Allow", "Execute-API:invoke", "ARN"), nil, 101},
		{"another action", answer("Allow", "execute-api:ManageConnections", "ARN"), nil, 403},
		{"any resource", answer("Allow", "execute-api:Invoke", "*"), nil, 101},
		{"any API", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:*"), nil, 101},
		{"any route of the stage", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:*/dev/*"), nil, 101},
		{"any character", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:*/d?v/$connect"), nil, 101},
		{"the pattern of a REST API", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:*/dev/*/*"), nil,
			403},
		{"another stage", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:*/prod/*"), nil, 403},
		{"another route", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:*/dev/$default"), nil, 403},
		{"a wildcard that ends a segment reaches on", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*"),
			nil, 101},
		{"and stops where the rest fits", answer("Allow", "execute-api:Invoke",
			"arn:aws:execute-api:us-*:local/dev/$connect"), nil, 101},
		{"a wildcard within a segment does not",
			answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:us-*t-1:local/dev/$connect"), nil, 403},
		{"not even to the end", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:us*ect"), nil, 403},
		{"more segments than there are", answer("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:*:*:*"), nil,
			403},
		{"a denial that reaches on", policy(`[` + allow +
			`,{"Effect":"Deny","Action":"*","Resource":"arn:aws:execute-api:*"}]`), nil, 403},
		{"a denial of all", policy(`[` + allow + `,{"Effect":"Deny","Action":"*","Resource":"arn:*"}]`), nil, 403},
		{"a longer one", answer("Allow", "execute-api:Invoke", "ARNs"), nil, 403},
		{"deny", answer("Deny", "execute-api:Invoke", "ARN"), nil, 403},
		{"deny beats allow", policy(`[` + allow + `,{"Effect":"Deny","Action":"*","Resource":"*"},` + allow + `]`), nil,
			403},
		{"a denial of something else",
			policy(`[{"Effect":"Deny","Action":"*","Resource":"arn:aws:execute-api:*:*:other/*"},` + allow + `]`),
			nil, 101},
		{"Unauthorized", "", errors.New("Unauthorized"), 401},
		{"Unauthorized from another process", "", functionError{"Unauthorized"}, 401},
		{"another error", "", errors.New("Unauthorized!"), 500},
		{"another error from another process", "", functionError{"broken"}, 500},
		{"no JSON", `allow`, nil, 500},
		{"null", `null`, nil, 500},
		{"no principal", `{"policyDocument":{"Statement":[` + allow + `]}}`, nil, 500},
		{"no policy", `{"principalId":"ann"}`, nil, 500},
		{"an effect in other letters", policy(`[{"effect":"Allow","Action":"*","Resource":"*"}]`), nil, 500},
		{"null for an action", policy(`[{"Effect":"Allow","Action":null,"Resource":"*"}]`), nil, 500},
		{"a principal in other letters", strings.Replace(answer("Allow", "*", "ARN"), "principalId", "principalID", 1),
			nil, 500},
		{"a policy in other letters", strings.Replace(answer("Allow", "*", "ARN"), "policyDocument", "PolicyDocument",
			1), nil, 500},
		{"out of time by its own clock", "", context.DeadlineExceeded, 500},
		{"no statement", policy(`[]`), nil, 500},
		{"an effect that is none", answer("allow", "execute-api:Invoke", "ARN"), nil, 500},
		{"no action", policy(`[{"Effect":"Allow","Resource":"ARN"}]`), nil, 500},
		{"a condition on the client's address", policy(`[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}]`), nil, 101},
		{"a condition on another address", policy(`[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]`), nil, 403},
		{"a condition on something else", policy(`[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceIp":"127.0.0.1"}}}]`), nil, 500},
		{"a NotResource", policy(`[{"Effect":"Allow","Action":"*","NotResource":"x"}]`), nil, 101},
		{"an object in the context", strings.TrimSuffix(answer("Allow", "*", "ARN"), "}") +
			`,"context":{"rooms":{"lobby":1}}}`, nil, 500},
		{"a list in the context", strings.TrimSuffix(answer("Allow", "*", "ARN"), "}") +
			`,"context":{"rooms":["lobby"]}}`, nil, 500},
		{"null in the context", strings.TrimSuffix(answer("Allow", "*", "ARN"), "}") +
			`,"context":{"rooms":null}}`, nil, 101},
		{"null for the context", strings.TrimSuffix(answer("Allow", "*", "ARN"), "}") + `,"context":null}`, nil, 101},
		{"8 KB", pad(answer("Allow", "*", "ARN"), 8<<10), nil, 101},
		{"a byte more", pad(answer("Allow", "*", "ARN"), 8<<10+1), nil, 500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, _, addr := serve(t, withAuthorizer(&authorizer{answer: tc.answer, err: tc.err}), nil)
			if got := connect(t, "ws://"+addr+"/dev", nil); got != tc.status {
				t.Errorf("got %d, want %d", got, tc.status)
			}
			if invoked := len(f.events) > 0; invoked != (tc.status == 101) {
				t.Errorf("$connect was invoked: %v", invoked)
			}
		})
	}
}

func TestWhyAnAnswerIsNotValidIsLogged(t *testing.T) {
	var log bytes.Buffer
	a := &authorizer{answer: strings.Replace(answerOf("Allow"), `"Resource"`,
		`"Condition":{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}},"Resource"`, 1)}
	config := withAuthorizer(a)
	config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, gw, addr := serve(t, config, nil)
	if got := connect(t, "ws://"+addr+"/dev", nil); got != 500 {
		t.Errorf("got %d, want 500", got)
	}
	gw.WaitForInvocations()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "DateLessThan") {
		t.Errorf("the log is %q", got)
	}
}

// pad makes an answer n bytes long when the method ARN is in it.
func pad(answer string, n int) string {
	const arn = "arn:aws:execute-api:us-east-1:000000000000:local/dev/$connect"
	return answer + strings.Repeat(" ", n-len(strings.ReplaceAll(answer, "ARN", arn)))
}

func TestAnAuthorizerThatDoesNotAnswer(t *testing.T) {
	config, clock := withClock()
	release := make(chan struct{})
	defer close(release)
	asked := make(chan struct{})
	config.Authorizer = &localgateway.Authorizer{Handler: handlerFunc(func(context.Context, []byte) ([]byte, error) {
		close(asked)
		<-release
		return nil, nil
	})}
	_, _, addr := serve(t, config, nil)
	status := make(chan int)
	go func() { status <- connect(t, "ws://"+addr+"/dev", nil) }()
	<-asked
	clock.Advance(29 * 1e9)
	if got := <-status; got != 500 {
		t.Errorf("got %d, want 500", got)
	}
}

type handlerFunc func(context.Context, []byte) ([]byte, error)

func (f handlerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

func TestWithoutItsIdentitySourcesAnAuthorizerIsNotAsked(t *testing.T) {
	a := &authorizer{answer: answer("Allow", "*", "ARN")}
	_, _, addr := serve(t, withAuthorizer(a, "route.request.header.X-Token", "route.request.querystring.token"), nil)
	header := func(v string) *websocket.DialOptions {
		return &websocket.DialOptions{HTTPHeader: map[string][]string{"x-token": {v}}}
	}
	for _, tc := range []struct {
		query   string
		options *websocket.DialOptions
		status  int
	}{
		{"", nil, 401},
		{"?token=x", nil, 401},
		{"", header("x"), 401},
		{"?token=", header("x"), 401},
		{"?Token=x", header("x"), 401},
		{"?token=x", header(""), 401},
		{"?token=x", header("x"), 101},
	} {
		if got := connect(t, "ws://"+addr+"/dev"+tc.query, tc.options); got != tc.status {
			t.Errorf("%q with %v: %d, want %d", tc.query, tc.options, got, tc.status)
		}
		if asked := len(a.asked) > 0; asked != (tc.status == 101) {
			t.Errorf("%q with %v: asked: %v", tc.query, tc.options, asked)
		}
	}
}

func TestIdentitySourcesInTheContextAndTheStage(t *testing.T) {
	for source, status := range map[string]int{
		"context.identity.sourceIp":    101,
		"context.routeKey":             101,
		"context.connectedAt":          101, // a number
		"context.identity":             401, // an object
		"context.identity.sourceip":    401,
		"context.identity.userAgent":   401, // this client sends none
		"context.identity.x.y":         401,
		"context.authorizer.name":      401,
		"context.none":                 401,
		"context..":                    401,
		"stageVariables.table":         101,
		"stageVariables.none":          401,
		"stageVariables.Table":         401,
		"route.request.header.HOST":    101,
		"route.request.header.Origin":  401,
		"route.request.header.Upgrade": 101,
	} {
		a := &authorizer{answer: answerOf("Allow")}
		config := withAuthorizer(a, "context.stage", source)
		config.StageVariables = map[string]string{"table": "rooms"}
		_, _, addr := serve(t, config, nil)
		if _, answer := handshake(t, addr, "/dev"); answer.StatusCode != status {
			t.Errorf("%s: %d, want %d", source, answer.StatusCode, status)
		}
		if asked := len(a.asked) > 0; asked != (status == 101) {
			t.Errorf("%s: asked: %v", source, asked)
		}
	}
}

// Each value arrives as text, null does not arrive, and integrationLatency, which the gateway adds, is a number.
func TestTheContextIsInEveryLaterEvent(t *testing.T) {
	a := &authorizer{answer: strings.TrimSuffix(answer("Allow", "*", "ARN"), "}") +
		`,"context":{"name":"Ann","age":30,"big":12345678901234567890,"rate":1.5,"admin":true,"guest":false,"no":null}}`}
	f, _, addr := serve(t, withAuthorizer(a), nil)
	c := dial(t, "ws://"+addr+"/dev")
	write(t, c, "hi")
	events := []event{f.next(t), f.next(t)}
	_ = c.Close(websocket.StatusNormalClosure, "")
	for _, e := range append(events, f.next(t)) {
		var got struct {
			RequestContext struct{ Authorizer map[string]any }
		}
		if err := json.Unmarshal(e.raw, &got); err != nil {
			t.Fatal(err)
		}
		context := got.RequestContext.Authorizer
		if _, isNumber := context["integrationLatency"].(float64); !isNumber {
			t.Errorf("%s has the latency %#v", e.Context.EventType, context["integrationLatency"])
		}
		delete(context, "integrationLatency")
		want := map[string]any{"principalId": "ann", "name": "Ann", "age": "30", "big": "12345678901234567890",
			"rate": "1.5", "admin": "true", "guest": "false"}
		if !maps.Equal(context, want) {
			t.Errorf("%s has %#v, want %#v", e.Context.EventType, context, want)
		}
	}
}
