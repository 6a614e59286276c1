package localgateway_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// forwarded is what an event says of the way to the gateway; the names of headers are in lower case.
type forwarded struct {
	Headers        map[string]string
	RequestContext struct{ DomainName, DomainPrefix string }
}

func forwardedOf(t *testing.T, e event) (f forwarded) {
	t.Helper()
	if err := json.Unmarshal(e.raw, &f); err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{}
	for name, value := range f.Headers {
		headers[strings.ToLower(name)] = value
	}
	f.Headers = headers
	return f
}

func TestForwardedHeaders(t *testing.T) {
	for _, tc := range []struct {
		name     string
		tls      bool
		keepPort bool
		host     string // "" for the server's address
		came     http.Header
		domain   string // in the event; "" for the server's address
		proto    string
		port     string // in the event; "" for the server's
		forField string
	}{
		{"a server of its own", false, false, "", nil, "127.0.0.1", "http", "", "127.0.0.1"},
		{"a name with a port", false, false, "chat.example:8080", nil, "chat.example", "http", "8080", "127.0.0.1"},
		{"a name without one", false, false, "chat.example", nil, "chat.example", "http", "80", "127.0.0.1"},
		{"IPv6 with a port", false, false, "[::1]:8080", nil, "[::1]", "http", "8080", "127.0.0.1"},
		{"IPv6 without one", false, false, "[::1]", nil, "[::1]", "http", "80", "127.0.0.1"},
		{"TLS", true, false, "", nil, "127.0.0.1", "https", "", "127.0.0.1"},
		{"TLS and a name", true, false, "chat.example", nil, "chat.example", "https", "443", "127.0.0.1"},
		{"a proxy with TLS", false, false, "chat.example", http.Header{"X-Forwarded-Proto": {"https"},
			"X-Forwarded-For": {"203.0.113.7"}}, "chat.example", "https", "443", "203.0.113.7, 127.0.0.1"},
		{"two proxies", false, false, "chat.example", http.Header{"X-Forwarded-Proto": {"HTTPS, http"},
			"X-Forwarded-For": {"203.0.113.7, 10.0.0.1"}}, "chat.example", "https", "443",
			"203.0.113.7, 10.0.0.1, 127.0.0.1"},
		{"a proxy without TLS", false, false, "chat.example", http.Header{"X-Forwarded-Proto": {"http"},
			"X-Forwarded-Port": {"1"}}, "chat.example", "http", "80", "127.0.0.1"},
		{"a port that is kept", false, true, "", nil, "", "http", "", "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			config := allRoutes
			config.KeepPort = tc.keepPort
			f, gw, addr := serve(t, config, nil)
			scheme, client := "http://", http.DefaultClient
			if tc.tls {
				srv := httptest.NewTLSServer(gw)
				t.Cleanup(srv.Close)
				scheme, addr = "https://", srv.Listener.Addr().String()
				transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
				t.Cleanup(transport.CloseIdleConnections)
				client = &http.Client{Transport: transport}
			}
			host, domain, port := tc.host, tc.domain, tc.port
			if host == "" {
				host = addr
			}
			if domain == "" {
				domain = addr
			}
			if port == "" {
				port = addr[strings.LastIndex(addr, ":")+1:]
			}
			check := func(e event) {
				t.Helper()
				got := forwardedOf(t, e)
				for name, want := range map[string]string{"host": domain, "x-forwarded-proto": tc.proto,
					"x-forwarded-port": port, "x-forwarded-for": tc.forField} {
					if got.Headers[name] != want {
						t.Errorf("%s%s has %s %q, want %q", e.Context.EventType, e.Context.RouteKey, name,
							got.Headers[name], want)
					}
				}
				if got.RequestContext.DomainName != domain {
					t.Errorf("%s has the domain name %q, want %q", e.Context.RouteKey, got.RequestContext.DomainName,
						domain)
				}
			}
			r, err := http.NewRequestWithContext(t.Context(), "GET", scheme+addr+"/ping", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host, r.Header = host, tc.came.Clone()
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			e := f.next(t)
			check(e)
			prefix, _, _ := strings.Cut(domain, ".")
			if got := forwardedOf(t, e).RequestContext.DomainPrefix; got != prefix {
				t.Errorf("the domain prefix is %q, want %q", got, prefix)
			}

			c, _, err := websocket.Dial(t.Context(), scheme+addr+"/dev", &websocket.DialOptions{Host: host,
				HTTPHeader: tc.came.Clone(), HTTPClient: client})
			if err != nil {
				t.Fatal(err)
			}
			check(f.next(t))
			write(t, c, "hi")
			if got := forwardedOf(t, f.next(t)).RequestContext.DomainName; got != domain {
				t.Errorf("a message has the domain name %q, want %q", got, domain)
			}
			_ = c.Close(websocket.StatusNormalClosure, "")
			got := forwardedOf(t, f.next(t))
			if got.Headers["host"] != domain || got.RequestContext.DomainName != domain {
				t.Errorf("$disconnect has %+v, want the host %q", got, domain)
			}
		})
	}
}

// A handler that derives the callback URL from its events works with KeepPort.
func TestTheCallbackURLOfAnEvent(t *testing.T) {
	config := allRoutes
	config.KeepPort = true
	f, _, addr := serve(t, config, nil)
	c := dial(t, "ws://"+addr+"/dev")
	e := f.next(t)
	url := "http://" + forwardedOf(t, e).RequestContext.DomainName + "/dev/@connections/" + e.Context.ConnectionID
	if status, _, _ := call(t, "POST", url, "hi"); status != 200 || read(t, c) != "hi" {
		t.Errorf("a post to %s: %d", url, status)
	}
}
