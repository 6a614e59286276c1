package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"

	"wschat/pkg/auth"
	"wschat/pkg/config"
	"wschat/pkg/dynamo"
	"wschat/pkg/management"
	"wschat/pkg/route"
	"wschat/test/installed"
)

var update = flag.Bool("update", false, "write the golden templates anew")

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
		"auth": {
			"authIssuer": "https://chat.example.com/", "authAudience": "chat", "authRoomsClaim": "rooms",
			"authNameClaim": "nickname",
			"authIdClaim":   "profile",
			"maxRooms":      "10", "actionsPerSecond": "20", "presenceLimit": "0", "reservedConcurrency": "50",
			"alarmEmail": "ops@example.com", "alarmTopic": "arn:aws:sns:eu-north-1:123456789012:on-call",
			"metrics": "all", "logLevel": "warn", "tracing": "on",
		},
	}
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

// template is the synthesised template of a configuration.
func template(t *testing.T, context map[string]any) map[string]any {
	t.Helper()
	return *assertions.Template_FromStack(stackOf(t, context), nil).ToJSON()
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

// The golden templates show in review what a change does to a deployment.
func TestGoldenTemplates(t *testing.T) {
	for name, context := range configurations() {
		t.Run(name, func(t *testing.T) {
			tmpl := template(t, context)
			for _, fn := range resources(tmpl, "AWS::Lambda::Function") { // known by the program's bytes
				fn["Properties"].(map[string]any)["Code"].(map[string]any)["S3Key"] = "PROGRAM.zip"
			}
			got, err := json.MarshalIndent(tmpl, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil || string(want) != string(got)+"\n" {
				t.Errorf("the template is not that of %s (%v); see what changed with: go test ./infra -update && "+
					"git diff infra/testdata", path, err)
			}
		})
	}
}

// Every route has a handler and every handler a route, with an integration and a permission of its own.
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
	if len(integrations) != len(want) {
		t.Errorf("%d routes share %d integrations", len(want), len(integrations))
	}
	permissions := fmt.Sprint(resources(tmpl, "AWS::Lambda::Permission"))
	for _, key := range route.WebSocketKeys() {
		if !strings.Contains(permissions, "/*"+key+" ") && !strings.Contains(permissions, "/*"+key+"]") {
			t.Errorf("the route %s has no permission to invoke the function", key)
		}
	}
	for _, key := range route.HTTPKeys() {
		_, path, _ := strings.Cut(key, " ")
		if !strings.Contains(permissions, "/*/GET"+path+"]") && !strings.Contains(permissions, "/*/*"+path+"]") {
			t.Errorf("the route %s has no permission to invoke the function", key)
		}
	}
}

// allowed returns the actions that the function's role may call, by what they may be called on.
func allowed(t *testing.T, tmpl map[string]any) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, r := range resources(tmpl, "AWS::IAM::Policy") {
		for _, s := range r["Properties"].(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			statement := s.(map[string]any)
			if statement["Effect"] != "Allow" {
				t.Errorf("a statement that is no Allow: %v", statement)
			}
			actions, ok := statement["Action"].([]any)
			if !ok {
				actions = []any{statement["Action"]}
			}
			on := target(statement["Resource"])
			for _, action := range actions {
				found[on] = append(found[on], action.(string))
			}
			slices.Sort(found[on])
		}
	}
	return found
}

// target names what a statement is about.
func target(resource any) string {
	b, _ := json.Marshal(resource)
	for part, name := range map[string]string{
		"/index/": "the connections index", `"Connections`: "the connections table", `"Messages`: "the messages table",
		"@connections": "the connections of the stage", `"FunctionLogs`: "the function's log",
	} {
		if strings.Contains(string(b), part) && !(name == "the connections table" && strings.Contains(string(b),
			"/index/")) {
			return name
		}
	}
	return string(b)
}

// actionsOf translates the calls of an interface into what IAM calls them.
func actionsOf(api reflect.Type) (actions []string) {
	translate := map[string][]string{
		"GetItem": {"dynamodb:GetItem"}, "PutItem": {"dynamodb:PutItem"}, "DeleteItem": {"dynamodb:DeleteItem"},
		"Query": {"dynamodb:Query"},
		// A transaction needs the permission of each write in it
		// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html).
		"TransactWriteItems": {"dynamodb:PutItem", "dynamodb:UpdateItem"},
		"UpdateItem":         {"dynamodb:UpdateItem"},
		"DeleteConnection":   {"execute-api:ManageConnections"},
	}
	for i := range api.NumMethod() {
		names, ok := translate[api.Method(i).Name]
		if !ok {
			names = []string{"no translation for " + api.Method(i).Name}
		}
		actions = append(actions, names...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// The function may do what its code calls, on the table that it calls it on, and nothing else.
func TestPermissionsAreWhatTheCodeCalls(t *testing.T) {
	want := map[string][]string{
		"the messages table": actionsOf(reflect.TypeFor[interface {
			dynamo.LogAPI
			dynamo.LeasesAPI
		}]()),
		"the connections table": actionsOf(reflect.TypeFor[interface {
			dynamo.RosterAPI
			dynamo.AnnouncementsAPI
		}]()),
		"the connections index":        {"dynamodb:Query"},
		"the connections of the stage": actionsOf(reflect.TypeFor[management.API]()),
		"the function's log":           {"logs:CreateLogStream", "logs:PutLogEvents"},
	}
	got := allowed(t, template(t, nil))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the policy allows\n%v\nthe code calls\n%v", got, want)
	}
}

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
			config.AuthAudience: "chat", config.AuthRoomsClaim: "rooms",
			config.AuthNameClaim: "nickname", config.AuthIDClaim: "profile",
			config.MaxRooms: "10", config.ActionsPerSecond: "20", config.PresenceLimit: "0"} {
			if env[name] != want {
				t.Errorf("%s is %v, want %s", name, env[name], want)
			}
		}
	}
}

func TestDataIsKeptUnlessAsked(t *testing.T) {
	for want, context := range map[string]map[string]any{"Retain": nil, "Delete": {"removalPolicy": "destroy"}} {
		tables := resources(template(t, context), "AWS::DynamoDB::Table")
		if len(tables) != 2 {
			t.Fatalf("there are %d tables", len(tables))
		}
		for id, table := range tables {
			p := table["Properties"].(map[string]any)
			if table["DeletionPolicy"] != want || table["UpdateReplacePolicy"] != want {
				t.Errorf("%s: %v", id, table["DeletionPolicy"])
			}
			// It is said either way: a deploy with destroy has to switch it off.
			if protected := p["DeletionProtectionEnabled"]; protected != (want == "Retain") {
				t.Errorf("%s: with %s, the protection against deletion is %v", id, want, protected)
			}
			if p["BillingMode"] != "PAY_PER_REQUEST" || p["SSESpecification"].(map[string]any)["SSEEnabled"] != true ||
				p["PointInTimeRecoverySpecification"].(map[string]any)["PointInTimeRecoveryEnabled"] != true ||
				p["TimeToLiveSpecification"].(map[string]any)["AttributeName"] != "expires_at" {
				t.Errorf("%s: %v", id, p)
			}
		}
	}
}

// A restored table is used in place of the stack's own, which stays.
func TestAnotherMessagesTable(t *testing.T) {
	tmpl := template(t, map[string]any{"messagesTable": "restored-1", "removalPolicy": "destroy"})
	if n := len(resources(tmpl, "AWS::DynamoDB::Table")); n != 2 {
		t.Errorf("there are %d tables", n)
	}
	environment := only(t, tmpl, "AWS::Lambda::Function")["Environment"].(map[string]any)["Variables"].(map[string]any)
	if environment[config.MessagesTable] != "restored-1" {
		t.Errorf("the function's table is %v", environment[config.MessagesTable])
	}
	policies := fmt.Sprint(resources(tmpl, "AWS::IAM::Policy"))
	if !strings.Contains(policies, ":table/restored-1") {
		t.Errorf("the function may not use it: %s", policies)
	}
	for id := range resources(tmpl, "AWS::DynamoDB::Table") {
		if strings.HasPrefix(id, "Messages") && strings.Contains(policies, id) {
			t.Errorf("the function may use %s", id)
		}
	}
	if board := fmt.Sprint(only(t, tmpl, "AWS::CloudWatch::Dashboard")); !strings.Contains(board, "restored-1") {
		t.Error("the dashboard shows another table")
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

// The outputs have just the names that README and scripts go by.
func TestOutputs(t *testing.T) {
	outputs := template(t, nil)["Outputs"].(map[string]any)
	if got := slices.Sorted(maps.Keys(outputs)); !slices.Equal(got, []string{"HttpUrl", "WebSocketUrl"}) {
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

func TestMain(m *testing.M) {
	defer jsii.Close()
	os.Exit(m.Run())
}
