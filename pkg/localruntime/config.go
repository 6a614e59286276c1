package localruntime

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"
)

// Config has the settings of a Pool. Node and Python return one for a function in JavaScript or Python. For any other
// function, set Bootstrap.
type Config struct {
	// Bootstrap is the path of the executable that runs the function. Required.
	Bootstrap string

	// Args are the arguments of Bootstrap. Lambda gives it none: the handler is in _HANDLER
	// (https://github.com/aws/aws-lambda-runtime-interface-emulator/blob/develop/lambda/rapidcore/bootstrap.go). Set
	// them for a runtime client in a language that is not compiled, whose Bootstrap is the interpreter. In a Config of
	// Node or Python they are the interpreter's, before its file.
	Args []string

	// Dir is the folder of the function's code. It is the working directory, and LAMBDA_TASK_ROOT. Empty means the
	// folder of Bootstrap.
	Dir string

	// Handler says which part of the code is the function, in the words of its runtime client, as app.handler. Empty
	// means "bootstrap", for a program that is one function.
	Handler string

	// Env is the function's environment, as NAME=value. The Pool adds the variables of the runtime, and the processes
	// inherit nothing else but PATH. New refuses the names that a field of Config or the Pool sets. AWS_REGION and the
	// access key may be here. Without them, the Region is Config.Region and the access key is a placeholder.
	Env []string

	// Name is the function's name. Empty means "local".
	Name string

	// MemoryMB is the memory size that the function is told, in MB. Nothing limits the processes to it. Zero means 512.
	MemoryMB int

	// Timeout is how long an invocation may take. The process is killed after it. Zero means 29 s, which is the longest
	// time that API Gateway waits by default.
	Timeout time.Duration

	// Region is the Region in the environment and in the function's ARN. Empty means the AWS_REGION of Env. Without
	// that it is us-east-1.
	Region string

	// Account is the account in the function's ARN, 12 digits. Empty means "000000000000".
	Account string

	// MaxProcesses is how many processes run at once. Further invocations wait. Zero means 32.
	MaxProcesses int

	// Output gets the output of the processes: whole lines in each Write, and one Write at a time. Nil discards it.
	Output io.Writer

	bundled string // the name of the bundled runtime client that Bootstrap runs; "" for none
}

// accountID is a 12-digit number (https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html).
var accountID = regexp.MustCompile(`^\d{12}$`)

// functionName is what Lambda takes as a name (https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html).
var functionName = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)

// complete checks a Config, and replaces each zero value by what it means.
func (c Config) complete() (Config, error) {
	var err error
	if c.Bootstrap, err = executable(c.Bootstrap); err != nil {
		return c, err
	}
	if c.Dir == "" {
		c.Dir = filepath.Dir(c.Bootstrap)
	}
	if c.Dir, err = folder(c.Dir); err != nil {
		return c, err
	}
	if err := checkEnv(c.Env); err != nil {
		return c, err
	}
	setDefault(&c.Handler, "bootstrap")
	setDefault(&c.Name, "local")
	setDefault(&c.MemoryMB, 512)
	setDefault(&c.Timeout, 29*time.Second)
	setDefault(&c.Region, valueIn(c.Env, "AWS_REGION"))
	setDefault(&c.Region, "us-east-1")
	setDefault(&c.Account, "000000000000")
	setDefault(&c.MaxProcesses, 32)
	if c.Output == nil {
		c.Output = io.Discard
	}
	c.Output = &serial{to: c.Output}
	switch {
	case !functionName.MatchString(c.Name):
		return c, fmt.Errorf("localruntime: Config.Name is %q; a name has up to 64 letters, digits, - and _", c.Name)
	case !accountID.MatchString(c.Account):
		return c, fmt.Errorf("localruntime: Config.Account is %q, not 12 digits", c.Account)
	case c.MemoryMB < 0 || c.Timeout < 0 || c.MaxProcesses < 0:
		return c, fmt.Errorf("localruntime: Config has MemoryMB %d, Timeout %v and MaxProcesses %d; none may be "+
			"negative", c.MemoryMB, c.Timeout, c.MaxProcesses)
	}
	return c, nil
}

// setDefault sets what has no value.
func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// executable returns the absolute path of an executable file.
func executable(path string) (string, error) {
	if path == "" {
		return "", errors.New("localruntime: Config.Bootstrap is empty; it is the path of an executable file")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("localruntime: Config.Bootstrap: %w", err)
	}
	// Windows knows by a file's name whether it can be executed, and os.Stat does not say.
	if info.IsDir() || info.Mode()&0o111 == 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("localruntime: Config.Bootstrap: %s is not an executable file", path)
	}
	return filepath.Abs(path)
}

// folder returns the absolute path of a folder.
func folder(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("localruntime: Config.Dir: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("localruntime: Config.Dir: %s is not a folder", path)
	}
	return filepath.Abs(path)
}
