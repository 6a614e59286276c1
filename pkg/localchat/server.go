// Package localchat is the whole chat in one process: a local API Gateway in front of the handlers that Lambda runs,
// with the state in one file or on a DynamoDB endpoint. The command infra/local and tests start it.
package localchat

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

	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/pkg/localchat/demoissuer"
	"wschat/pkg/localgateway"
	"wschat/pkg/route"
)

const (
	// Stage is the stage's name: clients connect to ws://ADDR/dev.
	Stage = "dev"

	// stopTimeout is how long a stop waits for clients to answer the close and for invocations to end.
	stopTimeout = 5 * time.Second

	// answerTimeout is how long it then waits for answers to be written.
	answerTimeout = 200 * time.Millisecond
)

// Config says what to run. The zero value of a field means what its comment says.
type Config struct {
	Addr      string // HOST:PORT to serve on; required. Port 0 picks a free one
	Data      string // the file that keeps the messages; required without DynamoDB
	DynamoDB  string // the URL of a DynamoDB endpoint that keeps messages and members; "" for the file
	Bootstrap string // a built Lambda function to invoke; "" runs the handlers in this process

	// Settings are those of the function, by their keys in package config; absent ones have their defaults.
	Settings config.Values

	DemoUsers []string // a demonstration provider vouches for them; none for no such provider

	RequestsPerSecond int           // the account's quota; 0 for none
	PostDelay         time.Duration // of each post; 0 for none

	Logger *slog.Logger // required
	Stats  http.Handler // the page of what was measured; nil for none
	Output io.Writer    // of the Bootstrap's processes; required with one

	// Wrap stands between the gateway and the handler, so that a test can watch or disturb invocations; nil for
	// nothing.
	Wrap func(localgateway.Handler) localgateway.Handler

	Clock localgateway.Clock // the gateway's; nil for this machine's
	Now   func() time.Time   // by which tokens are judged in this process; nil for this machine's clock
}

// Server is the chat, running on this machine.
type Server struct {
	Addr    string // HOST:PORT, at which this machine reaches it
	Gateway *localgateway.Gateway
	Log     chat.Log           // nil with a Bootstrap, which has its own
	Roster  chat.Roster        // nil with a Bootstrap, which has its own
	Issuer  *demoissuer.Issuer // nil without DemoUsers
	Failed  chan error         // what ended the serving, other than Stop

	http         *http.Server
	closeStore   func() error
	stopInvoking func() // ends the asynchronous invocations
}

// Start opens the store and serves on the address until Stop. Its errors are one line each, for the person at the
// command line.
func Start(ctx context.Context, c Config) (*Server, error) {
	listener, err := net.Listen("tcp", c.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use: stop what listens there, or choose another with -addr",
			c.Addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{Addr: reachable(c.Addr, listener.Addr()), Failed: make(chan error, 1)}
	if len(c.DemoUsers) > 0 {
		if s.Issuer, c.Settings, err = demo(c.Settings, s.Addr); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	back, err := newBackend(ctx, c, "http://"+s.Addr+"/"+Stage)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.Log, s.Roster, s.closeStore = back.log, back.roster, back.close
	handler := back.handler
	if c.Wrap != nil {
		handler = c.Wrap(handler)
	}
	var quotas *localgateway.Quotas
	if c.RequestsPerSecond > 0 {
		quotas = &localgateway.Quotas{RequestsPerSecond: c.RequestsPerSecond}
	}
	s.Gateway, err = localgateway.New(localgateway.Config{
		Handler:    handler,
		Authorizer: back.authorizer,
		Routes:     route.WebSocketKeys(),
		HTTPRoutes: route.HTTPKeys(),
		Stage:      Stage,
		KeepPort:   true, // by which the function knows the origin of its own page
		Quotas:     quotas,
		Clock:      c.Clock,
		Logger:     c.Logger,
	})
	if err != nil {
		return nil, errors.Join(err, listener.Close(), s.closeStore())
	}
	if c.PostDelay > 0 {
		if err := s.Gateway.SetFaults(0, localgateway.Fault{Effect: localgateway.DelayPost,
			Delay: c.PostDelay}); err != nil {
			return nil, errors.Join(err, listener.Close(), s.closeStore())
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.Gateway)
	host, _, _ := net.SplitHostPort(s.Addr)
	invoking, stopInvoking := context.WithCancel(context.WithoutCancel(ctx))
	s.stopInvoking = stopInvoking
	mux.Handle(invokePattern, &invoker{function: handler, host: host, logger: c.Logger, ctx: invoking})
	if c.Stats != nil {
		mux.Handle(statsPath, c.Stats)
	}
	if s.Issuer != nil {
		mux.Handle(demoPath+"/", s.Issuer)
	}
	s.http = &http.Server{Handler: noSniff(mux), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		DisableGeneralOptionsHandler: true} // it would answer in place of the handler
	if c.Logger != nil {
		s.http.ErrorLog = slog.NewLogLogger(c.Logger.Handler(), slog.LevelError)
	}
	go func() { s.Failed <- s.http.Serve(listener) }()
	return s, nil
}

// noSniff keeps browsers from taking any answer for something else than its Content-Type says.
func noSniff(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// reachable returns where a browser on this machine reaches a server that was asked to listen on one address and got
// another: the host stays as it was asked for, and the port is the one it got. A server that listens on every
// address, as on :8080, is reached at a loopback address of the same kind.
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

// Stop closes the clients, lets invocations end, and closes the store.
func (s *Server) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	s.stopInvoking()
	err := s.Gateway.Shutdown(ctx)
	// What is left are answers being written, and connections that the Management API client keeps for later, some of
	// which it has never used: http.Server.Shutdown waits 5 s for a request on those.
	ctx, cancel = context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.Failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, s.closeStore())
}
