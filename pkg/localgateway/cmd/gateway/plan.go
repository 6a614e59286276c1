package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"wschat/pkg/localgateway/template"
)

// plan is what runs.
type plan struct {
	functions  []*spec
	routes     map[string]*spec // by route key
	httpRoutes map[string]*spec
	authorizer *spec // nil for none
	sources    []string
	responses  []string // keys of routes with a route response
	expression string
	stage      template.Stage
	iam        bool
	tables     []template.Table
	region     string
	hosts      []string // what the environments call the APIs
	notes      []string
}

// spec is a function that runs.
type spec struct {
	name     string
	target   target
	env      map[string]string
	handler  string // of a function with a bootstrap; "" for the default
	memoryMB int
	timeout  time.Duration
	unknown  map[string]error // variables without a value
}

// iamAuthorizer is in place of a target: clients sign their handshakes.
const iamAuthorizer = "AWS_IAM"

const (
	defaultStage  = "dev"
	defaultRegion = "us-east-1"
)

// planned returns what the command line asks for.
func planned(o options) (*plan, error) {
	p := &plan{routes: map[string]*spec{}, httpRoutes: map[string]*spec{}}
	var err error
	if o.template != "" {
		err = p.readTemplate(o)
	} else {
		err = p.readFlags(o)
	}
	if err != nil {
		return nil, err
	}
	for _, pair := range o.routes {
		f, err := p.byTarget(pair.value)
		if err != nil {
			return nil, fmt.Errorf("-route %s: %w", pair.name, err)
		}
		if strings.Contains(pair.name, " ") {
			p.httpRoutes[pair.name] = f
		} else {
			p.routes[pair.name] = f
		}
	}
	return p, p.check(o)
}

// check refuses what the template leaves open and the command line does not fill.
func (p *plan) check(o options) error {
	var problems []error
	for _, f := range p.functions {
		for _, name := range slices.Sorted(maps.Keys(f.unknown)) {
			if !slices.ContainsFunc(o.env, func(e pair) bool { return e.name == name }) {
				problems = append(problems, fmt.Errorf("%w; give it with -env %s=VALUE, or, if it is a parameter, "+
					"with -parameter NAME=VALUE", f.unknown[name], name))
			}
		}
	}
	if len(p.routes) == 0 {
		problems = append(problems, errors.New("there is no route of a WebSocket API: give one, whose key "+
			"has no space, as -route '$default=TARGET'"))
	}
	return errors.Join(problems...)
}

// readFlags plans routes that are given by hand.
func (p *plan) readFlags(o options) error {
	p.expression, p.stage.Name, p.stage.Variables = o.expression, o.stage, o.variables.toMap()
	if p.stage.Name == "" {
		p.stage.Name = defaultStage
	}
	p.responses, p.sources = o.routeResponses, o.sources
	if p.region = o.env.get("AWS_REGION"); p.region == "" {
		p.region = defaultRegion
	}
	p.hosts = []string{"local.execute-api." + p.region + ".amazonaws.com"}
	p.iam = o.authorizer == iamAuthorizer
	if o.authorizer != "" && !p.iam {
		f, err := p.byTarget(o.authorizer)
		if err != nil {
			return fmt.Errorf("-authorizer: %w; or it is %s", err, iamAuthorizer)
		}
		p.authorizer = f
	}
	return nil
}

// byTarget returns the function of a target. Equal targets are one function.
func (p *plan) byTarget(text string) (*spec, error) {
	for _, f := range p.functions {
		if f.target.text == text && f.env == nil {
			return f, nil
		}
	}
	t, err := parseTarget(text)
	if err != nil {
		return nil, err
	}
	name := t.name()
	for i := 2; slices.ContainsFunc(p.functions, func(f *spec) bool { return f.name == name }); i++ {
		name = fmt.Sprintf("%s-%d", t.name(), i)
	}
	f := &spec{name: name, target: t}
	p.functions = append(p.functions, f)
	return f, nil
}

// readTemplate plans what a template says.
func (p *plan) readTemplate(o options) error {
	text, err := os.ReadFile(o.template)
	if err != nil {
		return fmt.Errorf("-template: %w", err)
	}
	parameters := o.parameters.toMap()
	if region := o.env.get("AWS_REGION"); region != "" && parameters["AWS::Region"] == "" {
		parameters["AWS::Region"] = region
	}
	s, err := template.Read(text, template.Options{Parameters: parameters, APIs: o.apis, Stage: o.stage})
	if err != nil {
		return fmt.Errorf("-template %s: %w", o.template, err)
	}
	p.expression, p.stage, p.iam, p.tables, p.region = s.RouteSelectionExpression, s.Stage, s.IAM, s.Tables, s.Region
	p.hosts = []string{s.WebSocketAPI.Host}
	if s.HTTPAPI.LogicalID != "" {
		p.hosts = append(p.hosts, s.HTTPAPI.Host)
	}
	p.notes = s.Notes
	if len(s.Tables) > 0 && o.dynamodb == "" {
		p.note("The template's tables are nowhere: give -dynamodb URL.")
	}
	functions, err := p.fromTemplate(s, o)
	if err != nil {
		return err
	}
	if a := s.Authorizer; a != nil {
		if a.Problem != nil {
			return fmt.Errorf("-template %s: %w", o.template, a.Problem)
		}
		p.authorizer, p.sources = functions[a.Function], a.IdentitySources
	}
	return p.readRoutes(s, functions, o)
}

// readRoutes plans the routes of a template. functions are those that are needed, by logical id.
func (p *plan) readRoutes(s *template.Stack, functions map[string]*spec, o options) error {
	for _, r := range s.Routes {
		if r.Response {
			p.responses = append(p.responses, r.Key)
		}
		if r.Problem != nil && !o.replaces(r.Key) {
			return fmt.Errorf("-template %s: the route %s: %w; give it a function with -route '%s=TARGET'", o.template,
				r.Key, r.Problem, r.Key)
		}
		p.routes[r.Key] = functions[r.Function]
	}
	for _, r := range s.HTTPRoutes {
		switch {
		case !isFixed(r.Key):
			p.note("The route %s is left out: only fixed paths of one method are served.", r.Key)
		case r.Problem != nil && !o.replaces(r.Key):
			p.note("The route %s is left out: %v.", r.Key, r.Problem)
		default:
			p.httpRoutes[r.Key] = functions[r.Function]
		}
	}
	return nil
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// isFixed reports whether the gateway serves a route of an HTTP API.
func isFixed(key string) bool {
	method, path, ok := strings.Cut(key, " ")
	return ok && method != "ANY" && !strings.Contains(path, "{")
}

// replaces reports whether the command line gives a route a function.
func (o options) replaces(key string) bool {
	return slices.ContainsFunc(o.routes, func(r pair) bool { return r.name == key })
}

// fromTemplate returns the functions of a template that are needed, by logical id.
func (p *plan) fromTemplate(s *template.Stack, o options) (map[string]*spec, error) {
	replaced := map[string]string{}
	for _, pair := range o.functions {
		id, err := called(s.Functions, pair.name)
		if err != nil {
			return nil, fmt.Errorf("-function %s: %w", pair.name, err)
		}
		replaced[id] = pair.value
	}
	needed := map[string]bool{}
	for _, r := range slices.Concat(s.Routes, s.HTTPRoutes) {
		needed[r.Function] = needed[r.Function] || !o.replaces(r.Key)
	}
	if s.Authorizer != nil {
		needed[s.Authorizer.Function] = true
	}
	functions := map[string]*spec{}
	for _, id := range slices.Sorted(maps.Keys(s.Functions)) {
		if !needed[id] {
			continue
		}
		f := s.Functions[id]
		t, err := targetOf(f, replaced[id], filepath.Dir(o.template))
		if err != nil {
			return nil, fmt.Errorf("the function %s: %w", id, err)
		}
		functions[id] = &spec{name: f.Name, target: t, env: f.Environment, handler: f.Handler, memoryMB: f.MemoryMB,
			timeout: f.Timeout, unknown: f.Unknown}
		p.functions = append(p.functions, functions[id])
	}
	return functions, nil
}

// called returns the logical id of the function that is called so.
func called(functions map[string]template.Function, name string) (string, error) {
	ids := slices.Sorted(maps.Keys(functions))
	if slices.Contains(ids, name) {
		return name, nil
	}
	var found []string
	for _, id := range ids {
		if template.IsCalled(id, name) {
			found = append(found, id)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the routes of the template have no function, or several, with this id; they have %s",
			strings.Join(ids, ", "))
	}
	return found[0], nil
}

// targetOf returns the code of a template's function: what replaces it, or else the text in the template or the asset
// beside it.
func targetOf(f template.Function, replacement, dir string) (target, error) {
	if replacement != "" {
		return parseTarget(replacement)
	}
	instead := fmt.Sprintf("give what runs in its place with -function %s=TARGET", f.LogicalID)
	path := f.Asset
	if path == "" && f.Inline == "" {
		return target{}, fmt.Errorf("the template does not say where its code is; %s", instead)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return target{}, fmt.Errorf("its code, %s, is not a folder here; %s", path, instead)
	}
	kind := kindOf(f.Runtime)
	switch {
	case kind != "" && f.Inline != "":
		return target{text: "the code in the template", kind: kind, handler: f.Handler, inline: f.Inline}, nil
	case kind != "":
		return parseTarget(kind + ":" + filepath.Join(path, filepath.FromSlash(f.Handler)))
	case !strings.HasPrefix(f.Runtime, "provided"):
		return target{}, fmt.Errorf("its runtime, %s, is not supported; %s", f.Runtime, instead)
	}
	machine := map[string]string{"x86_64": "linux/amd64", "arm64": "linux/arm64"}[f.Architecture]
	if here := runtime.GOOS + "/" + runtime.GOARCH; machine != here {
		return target{}, fmt.Errorf("its code is for %s, and this machine is %s; %s, for example "+
			"-function %s=go:./PACKAGE", machine, here, instead, f.LogicalID)
	}
	return parseTarget(path)
}

// kindOf returns the kind of a target that has a runtime of Lambda's, or "" for another.
func kindOf(runtime string) string {
	for prefix, kind := range map[string]string{"nodejs": "node", "python": "python"} {
		if strings.HasPrefix(runtime, prefix) {
			return kind
		}
	}
	return ""
}
