package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"wschat/pkg/config"
)

func TestTheFunctionIsConfigured(t *testing.T) {
	for name, tc := range map[string]struct {
		context map[string]any
		runtime string
		arch    string
		memory  float64
		days    any
		atOnce  any    // reserved invocations
		origins string // what is in the list
		page    string // what is in the URL that the page connects to
	}{
		"defaults": {nil, "provided.al2023", "arm64", 512, nil, nil, "", ".execute-api."},
		"auth":     {configurations()["auth"], "provided.al2023", "arm64", 512, nil, 50.0, "", ".execute-api."},
		"al2":      {configurations()["al2"], "provided.al2", "x86_64", 512, nil, nil, "", ".execute-api."},
		"custom domain": {configurations()["custom-domain"], "provided.al2023", "arm64", 1024, "30", nil,
			"https://example.com,http://localhost:3000,", "wss://chat.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			p := only(t, template(t, tc.context), "AWS::Lambda::Function")
			if p["Runtime"] != tc.runtime || p["Handler"] != "bootstrap" || p["MemorySize"] != tc.memory ||
				p["Timeout"] != 29.0 ||
				p["ReservedConcurrentExecutions"] != tc.atOnce ||
				!reflect.DeepEqual(p["Architectures"], []any{tc.arch}) {
				t.Errorf("got %v", p)
			}
			env := p["Environment"].(map[string]any)["Variables"].(map[string]any)
			for _, name := range []string{config.ConnectionsTable, config.MessagesTable, config.ConnectionsEndpoint,
				config.WebSocketURL} {
				if env[name] == nil {
					t.Errorf("%s is not set", name)
				}
			}
			if env[config.MessageRetentionDays] != tc.days || !strings.Contains(fmt.Sprint(env[config.WebSocketURL]),
				tc.page) {
				t.Errorf("the environment is %v", env)
			}
			// If pages are restricted, the chat's own may connect all the same.
			origins := fmt.Sprint(env[config.AllowedOrigins])
			if (env[config.AllowedOrigins] == nil) != (tc.origins == "") || !strings.Contains(origins, tc.origins) ||
				tc.origins != "" && !strings.Contains(origins, "ApiEndpoint") {
				t.Errorf("the allowed origins are %s", origins)
			}
			if endpoint := fmt.Sprint(env[config.ConnectionsEndpoint]); !strings.Contains(endpoint, "https://") ||
				!strings.Contains(endpoint, "execute-api") {
				t.Errorf("the callback URL is %s, which must be the stage's own", endpoint)
			}
		})
	}
}
