package localgateway

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// The route keys that API Gateway itself defines.
const (
	routeConnect    = "$connect"
	routeDisconnect = "$disconnect"
	routeDefault    = "$default"
)

// expression is a route selection expression
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-selection-expressions.html):
// literal text and variables, one after the other.
type expression []term

// term is the path of a variable in a message's body, or, where that is nil, literal text.
type term struct {
	literal string
	path    []string
}

// termPattern finds what comes next in an expression: an escaped dollar sign, a variable in either spelling, or a
// stretch of literal text. A variable without braces ends where a character cannot belong to a path.
var termPattern = regexp.MustCompile(`^(?:\\(\$)|\$\{([^{}$]*)\}|\$([\w.-]*)|([^\\$]+|\\))`)

// parseExpression reads a route selection expression. Its variables are of the form $request.body.path or
// ${request.body.path}, where the path has the names of keys, one inside the other, with dots between them.
func parseExpression(text string) (expression, error) {
	var e expression
	for rest := text; rest != ""; {
		m := termPattern.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("%q is no route selection expression from %q on", text, rest)
		}
		rest = rest[len(m[0]):]
		variable := m[2] + m[3]
		if variable == "" && !strings.HasPrefix(m[0], "$") {
			e = append(e, term{literal: m[1] + m[4]})
			continue
		}
		path, ok := strings.CutPrefix(variable, "request.body.")
		if keys := strings.Split(path, "."); ok && !strings.Contains("."+path+".", "..") {
			e = append(e, term{path: keys})
			continue
		}
		return nil, fmt.Errorf("%q has the variable %q; those of a route selection are $request.body.KEY and "+
			"${request.body.KEY}", text, m[0])
	}
	if len(e) == 0 {
		return nil, fmt.Errorf("the route selection expression is empty")
	}
	return e, nil
}

// evaluate returns the expression's value for a message; false where a variable of it has none. A variable that is
// not a string has none: AWS does not say what becomes of it, and $default is where a person would look for such a
// message.
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

// selectRoute returns the route key for a message: the value of the selection expression where that is exactly a
// route, else $default, where there is such a route. "" means that there is no route for the message. The value never
// selects $connect or $disconnect, which have no messages.
func (g *Gateway) selectRoute(body []byte) string {
	key, ok := g.selection.evaluate(body)
	switch {
	case ok && !strings.HasPrefix(key, "$") && g.routes[key]:
		return key
	case g.routes[routeDefault]:
		return routeDefault
	default:
		return ""
	}
}
