package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/coder/websocket"

	"wschat/test/installed"
	"wschat/test/logbuffer"
)

// TestMain makes this very test binary the function that the tests run.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	lambda.Start(answer)
}

// event is what the function reads of all kinds of events.
type event struct {
	Type           string
	MethodARN      string
	Query          map[string]string `json:"queryStringParameters"`
	StageVariables map[string]string
	Body           string
	Context        struct {
		RouteKey, DomainName, Stage, APIID, ConnectionID string
		Authorizer                                       map[string]any
	} `json:"requestContext"`
}

// answer is a function for all routes, and an authorizer.
func answer(ctx context.Context, e event) (map[string]any, error) {
	says := fmt.Sprintf("%s answers %s", os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), e.Context.RouteKey)
	switch {
	case e.Type == "REQUEST":
		if e.Query["token"] != "good" {
			return nil, errors.New("Unauthorized")
		}
		return map[string]any{"principalId": "ann", "policyDocument": map[string]any{"Version": "2012-10-17",
			"Statement": []any{map[string]any{"Action": "execute-api:Invoke", "Effect": "Allow",
				"Resource": e.MethodARN}}}}, nil
	case strings.HasPrefix(e.Context.RouteKey, "GET "):
		env, err := json.Marshal(environment())
		return map[string]any{"statusCode": 200, "body": string(env)}, err
	case e.Context.RouteKey == "$disconnect":
		fmt.Println("a client has left")
	case strings.Contains(e.Body, "who"):
		says = fmt.Sprint(e.Context.Authorizer["principalId"], e.StageVariables["colour"])
	case e.Body == "hang":
		fmt.Println("it hangs")
		<-ctx.Done()
	case strings.Contains(e.Body, "post"):
		return map[string]any{"statusCode": 200}, post(ctx, e)
	}
	return map[string]any{"statusCode": 200, "body": says}, nil
}

func environment() map[string]string {
	env := map[string]string{"PID": strconv.Itoa(os.Getpid())}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	return env
}

// post calls @connections as a function does that was written for AWS alone: at the domain of the event, or at the one
// that it makes of the API's id and the Region.
func post(ctx context.Context, e event) error {
	endpoint := "https://" + e.Context.DomainName + "/" + e.Context.Stage
	if strings.Contains(e.Body, "id") {
		endpoint = "https://" + e.Context.APIID + ".execute-api." + os.Getenv("AWS_REGION") + ".amazonaws.com/" +
			e.Context.Stage
	}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := apigatewaymanagementapi.NewFromConfig(c, func(o *apigatewaymanagementapi.Options) {
		o.BaseEndpoint = &endpoint
	})
	_, err = client.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{
		ConnectionId: &e.Context.ConnectionID, Data: []byte("posted to " + endpoint)})
	return err
}

// running is the command while it runs.
type running struct {
	url, http, certificate string
	printed                string // to stdout
	stderr                 *logbuffer.Buffer
	hurry                  func()       // as a second interrupt
	stop                   func() error // interrupts it, and returns how it ends
}

// launch runs the command until it serves.
func launch(t *testing.T, args ...string) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	second, hurry := context.WithCancel(t.Context())
	out, in := io.Pipe()
	r := running{stderr: &logbuffer.Buffer{}, hurry: hurry}
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, second, append([]string{"-addr", "127.0.0.1:0"}, args...), in, r.stderr)
		_ = in.Close()
		ended <- err
	}()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { _ = r.stop() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		r.printed += lines.Text() + "\n"
		for name, value := range map[string]*string{"Certificate": &r.certificate, "Callback URL": &r.http,
			"WebSocket API": &r.url} {
			if text, ok := strings.CutPrefix(lines.Text(), name+": "); ok {
				*value = text
			}
		}
		if r.url != "" {
			r.http = r.http[:strings.LastIndex(r.http, "/")]
			return r
		}
	}
	t.Fatalf("it ends with %v, and says %s", r.stop(), r.stderr)
	panic("unreachable")
}

// self is this test binary, as a target.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// talk is a conversation of one client: what is sent, and what the next frame is.
type talk struct {
	t    *testing.T
	conn *websocket.Conn
}

func dial(t *testing.T, url string, client *http.Client) talk {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return talk{t, conn}
}

// say sends a frame, and returns the next one.
func (c talk) say(frame string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
	_, answer, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(answer)
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// Routes lead to their functions, and equal targets are one function. An end is clean: clients are closed, functions
// are told, and no file is left.
func TestRoutes(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := t.TempDir()
	if err := os.Symlink(self(t), filepath.Join(dir, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	r := launch(t, "-route", "$connect="+self(t), "-route", "$disconnect="+self(t), "-route", "$default="+dir,
		"-route", "who="+self(t), "-route", "GET /env="+self(t), "-route-response", "$default",
		"-route-response", "who", "-authorizer", self(t), "-identity-source", "route.request.querystring.token",
		"-stage", "test", "-stage-variable", "colour=red", "-env", "PLACE=here")
	if !strings.HasSuffix(r.url, "/test") {
		t.Errorf("the URL is %s", r.url)
	}
	for query, status := range map[string]int{"": 401, "?token=bad": 401} {
		if _, answer, err := websocket.Dial(t.Context(), r.url+query, nil); err == nil || answer.StatusCode != status {
			t.Errorf("%q: got %v, %v", query, answer, err)
		}
	}
	c := dial(t, r.url+"?token=good", nil)
	name := filepath.Base(dir)
	if got := c.say("hello"); got != name+" answers $default" {
		t.Errorf("got %s", got)
	}
	if got := c.say(`{"action":"who"}`); got != "annred" {
		t.Errorf("got %s", got)
	}
	status, body := get(t, http.DefaultClient, r.http+"/env")
	var env map[string]string
	if err := json.Unmarshal([]byte(body), &env); err != nil || status != 200 || env["PLACE"] != "here" {
		t.Errorf("got %d, %s", status, body)
	}
	if n := strings.Count(r.printed, "Function "); n != 2 ||
		!strings.Contains(r.printed, "serves $connect, $disconnect, who, GET /env, the authorizer\n") {
		t.Errorf("it says %s", r.printed)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	_, _, err := c.conn.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the client gets %v", err)
	}
	if pid, err := strconv.Atoi(env["PID"]); err != nil || isAlive(pid) {
		t.Errorf("the process %d is there, %v", pid, err)
	}
	if !strings.Contains(r.stderr.String(), ": a client has left\n") {
		t.Errorf("the log is %s", r.stderr)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// Handlers in JavaScript and Python are functions too. Their output and their failures are lines with their names.
func TestLanguages(t *testing.T) {
	installed.Program(t, "node")
	installed.Program(t, "python3")
	dir := t.TempDir()
	for file, code := range map[string]string{
		"app.js": `exports.handler = async (e) => { if (e.body === 'fail') throw new Error('on purpose');
			console.log('node prints'); return {statusCode: 200, body: 'node'}; };`,
		"app.py": "def handler(event, context):\n\treturn {'statusCode': 200, 'body': 'python'}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := launch(t, "-route", "$default=node:"+dir+"/app.handler", "-route", "py=python:"+dir+"/app.handler",
		"-route-response", "$default", "-route-response", "py")
	c := dial(t, r.url, nil)
	for frame, want := range map[string]string{"hello": "node", `{"action":"py"}`: "python"} {
		if got := c.say(frame); got != want {
			t.Errorf("%s: got %s", frame, got)
		}
	}
	if got := c.say("fail"); !strings.Contains(got, "Internal server error") {
		t.Errorf("got %s", got)
	}
	r.stderr.Await(t, time.Minute, "app-handler: node prints\n")
	r.stderr.Await(t, time.Minute, "gateway: the invocation of $default failed: ")
	if strings.Contains(r.stderr.String(), "\n\n") {
		t.Errorf("the log has empty lines: %s", r.stderr)
	}
}

// What is wrong with the command line is one line that says what to do.
func TestWrongCommandLines(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for args, problem := range map[string]string{
		"":                                 "no routes: give -route KEY=TARGET or -template FILE",
		"-rout x=y":                        "flag provided but not defined: -rout (-h lists the flags)",
		"-route x":                         `it is not NAME=VALUE`,
		"-route x=1 -route x=2":            "x was given before",
		"-route $default=./none":           `-route $default: there is no executable "./none"; a function is an`,
		"-route $default=./text":           "text is not an executable file",
		"-route $default=node:app.handler": "node:app.handler: there is no file app with .js or .mjs or .cjs",
		"-route $default=python:app":       `"python:app" does not end with a file and a name in it`,
		"-route $default=go:./none":        "go build ./none",
		"-route GET./x=" + "./none":        "there is no executable",
		"-route $default=./none more":      `unexpected argument "more"`,
		"-route a=b -function F=b":         "-function, -api and -parameter need -template",
		"-route a=b -dynamodb http://x":    "-dynamodb needs -template",
		"-route a=b -identity-source x":    "-identity-source needs -authorizer",
		"-route a=b -authorizer AWS_IAM -identity-source x": "-identity-source needs -authorizer",
		"-route a=b -authorizer aws_iam":                    "or it is AWS_IAM",
		"-template t.json -dynamodb 127.0.0.1:8000":         "-dynamodb 127.0.0.1:8000: it is not a URL, as http://",
		"-route a=go:":                          `"go:" does not name a package`,
		"-addr nowhere -route a=" + self(t):     "-addr nowhere: listen tcp: address nowhere: missing port",
		"-template t.json -route-response x":    "are for routes without -template, which has its own",
		"-template none.json":                   "open none.json: no such file",
		"-template text":                        "-template text: this is not a CloudFormation template in JSON",
		"-route $x=" + self(t):                  `Config.Routes has "$x"`,
		"-addr 192.0.2.1:1 -route a=" + self(t): "-addr chooses another address",
	} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), t.Context(), append([]string{"-addr", "127.0.0.1:0"}, strings.Fields(args)...), &stdout,
			&stderr)
		if err == nil || !strings.Contains(err.Error(), problem) || stdout.Len()+stderr.Len() > 0 {
			t.Errorf("%s: %v, want %q; it says %s%s", args, err, problem, &stdout, &stderr)
		}
	}
}

func TestARouteOfAnHTTPAPIAlone(t *testing.T) {
	_, err := planned(options{routes: pairs{{"GET /ping", self(t)}}})
	if err == nil || !strings.Contains(err.Error(), "no route of a WebSocket API: give one") {
		t.Error(err)
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	if err := run(t.Context(), t.Context(), []string{"-h"}, io.Discard, &help); err == nil {
		t.Error("no error")
	}
	for line := range strings.Lines(help.String()) {
		if len(line) > 200 {
			t.Errorf("a long line: %s", line)
		}
	}
	for _, part := range []string{"Usage: ", "-route KEY=TARGET", "-template FILE", "go:./cmd/fn", "-watch"} {
		if !strings.Contains(help.String(), part) {
			t.Errorf("%q is not in %s", part, &help)
		}
	}
}
