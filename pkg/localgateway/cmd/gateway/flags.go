package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// options are what the command line says.
type options struct {
	addr           string
	routes         pairs // route key, target
	routeResponses texts
	expression     string
	authorizer     string
	sources        texts // identity sources
	stage          string
	variables      pairs

	template   string
	functions  pairs // logical id, target
	apis       texts
	parameters pairs
	dynamodb   string

	env   pairs
	watch bool
	tls   bool
}

// parse reads the command line. Its error is one line; only -h prints the flags.
func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:3001", "the `HOST:PORT` to serve on; port 0 picks a free one")
	flags.Var(&o.routes, "route", "a route and its function, `KEY=TARGET`; KEY is a route key such as sendMessage, "+
		"'$default' or 'GET /ping'; repeat it for each route; with -template, it replaces the route's function")
	flags.Var(&o.routeResponses, "route-response", "the `KEY` of a route whose function answers the client by its "+
		"response; repeat it for each")
	flags.StringVar(&o.expression, "route-selection", "", "the route selection `EXPRESSION` (default "+
		"$request.body.action)")
	flags.StringVar(&o.authorizer, "authorizer", "", "the function `TARGET` that decides who may connect; or "+
		"AWS_IAM, then clients sign their handshakes, with the access key local and the secret local")
	flags.Var(&o.sources, "identity-source", "a `SOURCE` without which the authorizer is not asked, such as "+
		"route.request.querystring.token; repeat it for each")
	flags.StringVar(&o.stage, "stage", "", "the `NAME` of the stage (default dev); with -template, which of several")
	flags.Var(&o.variables, "stage-variable", "a stage variable, `NAME=VALUE`; repeat it for each")
	flags.StringVar(&o.template, "template", "", "the CloudFormation template, a JSON `FILE`, from which routes, "+
		"functions, authorizer, stage and variables are read")
	flags.Var(&o.functions, "function", "`ID=TARGET`: what runs in place of the code of the template's function with "+
		"this logical id, which may lack the CDK's last eight characters; repeat it for each")
	flags.Var(&o.apis, "api", "the logical `ID` of the API to run, if the template has several")
	flags.Var(&o.parameters, "parameter", "a parameter of the template, `NAME=VALUE`, such as "+
		"AWS::Region=eu-north-1; repeat it for each")
	flags.StringVar(&o.dynamodb, "dynamodb", "", "the `URL` of a DynamoDB on this machine: the template's tables are "+
		"created there, and functions use it")
	flags.Var(&o.env, "env", "a variable in the environment of all functions, `NAME=VALUE`; repeat it for each")
	flags.BoolVar(&o.watch, "watch", false, "build and start functions anew when their files change")
	flags.BoolVar(&o.tls, "tls", false, "serve wss:// and https://, with a certificate that is made on the spot and "+
		"that functions trust")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w (-h lists the flags)", err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q (-h lists the flags)", flags.Arg(0))
	}
	return o, o.check()
}

const usage = `Usage: gateway -route KEY=TARGET [flags]
       gateway -template FILE [flags]

It runs Lambda functions behind a local API Gateway. A TARGET is a function:

  ./bootstrap           an executable file, or a folder with a bootstrap in it
  go:./cmd/fn           a Go package, which is built
  node:src/app.handler  what the file src/app.js (or .mjs, .cjs) exports as handler
  python:app.handler    the function handler of the file app.py

Equal targets are one function.

`

// check refuses flags that do not fit together.
func (o options) check() error {
	switch {
	case o.template == "" && len(o.routes) == 0:
		return errors.New("no routes: give -route KEY=TARGET or -template FILE (-h shows how)")
	case o.template == "" && len(o.functions)+len(o.apis)+len(o.parameters) > 0:
		return errors.New("-function, -api and -parameter need -template")
	case o.template == "" && o.dynamodb != "":
		return errors.New("-dynamodb needs -template, which has the tables; without one, give functions " +
			"-env AWS_ENDPOINT_URL_DYNAMODB=URL")
	case o.template != "" && (o.authorizer != "" || len(o.routeResponses)+len(o.sources)+len(o.variables) > 0 ||
		o.expression != ""):
		return errors.New("-authorizer, -identity-source, -route-response, -route-selection and -stage-variable are " +
			"for routes without -template, which has its own")
	case (o.authorizer == "" || o.authorizer == iamAuthorizer) && len(o.sources) > 0:
		return errors.New("-identity-source needs -authorizer with a function")
	case o.dynamodb != "" && !isURL(o.dynamodb):
		return fmt.Errorf("-dynamodb %s: it is not a URL, as http://127.0.0.1:8000", o.dynamodb)
	}
	return nil
}

// isURL reports whether a text is the URL of a server.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// pair is NAME=VALUE.
type pair struct{ name, value string }

// pairs is a flag that can be repeated.
type pairs []pair

func (p *pairs) String() string { return "" }

// Set adds a pair. A name is there only once.
func (p *pairs) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("it is not NAME=VALUE")
	}
	for _, other := range *p {
		if other.name == name {
			return fmt.Errorf("%s was given before", name)
		}
	}
	*p = append(*p, pair{name, value})
	return nil
}

func (p pairs) get(name string) string {
	for _, pair := range p {
		if pair.name == name {
			return pair.value
		}
	}
	return ""
}

// toMap returns the pairs as a map.
func (p pairs) toMap() map[string]string {
	m := map[string]string{}
	for _, pair := range p {
		m[pair.name] = pair.value
	}
	return m
}

// texts is a flag that can be repeated.
type texts []string

func (t *texts) String() string { return "" }

// Set adds a text.
func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}
