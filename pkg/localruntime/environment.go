package localruntime

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reserved are the variables that Config.Env must not have, because the Pool sets them, and the field of Config that
// has the value; "" if there is none. Lambda refuses them too
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html). It also refuses the Region and the access
// key. Those are taken here, because no role gives them to the function.
var reserved = map[string]string{
	"_HANDLER":                        "Handler",
	"AWS_LAMBDA_FUNCTION_NAME":        "Name",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "MemoryMB",
	"LAMBDA_TASK_ROOT":                "Dir",
	"AWS_LAMBDA_FUNCTION_VERSION":     "",
	"AWS_LAMBDA_INITIALIZATION_TYPE":  "",
	"AWS_LAMBDA_LOG_GROUP_NAME":       "",
	"AWS_LAMBDA_LOG_STREAM_NAME":      "",
	"AWS_LAMBDA_RUNTIME_API":          "",
	"LAMBDA_RUNTIME_DIR":              "",
	"_X_AMZN_TRACE_ID":                "",
}

func checkEnv(env []string) error {
	for _, variable := range env {
		name, _, ok := strings.Cut(variable, "=")
		if !ok || name == "" || strings.ContainsRune(variable, 0) {
			return fmt.Errorf("localruntime: Config.Env has %q, which is not NAME=value", variable)
		}
		if field, ok := reserved[name]; ok && field != "" {
			return fmt.Errorf("localruntime: Config.Env has %s, which is reserved: set Config.%s", name, field)
		} else if ok {
			return fmt.Errorf("localruntime: Config.Env has %s, which is reserved: leave it out", name)
		}
	}
	return nil
}

// valueIn returns the last value of a variable, or "" if it is not there.
func valueIn(env []string, name string) (value string) {
	for _, variable := range env {
		if v, ok := strings.CutPrefix(variable, name+"="); ok {
			value = v
		}
	}
	return value
}

// environment is what a process gets, for a runtime API at this address. c is complete. The names are those of
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, except these:
//
//   - LD_LIBRARY_PATH and NODE_PATH have folders of Lambda's own machines. So they are left out.
//   - PATH is the one of this process, because programs are elsewhere on each machine.
//   - AWS_XRAY_DAEMON_ADDRESS is left out, because no daemon is there.
//   - AWS_EXECUTION_ENV is set by the bundled runtime clients. On Lambda a function with a bootstrap of its own has
//     none.
//   - The access key is a placeholder. Without one, an SDK would look for the keys of the developer.
func environment(c Config, api, runtimeDir string) []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_DEFAULT_REGION=" + c.Region,
		"AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",
		"LANG=en_US.UTF-8",
		"PATH=" + os.Getenv("PATH"),
		"TZ=:UTC",
	}
	if valueIn(c.Env, "AWS_ACCESS_KEY_ID") != "" {
		env = env[2:] // half of a placeholder and half of a key would be neither
	}
	return append(slices.Concat(env, c.Env),
		"AWS_LAMBDA_FUNCTION_NAME="+c.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(c.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION="+version,
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME="+logStream(),
		"AWS_LAMBDA_RUNTIME_API="+api,
		"AWS_REGION="+c.Region,
		"LAMBDA_RUNTIME_DIR="+runtimeDir,
		"LAMBDA_TASK_ROOT="+c.Dir,
		"_HANDLER="+c.Handler,
	)
}

// version is that of a function of which none was published.
const version = "$LATEST"

// logStream is a stream's name of the form that Lambda uses: the day, the version and 32 hexadecimal digits
// (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html).
func logStream() string {
	return time.Now().UTC().Format("2006/01/02") + "/[" + version + "]" + randomHex(16)
}

// arn is the function's ARN.
func (c Config) arn() string {
	return "arn:aws:lambda:" + c.Region + ":" + c.Account + ":function:" + c.Name
}

// requestID is a UUID of version 4, as Lambda's request ids are.
func requestID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// traceID is a trace header that is not sampled: the time in seconds and 24 hexadecimal digits, and the parent's 16
// (https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader).
func traceID(now time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", now.Unix(), randomHex(12), randomHex(8))
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
