package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"wschat/infra/local/demoissuer"
	"wschat/pkg/localgateway"
	"wschat/pkg/route"
)

const (
	stage = "dev"

	// stopTimeout is how long a stop waits for clients to answer the close and for invocations to end.
	stopTimeout = 5 * time.Second

	// answerTimeout is how long it then waits for answers to be written.
	answerTimeout = 200 * time.Millisecond
)

// options say what to run.
type options struct {
	addr      string // HOST:PORT
	data      string // the file that keeps the messages, where dynamodb is empty
	dynamodb  string // the URL of a DynamoDB endpoint that keeps messages and members
	bootstrap string // a built Lambda function to invoke; where empty, the handlers run in this process
	auth      signIn
	demoUsers []string // to whom the demonstration provider gives tokens; none for no such provider

	allowedOrigins []string // of web pages that may connect; none for all

	requestsPerSecond int           // the account's quota; 0 for none
	postDelay         time.Duration // of each post

	logger *slog.Logger
	stats  http.Handler // the page of what was measured; nil for none
	output io.Writer    // of the bootstrap's processes

	// wrap, where it is set, stands between the gateway and the handler: a test watches or disturbs invocations with it.
	wrap func(localgateway.Handler) localgateway.Handler

	clock localgateway.Clock // the gateway's; nil for this machine's
}

// server is the chat, running on this machine.
type server struct {
	addr    string // HOST:PORT, at which this machine reaches it
	backend *backend
	gateway *localgateway.Gateway
	issuer  *demoissuer.Issuer // nil without demoUsers
	http    *http.Server
	served  chan error // what http.Serve returned
}

// start opens the store and serves on the address. Its errors are one line each, for the person at the command line.
func start(ctx context.Context, o options) (*server, error) {
	listener, err := net.Listen("tcp", o.addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use: stop what listens there, or choose another with -addr", o.addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &server{addr: reachable(o.addr, listener.Addr()), served: make(chan error, 1)}
	if len(o.demoUsers) > 0 {
		if s.issuer, o.auth, err = o.auth.newDemo(s.addr); err != nil {
			_ = listener.Close()
			return nil, err
		}
	}
	if s.backend, err = newBackend(ctx, o, "http://"+s.addr+"/"+stage); err != nil {
		_ = listener.Close()
		return nil, err
	}
	handler := s.backend.handler
	if o.wrap != nil {
		handler = o.wrap(handler)
	}
	var quotas *localgateway.Quotas
	if o.requestsPerSecond > 0 {
		quotas = &localgateway.Quotas{RequestsPerSecond: o.requestsPerSecond}
	}
	s.gateway, err = localgateway.New(localgateway.Config{
		Handler:    handler,
		Authorizer: s.backend.authorizer,
		Routes:     route.WebSocketKeys(),
		HTTPRoutes: route.HTTPKeys(),
		Stage:      stage,
		Quotas:     quotas,
		Clock:      o.clock,
		Logger:     o.logger,
	})
	if err != nil {
		_ = listener.Close()
		return nil, errors.Join(err, s.backend.close())
	}
	if o.postDelay > 0 {
		if err := s.gateway.SetFaults(0, localgateway.Fault{Effect: localgateway.DelayPost, Delay: o.postDelay}); err != nil {
			_ = listener.Close()
			return nil, errors.Join(err, s.backend.close())
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.gateway)
	if o.stats != nil {
		mux.Handle(statsPath, o.stats)
	}
	if s.issuer != nil {
		mux.Handle(demoPath+"/", s.issuer)
	}
	s.http = &http.Server{Handler: noSniff(mux), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		DisableGeneralOptionsHandler: true} // it would answer in place of the handler
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// noSniff keeps browsers from taking any answer for something else than its Content-Type says.
func noSniff(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// reachable returns where a browser on this machine reaches a server that was asked to listen on one address and got another: the
// host stays as it was asked for, and the port is the one it got. A server that listens on every address, as on :8080, is
// reached at a loopback address of the same kind.
func reachable(asked string, got net.Addr) string {
	host, _, err := net.SplitHostPort(asked)
	gotHost, port, gotErr := net.SplitHostPort(got.String())
	if err != nil || gotErr != nil {
		return got.String()
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip.Equal(net.IPv6unspecified):
		host = "::1"
	case ip != nil:
		host = gotHost
	}
	return net.JoinHostPort(host, port)
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
	return errors.Join(err, s.backend.close())
}
