package webclient_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wschat/test/installed"
)

// run runs a program in a folder, and returns what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

// typeScript is how both checks below are compiled: as code for today's platforms, that nothing is written of.
func typeScript(t *testing.T, args ...string) []string {
	t.Helper()
	return append([]string{installed.File(t, "node_modules/typescript/bin/tsc"), "--noEmit", "--target", "es2022",
		"--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable"}, args...)
}

// A project installs the client from the folder, imports it by its name, and has its types.
func TestThePackage(t *testing.T) {
	if testing.Short() {
		t.Skip("it installs the package, and compiles a program that uses it")
	}
	t.Parallel()
	npm, node := installed.Program(t, "npm"), installed.Program(t, "node")
	folder, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sample, err := os.ReadFile("testdata/typed/sample.ts")
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "sample.ts"), sample, 0o600),
		os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private": true, "type": "module"}`), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, npm, "install", "--offline", "--no-audit", "--no-fund", folder)
	names := run(t, dir, node, "--input-type=module", "--eval",
		`import * as client from "@wschat/client"; console.log(Object.keys(client).join())`)
	if names != "ChatClient,ChatError,Room,spelled\n" {
		t.Errorf("the package has %s", names)
	}
	names = run(t, dir, node, "--input-type=module", "--eval",
		`import * as conversation from "@wschat/client/conversation"; console.log(Object.keys(conversation).join())`)
	if names != "Conversation\n" {
		t.Errorf("the package's conversation has %s", names)
	}
	run(t, dir, node, typeScript(t, "--strict", "--noUncheckedIndexedAccess", "sample.ts")...)
	packed := run(t, folder, npm, "pack", "--dry-run", "--json", "--offline")
	for _, name := range []string{`"files/client.js"`, `"client.d.ts"`, `"files/conversation.js"`,
		`"conversation.d.ts"`, `"files/reading.js"`, `"files/presence.js"`, `"package.json"`, `"README.md"`} {
		if !strings.Contains(packed, `"path": `+name) {
			t.Errorf("npm pack leaves out %s: %s", name, packed)
		}
	}
	if strings.Contains(packed, "page.js") {
		t.Errorf("npm pack takes the page along: %s", packed)
	}
}

// TypeScript finds no mistake in the source, and the types say of it what it has.
func TestTheSourceHasItsTypes(t *testing.T) {
	t.Parallel()
	run(t, ".", installed.Program(t, "node"),
		typeScript(t, "--allowJs", "--checkJs", "--allowImportingTsExtensions", "testdata/typed/same.ts")...)
}

// Every name that a module of the page uses is one that it has or imports. What the comments say of types is left out.
func TestThePageHasItsNames(t *testing.T) {
	if testing.Short() {
		t.Skip("TypeScript reads the whole page")
	}
	t.Parallel()
	dir := t.TempDir()
	comments := regexp.MustCompile(`(?s)/\*\*.*?\*/`)
	modules, err := filepath.Glob("files/*.js")
	if err != nil || len(modules) == 0 {
		t.Fatal(modules, err)
	}
	for _, module := range modules {
		source, err := os.ReadFile(module)
		if err != nil {
			t.Fatal(err)
		}
		source = comments.ReplaceAll(source, nil)
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(module)), source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := typeScript(t, "--allowJs", "--checkJs", filepath.Join(dir, "main.js"))
	out, _ := exec.CommandContext(t.Context(), installed.Program(t, "node"), args...).CombinedOutput()
	missing := regexp.MustCompile(`Cannot find name|has no exported member`)
	for line := range strings.Lines(string(out)) {
		if missing.MatchString(line) {
			t.Error(line)
		}
	}
}
