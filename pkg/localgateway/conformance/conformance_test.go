package conformance

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wschat/pkg/localgateway"
	"wschat/pkg/localruntime"
	"wschat/test/installed"
)

// TestMain fails the tests if a goroutine is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keys sign all calls of @connections in these tests.
var keys = Credentials{AccessKeyID: "AKIDCONFORMANCE", SecretAccessKey: "the secret", Region: "us-east-1"}

// function runs the suite's function with Node.js. callback is the URL of all stages.
func function(t *testing.T, callback string) *localruntime.Pool {
	t.Helper()
	installed.Program(t, "node")
	if _, err := os.Stat("testdata/function.mjs"); err != nil { // go test runs anew if what it looks at has changed
		t.Fatal(err)
	}
	config, err := localruntime.Node("testdata", "function.handler")
	if err != nil {
		t.Fatal(err)
	}
	config.Env = []string{"CALLBACK_URL=" + callback + "/<stage>", "AWS_ACCESS_KEY_ID=" + keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey, "AWS_REGION=" + keys.Region}
	config.MaxProcesses = 8
	pool, err := localruntime.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// world is the function, and a server at its callback URL with the @connections of all gateways, by their stages.
type world struct {
	pool     *localruntime.Pool
	mu       sync.Mutex
	gateways map[string]http.Handler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{gateways: map[string]http.Handler{}}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	w.pool = function(t, srv.URL)
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	stage, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	w.mu.Lock()
	gw := w.gateways[stage]
	w.mu.Unlock()
	if gw == nil {
		http.NotFound(rw, r)
		return
	}
	gw.ServeHTTP(rw, r)
}

// deploy serves the deployments of a suite. The prefix tells the stages of several apart.
func (w *world) deploy(t *testing.T, s Suite, prefix string, fault wrong) Target {
	t.Helper()
	target := Target{URLs: map[string]string{}, Credentials: &keys, Patience: 20 * time.Second}
	for name, d := range s.Deployments {
		stage := prefix + name
		var f localgateway.Handler = w.pool
		if fault.handler != nil {
			f = fault.handler(f)
		}
		config := configOf(stage, d, f)
		if fault.config != nil {
			fault.config(&config)
		}
		gw, err := localgateway.New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := gw.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
		var front http.Handler = gw
		if fault.front != nil {
			front = fault.front(gw)
		}
		w.mu.Lock()
		w.gateways[stage] = front
		w.mu.Unlock()
		srv := httptest.NewServer(front)
		t.Cleanup(srv.Close)
		target.URLs[name] = srv.URL
		if d.HTTPRoutes == nil {
			target.URLs[name] = strings.Replace(srv.URL, "http", "ws", 1) + "/" + stage
		}
	}
	return target
}

// configOf is a deployment as a gateway's configuration.
func configOf(name string, d Deployment, f localgateway.Handler) localgateway.Config {
	c := localgateway.Config{Handler: f, Routes: d.Routes, RouteResponses: d.RouteResponses, Stage: name,
		IAM: d.IAM, StageVariables: d.StageVariables, HTTPRoutes: d.HTTPRoutes,
		Credentials: &localgateway.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey}}
	if d.Authorizer != nil {
		c.Authorizer = &localgateway.Authorizer{Handler: f, IdentitySources: d.Authorizer.IdentitySources}
	}
	return c
}

// The local gateway has every behaviour of the suite.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts eight processes of Node.js, and a behaviour waits three seconds")
	}
	t.Parallel()
	s := loaded(t)
	conform(t, s, newWorld(t).deploy(t, s, "", wrong{}))
}

// It has those that take long too. A clock that runs fast makes ten minutes short.
func TestSlowBehaviours(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits eight seconds for the end of an invocation")
	}
	t.Parallel()
	s := loaded(t)
	w := newWorld(t)
	for prefix, config := range map[string]func(c *localgateway.Config){
		"timeout-": func(c *localgateway.Config) { c.IntegrationTimeout = 8 * time.Second },
		"idle-": func(c *localgateway.Config) {
			c.Clock, c.IntegrationTimeout = fastClock{time.Now()}, 24*time.Hour // 5 minutes
		},
	} {
		some := s
		some.Behaviours = slices.DeleteFunc(slices.Clone(s.Behaviours), func(b Behaviour) bool {
			return b.Slow == "" || !strings.HasPrefix(b.Name, prefix)
		})
		target := w.deploy(t, s, prefix, wrong{config: config})
		target.Slow = true
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			conform(t, some, target)
		})
	}
}

// fastClock is a clock on which an hour takes 12 s.
type fastClock struct{ start time.Time }

const haste = 300

func (c fastClock) Now() time.Time { return c.start.Add(haste * time.Since(c.start)) }

func (c fastClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d/haste, f).Stop
}

func loaded(t *testing.T) Suite {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// conform reports the behaviours that a target does not have.
func conform(t *testing.T, s Suite, target Target) {
	t.Helper()
	if len(s.Behaviours) == 0 {
		t.Error("there are no behaviours")
	}
	for _, r := range s.Run(t.Context(), target) {
		t.Run(r.Behaviour.Name, func(t *testing.T) {
			switch r.Outcome {
			case Failed:
				t.Errorf("%s %s (%s)", r.Behaviour.Behaviour, r.Reason, r.Behaviour.Source)
			case Skipped:
				t.Skip(r.Reason)
			}
		})
	}
}
