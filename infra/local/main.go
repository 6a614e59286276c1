// Command local runs the chat on this machine: a local API Gateway in front of the handlers that Lambda runs, and the
// messages in one file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"wschat/pkg/localchat"
)

// demoTokenLife is how long the demonstration provider's tokens are good.
const demoTokenLife = 12 * time.Hour

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
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	c.Logger, c.Stats, c.Output = localchat.LogTo(stderr)
	s, err := localchat.Start(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The chat is at http://%s/ and takes WebSocket clients at ws://%[1]s/%s\n", s.Addr,
		localchat.Stage)
	for _, user := range c.DemoUsers {
		token, err := s.Issuer.Token(user, demoTokenLife, nil)
		if err != nil {
			return errors.Join(err, s.Stop())
		}
		fmt.Fprintf(stdout, "%s: http://%s/#token=%s\n", user, s.Addr, token)
	}
	select {
	case <-ctx.Done():
	case err := <-s.Failed:
		s.Failed <- err // for Stop
		return errors.Join(fmt.Errorf("serve %s: %w", s.Addr, err), s.Stop())
	}
	return s.Stop()
}
