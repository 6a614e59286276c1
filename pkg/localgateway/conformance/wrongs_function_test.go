package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"wschat/pkg/localgateway"
)

// functionWrongs are faults in what becomes of a function's responses, and in the configuration.
var functionWrongs = map[string]wrong{
	"it opens before $connect has answered": {
		handler: func(next localgateway.Handler) localgateway.Handler {
			return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
				if kindOf(parseObject(payload)) != "CONNECT" {
					return next.Invoke(ctx, payload)
				}
				go func() { _, _ = next.Invoke(context.WithoutCancel(ctx), payload) }()
				return []byte(`{"statusCode":200}`), nil
			})
		},
		fails: "disconnect-after-a-refusal failure-of-connect* handshake-is-answered-after-connect " +
			"handshake-refused* response-in-base64 response-that-is-no-object " +
			"response-with-a-further-field-to-connect response-with-a-number-as-its-body " +
			"response-with-a-status-in-a-string response-with-an-object-as-its-body " +
			"response-with-null-headers response-with-scalar-headers response-without-a-status " +
			"subprotocol-is-granted-by-connect",
	},
	"it handles one message after the other": {
		handler: func(next localgateway.Handler) localgateway.Handler {
			first := make(chan struct{})
			var once sync.Once
			return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
				if bytes.Contains(payload, []byte("the second")) {
					<-first
				}
				if bytes.Contains(payload, []byte(`wait\":`)) {
					defer once.Do(func() { close(first) })
				}
				return next.Invoke(ctx, payload)
			})
		},
		fails: "messages-are-handled-at-once",
	},
	"failures of a message are not told": {
		handler: editResponses(func(_ object, response any) any {
			if o, ok := response.(object); ok && o["extra"] == nil {
				return response
			}
			return object{"statusCode": 200}
		}, "MESSAGE"),
		fails: "failure-by-an-exit failure-has-the-id-of-its-request failure-of-a-message " +
			"response-with-a-further-field-to-a-message two-way-failure",
	},
	"failures of $connect let the client in": {
		handler: editResponses(func(_ object, response any) any {
			if response == nil {
				return object{"statusCode": 200}
			}
			return response
		}, "CONNECT"),
		fails: "failure-of-connect*",
	},
	"malformed responses are repaired": {
		handler: editResponses(func(_ object, response any) any {
			if response == nil { // a failure is not repaired
				return nil
			}
			o, ok := response.(object)
			if !ok {
				return object{"statusCode": 200}
			}
			delete(o, "extra")
			if _, ok := o["statusCode"]; !ok {
				o["statusCode"] = 200
			}
			if body, ok := o["body"].(object); ok {
				o["body"] = fmt.Sprint(body)
			}
			return o
		}, "CONNECT", "MESSAGE"),
		fails: "response-that-is-no-object response-with-a-further-field-* " +
			"response-with-an-object-as-its-body response-without-a-status",
	},
	"what a response may hold is malformed": {
		handler: editResponses(func(_ object, response any) any {
			o, _ := response.(object)
			_, text := o["statusCode"].(string)
			_, number := o["body"].(json.Number)
			headers, hasHeaders := o["headers"]
			values, _ := headers.(object)
			if text || number || hasHeaders && headers == nil {
				return nil
			}
			for _, value := range values {
				if _, ok := value.(string); !ok {
					return nil
				}
			}
			return response
		}, "CONNECT"),
		fails: "response-with-a-number-as-its-body response-with-a-status-in-a-string " +
			"response-with-null-headers response-with-scalar-headers",
	},
	"what a refusal says is lost": {
		handler: editResponses(func(_ object, response any) any {
			o, _ := response.(object)
			headers, _ := o["headers"].(object)
			if o == nil || headers["Sec-WebSocket-Protocol"] != nil {
				return response
			}
			for _, name := range []string{"headers", "multiValueHeaders", "body", "isBase64Encoded"} {
				delete(o, name)
			}
			return o
		}, "CONNECT"),
		fails: "handshake-refused-with-* response-in-base64 response-with-a-number-as-its-body " +
			"response-with-an-object-as-its-body response-with-scalar-headers",
	},
	"base64 is not decoded": {
		handler: editResponses(func(_ object, response any) any {
			if o, ok := response.(object); ok {
				delete(o, "isBase64Encoded")
			}
			return response
		}, "CONNECT", "MESSAGE", "HTTP"),
		fails: "http-response response-in-base64 two-way-body-in-base64",
	},
	"it grants the first subprotocol": {
		handler: editResponses(func(event object, response any) any {
			offered, _ := event["headers"].(object)["Sec-WebSocket-Protocol"].(string)
			o, _ := response.(object)
			if offered == "" || o == nil || o["headers"] != nil {
				return response
			}
			first, _, _ := strings.Cut(offered, ",")
			o["headers"] = object{"Sec-WebSocket-Protocol": first}
			return o
		}, "CONNECT"),
		fails: "subprotocol-is-granted-by-connect-only",
	},
	"subprotocols are unknown": {
		front: editRequests(func(r *http.Request) {
			if strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), ",") {
				r.Header.Del("Sec-WebSocket-Protocol")
			}
		}),
		handler: editResponses(func(event object, response any) any {
			o, _ := response.(object)
			headers, _ := o["headers"].(object)
			if event["headers"].(object)["Sec-WebSocket-Protocol"] == nil {
				delete(headers, "Sec-WebSocket-Protocol")
			}
			return response
		}, "CONNECT"),
		fails: "subprotocol-is-granted-by-connect subprotocol-reaches-connect",
	},
	"ports are kept": {
		config: func(c *localgateway.Config) { c.KeepPort = true },
		fails:  "event-domain-has-no-port event-headers-of-* event-of-disconnect http-event",
	},
	"no route has a route response": {
		config: func(c *localgateway.Config) { c.RouteResponses = nil },
		fails:  "two-way-body* two-way-without-a-body",
	},
	"there are no stage variables": {
		config: func(c *localgateway.Config) { c.StageVariables = nil },
		fails:  "event-has-stage-variables",
	},
	"signatures are not checked": {
		config: func(c *localgateway.Config) {
			if !c.IAM {
				c.Credentials = nil
			}
		},
		fails: "call-with-the-signature-of-another-body call-without-a-signature",
	},
	"there is no authorizer": {
		config: func(c *localgateway.Config) { c.Authorizer = nil },
		fails: "authorizer-allows-a* authorizer-allows-the-pattern-of-a-rest-api " +
			"authorizer-context-* authorizer-denial-beats-permission authorizer-denies " +
			"authorizer-fails authorizer-latency-is-in-all-events authorizer-missing-* " +
			"authorizer-refusals-say-why authorizer-says-unauthorized " +
			"authorizer-with-a-list-in-its-context authorizer-with-a-long-answer " +
			"authorizer-with-an-object-in-its-context authorizer-without-a-principal " +
			"event-has-stage-variables event-headers-of-authorizer event-of-authorizer " +
			"event-query-of-authorizer",
	},
	"there are no identity sources": {
		config: noIdentitySources,
		fails:  "authorizer-missing-*",
	},
	"there is no $disconnect": {
		config: without("$disconnect"),
		fails: "authorizer-context-is-in-all-events call-of-a-connection-that-was-closed " +
			"disconnect-after-a-broken-frame disconnect-after-a-delete disconnect-without-* " +
			"event-connected-at-stays event-has-stage-variables message-after-a-delete event-of-disconnect",
	},
	"there is no $default": {
		config: without("$default"),
		fails: "event-body-is-untouched failure-by-an-exit failure-of-a-message " +
			"handshake-is-answered-after-connect message-in-fragments message-without-text " +
			"messages-are-handled-at-once one-way-body pong-that-nobody-asked-for route-default* " +
			"route-of-another-case route-of-connect-takes-no-message route-that-is-no-string",
	},
	"every message goes to $default": {
		config: func(c *localgateway.Config) { c.RouteSelectionExpression = "$request.body.x" },
		fails: "authorizer-missing-* event-has-stage-variables event-of-message " +
			"route-by-name route-missing two-way-body* two-way-without-a-body",
	},
	"a refused client has a $disconnect": {
		handler: func(next localgateway.Handler) localgateway.Handler {
			return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
				answer, err := next.Invoke(ctx, payload)
				if event := parseObject(payload); kindOf(event) == "CONNECT" && bytes.Contains(answer, []byte("403")) {
					event["requestContext"].(object)["eventType"] = "DISCONNECT"
					_, _ = next.Invoke(ctx, mustJSON(event))
				}
				return answer, err
			})
		},
		fails: "disconnect-after-a-refusal",
	},
	"a $connect with a body refuses": {
		handler: editResponses(func(_ object, response any) any {
			if o, ok := response.(object); ok && o["body"] != nil && fmt.Sprint(o["statusCode"]) == "200" {
				o["statusCode"] = 403
			}
			return response
		}, "CONNECT"),
		fails: "handshake-granted",
	},
	"a null in an authorizer's context is an error": {
		handler: editResponses(func(_ object, response any) any {
			if bytes.Contains(mustJSON(response), []byte(":null")) {
				return nil
			}
			return response
		}, "REQUEST"),
		fails: "authorizer-context-without-a-null authorizer-with-a-null-in-its-context",
	},
	"every pattern of a policy matches": {
		handler: editResponses(func(_ object, response any) any {
			if answer := mustJSON(response); bytes.Contains(answer, []byte("/*")) {
				return parseObject(regexp.MustCompile(`"arn:[^"]*/\*"`).ReplaceAll(answer, []byte(`"*"`)))
			}
			return response
		}, "REQUEST"),
		fails: "authorizer-allows-another-stage authorizer-allows-the-pattern-of-a-rest-api",
	},
	"the authorizer knows nobody called ann": {
		handler: editResponses(func(_ object, response any) any {
			if o, ok := response.(object); ok && o["principalId"] == "ann" {
				return nil
			}
			return response
		}, "REQUEST"),
		fails: "authorizer-allows* authorizer-context-is-in-all-events " +
			"authorizer-denial-beats-permission authorizer-denies authorizer-refusals-say-why " +
			"authorizer-with-a-null-in-its-context",
	},
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func noIdentitySources(c *localgateway.Config) {
	if c.Authorizer != nil {
		c.Authorizer.IdentitySources = nil
	}
}

func without(route string) func(c *localgateway.Config) {
	return func(c *localgateway.Config) {
		c.Routes = slices.DeleteFunc(slices.Clone(c.Routes), func(r string) bool { return r == route })
	}
}
