// Command infra is the CDK app that puts the chat on AWS: one stack for each stage.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
}

func run() error {
	// What the CLI hands over is checked before the CDK's own runtime is started, whose start and end can print lines of
	// their own around an error.
	given, err := contextFromCLI()
	if err != nil {
		return err
	}
	if err := checkContext(given); err != nil {
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

// checkContext checks the settings, and that there are no others: a name that is misspelt must not leave a chat open that was meant to
// be closed.
func checkContext(given map[string]any) error {
	known := map[string]bool{"acknowledged-issue-numbers": true} // the CDK's own; its others have a : or a / in them
	_, err := readSettings(func(name string) any {
		known[name] = true
		return given[name]
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !known[name] && !strings.ContainsAny(name, ":/") {
			return fmt.Errorf("context: there is no setting %q; README.md lists them under \"Deploy it\"", name)
		}
	}
	return nil
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
