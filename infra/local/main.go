// Command local runs the chat on this machine: a local API Gateway in front of the handlers that Lambda runs, and
// the messages in one file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"wschat/pkg/auth"
	"wschat/pkg/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints one line to stdout when it accepts connections, and its log to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	seen := newStats(newLogHandler(stderr))
	o.logger, o.stats, o.output = slog.New(seen), seen, newRelay(seen, stderr)
	s, err := start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The chat is at http://%s/ and takes WebSocket clients at ws://%[1]s/%s\n", s.addr, stage)
	for _, user := range o.demoUsers {
		token, err := s.issuer.Token(user, demoTokenLife, nil)
		if err != nil {
			return errors.Join(err, s.stop())
		}
		fmt.Fprintf(stdout, "%s: http://%s/#token=%s\n", user, s.addr, token)
	}
	select {
	case <-ctx.Done():
	case err := <-s.served:
		return errors.Join(fmt.Errorf("serve %s: %w", s.addr, err), s.backend.close())
	}
	return s.stop()
}

// parse reads the command line. Its error is one line; only -h prints the flags.
func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "the `HOST:PORT` to serve on; without a host, on every address of this machine; port 0 picks a free one")
	flags.StringVar(&o.data, "data", ".local/chat.db", "the `FILE` that keeps the messages")
	flags.StringVar(&o.dynamodb, "dynamodb", "", "the `URL` of a DynamoDB endpoint that keeps the state, in place of the file")
	flags.StringVar(&o.bootstrap, "bootstrap", "", "a built Lambda function, the `FILE` to invoke in place of the handlers in this process")
	flags.StringVar(&o.auth.issuer, "auth-issuer", "", "the `URL` of an OpenID Connect provider: only who has a token of it is let in")
	flags.StringVar(&o.auth.audience, "auth-audience", "", "the `AUDIENCE` that tokens must be meant for")
	flags.StringVar(&o.auth.jwksURL, "auth-jwks-url", "", "the `URL` of the provider's keys, where its discovery document does not say it")
	flags.StringVar(&o.auth.idClaim, "auth-id-claim", "",
		"the `CLAIM` that says who somebody is, which all see (default \""+auth.DefaultIDClaim+"\")")
	flags.StringVar(&o.auth.nameClaim, "auth-name-claim", "", "the `CLAIM` with the display name (default \""+auth.DefaultNameClaim+"\")")
	flags.StringVar(&o.auth.roomsClaim, "auth-rooms-claim", "", "the `CLAIM` with the rooms that a token allows; without it, a token allows every room")
	flags.IntVar(&o.requestsPerSecond, "requests-per-second", 0, "an account's quota of `N` messages and posts a second, as API Gateway has one; none by default")
	flags.DurationVar(&o.postDelay, "post-delay", 0, "the `TIME` that a post to a connection takes, as on AWS it takes some milliseconds")
	demo := flags.String("demo-users", "", "the `NAMES`, with commas between them, to whom a demonstration provider gives tokens, which are printed")
	origins := flags.String("allowed-origins", "", "the `ORIGINS` of web pages that may connect besides the chat's own, with commas between them; all by default")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stderr, "Usage: go run ./infra/local [flags]")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w (-h lists the flags)", err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q (-h lists the flags)", flags.Arg(0))
	}
	if o.postDelay < 0 || o.requestsPerSecond < 0 {
		return o, errors.New("-post-delay and -requests-per-second must not be negative")
	}
	if *origins != "" {
		if o.allowedOrigins, err = config.ParseOrigins(*origins); err != nil {
			return o, fmt.Errorf("-allowed-origins is %w", err)
		}
	}
	o.demoUsers = list(*demo)
	if *demo != "" && len(o.demoUsers) == 0 {
		return o, fmt.Errorf("-demo-users %q names nobody", *demo)
	}
	return o, o.auth.check(len(o.demoUsers) > 0)
}

// list takes a list apart at its commas, without blanks and empty elements.
func list(text string) (elements []string) {
	for element := range strings.SplitSeq(text, ",") {
		if element = strings.TrimSpace(element); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}
