package localruntime_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"wschat/pkg/localruntime"
	"wschat/test/installed"
)

// AWS's tutorial for custom runtimes has a bootstrap in shell.
func TestABootstrapInShell(t *testing.T) {
	t.Parallel()
	installed.Program(t, "sh")
	installed.Program(t, "curl")
	var out syncBuffer
	function := func(handler string) *localruntime.Pool {
		p, err := localruntime.New(localruntime.Config{
			Bootstrap: filepath.Join("testdata", "shell", "bootstrap"), Handler: handler, Output: &out,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	p := function("function.handler")
	for _, event := range []string{`{"a":"b c"}`, "7", "null"} {
		if got, err := call(t, p, event); err != nil || got != `{"event":`+event+`}` {
			t.Errorf("got %s, %v", got, err)
		}
	}
	failing := function("function.fails")
	for range 2 {
		_, err := call(t, failing, "{}")
		if failed, ok := errors.AsType[*localruntime.FunctionError](err); !ok ||
			failed.ErrorMessage() != "the handler failed" || failed.ErrorType() != "Function.Failed" {
			t.Errorf("got %v", err)
		}
	}
	p.Close()
	failing.Close()
	if got := out.String(); strings.Count(got, "an event came\n") != 3 || !strings.Contains(got, `{"status":"OK"}`) {
		t.Errorf("its output is %q", got)
	}
}

// awsClient is a function in testdata/node that AWS's own runtime client runs, npm's aws-lambda-ric, but for its part
// that is compiled: testdata/ric has a double of that.
func awsClient(t *testing.T, handler string) *localruntime.Pool {
	t.Helper()
	double, err := filepath.Abs(filepath.Join("testdata", "ric", "rapid-client.cjs"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := localruntime.New(localruntime.Config{
		Bootstrap: installed.NodeVersion(t, 22), // it needs 22 or later
		Args:      []string{"--require", double, installed.File(t, "node_modules/aws-lambda-ric/index.mjs")},
		Dir:       filepath.Join("testdata", "node"),
		Handler:   handler,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestAWSsNodeClient(t *testing.T) {
	t.Parallel()
	p := awsClient(t, "app.counts")
	for _, want := range []string{"1", "2"} {
		if got, err := call(t, p, "{}"); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	response, err := call(t, awsClient(t, "app.context"), "{}")
	var got struct {
		AwsRequestID, InvokedFunctionArn, FunctionVersion, MemoryLimitInMB, LogGroupName, Trace string
		Remaining                                                                               float64
	}
	if err != nil || json.Unmarshal([]byte(response), &got) != nil || len(got.AwsRequestID) != 36 ||
		got.InvokedFunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:local" ||
		got.FunctionVersion != "$LATEST" || got.MemoryLimitInMB != "512" || got.LogGroupName != "/aws/lambda/local" ||
		!isTrace(got.Trace) || got.Remaining <= 0 {
		t.Errorf("got %s, %v", response, err)
	}
}

func TestErrorsOfAWSsNodeClient(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts two processes for each of several errors")
	}
	t.Parallel()
	for handler, want := range map[string]failure{
		"app.throws":       {"Unauthorized", "thrown", "app.js"},
		"app.notThere":     {"Runtime.HandlerNotFound", "app.notThere is undefined or not exported", ""},
		"throwing.handler": {"Error", "at the start", "throwing.js"},
		"app.callback":     {"Runtime.CallbackHandlerDeprecated", "callback-based", ""},
		"streaming.fails":  {"RangeError", "in the middle", "streaming.mjs"},
	} {
		p := awsClient(t, handler)
		for range 2 {
			_, err := call(t, p, "{}")
			failed, ok := errors.AsType[*localruntime.FunctionError](err)
			if !ok || failed.ErrorType() != want.kind || !strings.Contains(failed.ErrorMessage(), want.message) ||
				!strings.Contains(traceOf(failed), want.trace) {
				t.Errorf("%s: got %v", handler, err)
			}
		}
	}
}

// A response that comes in pieces, with no length, is put together.
func TestAStreamedResponse(t *testing.T) {
	t.Parallel()
	p := awsClient(t, "streaming.handler")
	for range 2 {
		if got, err := call(t, p, "{}"); err != nil || got != "[1,2]" {
			t.Errorf("got %s, %v", got, err)
		}
	}
}
