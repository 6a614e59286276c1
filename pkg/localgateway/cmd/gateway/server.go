package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"wschat/pkg/localgateway"
)

// server is a gateway that runs.
type server struct {
	plan      *plan
	console   *console
	addr      string // as in the URLs
	stage     string
	tls       *certificate // nil without -tls
	proxy     string       // the address of the proxy; "" without -tls
	scratch   string       // a folder for what is built and what functions need
	gateway   *localgateway.Gateway
	functions map[*spec]*function
	servers   []*http.Server
	failed    chan error // has one if the server fails

	watchers     []*watcher // one for each function, with -watch
	stopWatching context.CancelFunc
	watching     sync.WaitGroup
}

// start starts everything. It has ended what it began if it returns an error.
func start(ctx context.Context, o options, p *plan, c *console) (_ *server, err error) {
	s := &server{plan: p, console: c, stage: p.stage.Name, functions: map[*spec]*function{},
		failed: make(chan error, 2), stopWatching: func() {}}
	defer func() {
		if err != nil {
			_ = s.stop(ctx)
		}
	}()
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return s, fmt.Errorf("-addr %s: %w; -addr chooses another address, as 127.0.0.1:3002, and port 0 a free port",
			o.addr, err)
	}
	s.addr = reachable(o.addr, listener)
	defer func() {
		if err != nil {
			_ = listener.Close()
		}
	}()
	if s.scratch, err = os.MkdirTemp("", "gateway"); err != nil {
		return s, err
	}
	env, err := s.environment(o)
	if err != nil {
		return s, err
	}
	if o.dynamodb != "" {
		if err := createTables(ctx, o, p); err != nil {
			return s, err
		}
	}
	if err := s.startFunctions(ctx, o, env); err != nil {
		return s, err
	}
	if s.gateway, err = localgateway.New(s.config(o)); err != nil {
		return s, err
	}
	s.serve(listener, s.gateway, s.tls)
	s.watch()
	return s, nil
}

// reachable is the address at which a listener is reached from this machine. It has the host that was asked for.
func reachable(asked string, listener net.Listener) string {
	host, _, _ := net.SplitHostPort(asked)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return net.JoinHostPort(host, port)
}

// serve serves until stop.
func (s *server) serve(listener net.Listener, handler http.Handler, c *certificate) {
	// A WebSocket needs HTTP/1.1.
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, Protocols: &http.Protocols{},
		ErrorLog: log.New(s.console.of("gateway"), "", 0)}
	server.Protocols.SetHTTP1(true)
	if c != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{c.tls}}
	}
	s.servers = append(s.servers, server)
	go func() {
		serve := server.Serve
		if c != nil {
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve %s: %w", listener.Addr(), err)
		}
	}()
}

// url is the gateway's address. The scheme is ws or http.
func (s *server) url(scheme string) string {
	port := ":80"
	if s.tls != nil {
		scheme, port = scheme+"s", ":443"
	}
	return scheme + "://" + strings.TrimSuffix(s.addr, port)
}

// environment returns what all functions get, as far as the command line says it. With -tls it starts what leads them
// here.
func (s *server) environment(o options) (map[string]string, error) {
	env := map[string]string{}
	if o.dynamodb != "" {
		env["AWS_ENDPOINT_URL_DYNAMODB"] = o.dynamodb
	}
	if !o.tls {
		return env, nil
	}
	host, _, _ := net.SplitHostPort(s.addr)
	d := detour{domain: s.plan.domain(), gateway: s.addr}
	var err error
	if s.tls, err = newCertificate(s.scratch, host, d.domain); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("-tls: %w", err)
	}
	s.proxy = "http://" + listener.Addr().String()
	s.serve(listener, d, nil)
	preload, err := d.preload(s.scratch)
	if err != nil {
		return nil, fmt.Errorf("-tls: %w", err)
	}
	maps.Copy(env, map[string]string{
		"HTTPS_PROXY":         s.proxy,
		"NO_PROXY":            "localhost,127.0.0.1",
		"SSL_CERT_FILE":       s.tls.bundle, // Go and Python
		"AWS_CA_BUNDLE":       s.tls.bundle, // SDKs, but that of Node.js
		"NODE_EXTRA_CA_CERTS": s.tls.file,   // Node.js has its own roots, and adds these
		"NODE_OPTIONS":        "--require " + preload,
	})
	return env, nil
}

// domain is the end of the names of all APIs of the Region.
func (p *plan) domain() string {
	_, domain, _ := strings.Cut(p.hosts[0], ".")
	return "." + domain
}

func (s *server) startFunctions(ctx context.Context, o options, env map[string]string) error {
	for _, spec := range s.plan.functions {
		f := &function{spec: spec, region: s.plan.region, scratch: s.scratch, console: s.console,
			env: s.envOf(spec, o, env)}
		if o.watch {
			s.watchers = append(s.watchers, newWatcher(ctx, f))
		}
		if err := f.renew(ctx); err != nil {
			return fmt.Errorf("the function %s (%s): %w", spec.name, spec.target.text, err)
		}
		s.functions[spec] = f
	}
	return nil
}

// envOf returns a function's environment: what the template says, over it what the gateway adds, and over both the -env
// of the command line. NODE_OPTIONS has the options of all three.
func (s *server) envOf(f *spec, o options, added map[string]string) (list []string) {
	env := map[string]string{}
	for name, value := range f.env {
		env[name] = s.here(value)
	}
	given := o.env.toMap()
	options := []string{env["NODE_OPTIONS"], added["NODE_OPTIONS"], given["NODE_OPTIONS"]}
	maps.Copy(env, added)
	maps.Copy(env, given)
	if joined := strings.TrimSpace(strings.Join(options, " ")); joined != "" {
		env["NODE_OPTIONS"] = joined
	}
	delete(env, "AWS_REGION") // the Pool sets it
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// here puts this gateway's address in place of the URLs that the APIs would have on AWS. A host without a scheme stays:
// code puts https:// before it, and needs -tls.
func (s *server) here(value string) string {
	var pairs []string
	for _, host := range s.plan.hosts {
		pairs = append(pairs, "wss://"+host, s.url("ws"), "https://"+host, s.url("http"))
	}
	return strings.NewReplacer(pairs...).Replace(value)
}

// keys are the access key of the functions, and its session token. A function without one has that of package
// localruntime.
func (o options) keys() (id, secret, token string) {
	if id = o.env.get("AWS_ACCESS_KEY_ID"); id == "" {
		return "local", "local", ""
	}
	return id, o.env.get("AWS_SECRET_ACCESS_KEY"), o.env.get("AWS_SESSION_TOKEN")
}

// config is the gateway's.
func (s *server) config(o options) localgateway.Config {
	c := localgateway.Config{
		Handlers:                 map[string]localgateway.Handler{},
		RouteThrottles:           map[string]localgateway.Throttle{},
		RouteSelectionExpression: s.plan.expression,
		RouteResponses:           s.plan.responses,
		Stage:                    s.plan.stage.Name,
		StageVariables:           s.plan.stage.Variables,
		KeepPort:                 true, // so that the address in an event is one that the function reaches
		Logger:                   s.console.logger(),
	}
	if t := s.plan.stage.Throttle; t != nil {
		c.Throttle = &localgateway.Throttle{RequestsPerSecond: t.Rate, Burst: t.Burst}
	}
	for key, t := range s.plan.stage.RouteThrottles {
		if s.plan.routes[key] != nil { // AWS takes settings of a route that is not there
			c.RouteThrottles[key] = localgateway.Throttle{RequestsPerSecond: t.Rate, Burst: t.Burst}
		}
	}
	for key, spec := range s.plan.routes {
		c.Routes, c.Handlers[key] = append(c.Routes, key), s.functions[spec]
	}
	for key, spec := range s.plan.httpRoutes {
		c.HTTPRoutes, c.Handlers[key] = append(c.HTTPRoutes, key), s.functions[spec]
	}
	if s.plan.iam {
		// The functions' own, with which they sign their calls of @connections.
		id, secret, token := o.keys()
		c.IAM = true
		c.Credentials = &localgateway.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}
	}
	if s.plan.authorizer != nil {
		c.Authorizer = &localgateway.Authorizer{Handler: s.functions[s.plan.authorizer],
			IdentitySources: s.plan.sources}
	}
	return c
}

// watch watches until stop.
func (s *server) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopWatching = cancel
	for _, w := range s.watchers {
		s.watching.Go(func() { w.watch(ctx) })
	}
}

// describe prints what runs.
func (s *server) describe(to io.Writer) {
	for _, note := range s.plan.notes {
		fmt.Fprintf(to, "Note: %s\n", note)
	}
	for _, f := range s.plan.functions {
		var keys []string
		for _, routes := range []map[string]*spec{s.plan.routes, s.plan.httpRoutes} {
			for _, key := range slices.Sorted(maps.Keys(routes)) {
				if routes[key] == f {
					keys = append(keys, key)
				}
			}
		}
		if f == s.plan.authorizer {
			keys = append(keys, "the authorizer")
		}
		fmt.Fprintf(to, "Function %s (%s) serves %s\n", f.name, f.target.text, strings.Join(keys, ", "))
	}
	if s.tls != nil {
		fmt.Fprintf(to, "Certificate: %s\nProxy to https://*%s: %s\n", s.tls.file, s.plan.domain(), s.proxy)
	}
	if len(s.plan.httpRoutes) > 0 {
		fmt.Fprintf(to, "HTTP API: %s\n", s.url("http"))
	}
	fmt.Fprintf(to, "Callback URL: %s/%s\n", s.url("http"), s.stage)
	fmt.Fprintf(to, "WebSocket API: %s/%s\n", s.url("ws"), s.stage)
}

// stop closes every client, waits for the functions' last invocations until hurry ends, and ends all processes.
func (s *server) stop(hurry context.Context) error {
	s.stopWatching()
	s.watching.Wait()
	var err error
	if s.gateway != nil {
		ctx, cancel := context.WithTimeout(hurry, patience)
		defer cancel()
		news := time.AfterFunc(2*time.Second, func() { // a client has a second to answer the close
			s.console.say("invocations have %v to end; Ctrl-C again ends them at once", patience)
		})
		err = s.gateway.Shutdown(ctx)
		news.Stop()
	}
	for _, server := range s.servers {
		err = errors.Join(err, server.Close())
	}
	for _, f := range s.functions {
		f.close()
	}
	if s.scratch != "" {
		err = errors.Join(err, os.RemoveAll(s.scratch))
	}
	return err
}
