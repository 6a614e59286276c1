package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wschat/pkg/auth"
	"wschat/pkg/config"
	"wschat/pkg/route"
)

// Every route has a handler and every handler a route, and API Gateway may invoke the function for it.
func TestRoutes(t *testing.T) {
	tmpl := template(t, nil)
	var keys []string
	integrations := map[string]bool{}
	for _, r := range resources(tmpl, "AWS::ApiGatewayV2::Route") {
		p := r["Properties"].(map[string]any)
		keys = append(keys, p["RouteKey"].(string))
		integrations[fmt.Sprint(p["Target"])] = true
	}
	want := append(route.WebSocketKeys(), route.HTTPKeys()...)
	slices.Sort(keys)
	slices.Sort(want)
	if !slices.Equal(keys, want) {
		t.Errorf("the template has routes %v, the handler %v", keys, want)
	}
	if len(integrations) != len(route.WebSocketKeys())+1 {
		t.Errorf("there are %d integrations: want one for each of %v, and one for all HTTP routes", len(integrations),
			route.WebSocketKeys())
	}
	permissions := fmt.Sprint(resources(tmpl, "AWS::Lambda::Permission"))
	for _, key := range route.WebSocketKeys() {
		if !strings.Contains(permissions, "/*"+key+" ") && !strings.Contains(permissions, "/*"+key+"]") {
			t.Errorf("the route %s has no permission to invoke the function", key)
		}
	}
	if !strings.Contains(permissions, " /*/*/*]") {
		t.Errorf("the HTTP API has no permission to invoke the function: %v", permissions)
	}
	// CloudFormation takes no more than 500
	// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
	if all := len(tmpl["Resources"].(map[string]any)); all > 400 {
		t.Errorf("the stack has %d resources", all)
	}
}

// Only with an issuer is there an authorizer, on $connect alone, which the function answers with what the context says.
func TestTheAuthorizer(t *testing.T) {
	for name, with := range map[string]bool{"defaults": false, "auth": true} {
		tmpl := template(t, configurations()[name])
		for _, r := range resources(tmpl, "AWS::ApiGatewayV2::Route") {
			p := r["Properties"].(map[string]any)
			if got, want := p["AuthorizationType"], with && p["RouteKey"] == "$connect"; (got == "CUSTOM") != want {
				t.Errorf("%s: %v is authorized by %v", name, p["RouteKey"], got)
			}
		}
		authorizers := resources(tmpl, "AWS::ApiGatewayV2::Authorizer")
		if (len(authorizers) == 1) != with {
			t.Fatalf("%s: there are %d authorizers", name, len(authorizers))
		}
		env := only(t, tmpl, "AWS::Lambda::Function")["Environment"].(map[string]any)["Variables"].(map[string]any)
		connections, _ := json.Marshal(resources(tmpl, "AWS::IAM::Policy"))
		if !strings.Contains(string(connections), "/DELETE/@connections/*") {
			t.Errorf("%s: the function may not close connections", name)
		}
		permissions, _ := json.Marshal(resources(tmpl, "AWS::Lambda::Permission"))
		if may := strings.Contains(string(permissions), "/authorizers/"); may != with {
			t.Errorf("%s: API Gateway may call the function as an authorizer: %v", name, may)
		}
		if !with {
			if c := functionConfig(t, tmpl); c.AuthIssuer != "" || c.MaxRooms != 100 || c.ActionsPerSecond != 100 ||
				c.PresenceLimit != 100 {
				t.Errorf("the environment %v gives %+v", env, c)
			}
			continue
		}
		for _, a := range authorizers {
			p := a["Properties"].(map[string]any)
			if p["AuthorizerType"] != "REQUEST" ||
				!reflect.DeepEqual(p["IdentitySource"], []any{auth.IdentitySource}) ||
				!strings.Contains(fmt.Sprint(p["AuthorizerUri"]), "Function") {
				t.Errorf("the authorizer is %v", p)
			}
		}
		for name, want := range map[string]string{config.AuthIssuer: "https://chat.example.com/",
			config.AuthAudience: "chat", config.AuthClientID: "chat", config.AuthRoomsClaim: "rooms",
			config.AuthNameClaim: "nickname", config.AuthIDClaim: "profile",
			config.MaxRooms: "10", config.ActionsPerSecond: "20", config.PresenceLimit: "0"} {
			if env[name] != want {
				t.Errorf("%s is %v, want %s", name, env[name], want)
			}
		}
	}
}

func TestStages(t *testing.T) {
	tmpl := template(t, configurations()["custom-domain"])
	stages := resources(tmpl, "AWS::ApiGatewayV2::Stage")
	if len(stages) != 2 {
		t.Fatalf("there are %d stages", len(stages))
	}
	for id, stage := range stages {
		p := stage["Properties"].(map[string]any)
		format := fmt.Sprint(p["AccessLogSettings"].(map[string]any)["Format"])
		var line map[string]string
		if err := json.Unmarshal([]byte(format), &line); err != nil || line["requestId"] == "" {
			t.Errorf("%s logs %s: %v", id, format, err)
		}
		// which is no claim of a token, as its other fields are
		open := strings.ReplaceAll(format, "$context.authorizer.error", "")
		for _, secret := range []string{"query", "header", "$context.authorizer", "$context.path$"} {
			if strings.Contains(open, secret) {
				t.Errorf("%s logs %s", id, secret)
			}
		}
		settings := p["DefaultRouteSettings"].(map[string]any)
		if settings["ThrottlingRateLimit"] != 1000.0 || settings["ThrottlingBurstLimit"] != 500.0 {
			t.Errorf("%s throttles at %v", id, settings)
		}
	}
	outputs := fmt.Sprint(tmpl["Outputs"])
	if !strings.Contains(outputs, "wss://chat.example.com") {
		t.Errorf("the outputs are %s", outputs)
	}
}
