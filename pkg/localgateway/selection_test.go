package localgateway

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRouteSelectionExpressions(t *testing.T) {
	for _, tc := range []struct{ expression, body, want string }{
		{"$request.body.action", `{"action":"echo"}`, "echo"},
		{"${request.body.action}", `{"action":"echo"}`, "echo"},
		{"$request.body.message.action", `{"message":{"action":"echo"}}`, "echo"},
		{"${request.body.message.action}", `{"message":{"action":"echo"}}`, "echo"},
		{"${request.body.message.action}", `{"message.action":"echo"}`, "$default"},
		{"${request.body.message.action}", `{"message":{"Action":"echo"}}`, "$default"},
		{"${request.body.message.action}", `{"message":["action","echo"]}`, "$default"},
		{"${request.body.message.action}", `{"message":null}`, "$default"},
		{"$request.body.message", `{"message":{"action":"echo"}}`, "$default"},
		{"${request.body.verb}-${request.body.noun}", `{"verb":"say","noun":"it"}`, "say-it"},
		{"${request.body.verb}-${request.body.noun}", `{"verb":"say"}`, "$default"},
		{"v2/$request.body.action", `{"action":"x"}`, "v2/x"},
		{"$request.body.my-key_1", `{"my-key_1":"echo"}`, "echo"},
		{"echo", `{}`, "echo"},
		{`\$default`, `{"action":"echo"}`, "$default"},
		// evaluated once only
		{"$request.body.action", `{"action":"${request.body.other}","other":"echo"}`, "$default"},
		{"$request.body.action", `{"action":"$disconnect"}`, "$default"},
		{"$request.body.action", `{"action":"echo","action":"say-it"}`, "say-it"},
	} {
		selection, err := parseExpression(tc.expression)
		if err != nil {
			t.Errorf("%s: %v", tc.expression, err)
			continue
		}
		g := &Gateway{selection: selection, routes: map[string]*route{}}
		for _, key := range []string{"$connect", "$disconnect", "$default", "echo", "say-it", "v2/x"} {
			g.routes[key] = &route{}
		}
		if got := g.selectRoute([]byte(tc.body)); got != tc.want {
			t.Errorf("%s of %s is %q, want %q", tc.expression, tc.body, got, tc.want)
		}
	}
	for _, wrong := range []string{"", "$", "$request", "$request.body", "$request.body.", "$request.body.a..b",
		"${request.body.a", "${}",
		"$request.header.x", "$request.querystring.x", "$context.routeKey", "$request.body.a$",
		"${request.body.a${request.body.b}}", "${request.body..a}",
		// JSONPath
		"$request.body.items[0].action", "${request.body.items[0].action}", "$request.body[2]", "${request.body[2]}",
		"$request.body.items[*]", "${request.body.*}", "$request.body.*", "$request.body..action",
		"${request.body.items[?(@.a)]}", "${request.body['action']}", `${request.body."action"}`} {
		if _, err := parseExpression(wrong); err == nil {
			t.Errorf("%q is taken for an expression", wrong)
		}
	}
}

// An expression that no message can make a route of is a mistake, which New tells.
func TestAnExpressionThatSelectsNothing(t *testing.T) {
	for _, tc := range []struct {
		expression string
		routes     []string
		good       bool
	}{
		{"$request.body.action", []string{"echo"}, true},
		{"echo", []string{"echo"}, true},
		{"eco", []string{"echo"}, false},
		{"v2/$request.body.action", []string{"v2/echo", "v1/echo"}, true},
		{"v2/$request.body.action", []string{"v1/echo", "$default"}, false},
		{"$request.body.action/", []string{"echo"}, false},
		{"${request.body.a}-${request.body.b}", []string{"say-it"}, true},
		{"${request.body.a}-${request.body.b}", []string{"say"}, false},
		{"${request.body.items}[0].action", []string{"echo", "$default"}, false},
		{"${request.body.a}.", []string{"a+"}, false},
		{`\$default`, []string{"echo", "$default"}, true},
		{`\$default`, []string{"echo"}, false},
		{`\$connect`, []string{"echo", "$connect"}, false},
		{"v2/$request.body.action", []string{"$connect", "$disconnect", "$default"}, true}, // no custom route
		{"v2/$request.body.action", nil, true},
	} {
		_, err := New(Config{Handler: granting{}, RouteSelectionExpression: tc.expression, Routes: tc.routes})
		if (err == nil) != tc.good || err != nil && !strings.Contains(err.Error(), "RouteSelectionExpression") {
			t.Errorf("%s with the routes %q: %v", tc.expression, tc.routes, err)
		}
	}
}

// FuzzRouteSelection compares with a second way to look up a path, and with the routes that may come out.
func FuzzRouteSelection(f *testing.F) {
	f.Add("$request.body.action", []byte(`{"action":"echo"}`))
	f.Add("${request.body.a.b}", []byte(`{"a":{"b":"echo"}}`))
	f.Add(`x\$${request.body.a}-`, []byte(`{"a":1}`))
	f.Add("$request.body.action", []byte(`{"action":"echo","action":null}`))
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		selection, err := parseExpression(text)
		if err != nil {
			return
		}
		got, ok := selection.evaluate(body)
		path, simple := strings.CutPrefix(text, "$request.body.")
		if strings.Trim(path, "abcdefghijklmnopqrstuvwxyz.") != "" {
			simple = false
		}
		if simple && utf8.Valid(body) {
			var v any
			decoder := json.NewDecoder(bytes.NewReader(body))
			decoder.UseNumber()
			valid := json.Valid(body) && decoder.Decode(&v) == nil
			for _, key := range strings.Split(path, ".") {
				object, _ := v.(map[string]any)
				v = object[key]
			}
			if want, isString := v.(string); ok != (valid && isString) || got != want && ok {
				t.Errorf("%s of %s is %q, %v; want %q", text, body, got, ok, want)
			}
		}
		g := &Gateway{selection: selection, routes: map[string]*route{"$connect": {}, "$disconnect": {}, "echo": {}}}
		if route := g.selectRoute(body); route != "" && route != "echo" {
			t.Errorf("%s of %s goes to %s", text, body, route)
		}
	})
}
