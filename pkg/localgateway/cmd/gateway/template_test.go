package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"wschat/test/installed"
)

// own is one of the project's own templates.
func own(name string) string {
	return filepath.Join("..", "..", "..", "..", "infra", "testdata", name+".json")
}

// variables are those in the environment of a template's only function, as they are written.
func variables(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
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
	for _, r := range written.Resources {
		if r.Type == "AWS::Lambda::Function" {
			return r.Properties.Environment.Variables
		}
	}
	t.Fatalf("%s has no function", path)
	return nil
}

// The function of the project's own templates gets every variable of its template: a text as it is written, the URLs of
// the APIs as those of this gateway, and nothing that it could reach on AWS alone.
func TestEveryVariableOfATemplate(t *testing.T) {
	for _, name := range []string{"auth", "defaults", "events", "custom-domain"} {
		r := launch(t, "-template", own(name), "-function", "Function="+self(t), "-env", "MORE=more")
		_, body := get(t, tlsClient(t, ""), r.http+"/ping")
		var got map[string]string
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		want := variables(t, own(name))
		if len(want) < 4 {
			t.Errorf("%s has only %v", name, want)
		}
		for variable, value := range want {
			text, isText := value.(string)
			if actual, ok := got[variable]; !ok || isText && actual != text || strings.Contains(actual, "execute-api") {
				t.Errorf("%s: %s is %q, %v of %v", name, variable, actual, ok, value)
			}
		}
		_, stage, _ := strings.Cut(strings.TrimPrefix(r.url, "ws://"), "/")
		for variable, actual := range map[string]string{"CONNECTIONS_ENDPOINT": r.http + "/" + stage,
			"CONNECTIONS_TABLE": "Connections827CEF2F", "AWS_LAMBDA_FUNCTION_NAME": "Function76856677",
			"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "", "_HANDLER": "bootstrap", "MORE": "more"} {
			if got[variable] != actual && actual != "" || got[variable] == "" {
				t.Errorf("%s: %s is %q, want %q", name, variable, got[variable], actual)
			}
		}
		if url := got["WEBSOCKET_URL"]; name != "custom-domain" && url != r.url {
			t.Errorf("%s: the URL is %q, want %q", name, url, r.url)
		}
		if !strings.Contains(r.printed, "Note: The template's tables are nowhere: give -dynamodb URL.\n") {
			t.Errorf("it says %s", r.printed)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

// small is a template with a function in an asset beside it, two routes and an environment.
func small(t *testing.T, function, environment string) string {
	t.Helper()
	text := `{"Resources":{"Api":{"Type":"AWS::ApiGatewayV2::Api","Properties":{"ProtocolType":"WEBSOCKET",
		"RouteSelectionExpression":"$request.body.action"}},
		"Stage":{"Type":"AWS::ApiGatewayV2::Stage","Properties":{"ApiId":{"Ref":"Api"},"StageName":"dev"}},
		"Fn":{"Type":"AWS::Lambda::Function","Metadata":{"aws:asset:path":"asset.1"},"Properties":{` + function + `,
			"Environment":{"Variables":{` + environment + `}}}},
		"DefaultIntegration":{"Type":"AWS::ApiGatewayV2::Integration","Properties":{"ApiId":{"Ref":"Api"},
			"IntegrationType":"AWS_PROXY","IntegrationUri":{"Fn::GetAtt":["Fn","Arn"]}}},
		"Default":{"Type":"AWS::ApiGatewayV2::Route","Properties":{"ApiId":{"Ref":"Api"},"RouteKey":"$default",
			"Target":{"Fn::Sub":"integrations/${DefaultIntegration}"},"RouteResponseSelectionExpression":"$default"}},
		"Response":{"Type":"AWS::ApiGatewayV2::RouteResponse","Properties":{"ApiId":{"Ref":"Api"},
			"RouteId":{"Ref":"Default"},"RouteResponseKey":"$default"}},
		"MockIntegration":{"Type":"AWS::ApiGatewayV2::Integration","Properties":{"ApiId":{"Ref":"Api"},
			"IntegrationType":"MOCK"}},
		"Mock":{"Type":"AWS::ApiGatewayV2::Route","Properties":{"ApiId":{"Ref":"Api"},"RouteKey":"mock",
			"Target":{"Fn::Sub":"integrations/${MockIntegration}"}}}}}`
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "asset.1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self(t), filepath.Join(dir, "asset.1", "bootstrap")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "Stack.template.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// machine is this machine's architecture, as Lambda calls it.
func machine() string { return map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH] }

// A function runs out of its asset, which is beside the template, and a route of another kind can be given a function.
func TestAssets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the runtime provided.al2023 is one of Linux")
	}
	path := small(t, `"Runtime":"provided.al2023","Handler":"x","Architectures":["`+machine()+`"]`, ``)
	c := dial(t, launch(t, "-template", path, "-route", "mock="+self(t)).url, nil)
	if got := c.say("hello"); got != "Fn answers $default" {
		t.Errorf("got %s", got)
	}
}

// A function's code may be in the template.
func TestInlineCode(t *testing.T) {
	installed.Program(t, "node")
	installed.Program(t, "python3")
	for runtime, code := range map[string]string{
		"nodejs22.x": "exports.handler = async () => ({statusCode: 200, body: 'inline'});",
		"python3.13": "def handler(event, context):\n\treturn {'statusCode': 200, 'body': 'inline'}\n",
	} {
		text, err := json.Marshal(code)
		if err != nil {
			t.Fatal(err)
		}
		path := small(t, `"Runtime":"`+runtime+`","Handler":"index.handler","Code":{"ZipFile":`+string(text)+`}`, ``)
		c := dial(t, launch(t, "-template", path, "-route", "mock="+self(t)).url, nil)
		if got := c.say("hello"); got != "inline" {
			t.Errorf("%s: got %s", runtime, got)
		}
	}
}

// What a template leaves open, or this machine cannot run, is an error that says what to do.
func TestTemplatesThatNeedMore(t *testing.T) {
	const other = `"Runtime":"provided.al2023","Architectures":["riscv"]`
	mock := "-route mock=" + self(t)
	for _, tc := range []struct{ function, environment, flags, problem string }{
		{other, ``, mock, "the function Fn: its code is for "},
		{other, ``, mock, "; give what runs in its place with -function Fn=TARGET, for example -function Fn=go:./PACK"},
		{`"Runtime":"java21"`, ``, mock, "the function Fn: its runtime, java21, is not supported; give what runs in"},
		{`"Runtime":"nodejs22.x","Handler":"app.handler"`, ``, mock, "there is no file"},
		{other, ``, "-function Fn=" + self(t), "IntegrationType: it is \"MOCK\"; only AWS_PROXY is supported, with a " +
			"function; give it a function with -route 'mock=TARGET'"},
		{other, `"QUEUE":{"Ref":"Queue"}`, "-function Fn=" + self(t) + " " + mock,
			`Resources.Fn.Properties.Environment.Variables.QUEUE: Ref: the template has no parameter and no resource ` +
				`"Queue"; give it with -env QUEUE=VALUE`},
		{other, ``, "-function F=" + self(t), "-function F: the routes of the template have no function, or several, " +
			"with this id; they have Fn"},
	} {
		args := append([]string{"-template", small(t, tc.function, tc.environment)}, strings.Fields(tc.flags)...)
		if err := run(t.Context(), t.Context(), args, io.Discard, io.Discard); err == nil ||
			!strings.Contains(err.Error(), tc.problem) {
			t.Errorf("%s %s: %v, want %q", tc.function, tc.flags, err, tc.problem)
		}
	}
	path := small(t, `"Runtime":"provided.al2023","Architectures":["`+machine()+`"]`, ``)
	if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "asset.1")); err != nil {
		t.Fatal(err)
	}
	args := []string{"-template", path, "-route", "mock=" + self(t)}
	if err := run(t.Context(), t.Context(), args, io.Discard, io.Discard); err ==
		nil || !strings.Contains(err.Error(), "asset.1, is not a folder here; give what runs in its place with") {
		t.Error(err)
	}
}
