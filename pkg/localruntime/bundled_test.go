package localruntime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"wschat/pkg/localruntime"
	"wschat/test/installed"
)

// language is a language that has a bundled runtime client.
type language struct {
	name     string
	programs []string
	config   func(dir, handler string) (localruntime.Config, error)
	versions func(t *testing.T) map[string]string // the interpreters to try, by the AWS_EXECUTION_ENV that they make
}

func node() language {
	return language{"node", []string{"node"}, localruntime.Node, func(t *testing.T) map[string]string {
		return map[string]string{
			"AWS_Lambda_nodejs20.x": installed.NodeVersion(t, 20),
			"AWS_Lambda_nodejs22.x": installed.NodeVersion(t, 22),
		}
	}}
}

func python() language {
	return language{"python", []string{"python3", "python"}, localruntime.Python, func(t *testing.T) map[string]string {
		path := installed.Program(t, python().programs...)
		version, err := exec.Command(path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"AWS_Lambda_python" + strings.TrimSpace(string(version)): path}
	}}
}

// function is a Pool for a handler in testdata, which one of the installed interpreters runs.
func (l language) function(t *testing.T, handler string, set func(*localruntime.Config)) *localruntime.Pool {
	t.Helper()
	installed.Program(t, l.programs...)
	c, err := l.config(filepath.Join("testdata", l.name), handler)
	if err != nil {
		t.Fatal(err)
	}
	c.Env = append(c.Env, "PYTHONDONTWRITEBYTECODE=1")
	if set != nil {
		set(&c)
	}
	p, err := localruntime.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// call invokes a function with an event in JSON.
func call(t *testing.T, p *localruntime.Pool, event string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	response, err := p.Invoke(ctx, []byte(event))
	return string(response), err
}

// answers expects responses in JSON: by handler, for the event 7.
func (l language) answers(t *testing.T, handlers map[string]string) {
	t.Helper()
	for handler, want := range handlers {
		t.Run(handler, func(t *testing.T) {
			t.Parallel()
			p := l.function(t, handler, nil)
			for range 2 { // the process can go on
				if got, err := call(t, p, "7"); err != nil || got != want {
					t.Errorf("got %s, %v; want %s", got, err, want)
				}
			}
		})
	}
}

// failure is an error that a handler must post: its type, its message and what its trace contains.
type failure struct{ kind, message, trace string }

func (l language) failures(t *testing.T, handlers map[string]failure) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a process for each of many errors")
	}
	for handler, want := range handlers {
		t.Run(handler, func(t *testing.T) {
			t.Parallel()
			p := l.function(t, handler, nil)
			for range 2 {
				_, err := call(t, p, "7")
				failed, ok := errors.AsType[*localruntime.FunctionError](err)
				if !ok || failed.ErrorType() != want.kind ||
					!regexp.MustCompile("^"+want.message+"$").MatchString(failed.ErrorMessage()) ||
					!strings.Contains(traceOf(failed), want.trace) {
					t.Errorf("got %v; want %v", err, want)
				}
				if ok && strings.Contains(traceOf(failed), "bootstrap.py") {
					t.Errorf("the trace begins in the runtime client: %v", err)
				}
				if ok && failed.Reason == "the function failed to start" {
					break // the next event starts the same process
				}
			}
		})
	}
}

// traceOf is the trace in an error's payload: trace from Node.js, stackTrace from Python.
func traceOf(err *localruntime.FunctionError) string {
	var posted struct{ Trace, StackTrace []string }
	_ = json.Unmarshal(err.Payload, &posted)
	return strings.Join(append(posted.Trace, posted.StackTrace...), "\n")
}

func TestHandlersInNode(t *testing.T) {
	t.Parallel()
	node().answers(t, map[string]string{
		"app.echo":                "7",
		"app.nothing":             "null",
		"app.nested.deep.handler": `"deep"`,
		"src/app.handler":         `"hello you"`,
		"src/app.other":           `"of the default export"`,
		"typed/app.handler":       "true",
		"app.fork":                `"from a child"`,
	})
}

// Lambda has callbacks on Node.js 20 and 22.
func TestCallbacksInNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a process for each of many handlers")
	}
	t.Parallel()
	l := node()
	interpreter := installed.NodeVersion(t, 22)
	for handler, want := range map[string]string{
		"app.callback":      `"called with 7"`,
		"app.callbackTwice": "1",
		"app.sync":          "null", // what a handler returns counts only if it is a promise
		"app.never":         "null",
		"app.unsettled":     "null",
		"app.done":          `"done"`,
		"app.succeed":       `"succeeded"`,
		"app.waits":         `{"ticks":1}`,
		"app.doesNotWait":   `"at once"`,
	} {
		t.Run(handler, func(t *testing.T) {
			t.Parallel()
			p := l.function(t, handler, func(c *localruntime.Config) { c.Bootstrap = interpreter })
			if got, err := call(t, p, "7"); err != nil || got != want {
				t.Errorf("got %s, %v; want %s", got, err, want)
			}
		})
	}
}

// From Node.js 24 on Lambda has none, and what a handler returns counts. The version is a pretence here.
func TestNode24HasNoCallbacks(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a process for each of many handlers")
	}
	t.Parallel()
	l := node()
	pretend, err := filepath.Abs(filepath.Join("testdata", "node", "version24.cjs"))
	if err != nil {
		t.Fatal(err)
	}
	as24 := func(c *localruntime.Config) { c.Args = []string{"--require", pretend} }
	for handler, want := range map[string]string{
		"app.sync":      `"not heard on Node.js before 24: 7"`,
		"app.echo":      "7",
		"app.callback":  "Runtime.CallbackHandlerDeprecated",
		"app.done":      "TypeError", // the context has no such function
		"app.unsettled": "Runtime.ExitError",
	} {
		got, err := call(t, l.function(t, handler, as24), "7")
		if failed, ok := errors.AsType[*localruntime.FunctionError](err); ok {
			got = failed.ErrorType()
		}
		if got != want {
			t.Errorf("%s: got %s, %v; want %s", handler, got, err, want)
		}
	}
}

func TestErrorsInNode(t *testing.T) {
	t.Parallel()
	exit := "RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status "
	node().failures(t, map[string]failure{
		"app.throws":        {"Unauthorized", "thrown", "app.js"},
		"app.rejects":       {"RangeError", "rejected, with ü", "app.js"},
		"app.rejectsText":   {"string", "just text", ""},
		"app.failed":        {"Error", "failed", "app.js"},
		"app.callbackError": {"TypeError", "called back", "app.js"},
		"app.circular":      {"Runtime.JSONStringifyError", "Unable to stringify response body", ""},
		"app.uncaught":      {"Error", "nothing caught it", "app.js"},
		"app.unhandled":     {"Runtime.UnhandledPromiseRejection", "Error: nothing handled it", "app.js"},
		"app.exits":         {"Runtime.ExitError", exit + "4", ""},
		"app.notThere":      {"Runtime.HandlerNotFound", "app.notThere is undefined or not exported", ""},
		"app.text":          {"Runtime.HandlerNotFound", "app.text is not a function", ""},
		"app":               {"Runtime.MalformedHandlerName", "Bad handler 'app'.*", ""},
		"../app.handler":    {"Runtime.MalformedHandlerName", "'../app.handler' is not .*", ""},
		"absent.handler":    {"Runtime.ImportModuleError", "Error: Cannot find module 'absent'(.|\n)*", ""},
		"missing.handler": {"Runtime.ImportModuleError", "Error: Cannot find module 'not-there'(.|\n)*",
			"missing.js"},
		"syntax.handler":   {"Runtime.UserCodeSyntaxError", "SyntaxError: .+", "syntax.cjs"},
		"throwing.handler": {"Error", "at the start", "throwing.js"},
		"exiting.handler":  {"Runtime.ExitError", exit + "5", ""},
	})
}

func TestHandlersInPython(t *testing.T) {
	t.Parallel()
	python().answers(t, map[string]string{
		"app.echo":          "7",
		"app.nothing":       "null",
		"src/inner.handler": `"hello you"`,
		"src.inner.handler": `"hello you"`,
		"app.numbers":       "[12345678901234567890, 1.5]",
		"app.raw":           "\x00not JSON",
	})
}

func TestErrorsInPython(t *testing.T) {
	t.Parallel()
	exit := "RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status "
	python().failures(t, map[string]failure{
		"app.raises":       {"PermissionError", "raised, with ü", "app.py"},
		"app.unencodable":  {"Runtime.MarshalError", "Unable to marshal response: .* set is not .*", ""},
		"app.coroutine":    {"Runtime.MarshalError", "Unable to marshal response: .* coroutine is not .*", ""},
		"app.text":         {"TypeError", "'str' object is not callable", ""},
		"app.exits":        {"Runtime.ExitError", exit + "4", ""},
		"app.notThere":     {"Runtime.HandlerNotFound", "Handler 'notThere' missing on module 'app'", ""},
		"app":              {"Runtime.MalformedHandlerName", "Bad handler 'app'.*", ""},
		"absent.handler":   {"Runtime.ImportModuleError", "Unable to import module 'absent': .*'absent'", ""},
		"missing.handler":  {"Runtime.ImportModuleError", "Unable to import module 'missing': .*'not_there'", ""},
		"syntax.handler":   {"Runtime.UserCodeSyntaxError", "Syntax error in module 'syntax': .*", "syntax.py"},
		"throwing.handler": {"RuntimeError", "at the start", "throwing.py"},
		"exiting.handler":  {"Runtime.ExitError", exit + "5", ""},
	})
}

// An event that is not JSON reaches no handler.
func TestAnEventThatIsNotJSON(t *testing.T) {
	t.Parallel()
	for l, kind := range map[*language]string{new(node()): "SyntaxError", new(python()): "Runtime.UnmarshalError"} {
		p := l.function(t, "app.echo", nil)
		_, err := call(t, p, "{")
		if failed, ok := errors.AsType[*localruntime.FunctionError](err); !ok || failed.ErrorType() != kind {
			t.Errorf("%s: got %v", l.name, err)
		}
		if got, err := call(t, p, `"ü\u0000 🙂"`); err != nil || !sameJSON(got, `"ü\u0000 🙂"`) {
			t.Errorf("%s: got %s, %v", l.name, got, err)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	left, _ := json.Marshal(x)
	right, _ := json.Marshal(y)
	return bytes.Equal(left, right)
}

func TestAProcessKeepsWhatAModuleHolds(t *testing.T) {
	t.Parallel()
	for _, l := range []language{node(), python()} {
		p := l.function(t, "app.counts", nil)
		for _, want := range []string{"1", "2", "3"} {
			if got, err := call(t, p, "{}"); err != nil || got != want {
				t.Errorf("%s: got %s, %v; want %s", l.name, got, err, want)
			}
		}
	}
}

// A handler's context has the members that Lambda documents, under the names of its language.
func TestTheContextOfAHandler(t *testing.T) {
	t.Parallel()
	names := map[string]map[string]string{
		"node": {"id": "awsRequestId", "arn": "invokedFunctionArn", "name": "functionName",
			"version": "functionVersion", "memory": "memoryLimitInMB", "group": "logGroupName",
			"stream": "logStreamName"},
		"python": {"id": "aws_request_id", "arn": "invoked_function_arn", "name": "function_name",
			"version": "function_version", "memory": "memory_limit_in_mb", "group": "log_group_name",
			"stream": "log_stream_name"},
	}
	want := map[string]string{
		"id":      `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"arn":     `^arn:aws:lambda:eu-west-1:123456789012:function:greeter$`,
		"name":    `^greeter$`,
		"version": `^\$LATEST$`,
		"memory":  `^256$`,
		"group":   `^/aws/lambda/greeter$`,
		"stream":  `^\d{4}/\d{2}/\d{2}/\[\$LATEST\][0-9a-f]{32}$`,
	}
	for _, l := range []language{node(), python()} {
		for executionEnv, interpreter := range l.versions(t) {
			p := l.function(t, "app.context", func(c *localruntime.Config) {
				c.Bootstrap, c.Name, c.MemoryMB = interpreter, "greeter", 256
				c.Timeout, c.Region, c.Account = 5*time.Second, "eu-west-1", "123456789012"
			})
			response, err := call(t, p, "{}")
			var got map[string]any
			if err != nil || json.Unmarshal([]byte(response), &got) != nil {
				t.Fatalf("%s: got %s, %v", l.name, response, err)
			}
			for member, pattern := range want {
				value, _ := got[names[l.name][member]].(string)
				if !regexp.MustCompile(pattern).MatchString(value) {
					t.Errorf("%s: %s is %q in %s", l.name, names[l.name][member], value, response)
				}
			}
			if left, _ := got["remaining"].(float64); left <= 0 || left > 5000 {
				t.Errorf("%s: %v ms are left of 5 s", l.name, got["remaining"])
			}
			if trace, _ := got["trace"].(string); !isTrace(trace) {
				t.Errorf("%s: the trace is %q", l.name, trace)
			}
			dir, err := filepath.Abs(filepath.Join("testdata", l.name))
			if err != nil || got["directory"] != dir || got["client"] != true || got["hour"] != 0.0 ||
				got["executionEnv"] != executionEnv {
				t.Errorf("%s: got %s", l.name, response)
			}
		}
	}
}

func isTrace(header string) bool {
	return regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`).MatchString(header)
}

// What a handler prints is in the output when its response is there.
func TestAHandlersOutput(t *testing.T) {
	t.Parallel()
	for _, l := range []language{node(), python()} {
		var out syncBuffer
		p := l.function(t, "app.prints", func(c *localruntime.Config) { c.Output = &out })
		if _, err := call(t, p, "{}"); err != nil {
			t.Fatal(err)
		}
		p.Close()
		wants := []string{"out\nand more\n", "err\n", "no line break\n"}
		if l.name == "python" {
			wants = append(wants, "Z\tlogged\n")
		}
		for _, want := range wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in %q", l.name, want, out.String())
			}
		}
	}
}

// The file with a bundled runtime client is gone after Close.
func TestABundledClientLeavesNoFile(t *testing.T) {
	temp := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP"} {
		t.Setenv(name, temp)
	}
	p := python().function(t, "app.echo", nil)
	if _, err := call(t, p, "{}"); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) != 1 {
		t.Errorf("got %v, %v", files, err)
	}
	p.Close()
	if files, err := os.ReadDir(temp); err != nil || len(files) != 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestAnInterpreterThatIsNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, l := range []language{node(), python()} {
		if _, err := l.config("testdata", "app.handler"); err == nil || !strings.Contains(err.Error(), l.name) {
			t.Errorf("%s: got %v", l.name, err)
		}
	}
}
