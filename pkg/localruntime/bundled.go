package localruntime

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// runtimeClients are the bundled programs that take events from the runtime API and call a handler in their language.
//
//go:embed bootstrap.mjs bootstrap.py
var runtimeClients embed.FS

// Node returns a Config for a function in JavaScript, for Node.js 20 or later, which is the program node on PATH. dir
// is the folder of its code, where its node_modules are too. handler is a file without its extension and what the file
// exports, as on Lambda: app.handler, or src/app.handler
// (https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html).
//
// Unlike Lambda, it brings no AWS SDK along.
func Node(dir, handler string) (Config, error) {
	return interpreted("bootstrap.mjs", dir, handler, "node")
}

// Python returns a Config for a function in Python, for version 3.9 or later, which is the program python3 or python on
// PATH. dir is the folder of its code. handler is a module and one of its names, as on Lambda: app.handler, or
// src/app.handler (https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html).
//
// Unlike Lambda, it brings no AWS SDK along.
func Python(dir, handler string) (Config, error) {
	return interpreted("bootstrap.py", dir, handler, "python3", "python")
}

func interpreted(client, dir, handler string, programs ...string) (Config, error) {
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return Config{Bootstrap: path, Dir: dir, Handler: handler, bundled: client}, nil
		}
	}
	return Config{}, fmt.Errorf("localruntime: the handler %s needs %s, and it is not on PATH", handler, programs[0])
}

// bundledClient is the path of a file with a bundled runtime client; "" for none.
type bundledClient string

// unpack writes a bundled runtime client to a file in a folder of its own. Interpreters need a file: code that is an
// argument would also be an argument of the processes that the function forks.
func unpack(name string) (bundledClient, error) {
	if name == "" {
		return "", nil
	}
	code, err := runtimeClients.ReadFile(name)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "localruntime")
	if err != nil {
		return "", fmt.Errorf("localruntime: make a folder for %s: %w", name, err)
	}
	client := bundledClient(filepath.Join(dir, name))
	if err := os.WriteFile(string(client), code, 0o600); err != nil {
		client.remove()
		return "", fmt.Errorf("localruntime: write %s: %w", name, err)
	}
	return client, nil
}

func (b bundledClient) remove() {
	if b != "" {
		_ = os.RemoveAll(filepath.Dir(string(b)))
	}
}

// arguments are those of an interpreter, and then the client.
func (b bundledClient) arguments(args []string) []string {
	if b == "" {
		return args
	}
	return append(slices.Clip(args), string(b))
}

// folder is where the runtime client is.
func (b bundledClient) folder(c Config) string {
	if b == "" {
		return filepath.Dir(c.Bootstrap)
	}
	return filepath.Dir(string(b))
}
