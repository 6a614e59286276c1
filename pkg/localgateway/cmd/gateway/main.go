// Command gateway runs Lambda functions behind a local API Gateway: a WebSocket API, and an HTTP API if one is wanted.
// The routes are given by hand, or read from a CloudFormation template:
//
//	go run ./pkg/localgateway/cmd/gateway -route '$default=node:app.handler'
//	go run ./pkg/localgateway/cmd/gateway -template cdk.out/Stack.template.json -function Function=go:./lambda
//
// The README.md beside it has more.
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
)

func main() {
	ctx, hurry := untilSignals()
	switch err := run(ctx, hurry, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// untilSignals returns a context that ends with the first signal, and one that ends with the second. A third ends the
// process as it is, and leaves functions behind.
func untilSignals() (first, second context.Context) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ends = append(ends, syscall.SIGHUP) // the terminal was closed
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, ends...)
	first, end := context.WithCancel(context.Background())
	second, endAtOnce := context.WithCancel(context.Background())
	go func() {
		<-signals
		end()
		<-signals
		signal.Reset(ends...)
		endAtOnce()
	}()
	return first, second
}

// run serves until ctx ends. Then it waits for the last invocations, for some time or until hurry ends. It prints to
// stdout what it serves, and to stderr what functions print and what fails.
func run(ctx, hurry context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	p, err := planned(o)
	if err != nil {
		return err
	}
	s, err := start(ctx, o, p, newConsole(stdout, stderr))
	if err != nil {
		return err
	}
	s.describe(stdout)
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	return errors.Join(err, s.stop(hurry))
}

// patience is how long the end waits for the functions' last invocations.
const patience = 10 * time.Second
