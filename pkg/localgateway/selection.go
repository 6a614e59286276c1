package localgateway

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The route keys that API Gateway itself defines.
const (
	routeConnect    = "$connect"
	routeDisconnect = "$disconnect"
	routeDefault    = "$default"
)

// expression is a route selection expression
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-selection-expressions.html): a
// sequence of literal text and variables.
type expression []term

// term is a variable, given by its path in a message's body, or literal text if path is nil.
type term struct {
	literal string
	path    []string
}

// termPattern matches the next term of an expression: an escaped dollar sign, a variable in either spelling, or literal
// text. A variable without braces ends at the first character that cannot belong to a path.
var termPattern = regexp.MustCompile(`^(?:\\(\$)|\$\{([^{}$]*)\}|\$([\w.-]*)|([^\\$]+|\\))`)

// parseExpression reads a route selection expression. Its variables have the form $request.body.path or
// ${request.body.path}. The path is a list of nested keys, separated by dots.
//
// AWS's pages show no other variable for a route selection, and no list index, wildcard or filter of JSONPath in one
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html: "a JSON property
// that is expected to be present in the message payload"). People try list indexes all the same
// (https://github.com/aws/serverless-application-model/issues/1709). Whether AWS refuses such an expression or sends
// every message to $default, no source says. Here it is refused, because it is a mistake in either case.
func parseExpression(text string) (expression, error) {
	var e expression
	for rest := text; rest != ""; {
		m := termPattern.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("%q is not a route selection expression from %q on", text, rest)
		}
		rest = rest[len(m[0]):]
		variable := m[2] + m[3]
		if variable == "" && !strings.HasPrefix(m[0], "$") {
			e = append(e, term{literal: m[1] + m[4]})
			continue
		}
		path, ok := strings.CutPrefix(variable, "request.body.")
		indexed := m[3] != "" && strings.HasPrefix(rest, "[")
		if !ok || strings.Contains("."+path+".", "..") || strings.ContainsAny(path, jsonPathOperators) || indexed {
			return nil, fmt.Errorf("%q has the variable %q; those of a route selection are $request.body.KEY and "+
				"${request.body.KEY}, where KEY is a key of the message, or keys of nested objects joined by dots, "+
				"and no index of a list and no other JSONPath", text, m[0]+rest)
		}
		e = append(e, term{path: strings.Split(path, ".")})
	}
	if len(e) == 0 {
		return nil, fmt.Errorf("the route selection expression is empty")
	}
	return e, nil
}

// jsonPathOperators are the characters that make a JSONPath more than a list of keys.
const jsonPathOperators = `[]()*?@'"`

// canSelect reports whether the expression's value can be one of the routes, if any of them is a custom one. AWS would
// take an expression for which this is false, because there routes may come later. Here all are known.
func (e expression) canSelect(routes []string) bool {
	pattern := `(?s)^`
	for _, t := range e {
		if t.path != nil {
			pattern += `.*`
		}
		pattern += regexp.QuoteMeta(t.literal)
	}
	value := regexp.MustCompile(pattern + `$`)
	custom := slices.ContainsFunc(routes, func(key string) bool { return !strings.HasPrefix(key, "$") })
	return !custom || slices.ContainsFunc(routes, func(key string) bool {
		return key != routeConnect && key != routeDisconnect && value.MatchString(key)
	})
}

// evaluate returns the expression's value for a message. It returns false if a variable has no value. A variable that
// is not a string has no value: AWS does not document this case, and such a message is expected in $default.
func (e expression) evaluate(body []byte) (string, bool) {
	var value strings.Builder
	for _, t := range e {
		text := t.literal
		if t.path != nil {
			raw := json.RawMessage(body)
			for _, key := range t.path {
				var object map[string]json.RawMessage // a map, because the fields of a struct match in any case
				if json.Unmarshal(raw, &object) != nil {
					return "", false
				}
				raw = object[key]
			}
			var s *string
			if json.Unmarshal(raw, &s) != nil || s == nil {
				return "", false
			}
			text = *s
		}
		value.WriteString(text)
	}
	return value.String(), true
}

// selectRoute returns the route key for a message. It is the value of the selection expression if that is exactly a
// route. Otherwise it is $default if that route exists, or "" if the message has no route. The value never selects
// $connect or $disconnect, because those have no messages.
func (g *Gateway) selectRoute(body []byte) string {
	key, ok := g.selection.evaluate(body)
	switch {
	case ok && !strings.HasPrefix(key, "$") && g.routes[key] != nil:
		return key
	case g.routes[routeDefault] != nil:
		return routeDefault
	default:
		return ""
	}
}
