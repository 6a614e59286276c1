package localruntime_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wschat/pkg/localruntime"
)

// environmentOf is what a function finds in its environment.
func environmentOf(t *testing.T, c localruntime.Config) map[string]string {
	t.Helper()
	got, err := invoke(t, pool(t, c), "environment")
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for variable := range strings.SplitSeq(got, "\\n") {
		name, value, _ := strings.Cut(variable, "=")
		variables[name] = value
	}
	return variables
}

func TestTheVariablesOfTheRuntime(t *testing.T) {
	t.Setenv("PATH", "/a:/b")
	got := environmentOf(t, localruntime.Config{
		Name: "greeter", Handler: "app.handler", MemoryMB: 256, Region: "eu-west-1", Dir: "testdata",
	})
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"AWS_ACCESS_KEY_ID":               `local`,
		"AWS_SECRET_ACCESS_KEY":           `local`,
		"AWS_DEFAULT_REGION":              `eu-west-1`,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": `256`,
		"AWS_LAMBDA_FUNCTION_NAME":        `greeter`,
		"AWS_LAMBDA_FUNCTION_VERSION":     `\$LATEST`,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  `on-demand`,
		"AWS_LAMBDA_LOG_GROUP_NAME":       `/aws/lambda/greeter`,
		"AWS_LAMBDA_LOG_STREAM_NAME":      `\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}`,
		"AWS_LAMBDA_RUNTIME_API":          `127\.0\.0\.1:\d+`,
		"AWS_REGION":                      `eu-west-1`,
		"AWS_XRAY_CONTEXT_MISSING":        `LOG_ERROR`,
		"FUNCTION":                        `serve`,
		"LAMBDA_RUNTIME_DIR":              regexp.QuoteMeta(filepath.Dir(os.Args[0])),
		"LAMBDA_TASK_ROOT":                regexp.QuoteMeta(dir),
		"LANG":                            `en_US\.UTF-8`,
		"PATH":                            `/a:/b`,
		"TZ":                              `:UTC`,
		"_HANDLER":                        `app\.handler`,
		"_X_AMZN_TRACE_ID":                `Root=1-.+`, // of aws-lambda-go, for each event
	}
	for name, value := range got {
		if pattern, ok := want[name]; !ok || !regexp.MustCompile("^"+pattern+"$").MatchString(value) {
			t.Errorf("%s is %q", name, value)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not there", name)
		}
	}
}

// What Lambda lets a function override, Env overrides. Beside that it may have the Region and the access key.
func TestWhatEnvOverrides(t *testing.T) {
	t.Parallel()
	env := map[string]string{"FUNCTION": "serve", "LANG": "C", "PATH": "/c", "TZ": "Asia/Seoul",
		"AWS_REGION": "ap-northeast-2", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
		"AWS_SESSION_TOKEN": "token", "AWS_XRAY_CONTEXT_MISSING": "IGNORE_ERROR", "AWS_EXECUTION_ENV": "mine",
		"EMPTY": "", "WITH": "a=b"}
	var c localruntime.Config
	for name, value := range env {
		c.Env = append(c.Env, name+"="+value)
	}
	got := environmentOf(t, c)
	env["AWS_DEFAULT_REGION"] = "ap-northeast-2"
	for name, value := range env {
		if got[name] != value {
			t.Errorf("%s is %q, not %q", name, got[name], value)
		}
	}
	if got := environmentOf(t, localruntime.Config{Region: "eu-west-1", Env: c.Env}); got["AWS_REGION"] != "eu-west-1" {
		t.Errorf("Config.Region is not in the environment: %q", got["AWS_REGION"])
	}
	if got := environmentOf(t, localruntime.Config{
		Env: []string{"FUNCTION=serve", "AWS_ACCESS_KEY_ID=id"},
	}); got["AWS_SECRET_ACCESS_KEY"] != "" {
		t.Error("half of an access key is a placeholder")
	}
}

// The working directory is the folder of the code. Lambda gives a bootstrap no arguments.
func TestWhereAFunctionRuns(t *testing.T) {
	t.Parallel()
	code, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		config localruntime.Config
		want   string
	}{
		{localruntime.Config{}, filepath.Dir(os.Args[0])},
		{localruntime.Config{Dir: "testdata"}, code},
		{localruntime.Config{Dir: "testdata", Args: []string{"a", "b c"}}, code + "|a|b c"},
	} {
		want(t, pool(t, tc.config), "place", tc.want)
	}
}

func TestTheConfigIsChecked(t *testing.T) {
	t.Parallel()
	for field, c := range map[string]localruntime.Config{
		"Bootstrap":    {},
		"nothing":      {Bootstrap: filepath.Join("testdata", "nothing")},
		"testdata":     {Bootstrap: "testdata"},
		"README.md":    {Bootstrap: "README.md"},
		"Dir":          {Dir: "nothing"},
		"not a folder": {Dir: "README.md"},
		"Name":         {Name: "with space"},
		"Account":      {Account: "1234"},
		"MemoryMB -1":  {MemoryMB: -1},
		"Timeout -1ns": {Timeout: -1},
		"MaxProcesses": {MaxProcesses: -1},
		`"NONAME"`:     {Env: []string{"NONAME"}},
		`"=x"`:         {Env: []string{"=x"}},
		`"N=a\x00b"`:   {Env: []string{"N=a\x00b"}},

		"set Config.Handler":               {Env: []string{"_HANDLER=x"}},
		"set Config.Name":                  {Env: []string{"AWS_LAMBDA_FUNCTION_NAME=x"}},
		"set Config.MemoryMB":              {Env: []string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1"}},
		"set Config.Dir":                   {Env: []string{"LAMBDA_TASK_ROOT=x"}},
		"AWS_LAMBDA_RUNTIME_API, which is": {Env: []string{"AWS_LAMBDA_RUNTIME_API=x"}},
	} {
		if c.Bootstrap == "" && field != "Bootstrap" {
			c.Bootstrap = os.Args[0]
		}
		_, err := localruntime.New(c)
		if err == nil || !strings.HasPrefix(err.Error(), "localruntime: Config") ||
			!strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}
