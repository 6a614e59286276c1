package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"wschat/pkg/localruntime"
)

// target is a function's code, as the command line names it.
type target struct {
	text    string // as it is written
	kind    string // "go", "node" or "python"; "" for an executable
	path    string // of the package, of the folder with the handler's file, or of the executable
	handler string // as app.handler
	inline  string // the code itself, of a file that is called index; "" if there is a path
}

// parseTarget reads a target, and checks that its code is there.
func parseTarget(text string) (target, error) {
	t := target{text: text}
	kind, path, ok := strings.Cut(text, ":")
	switch {
	case ok && kind == "go":
		if t.kind, t.path = kind, path; path == "" {
			return t, fmt.Errorf("%q does not name a package, as go:./cmd/fn", text)
		}
		return t, nil // go build says what is wrong with it
	case ok && (kind == "node" || kind == "python"):
		t.kind, t.path, t.handler = kind, filepath.Dir(path), filepath.Base(path)
		return t, t.checkHandler()
	}
	t.path = text
	info, err := os.Stat(t.path)
	if err == nil && info.IsDir() {
		t.path = filepath.Join(text, "bootstrap")
		_, err = os.Stat(t.path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return t, fmt.Errorf("there is no executable %q; a function is an executable file, a folder with a bootstrap, "+
			"go:PACKAGE, node:FILE.NAME or python:FILE.NAME", t.path)
	}
	return t, err
}

// checkHandler reports whether the handler has a name, and its file is there.
func (t target) checkHandler() error {
	file, name, ok := strings.Cut(t.handler, ".")
	if !ok || file == "" || name == "" {
		return fmt.Errorf("%q does not end with a file and a name in it, as app.handler", t.text)
	}
	var extensions []string
	if t.kind == "python" {
		extensions = []string{".py"}
	} else {
		extensions = []string{".js", ".mjs", ".cjs"}
	}
	path := filepath.Join(t.path, file)
	for _, extension := range extensions {
		if info, err := os.Stat(path + extension); err == nil && !info.IsDir() {
			return nil
		}
	}
	return fmt.Errorf("%s: there is no file %s with %s", t.text, path, strings.Join(extensions, " or "))
}

// config returns how the target is run. For a Go package it builds the program in a new folder below scratch.
func (t target) config(ctx context.Context, scratch string) (localruntime.Config, error) {
	if t.inline != "" {
		var err error
		if t.path, err = t.writeInline(scratch); err != nil {
			return localruntime.Config{}, err
		}
	}
	switch t.kind {
	case "node":
		return localruntime.Node(t.path, t.handler)
	case "python":
		return localruntime.Python(t.path, t.handler)
	case "go":
		dir, err := os.MkdirTemp(scratch, "build")
		if err != nil {
			return localruntime.Config{}, err
		}
		// The name ends with .exe for Windows, and means nothing elsewhere.
		program := filepath.Join(dir, "bootstrap.exe")
		if out, err := t.goCommand(ctx, "build", "-o", program).CombinedOutput(); err != nil {
			_ = os.RemoveAll(dir)
			return localruntime.Config{}, fmt.Errorf("go build %s: %w%s", t.path, err, lines(out))
		}
		return localruntime.Config{Bootstrap: program}, nil
	}
	return localruntime.Config{Bootstrap: t.path}, nil
}

// lines are what a program has printed, each on a line of its own.
func lines(out []byte) string {
	if out = bytes.TrimSpace(out); len(out) == 0 {
		return ""
	}
	return "\n" + string(out)
}

// writeInline writes code to a folder of its own. CloudFormation calls the file index
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html).
func (t target) writeInline(scratch string) (dir string, err error) {
	if dir, err = os.MkdirTemp(scratch, "inline"); err != nil {
		return "", err
	}
	name := map[string]string{"node": "index.js", "python": "index.py"}[t.kind]
	return dir, os.WriteFile(filepath.Join(dir, name), []byte(t.inline), 0o600)
}

// goCommand returns a go command about the package. A folder is its own working directory, because it may be of another
// module. The tag is the one with which functions are built for Lambda: the program then has no server for an older
// runtime (https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html).
func (t target) goCommand(ctx context.Context, command string, args ...string) *exec.Cmd {
	path, dir := t.path, ""
	if strings.HasPrefix(path, ".") || filepath.IsAbs(path) {
		path, dir = ".", path
	}
	args = append([]string{command, "-tags", "lambda.norpc"}, append(args, path)...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	return cmd
}

// name is a name for the function, which Lambda would take.
func (t target) name() string {
	base := filepath.Base(t.path)
	if t.handler != "" {
		base = t.handler
	} else if dir := filepath.Base(filepath.Dir(t.path)); t.kind == "" && base == "bootstrap" && dir != "." {
		base = dir
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, base)
	return name[:min(len(name), 60)]
}
