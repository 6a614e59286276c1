// Command infra is the CDK app that puts the chat on AWS: one stack for each stage.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"wschat/pkg/config"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
}

func run() error {
	// What the CLI hands over is checked before the CDK's own runtime is started, whose start and end can print lines
	// of their own around an error.
	given, err := contextFromCLI()
	if err != nil {
		return err
	}
	if err := checkContext(given, os.Stderr); err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	s, err := readSettings(func(name string) any { return app.Node().TryGetContext(&name) })
	if err != nil {
		return err
	}
	newStack(app, s, root)
	app.Synth(nil)
	return nil
}

// checkContext checks the settings and the names beside them. One that is nearly a setting's is refused: a name that
// is misspelt must not leave a chat open that was meant to be closed. Others may be meant for other apps, as those in
// ~/.cdk.json: each is a line of warnings.
func checkContext(given map[string]any, warnings io.Writer) error {
	if _, err := readSettings(func(name string) any { return given[name] }); err != nil {
		return err
	}
	var known []string
	for _, s := range config.Settings() {
		if s.Context != "" {
			known = append(known, s.Context)
		}
	}
	var misspelt []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(known, name) || isCDKs(name) {
			continue
		}
		if setting := nearly(name, known); setting != "" {
			misspelt = append(misspelt, fmt.Sprintf("there is no setting %q: write %s if you mean that, or give "+
				"yours another name", name, setting))
			continue
		}
		fmt.Fprintf(warnings, "infra: warning: context: %q is no setting of the chat and is ignored; "+
			"infra/README.md lists them\n", name)
	}
	if len(misspelt) > 0 {
		return fmt.Errorf("context: %s", strings.Join(misspelt, "; "))
	}
	return nil
}

// isCDKs reports whether a name of the context is the CDK's own: its library's have a : or a / in them, and these are
// its CLI's.
func isCDKs(name string) bool {
	return strings.ContainsAny(name, ":/") || name == "acknowledged-issue-numbers" || name == "cli-telemetry"
}

// nearly returns the setting that a name differs from in the case of its letters, in what separates its words, or by
// a typing error, of which a long name may have two; "" if there is none.
func nearly(name string, settings []string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(s))
	}
	for _, setting := range settings {
		errors := 1
		if len(setting) > 8 {
			errors = 2
		}
		if config.Typos(plain(name), plain(setting)) <= errors {
			return setting
		}
	}
	return ""
}

// contextFromCLI is the context that the CDK CLI passes on in the environment; empty without it.
func contextFromCLI() (map[string]any, error) {
	const variable = "CDK_CONTEXT_JSON"
	given := map[string]any{}
	if text := os.Getenv(variable); text != "" {
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			return nil, fmt.Errorf("%s is no JSON object: %w", variable, err)
		}
	}
	return given, nil
}
