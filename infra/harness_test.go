package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"

	"wschat/test/installed"
)

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// configurations are those that have a golden template.
func configurations() map[string]map[string]any {
	return map[string]map[string]any{
		"defaults": {},
		"al2":      {"lambdaRuntime": "provided.al2", "architecture": "x86_64", "stage": "prod"},
		"custom-domain": {
			"stage": "prod", "domainName": "chat.example.com",
			"certificateArn":       "arn:aws:acm:eu-north-1:123456789012:certificate/0a1b2c3d-0000",
			"messageRetentionDays": "30", "removalPolicy": "destroy", "memorySize": "1024", "throttleRate": "1000",
			"throttleBurst":  "500",
			"allowedOrigins": "https://example.com,http://localhost:3000",
		},
		"events": {"events": "on"},
		"auth": {
			"authIssuer": "https://chat.example.com/", "authAudience": "chat",
			"authClientId": "chat", "authRoomsClaim": "rooms",
			"authNameClaim":  "nickname",
			"authIdClaim":    "profile",
			"authRolesClaim": "roles", "reviewOtherwise": "allow",
			"reviewFunction": "arn:aws:lambda:eu-north-1:123456789012:function:review",
			"maxRooms":       "10", "actionsPerSecond": "20", "presenceLimit": "0", "reservedConcurrency": "50",
			"alarmEmail": "ops@example.com", "alarmTopic": "arn:aws:sns:eu-north-1:123456789012:on-call",
			"metrics": "all", "logLevel": "warn", "tracing": "on",
		},
	}
}

// templates are the templates that were synthesised already, as JSON, so that tests of one configuration share one
// synthesis. Tests that synthesise do not run in parallel: they share one Node process.
var templates = map[string][]byte{}

// template is the synthesised template of a configuration, which the caller may change.
func template(t *testing.T, context map[string]any) map[string]any {
	t.Helper()
	key := configurationOf(t, context)
	if templates[key] == nil {
		b, err := json.Marshal(assertions.Template_FromStack(stackOf(t, context), nil).ToJSON())
		if err != nil {
			t.Fatal(err)
		}
		templates[key] = b
	}
	var tmpl map[string]any
	if err := json.Unmarshal(templates[key], &tmpl); err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// configurationOf tells configurations apart: by the settings, as the stack reads them, and by what else is in the
// context, which the CDK reads.
func configurationOf(t *testing.T, context map[string]any) string {
	t.Helper()
	others := maps.Clone(context)
	s, err := readSettings(func(name string) any {
		delete(others, name)
		return context[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v %v", s, others)
}

// stackOf makes the stack of a configuration, without compiling the function.
func stackOf(t *testing.T, context map[string]any) awscdk.Stack {
	t.Helper()
	installed.Program(t, "node") // the CDK's own code runs there
	all := contextOfTheProject(t)
	maps.Copy(all, map[string]any{"aws:cdk:bundling-stacks": []string{}, "aws:cdk:enable-path-metadata": false})
	maps.Copy(all, context)
	app := awscdk.NewApp(&awscdk.AppProps{Context: &all})
	s, err := readSettings(func(name string) any { return context[name] })
	if err != nil {
		t.Fatal(err)
	}
	return newStack(app, s, filepath.Dir(installed.Dir()))
}

// contextOfTheProject is the context in cdk.json, with which every stack is deployed.
func contextOfTheProject(t *testing.T) map[string]any {
	t.Helper()
	b, err := os.ReadFile("../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var project struct{ Context map[string]any }
	if err := json.Unmarshal(b, &project); err != nil {
		t.Fatal(err)
	}
	return project.Context
}

// resources returns the resources of one type, by logical id.
func resources(tmpl map[string]any, kind string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for id, r := range tmpl["Resources"].(map[string]any) {
		if r := r.(map[string]any); r["Type"] == kind {
			found[id] = r
		}
	}
	return found
}

// only returns the properties of the one resource of a type.
func only(t *testing.T, tmpl map[string]any, kind string) map[string]any {
	t.Helper()
	found := resources(tmpl, kind)
	if len(found) != 1 {
		t.Fatalf("there are %d of %s, want one", len(found), kind)
	}
	for _, r := range found {
		return r["Properties"].(map[string]any)
	}
	return nil
}
