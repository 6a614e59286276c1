package main

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/test/installed"
)

// cdk watch deploys after each change of what goes into the stack, and after no other. What it looks at is the same
// for cdk synth --watch, which needs no account.
func TestWhatTheCLIWatches(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the CLI, and for what the CLI sees of a change")
	}
	t.Parallel()
	cdk := installed.Node(t, "cdk")
	root := filepath.Dir(installed.Dir())
	outputs := []string{".local/x.go", "cdk.out/asset.1/main.go", "test/out/main.go", "bootstrap", "pkg/chat/.#main.go",
		"test/node_modules/x/x.go"}
	names := append(filesOf(t, root), outputs...)
	checkout, assembly := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(checkout, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		write(name, "")
	}
	project, err := os.ReadFile(filepath.Join(root, "cdk.json"))
	if err != nil {
		t.Fatal(err)
	}
	write("cdk.json", string(project))
	if err := os.WriteFile(filepath.Join(assembly, "manifest.json"), []byte(`{"version":"54.0.0","artifacts":{}}`),
		0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), cdk, "synth", "--watch", "--quiet", "--app", assembly)
	cmd.Dir = checkout
	cmd.WaitDelay = 10 * time.Second
	said, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = end, end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = end.Close()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = said.Close()
	}()
	lines := bufio.NewScanner(said)
	until := func(text string) (before []string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return before
			}
			before = append(before, lines.Text())
		}
		t.Fatalf("the CLI ended before it said %q:\n%s", text, strings.Join(before, "\n"))
		return nil
	}
	var watched []string
	observing := regexp.MustCompile(`observing the file '(.*)' for changes`)
	for _, line := range until("Triggering initial 'cdk synth'") {
		if match := observing.FindStringSubmatch(line); match != nil {
			watched = append(watched, filepath.ToSlash(match[1]))
		}
	}
	for _, name := range deployedFiles(t, root) {
		if !slices.Contains(watched, name) {
			t.Errorf("%s is deployed and not watched", name)
		}
	}
	for _, name := range watched {
		if slices.Contains(outputs, name) || strings.HasSuffix(name, "_test.go") ||
			strings.Contains(name, "testdata") ||
			strings.HasPrefix(name, "infra/local/") || strings.HasPrefix(name, "test/") {
			t.Errorf("%s is watched and not deployed", name)
		}
	}
	until("no stacks") // of the first run
	write("lambda/main.go", "package main")
	until("Detected change to 'lambda/main.go'")
}

// filesOf are the names of all files of a checkout.
func filesOf(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{".git", "node_modules", "cdk.out", ".local"}, d.Name()) {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// deployedFiles are the names of the files that the stack and the function are made of.
func deployedFiles(t *testing.T, root string) []string {
	t.Helper()
	const format = `{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}
{{end}}{{end}}{{end}}`
	list := exec.Command("go", "list", "-deps", "-f", format, "./infra", "./lambda")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"go.mod", "go.sum"}
	for path := range strings.Lines(string(out)) {
		if path = strings.TrimSpace(path); path != "" {
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.ToSlash(name))
		}
	}
	return names
}
