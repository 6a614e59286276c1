package route

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// Whatever a client sends, in the body, the headers or the query of an event of API Gateway: it never passes for a
// program's. API Gateway puts all of it below keys of its own, and a requestContext beside it.
func TestNoClientPassesForAProgram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"action", "actions", "requestContext",
			"sendMessage", `","requestContext":null,"action":"banUser`, `{"action":"banUser"}`}))
		values := rapid.MapOf(word, rapid.SliceOf(word))
		event := map[string]any{
			"requestContext": map[string]any{"routeKey": word.Draw(t, "route"), "eventType": "MESSAGE",
				"authorizer": rapid.MapOf(word, word).Draw(t, "authorizer")},
			"body":                            word.Draw(t, "body"),
			"headers":                         rapid.MapOf(word, word).Draw(t, "header"),
			"multiValueHeaders":               values.Draw(t, "headers"),
			"multiValueQueryStringParameters": values.Draw(t, "query"),
			"stageVariables":                  rapid.MapOf(word, word).Draw(t, "variables"),
			"isBase64Encoded":                 rapid.Bool().Draw(t, "base64"),
		}
		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if isDirect(payload) {
			t.Fatalf("%s passes for a program's", payload)
		}
	})
}

// What is and what is no program's event.
func TestIsDirect(t *testing.T) {
	for payload, want := range map[string]bool{
		`{"action":"ping"}`:                          true,
		`{"actions":[]}`:                             true,
		`{"action":"ping","requestContext":null}`:    false,
		`{"action":"ping","REQUESTCONTEXT":{}}`:      false,
		`{"requestContext":{"routeKey":"x"}}`:        false,
		`{"Action":"ping"}`:                          false,
		`[{"action":"ping"}]`:                        false,
		`"action"`:                                   false,
		`{"body":"{\"action\":\"ping\"}","other":1}`: false,
		``: false,
	} {
		if got := isDirect([]byte(payload)); got != want {
			t.Errorf("%s: %v", payload, got)
		}
	}
}
