package template_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/localgateway/template"
)

// stack is a template with a WebSocket API, to which resources and further sections are added.
func stack(resources, sections string) string {
	return `{"Resources":{
		"Api":{"Type":"AWS::ApiGatewayV2::Api","Properties":{"ProtocolType":"WEBSOCKET",
			"RouteSelectionExpression":"$request.body.action"}},
		"Stage":{"Type":"AWS::ApiGatewayV2::Stage","Properties":{"ApiId":{"Ref":"Api"},"StageName":"dev"}}` +
		resources + `}` + sections + `}`
}

// route is a route with its integration.
func route(key, uri, more string) string {
	return fmt.Sprintf(`,"%[1]sRoute":{"Type":"AWS::ApiGatewayV2::Route","Properties":{"ApiId":{"Ref":"Api"},
		"RouteKey":"%[1]s","Target":{"Fn::Join":["/",["integrations",{"Ref":"%[1]sIntegration"}]]}%[3]s}},
		"%[1]sIntegration":{"Type":"AWS::ApiGatewayV2::Integration","Properties":{"ApiId":{"Ref":"Api"},
		"IntegrationType":"AWS_PROXY","IntegrationUri":%[2]s}}`, key, uri, more)
}

// function is a function Fn with a route of its own and these properties.
func function(properties string) string {
	return route("send", `{"Fn::GetAtt":["Fn","Arn"]}`, "") + `,"Fn":{"Type":"AWS::Lambda::Function",
		"Properties":{"Runtime":"nodejs22.x","Handler":"app.handler"` + properties + `}}`
}

func read(t *testing.T, text string, o template.Options) *template.Stack {
	t.Helper()
	s, err := template.Read([]byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// All forms of a function's URI lead to the function.
func TestIntegrations(t *testing.T) {
	const others = `,"Fn":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"called"}},
		"Version":{"Type":"AWS::Lambda::Version","Properties":{"FunctionName":{"Ref":"Fn"}}},
		"Alias":{"Type":"AWS::Lambda::Alias","Properties":{"FunctionName":{"Ref":"Fn"},"Name":"live",
			"FunctionVersion":{"Fn::GetAtt":["Version","Version"]}}},
		"Vars":{"Type":"AWS::ApiGatewayV2::Stage","Properties":{"ApiId":{"Ref":"Api"},"StageName":"vars",
			"StageVariables":{"fn":"called"}}}`
	for uri, problem := range map[string]string{
		`{"Fn::GetAtt":["Fn","Arn"]}`: "",
		`{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":apigateway:",{"Ref":"AWS::Region"},` +
			`":lambda:path/2015-03-31/functions/",{"Fn::GetAtt":["Fn","Arn"]},"/invocations"]]}`: "",
		`{"Fn::Sub":"arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Fn.Arn}/invocations"}`:  "",
		`{"Fn::Sub":"arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Alias}/invocations"}`:   "",
		`{"Fn::Sub":"arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Version}/invocations"}`: "",
		`{"Fn::Sub":"arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${!stageVariables.fn}"}`:            "",
		`"arn:aws:lambda:us-east-1:1:function:other"`: "" +
			`the function "other" is not in the template`,
		`"https://example.com"`: `"https://example.com" invokes no function`,
		`{"Ref":"Nothing"}`:     `the template has no parameter and no resource "Nothing"`,
	} {
		s := read(t, stack(route("send", uri, "")+others, ""), template.Options{Stage: "vars"})
		r := s.Routes[0]
		if problem == "" && (r.Function != "Fn" || r.Problem != nil || s.Functions["Fn"].Name != "called") {
			t.Errorf("%s: got %+v, %v", uri, r, s.Functions)
		}
		if problem != "" && (r.Function != "" || r.Problem == nil || !strings.Contains(r.Problem.Error(), problem) ||
			!strings.HasPrefix(r.Problem.Error(), "Resources.sendIntegration.Properties.IntegrationUri: ")) {
			t.Errorf("%s: got %+v, want %q", uri, r, problem)
		}
	}
}

func TestStages(t *testing.T) {
	const more = `,"Prod":{"Type":"AWS::ApiGatewayV2::Stage","Properties":{"ApiId":{"Ref":"Api"},"StageName":"prod",
		"StageVariables":{"colour":"red"},
		"DefaultRouteSettings":{"ThrottlingRateLimit":2.5,"ThrottlingBurstLimit":"3"},
		"RouteSettings":{"send":{"ThrottlingRateLimit":1,"ThrottlingBurstLimit":1},"other":{}}}}`
	s := read(t, stack(function("")+more, ""), template.Options{Stage: "prod"})
	want := template.Stage{Name: "prod", Variables: map[string]string{"colour": "red"},
		Throttle:       &template.Throttle{Rate: 2.5, Burst: 3},
		RouteThrottles: map[string]template.Throttle{"send": {Rate: 1, Burst: 1}}}
	if !reflect.DeepEqual(s.Stage, want) {
		t.Errorf("got %+v", s.Stage)
	}
	for stage, problem := range map[string]string{
		"":     "the template has several stages of Api: prod, dev; name the one to run",
		"test": `the template has no stage "test" of Api; it has prod, dev`,
	} {
		if _, err := template.Read([]byte(stack(function("")+more, "")), template.Options{Stage: stage}); err == nil ||
			err.Error() != problem {
			t.Errorf("%q: %v", stage, err)
		}
	}
}

func TestAuthorizers(t *testing.T) {
	const authorizer = `,"Auth":{"Type":"AWS::ApiGatewayV2::Authorizer","Properties":{"ApiId":{"Ref":"Api"},
		"AuthorizerType":"REQUEST","AuthorizerUri":{"Fn::Sub":
			"arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Gate.Arn}/invocations"},
		"IdentitySource":["route.request.header.Auth","route.request.querystring.token"]}},
		"Gate":{"Type":"AWS::Lambda::Function","Properties":{}}`
	connect := func(kind string) string {
		return stack(function("")+authorizer+route("$connect", `{"Fn::GetAtt":["Fn","Arn"]}`,
			`,"AuthorizationType":"`+kind+`","AuthorizerId":{"Ref":"Auth"}`), "")
	}
	s := read(t, connect("CUSTOM"), template.Options{})
	want := &template.Authorizer{Function: "Gate", IdentitySources: []string{"route.request.header.Auth",
		"route.request.querystring.token"}}
	if !reflect.DeepEqual(s.Authorizer, want) || s.IAM || len(s.Functions) != 2 {
		t.Errorf("got %+v, %v, %v", s.Authorizer, s.IAM, s.Functions)
	}
	if s := read(t, connect("AWS_IAM"), template.Options{}); !s.IAM || s.Authorizer != nil {
		t.Errorf("got %+v", s)
	}
	if s := read(t, connect("NONE"), template.Options{}); s.IAM || s.Authorizer != nil {
		t.Errorf("got %+v", s)
	}
	if _, err := template.Read([]byte(connect("JWT")), template.Options{}); err == nil ||
		!strings.Contains(err.Error(), `AuthorizationType: "JWT" is not supported`) {
		t.Error(err)
	}
}

// A client gets an answer if its route selects responses and has one.
func TestRouteResponses(t *testing.T) {
	const response = `,"Response":{"Type":"AWS::ApiGatewayV2::RouteResponse","Properties":{"ApiId":{"Ref":"Api"},
		"RouteId":{"Ref":"sendRoute"},"RouteResponseKey":"$default"}}`
	const selects = `,"RouteResponseSelectionExpression":"$default"`
	fn := `,"Fn":{"Type":"AWS::Lambda::Function","Properties":{}}`
	for _, tc := range []struct {
		route, response string
		want            bool
	}{{selects, response, true}, {selects, "", false}, {"", response, false}} {
		s := read(t, stack(route("send", `{"Fn::GetAtt":"Fn.Arn"}`, tc.route)+tc.response+fn, ""), template.Options{})
		if s.Routes[0].Response != tc.want {
			t.Errorf("%+v: got %v", tc, s.Routes[0].Response)
		}
	}
}

// The one API of a kind is read, or that which is named, without the CDK's addition to its id if one likes.
func TestSeveralAPIs(t *testing.T) {
	const more = `,"Chat827CEF2F":{"Type":"AWS::ApiGatewayV2::Api","Properties":{"ProtocolType":"WEBSOCKET"}},
		"Prod":{"Type":"AWS::ApiGatewayV2::Stage","Properties":{"ApiId":{"Ref":"Chat827CEF2F"},"StageName":"prod"}}`
	for name, id := range map[string]string{"Chat": "Chat827CEF2F", "Chat827CEF2F": "Chat827CEF2F", "Api": "Api"} {
		s := read(t, stack(function("")+more, ""), template.Options{APIs: []string{name}})
		if s.WebSocketAPI.LogicalID != id || len(s.Routes) != map[string]int{"Api": 1}[id] ||
			s.WebSocketAPI.Host != "local.execute-api.us-east-1.amazonaws.com" {
			t.Errorf("%s: got %+v, %v", name, s.WebSocketAPI, s.Routes)
		}
	}
	for name, problem := range map[string]string{
		"":   "the template has several WebSocket APIs: Api, Chat827CEF2F; name the one to run",
		"Ap": `the template has no API "Ap"; it has Api, Chat827CEF2F`,
	} {
		var apis []string
		if name != "" {
			apis = []string{name}
		}
		if _, err := template.Read([]byte(stack(more, "")), template.Options{APIs: apis}); err == nil ||
			err.Error() != problem {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What is left out is noted.
func TestNotes(t *testing.T) {
	http := func(properties string) string {
		return `,"Web":{"Type":"AWS::ApiGatewayV2::Api","Properties":{"ProtocolType":"HTTP"}},
			"WebStage":{"Type":"AWS::ApiGatewayV2::Stage","Properties":{"ApiId":{"Ref":"Web"},"StageName":"v1",
				"DefaultRouteSettings":{"ThrottlingRateLimit":1,"ThrottlingBurstLimit":1}}},
			"Ping":{"Type":"AWS::ApiGatewayV2::Route","Properties":{"ApiId":{"Ref":"Web"},"RouteKey":"GET /ping",
				"Target":"integrations/sendIntegration"` + properties + `}}`
	}
	got := read(t, stack(function(`,"Layers":["x"]`)+http(`,"AuthorizationType":"JWT","ApiKeyRequired":true`), ""),
		template.Options{})
	want := []string{
		`The HTTP API's routes are served without its stage "v1" in the path.`,
		`The throttles of the HTTP API's stage v1 are left out.`,
		`The route GET /ping is served without an API key.`,
		`The authorization JWT of the route GET /ping is left out.`,
		`The layers of the function Fn are left out.`,
	}
	if !slices.Equal(got.Notes, want) || got.HTTPAPI != (template.API{LogicalID: "Web",
		Host: "localhttp.execute-api.us-east-1.amazonaws.com"}) {
		t.Errorf("got %q, %+v", got.Notes, got.HTTPAPI)
	}
	if got := read(t, stack(function(""), ""), template.Options{}); len(got.Notes) > 0 {
		t.Errorf("got %q", got.Notes)
	}
}

// What is wrong with a template is said with its place.
func TestWrongTemplates(t *testing.T) {
	cycle := func(kind, property string) string {
		return stack(function("")+`,"T":{"Type":"`+kind+`","Properties":{"`+property+`":{"Ref":"T"}}}`, "")
	}
	blowUp := `"C0":{"Fn::Equals":[1,1]}`
	for i := range 40 {
		blowUp += fmt.Sprintf(`,"C%d":{"Fn::And":[{"Condition":"C%[2]d"},{"Condition":"C%[2]d"}]}`, i+1, i)
	}
	for text, problem := range map[string]string{
		"":                                    "YAML is not read",
		"Resources:\n  Api: {}":               "YAML is not read",
		`{"Resources":[]}`:                    "this is not a CloudFormation template in JSON",
		`{"Resources":{"A":{"Type":"X"}}} {}`: "something follows the template",
		`{}`:                                  "the template has no Resources",
		`{"Resources":{"A":{"Type":"X"}}}`:    "the template has no WebSocket API",
		`{"Resources":{"A":{"Type":"AWS::Serverless::Api"}},"Transform":"AWS::Serverless-2016-10-31"}`: "what its " +
			"Transform would add is not read",
		cycle("AWS::DynamoDB::Table", "TableName"):                   "Resources.T.Properties.TableName",
		stack(function(""), `,"Conditions":{"A":{"Condition":"A"}}`): "", // it is not used
		stack(`,"T":{"Type":"AWS::DynamoDB::Table","Condition":"A"}`,
			`,"Conditions":{"A":{"Condition":"A"}}`): "do they refer to each other?",
		stack(`,"T":{"Type":"AWS::DynamoDB::Table","Condition":"A"}`,
			`,"Conditions":{"A":{"Fn::Equals":[{"Ref":"T"},1]}}`): "do they refer to each other?",
		stack(`,"T":{"Type":"AWS::DynamoDB::Table","Condition":"C40"}`, `,"Conditions":{`+blowUp+`}`): "",
		stack(function(`,"Timeout":"long"`), ""): "" +
			`Resources.Fn.Properties.Timeout: "long" is not a number`,
		stack(function(`,"Timeout":0`), ""): "" +
			`Resources.Fn.Properties.Timeout: 0 is not possible`,
		stack(function(`,"Environment":{"Variables":1}`), ""): "" +
			"Variables: it is a single value, not an object",
		stack(strings.Replace(function(""), "AWS_PROXY", "MOCK", 1), ""): "",
	} {
		s, err := template.Read([]byte(text), template.Options{})
		if problem == "" && strings.Contains(text, "C40") {
			problem = "the values of the template are too large"
		}
		if (problem == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%.300s: %v, want %q", text, err, problem)
		}
		if strings.Contains(text, "MOCK") && (s == nil || !strings.Contains(s.Routes[0].Problem.Error(),
			`Resources.sendIntegration.Properties.IntegrationType: it is "MOCK"`)) {
			t.Errorf("got %+v", s)
		}
	}
}

// Of the project's own templates everything is read, and every variable has its value.
func TestOwnTemplates(t *testing.T) {
	const fn = "Function76856677"
	for _, name := range []string{"auth", "defaults", "events", "custom-domain"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "infra", "testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var written struct {
			Resources map[string]struct {
				Type       string
				Properties struct {
					Environment struct{ Variables map[string]any }
				}
			}
		}
		if err := json.Unmarshal(text, &written); err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for _, r := range written.Resources {
			counts[r.Type]++
		}
		s := read(t, string(text), template.Options{})
		if len(s.Functions) != 1 || (s.Authorizer != nil) != (name == "auth") ||
			len(s.Routes)+len(s.HTTPRoutes) != counts["AWS::ApiGatewayV2::Route"] || len(s.Routes) < 20 ||
			len(s.HTTPRoutes) < 50 || len(s.Tables) != counts["AWS::DynamoDB::Table"] || s.Stage.Throttle == nil {
			t.Errorf("%s: got %q, %v, %+v, %+v, %d and %d routes, %d tables", name, s.Notes, s.Functions, s.Authorizer,
				s.Stage, len(s.Routes), len(s.HTTPRoutes), len(s.Tables))
		}
		for _, r := range slices.Concat(s.Routes, s.HTTPRoutes) {
			if r.Function != fn || r.Problem != nil || r.Response {
				t.Errorf("%s: got %+v", name, r)
			}
		}
		f, variables := s.Functions[fn], written.Resources[fn].Properties.Environment.Variables
		if f.Timeout != 29*time.Second || f.MemoryMB < 512 || f.Runtime != "provided.al2023" ||
			len(f.Unknown) > 0 || len(f.Environment) != len(variables) || len(variables) < 4 ||
			f.Environment["CONNECTIONS_TABLE"] != "Connections827CEF2F" ||
			f.Environment["CONNECTIONS_ENDPOINT"] != "https://"+s.WebSocketAPI.Host+"/"+s.Stage.Name {
			t.Errorf("%s: got %+v of %v", name, f, variables)
		}
	}
}

// Whatever the bytes are, they are a description or an error.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "infra", "testdata", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	f.Add([]byte(stack(function(`,"Environment":{"Variables":{"A":{"Fn::Sub":["${x}${Api.ApiId}",{"x":{"Fn::Join":
		["",[{"Fn::Select":[0,{"Fn::Split":["-","a-b"]}]},{"Fn::If":["C",1,2]}]]}}]}}}`),
		`,"Conditions":{"C":{"Fn::Or":[{"Fn::Not":[{"Fn::Equals":[1,2]}]}]}},"Mappings":{"M":{"a":{"b":1}}}`)))
	f.Add([]byte(stack(route("$connect", `{"Fn::FindInMap":["M","a","b"]}`, `,"AuthorizationType":"AWS_IAM"`), "")))
	f.Add([]byte(stack(`,"T":{"Type":"AWS::DynamoDB::Table","Properties":{"TableName":{"Ref":"T"}}}`, "")))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := template.Read(text, template.Options{})
		if (s == nil) == (err == nil) {
			t.Errorf("got %v, %v", s, err)
		}
	})
}
