package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The outputs have just the names that README and scripts go by.
func TestOutputs(t *testing.T) {
	outputs := template(t, nil)["Outputs"].(map[string]any)
	want := []string{"FunctionName", "HttpUrl", "WebSocketUrl"}
	if got := slices.Sorted(maps.Keys(outputs)); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// Two stages can live in one account: nothing in a template has a name that must be unique in an account.
func TestNothingHasANameOfItsOwn(t *testing.T) {
	for id, r := range template(t, nil)["Resources"].(map[string]any) {
		p, _ := r.(map[string]any)["Properties"].(map[string]any)
		for _, name := range []string{"TableName", "FunctionName", "RoleName", "LogGroupName"} {
			if value, ok := p[name].(string); ok {
				t.Errorf("%s has the %s %q", id, name, value)
			}
		}
	}
}

// A deploy to aws-cn or aws-us-gov has other ARNs and other addresses: a template takes them from the place of the
// deploy. Only the names of AWS's services are the same.
func TestTheTemplateFitsEveryPartition(t *testing.T) {
	service := regexp.MustCompile(`^[a-z]+\.amazonaws\.com$`)
	for name, context := range map[string]map[string]any{
		"by default": nil,
		"with all that has an ARN or an address": {
			"authIssuer": "https://chat.example.com/", "authAudience": "chat", "alarmEmail": "ops@example.com",
			"metrics": "all", "tracing": "on", "messagesTable": "restored-1", "allowedOrigins": "https://a.example",
		},
	} {
		var check func(path string, value any)
		check = func(path string, value any) {
			switch v := value.(type) {
			case map[string]any:
				for key, value := range v {
					check(path+"/"+key, value)
				}
			case []any:
				for i, value := range v {
					check(fmt.Sprint(path, "/", i), value)
				}
			case string:
				principal := service.MatchString(v) &&
					(strings.HasSuffix(path, "/Principal") || strings.HasSuffix(path, "/Service"))
				if strings.Contains(v, "arn:aws") || strings.Contains(v, "amazonaws.com") && !principal {
					t.Errorf("%s: %s is %q", name, path, v)
				}
			}
		}
		check("", template(t, context))
	}
}
