// Command conformance runs the suite of package conformance against API Gateway, or against an emulator of it. The
// README.md of that package says what must be deployed there.
//
//	go run ./pkg/localgateway/cmd/conformance -url open=ws://127.0.0.1:3001/dev -url bare=ws://127.0.0.1:3002/dev
//
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION in the environment sign the calls of
// @connections. It ends with 1 if a behaviour failed, and with 2 if it could not run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	neturl "net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"

	"wschat/pkg/localgateway/conformance"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	case failed > 0:
		os.Exit(1)
	}
}

// run runs the suite and returns how many behaviours failed.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) (failed int, err error) {
	suite, err := conformance.Load()
	if err != nil {
		return 0, err
	}
	deployments := strings.Join(slices.Sorted(maps.Keys(suite.Deployments)), ", ")
	target := conformance.Target{URLs: map[string]string{}, Credentials: credentials(getenv)}
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.Func("url", "where a deployment is, as `NAME=URL`, once for each of "+deployments, func(s string) error {
		name, url, ok := strings.Cut(s, "=")
		if _, known := suite.Deployments[name]; !ok || !known {
			return fmt.Errorf("it is not NAME=URL with a NAME of %s", deployments)
		}
		if u, err := neturl.Parse(url); err != nil || u.Host == "" {
			return errors.New("the URL is none, as ws://127.0.0.1:3001/dev")
		}
		target.URLs[name] = url
		return nil
	})
	only := flags.String("run", "", "run only the behaviours whose names match this `expression`")
	flags.DurationVar(&target.Patience, "patience", 10*time.Second, "how long an answer may take")
	flags.BoolVar(&target.Slow, "slow", false, "also run the behaviours that take up to ten minutes")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return 0, fmt.Errorf("-run: %w", err)
	}
	if len(target.URLs) == 0 || flags.NArg() > 0 {
		return 0, fmt.Errorf("give at least one -url NAME=URL, and no other arguments than flags; NAME is one of %s",
			deployments)
	}
	suite.Behaviours = slices.DeleteFunc(suite.Behaviours, func(b conformance.Behaviour) bool {
		return !pattern.MatchString(b.Name)
	})
	if len(suite.Behaviours) == 0 {
		return 0, fmt.Errorf("-run %s: it matches no behaviour; their names are those of the files in "+
			"pkg/localgateway/conformance/testdata/behaviours", *only)
	}
	count := map[conformance.Outcome]int{}
	for _, r := range suite.Run(ctx, target) {
		count[r.Outcome]++
		report(out, r)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", count[conformance.Passed], count[conformance.Failed],
		count[conformance.Skipped])
	if ctx.Err() != nil {
		return 0, errors.New("the run was interrupted")
	}
	return count[conformance.Failed], nil
}

// report writes a result: a line, and for a failure what was expected and where that comes from.
func report(out io.Writer, r conformance.Result) {
	fmt.Fprintf(out, "%s %s", r.Outcome, r.Behaviour.Name)
	switch r.Outcome {
	case conformance.Failed:
		fmt.Fprintf(out, "\n     %s\n     %s\n     %s", r.Behaviour.Behaviour, r.Reason, r.Behaviour.Source)
	case conformance.Skipped:
		fmt.Fprintf(out, ": %s", r.Reason)
	}
	fmt.Fprintln(out)
}

// credentials are those of the environment, or nil.
func credentials(getenv func(string) string) *conformance.Credentials {
	c := conformance.Credentials{
		AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Region:          getenv("AWS_REGION"),
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return nil
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	return &c
}
