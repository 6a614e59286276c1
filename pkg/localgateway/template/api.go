package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The ids of the APIs that run. That of a WebSocket API is the one in the local gateway's events.
const (
	webSocketID = "local"
	httpID      = "localhttp"
)

// readAPIs finds the APIs. Until then no API has an id.
func readAPIs(r *resolver, s *Stack, o Options) error {
	ids, err := r.ofType(typeAPI)
	if err != nil {
		return err
	}
	byProtocol := map[string][]string{}
	for _, id := range ids {
		protocol, err := r.property(id, "ProtocolType", 0)
		if err != nil {
			return err
		}
		byProtocol[protocol] = append(byProtocol[protocol], id)
	}
	for _, name := range o.APIs {
		if !slices.ContainsFunc(ids, func(id string) bool { return IsCalled(id, name) }) {
			return fmt.Errorf("the template has no API %q; it has %s", name, strings.Join(ids, ", "))
		}
	}
	socket, err := pick(byProtocol["WEBSOCKET"], "WebSocket", o.APIs)
	if err != nil {
		return err
	}
	if socket == "" {
		err := errors.New("the template has no WebSocket API (AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET)")
		if r.Transform != nil {
			err = fmt.Errorf("%w; what its Transform would add is not read: take the template that AWS makes of it, "+
				"with aws cloudformation get-template --template-stage Processed", err)
		}
		return err
	}
	http, err := pick(byProtocol["HTTP"], "HTTP", o.APIs)
	if err != nil {
		return err
	}
	r.apis[socket], r.apis[http] = webSocketID, httpID
	s.WebSocketAPI = API{socket, r.host(socket)}
	if http != "" {
		s.HTTPAPI = API{http, r.host(http)}
	}
	s.RouteSelectionExpression, err = r.property(socket, "RouteSelectionExpression", 0)
	return err
}

// pick returns the one of several APIs that is chosen, or "" if there are none.
func pick(ids []string, kind string, chosen []string) (string, error) {
	if len(ids) < 2 {
		return strings.Join(ids, ""), nil
	}
	var picked []string
	for _, id := range ids {
		if slices.ContainsFunc(chosen, func(name string) bool { return IsCalled(id, name) }) {
			picked = append(picked, id)
		}
	}
	if len(picked) != 1 {
		return "", fmt.Errorf("the template has several %s APIs: %s; name the one to run", kind,
			strings.Join(ids, ", "))
	}
	return picked[0], nil
}

// IsCalled reports whether a name means a logical id: it is the id, or the id without the eight characters that the CDK
// has added to it.
func IsCalled(id, name string) bool {
	base, hash := id, ""
	if len(id) > 8 {
		base, hash = id[:len(id)-8], id[len(id)-8:]
	}
	return name == id || strings.Trim(hash, "0123456789ABCDEF") == "" && name == base
}

// belongs reports whether a resource's ApiId is that of an API.
func (r *resolver) belongs(id, api string) (bool, error) {
	owner, err := r.property(id, "ApiId", 0)
	return api != "" && owner == r.apiID(api), err
}

// of returns the resources of a type that belong to an API.
func (r *resolver) of(kind, api string) (ids []string, err error) {
	all, err := r.ofType(kind)
	if err != nil {
		return nil, err
	}
	for _, id := range all {
		belongs, err := r.belongs(id, api)
		if err != nil {
			return nil, err
		}
		if belongs {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// readStage reads the stage of the WebSocket API.
func readStage(r *resolver, s *Stack, o Options) error {
	ids, err := r.of(typeStage, s.WebSocketAPI.LogicalID)
	if err != nil {
		return err
	}
	var names []string
	stage := ""
	for _, id := range ids {
		name, err := r.property(id, "StageName", 0)
		if err != nil {
			return err
		}
		names = append(names, name)
		if name == o.Stage || o.Stage == "" {
			stage = id
		}
	}
	switch {
	case len(ids) == 0 && o.Stage != "": // it is made elsewhere
		s.Stage.Name = o.Stage
		return nil
	case len(ids) == 0:
		return fmt.Errorf("the template has no stage of %s; name one", s.WebSocketAPI.LogicalID)
	case o.Stage == "" && len(ids) > 1:
		return fmt.Errorf("the template has several stages of %s: %s; name the one to run", s.WebSocketAPI.LogicalID,
			strings.Join(names, ", "))
	case stage == "":
		return fmt.Errorf("the template has no stage %q of %s; it has %s", o.Stage, s.WebSocketAPI.LogicalID,
			strings.Join(names, ", "))
	}
	s.Stage, err = r.stage(stage)
	return err
}

func (r *resolver) stage(id string) (s Stage, err error) {
	if s.Name, err = r.property(id, "StageName", 0); err != nil {
		return s, err
	}
	if s.Variables, err = r.texts(id, "StageVariables"); err != nil {
		return s, err
	}
	settings, err := r.object(id, "DefaultRouteSettings")
	if err != nil {
		return s, err
	}
	if s.Throttle, err = throttle(settings); err != nil {
		return s, fmt.Errorf("%s: %w", place(id, "DefaultRouteSettings"), err)
	}
	settings, err = r.object(id, "RouteSettings")
	if err != nil {
		return s, err
	}
	s.RouteThrottles = map[string]Throttle{}
	for key, value := range settings {
		object, _ := value.(map[string]any)
		limit, err := throttle(object)
		if err != nil {
			return s, fmt.Errorf("%s.%s: %w", place(id, "RouteSettings"), key, err)
		}
		if limit != nil {
			s.RouteThrottles[key] = *limit
		}
	}
	return s, nil
}

// throttle reads the settings of a route. Without both numbers there is no throttle. No source says what AWS makes of
// one number alone, so that is a choice.
func throttle(settings map[string]any) (*Throttle, error) {
	rate, hasRate := settings["ThrottlingRateLimit"]
	burst, hasBurst := settings["ThrottlingBurstLimit"]
	if !hasRate || !hasBurst {
		return nil, nil
	}
	r, err := number(rate)
	b, err2 := number(burst)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	if r < 0 || b < 0 || b > 1<<31 || b != float64(int(b)) {
		return nil, fmt.Errorf("a rate of %v with a burst of %v is not possible", r, b)
	}
	return &Throttle{Rate: r, Burst: int(b)}, nil
}

// number reads a resolved number, which may be written as a text.
func number(v any) (float64, error) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%.50q is not a number", text)
	}
	return n, nil
}

// object resolves a property that is an object. It is nil if the resource does not have it.
func (r *resolver) object(id, property string) (map[string]any, error) {
	v, ok := r.Resources[id].Properties[property]
	if !ok {
		return nil, nil
	}
	value, err := r.resolve(v, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place(id, property), err)
	}
	object, ok := value.(map[string]any)
	if !ok && value != nil && value != (noValue{}) {
		return nil, fmt.Errorf("%s: it is %s, not an object", place(id, property), kind(value))
	}
	return object, nil
}

// texts resolves a property that is an object of texts.
func (r *resolver) texts(id, property string) (map[string]string, error) {
	object, err := r.object(id, property)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for name, value := range object {
		if texts[name], err = r.text(value, 0); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", place(id, property), name, err)
		}
	}
	return texts, nil
}

// readHTTPStages notes a stage of the HTTP API whose name would be a part of the path on AWS.
func readHTTPStages(r *resolver, s *Stack, _ Options) error {
	ids, err := r.of(typeStage, s.HTTPAPI.LogicalID)
	for _, id := range ids {
		stage, err := r.stage(id)
		if err != nil {
			return err
		}
		if stage.Name != "$default" {
			s.note("The HTTP API's routes are served without its stage %q in the path.", stage.Name)
		}
		if stage.Throttle != nil || len(stage.RouteThrottles) > 0 {
			s.note("The throttles of the HTTP API's stage %s are left out.", stage.Name)
		}
	}
	return err
}

func (s *Stack) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}
