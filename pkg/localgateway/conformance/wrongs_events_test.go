package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"

	"wschat/pkg/localgateway"
)

var allEvents = []string{"CONNECT", "MESSAGE", "DISCONNECT", "REQUEST"}

// eventWrongs are faults in events.
var eventWrongs = map[string]wrong{
	"events have further fields": {
		handler: editEvents(func(event, _ object) { event["path"] = "/" }, append(allEvents, "HTTP")...),
		fails:   "event-of-* http-event",
	},
	"ids are numbers": {
		handler: editEvents(func(_, context object) {
			for _, name := range []string{"requestId", "extendedRequestId", "messageId"} {
				if context[name] != nil {
					context[name] = "1234567890"
				}
			}
		}, allEvents...),
		fails: "event-ids* failure-has-the-id-of-its-request",
	},
	"times are in seconds": {
		handler: editEvents(func(_, context object) {
			for _, name := range []string{"connectedAt", "requestTimeEpoch"} {
				context[name] = json.Number(strings.TrimSuffix(fmt.Sprint(context[name]), "000")[:10])
			}
		}, allEvents...),
		fails: "event-times",
	},
	"each event has a connectedAt of its own": {
		handler: func(next localgateway.Handler) localgateway.Handler {
			var count atomic.Int64
			return editEvents(func(_, context object) {
				context["connectedAt"] = 1234567890000 + count.Add(1)
			}, allEvents...)(next)
		},
		fails: "event-connected-at-stays",
	},
	"a missing query is null": {
		handler: editEvents(func(event, _ object) {
			for _, name := range []string{"queryStringParameters", "multiValueQueryStringParameters"} {
				if event[name] == nil {
					event[name] = nil
				}
			}
		}, "CONNECT"),
		fails: "event-of-connect event-without-query",
	},
	"the first of several values counts": {
		handler: editEvents(func(event, _ object) {
			for single, multi := range map[string]string{"headers": "multiValueHeaders",
				"queryStringParameters": "multiValueQueryStringParameters"} {
				values, _ := event[multi].(object)
				for name, list := range values {
					event[single].(object)[name] = list.([]any)[0]
				}
			}
		}, "CONNECT"),
		fails: "event-header-with-two-values event-query",
	},
	"an authorizer gets no query": {
		handler: editEvents(func(event, _ object) {
			delete(event, "queryStringParameters")
			delete(event, "multiValueQueryStringParameters")
		}, "REQUEST"),
		fails: "authorizer-missing-* event-of-authorizer event-query-of-authorizer",
	},
	"an authorizer gets no headers of the upgrade": {
		handler: editEvents(func(event, _ object) { delete(event["headers"].(object), "Upgrade") }, "REQUEST"),
		fails:   "event-headers-of-authorizer",
	},
	"$connect gets headers of the upgrade": {
		handler: editEvents(func(event, _ object) { event["headers"].(object)["Upgrade"] = "websocket" }, "CONNECT"),
		fails:   "event-headers-of-connect",
	},
	"a missing user agent is empty": {
		handler: editEvents(func(_, context object) {
			if identity := context["identity"].(object); identity["userAgent"] == nil {
				identity["userAgent"] = ""
			}
		}, "CONNECT"),
		fails: "event-without-user-agent",
	},
	"events do not have the access key": {
		handler: editEvents(func(_, context object) { delete(context["identity"].(object), "accessKey") }, "MESSAGE"),
		fails:   "iam-event",
	},
	"long bodies are cut": {
		handler: editEvents(func(event, _ object) {
			if body, ok := event["body"].(string); ok {
				event["body"] = body[:min(len(body), 32<<10-1)]
			}
		}, "MESSAGE"),
		fails: "frame-of-32-kb message-of-128-kb",
	},
	"bodies are written anew": {
		handler: editEvents(func(event, _ object) {
			if body, err := decodeAny([]byte(fmt.Sprint(event["body"]))); err == nil {
				event["body"] = string(mustJSON(body))
			}
		}, "MESSAGE"),
		fails: "event-body-is-untouched route-default",
	},
	"the authorizer's context keeps its types": {
		handler: editEvents(func(_, context object) {
			if authorizer, ok := context["authorizer"].(object); ok && authorizer["yes"] != nil {
				authorizer["yes"] = true
			}
		}, allEvents...),
		fails: "authorizer-context-is-in-all-events",
	},
	"the authorizer's context is for $connect alone": {
		handler: editEvents(func(_, context object) { delete(context, "authorizer") }, "MESSAGE", "DISCONNECT"),
		fails:   "authorizer-context-is-in-all-events",
	},
	"routes are guessed": {
		handler: editEvents(func(event, context object) {
			if context["routeKey"] == "$default" && !strings.Contains(fmt.Sprint(event["body"]), "script") {
				context["routeKey"] = "run"
			}
		}, "MESSAGE"),
		fails: "message-without-text route-default* route-of-* route-that-is-no-string",
	},
	"every close is normal": {
		handler: editEvents(func(_, context object) {
			context["disconnectStatusCode"], context["disconnectReason"] = 1000, ""
		}, "DISCONNECT"),
		fails: "disconnect-after-a-broken-frame disconnect-after-a-delete disconnect-without-* " +
			"event-of-disconnect",
	},
	"$disconnect has no headers": {
		handler: editEvents(func(event, _ object) { delete(event, "headers") }, "DISCONNECT"),
		fails:   "event-of-disconnect",
	},
}
