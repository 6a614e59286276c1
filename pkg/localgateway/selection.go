package localgateway

import (
	"encoding/json"
	"strings"
)

// The route keys that API Gateway itself defines.
const (
	routeConnect    = "$connect"
	routeDisconnect = "$disconnect"
	routeDefault    = "$default"
)

// selectRoute evaluates $request.body.action for a message: its exact value where that is a route, else $default. A body
// that is no JSON object, and an action that is no string or begins with $, go to $default. "" means that there is no
// route for the message.
func (g *Gateway) selectRoute(body []byte) string {
	var fields map[string]json.RawMessage // a map, because struct fields would match in any case
	var action string
	if json.Unmarshal(body, &fields) == nil && json.Unmarshal(fields["action"], &action) == nil &&
		!strings.HasPrefix(action, "$") && g.routes[action] {
		return action
	}
	if g.routes[routeDefault] {
		return routeDefault
	}
	return ""
}
