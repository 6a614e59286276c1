package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"wschat/pkg/awsclient"
	"wschat/pkg/chat"
	"wschat/pkg/localgateway"
	"wschat/pkg/localstore"
	"wschat/pkg/management"
	"wschat/pkg/protocol"
	"wschat/pkg/route"
)

const (
	stage = "dev"

	// workers is how many posts of one message are under way at once.
	workers = 64

	// stopTimeout is how long a stop waits for clients to answer the close and for invocations to end.
	stopTimeout = 5 * time.Second

	// answerTimeout is how long it then waits for answers to be written.
	answerTimeout = 200 * time.Millisecond
)

// options say what to run.
type options struct {
	addr   string // HOST:PORT
	data   string // the file that keeps the messages
	logger *slog.Logger

	// wrap, where it is set, stands between the gateway and the handler: a test watches or disturbs invocations with it.
	wrap func(localgateway.Handler) localgateway.Handler
}

// server is the chat, running on this machine.
type server struct {
	addr    string // HOST:PORT as it came to be
	log     *localstore.Log
	roster  *localstore.Roster
	gateway *localgateway.Gateway
	http    *http.Server
	served  chan error // what http.Serve returned
}

// start opens the store and serves on the address. Its errors are one line each, for the person at the command line.
func start(o options) (*server, error) {
	listener, err := net.Listen("tcp", o.addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use: stop what listens there, or choose another with -addr", o.addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	messages, err := localstore.OpenLog(o.data)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	s := &server{
		addr:   listener.Addr().String(),
		log:    messages,
		roster: &localstore.Roster{},
		served: make(chan error, 1),
	}
	var handler localgateway.Handler = lambda.NewHandler(s.handler(o.logger))
	if o.wrap != nil {
		handler = o.wrap(handler)
	}
	s.gateway, err = localgateway.New(localgateway.Config{
		Handler:    handler,
		Routes:     route.WebSocketKeys(),
		HTTPRoutes: route.HTTPKeys(),
		Stage:      stage,
		Logger:     o.logger,
	})
	if err != nil {
		_ = listener.Close()
		return nil, errors.Join(err, messages.Close())
	}
	s.http = &http.Server{Handler: s.gateway, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// handler is what Lambda would run, on the local store and posting to this server's own @connections.
func (s *server) handler(logger *slog.Logger) *route.Handler {
	stages := &management.Stages{Options: management.Options{
		Endpoint:    "http://" + s.addr + "/" + stage,
		Region:      "local",
		Credentials: awsclient.Static(aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}), // nobody checks them,
		Workers:     workers,
	}}
	return route.New(route.Config{
		Chat: chat.Service{
			Log:     s.log,
			Roster:  s.roster,
			Encode:  protocol.EncodeMessages,
			Now:     time.Now,
			Workers: workers,
		},
		Poster: stages.Poster,
		Logger: logger,
	})
}

// stop closes the clients, lets invocations end, and closes the store.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := s.gateway.Shutdown(ctx)
	// What is left are answers being written, and connections that the Management API client keeps for later, some of
	// which it has never used: http.Server.Shutdown waits 5 s for a request on those.
	ctx, cancel = context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, s.log.Close())
}
