package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Target says where the suite's deployments are, and how to use them.
type Target struct {
	// URLs are the addresses of the deployments by their names: ws:// or wss:// of WebSocket APIs, with the stage, and
	// http:// or https:// of the HTTP API. The @connections of a WebSocket API are at its URL, with http for ws. The
	// behaviours of a deployment without a URL are skipped.
	URLs map[string]string

	// Credentials sign the calls of @connections, and handshakes where there is IAM authorization. Nil means that calls
	// are not signed, and that behaviours with IAM authorization are skipped.
	Credentials *Credentials

	// Patience is how long an answer may take. Zero means 10 s.
	Patience time.Duration

	// Slow also runs the behaviours that take long, such as the idle timeout's 10 minutes.
	Slow bool

	// AtOnce is how many behaviours run at once. Zero means 16.
	AtOnce int
}

// Credentials are the keys of a signature. Each field but SessionToken is required.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken, Region string
}

// Outcome is how a behaviour ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "FAIL"
	Skipped Outcome = "skip"
)

// Result is the outcome of one behaviour.
type Result struct {
	Behaviour Behaviour
	Outcome   Outcome
	Reason    string // what was expected and what came, or why it was skipped; "" for Passed
}

// Run runs behaviours against a target and returns a result for each, in the same order. When ctx ends, what has not
// passed is skipped.
func (s Suite) Run(ctx context.Context, t Target) []Result {
	if t.Patience == 0 {
		t.Patience = 10 * time.Second
	}
	if t.AtOnce == 0 {
		t.AtOnce = 16
	}
	results := make([]Result, len(s.Behaviours))
	slots := make(chan struct{}, t.AtOnce)
	var wg sync.WaitGroup
	for i, b := range s.Behaviours {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = t.run(ctx, b, s.Deployments[b.Given.Deployment])
		})
	}
	wg.Wait()
	return results
}

func (t Target) run(ctx context.Context, b Behaviour, d Deployment) Result {
	address := t.URLs[b.Given.Deployment]
	switch {
	case address == "":
		return Result{b, Skipped, "no URL was given for the deployment " + b.Given.Deployment}
	case b.Slow != "" && !t.Slow:
		return Result{b, Skipped, "it takes " + b.Slow}
	case d.IAM && t.Credentials == nil:
		return Result{b, Skipped, "it needs credentials"}
	}
	err := t.try(ctx, b, address, d.IAM)
	switch {
	case err == nil:
		return Result{b, Passed, ""}
	case ctx.Err() != nil:
		return Result{b, Skipped, "the run was ended before"}
	default:
		return Result{b, Failed, err.Error()}
	}
}

// try runs one behaviour.
func (t Target) try(ctx context.Context, b Behaviour, address string, signs bool) error {
	base, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("the URL of %s: %w", b.Given.Deployment, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // closes all clients
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	noRedirects := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := &run{
		ctx:       ctx,
		target:    t,
		behaviour: b,
		base:      base,
		signs:     signs,
		variables: map[string]string{
			"host":   base.Hostname(),
			"port":   port(base),
			"scheme": httpScheme(base),
			"stage":  strings.Trim(base.Path, "/"),
		},
		clients:    map[string]*client{},
		answers:    map[string]reply{},
		http:       &http.Client{Transport: transport, CheckRedirect: noRedirects},
		comparison: comparison{map[string]any{}},
	}
	for _, name := range b.Given.Connected {
		if err := (&connect{Connect: name}).do(r); err != nil {
			return fmt.Errorf("given: %w", err)
		}
		if r.clients[name] == nil {
			return fmt.Errorf("given: the handshake of %s got %d, want 101", name, r.answers[name].status)
		}
	}
	if err := r.all("when", b.When, steps); err != nil {
		return err
	}
	return r.all("then", b.Then, expectations)
}

// run is the state of a behaviour while it runs.
type run struct {
	ctx        context.Context
	target     Target
	behaviour  Behaviour
	base       *url.URL
	signs      bool              // clients sign their handshakes
	variables  map[string]string // by the name in ${…}
	clients    map[string]*client
	answers    map[string]reply // of handshakes, calls and requests
	http       *http.Client
	comparison comparison
}

// all does actions one after the other.
func (r *run) all(title string, actions []json.RawMessage, kinds map[string]func() action) error {
	for i, raw := range actions {
		filled, err := r.fill(raw)
		if err == nil {
			var a action
			if a, err = parse(filled, kinds); err == nil {
				err = a.do(r)
			}
		}
		if err != nil {
			return fmt.Errorf("%s %d: %w", title, i+1, err)
		}
	}
	return nil
}

// repeated is the variable that stands for a number of x, as ${4096 x}.
var repeated = regexp.MustCompile(`\$\{(\d{1,7}) x\}`)

// fill puts the variables into the strings of an action.
func (r *run) fill(raw []byte) ([]byte, error) {
	text := repeated.ReplaceAllStringFunc(string(raw), func(variable string) string {
		n, _ := strconv.Atoi(repeated.FindStringSubmatch(variable)[1]) // at most 7 digits
		return strings.Repeat("x", n)
	})
	for _, name := range slices.Sorted(maps.Keys(r.variables)) {
		quoted, err := json.Marshal(r.variables[name])
		if err != nil {
			return nil, err
		}
		text = strings.ReplaceAll(text, "${"+name+"}", strings.Trim(string(quoted), `"`))
	}
	if _, unknown, found := strings.Cut(text, "${"); found {
		name, _, _ := strings.Cut(unknown, "}")
		return nil, fmt.Errorf("there is no ${%s}: %s", name, raw)
	}
	return []byte(text), nil
}

// needs reports whether the behaviour's file has a variable.
func (r *run) needs(variable string) bool {
	for _, raw := range slices.Concat(r.behaviour.When, r.behaviour.Then) {
		if strings.Contains(string(raw), "${"+variable+"}") {
			return true
		}
	}
	return false
}

// client returns the connected client of that name.
func (r *run) client(name string) (*client, error) {
	if c := r.clients[name]; c != nil {
		return c, nil
	}
	if a, ok := r.answers[name]; ok {
		return nil, fmt.Errorf("%s is not connected: its handshake got %d %.200q", name, a.status, a.body)
	}
	return nil, fmt.Errorf("there is no client %s", name)
}

// patience limits the wait for one answer.
func (r *run) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(r.ctx, r.target.Patience, errLate)
}

// httpScheme is http for ws and http, and https for wss and https.
func httpScheme(u *url.URL) string { return strings.Replace(u.Scheme, "ws", "http", 1) }

// port is the port of a URL, also if it is the usual one of its scheme.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case httpScheme(u) == "https":
		return "443"
	default:
		return "80"
	}
}
