package auth_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/auth"
	"wschat/test/issuer"
	"wschat/test/logbuffer"
)

// discovered is a provider that can be changed, and what finds its endpoints.
type discovered struct {
	*auth.Discovery
	provider *issuer.Provider
	asked    atomic.Int64
	ahead    atomic.Int64 // nanoseconds
	log      logbuffer.Buffer
}

// newDiscovered starts a provider whose discovery document is this one, with its issuer in place of ISSUER.
func newDiscovered(t *testing.T, document map[string]any) *discovered {
	t.Helper()
	d := &discovered{provider: issuer.Start(t)}
	d.answers(document)
	d.Discovery = auth.NewDiscovery(auth.Config{Issuer: d.provider.URL,
		Logger: slog.New(slog.NewTextHandler(&d.log, nil)),
		Now:    func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }})
	return d
}

func (d *discovered) answers(document map[string]any) {
	text, _ := json.Marshal(document)
	d.provider.SetFault(func(w http.ResponseWriter, _ *http.Request) {
		d.asked.Add(1)
		_, _ = io.WriteString(w, strings.ReplaceAll(string(text), "ISSUER", d.provider.URL))
	})
}

func (d *discovered) fails() {
	d.provider.SetFault(func(w http.ResponseWriter, _ *http.Request) {
		d.asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	})
}

func (d *discovered) pass(time time.Duration) { d.ahead.Add(int64(time)) }

// document is a discovery document with one field replaced, or left out for nil.
func document(name string, value any) map[string]any {
	made := map[string]any{"issuer": "ISSUER", "authorization_endpoint": "ISSUER/authorize?p=1",
		"token_endpoint": "ISSUER/token", "end_session_endpoint": "ISSUER/end", "revocation_endpoint": "ISSUER/revoke",
		"scopes_supported": []string{"openid", "offline_access"},
		"authorization_response_iss_parameter_supported": true}
	if made[name] = value; value == nil {
		delete(made, name)
	}
	return made
}

func TestDiscovery(t *testing.T) {
	d := newDiscovered(t, document("", nil))
	url := d.provider.URL
	for range 3 {
		m, err := d.Metadata(t.Context())
		if err != nil || m.Issuer != url || m.Authorization != url+"/authorize?p=1" || m.Token != url+"/token" ||
			m.EndSession != url+"/end" || m.Revocation != url+"/revoke" || len(m.Scopes) != 2 || !m.NamesItself {
			t.Errorf("found %+v, %v", m, err)
		}
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// A document is of use if a page can send people and codes to its endpoints.
func TestDiscoveryOfBadDocuments(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value any
		good  bool
	}{
		{"end_session_endpoint", nil, true},
		{"revocation_endpoint", nil, true},
		{"scopes_supported", nil, true},
		{"authorization_response_iss_parameter_supported", nil, true},
		{"authorization_endpoint", "https://login.example/authorize", true},
		{"issuer", "https://other.example", false},
		{"issuer", "ISSUER/", false},
		{"issuer", nil, false},
		{"authorization_endpoint", nil, false},
		{"token_endpoint", nil, false},
		{"token_endpoint", 7, false},
		{"token_endpoint", "http://login.example/token", false},
		{"token_endpoint", "https://user@login.example/token", false},
		{"authorization_endpoint", "javascript:alert(1)", false},
		{"authorization_endpoint", "/authorize", false},
		{"authorization_endpoint", "https://login.example/authorize#x", false},
		{"end_session_endpoint", "data:text/html,x", false},
		{"revocation_endpoint", "ftp://login.example/", false},
	} {
		d := newDiscovered(t, document(tc.name, tc.value))
		if _, err := d.Metadata(t.Context()); (err == nil) != tc.good {
			t.Errorf("%s %v: %v", tc.name, tc.value, err)
		}
		if logged := strings.Contains(d.log.String(), "the page cannot sign people in"); logged == tc.good {
			t.Errorf("%s %v: the log says %q", tc.name, tc.value, d.log.String())
		}
	}
}

// What was found is good for a day, and looked for again after an hour, while nobody waits. A provider that fails is
// asked again after a while, and not for each page.
func TestDiscoveryIsKept(t *testing.T) {
	d := newDiscovered(t, document("", nil))
	d.fails()
	for range 3 {
		if m, err := d.Metadata(t.Context()); err == nil {
			t.Fatalf("found %+v", m)
		}
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("a provider that fails was asked %d times", n)
	}
	d.answers(document("", nil))
	d.pass(6 * time.Second)
	if _, err := d.Metadata(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.answers(document("token_endpoint", "ISSUER/new"))
	d.pass(2 * time.Hour)
	if m, err := d.Metadata(t.Context()); err != nil || m.Token != d.provider.URL+"/token" {
		t.Errorf("the old endpoints are %+v, %v", m, err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for isNew := false; !isNew; time.Sleep(10 * time.Millisecond) {
		m, err := d.Metadata(t.Context())
		if isNew = m.Token == d.provider.URL+"/new"; err != nil || time.Now().After(deadline) {
			t.Fatalf("found %+v, %v", m, err)
		}
	}
	d.fails()
	d.pass(23 * time.Hour)
	if _, err := d.Metadata(t.Context()); err != nil {
		t.Errorf("within a day: %v", err)
	}
	d.pass(2 * time.Hour)
	if m, err := d.Metadata(t.Context()); err == nil {
		t.Errorf("after a day: %+v", m)
	}
}

// A provider that does not answer holds a page up for two seconds.
func TestDiscoveryDoesNotWaitLong(t *testing.T) {
	d := newDiscovered(t, document("", nil))
	answer := make(chan struct{})
	t.Cleanup(func() { close(answer) })
	d.provider.SetFault(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
	})
	began := time.Now()
	if m, err := d.Metadata(t.Context()); err == nil {
		t.Errorf("found %+v", m)
	}
	if took := time.Since(began); took < time.Second || took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}
