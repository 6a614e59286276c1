package app

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"wschat/pkg/config"
	"wschat/test/issuer"
)

// The provider is asked when the first page is wanted, if the page has a client id, and not for other files. The page
// comes whatever the provider does.
func TestThePageOfAProvider(t *testing.T) {
	for name, tc := range map[string]struct {
		client   string
		document string // "" for a provider that is down
		asked    int64
		told     string
		connect  string
	}{
		"without a client id": {"", "{}", 0, `content=""`, "'self'"},
		"with one": {"page", `{"issuer":"URL","authorization_endpoint":"https://login.example/a",
			"token_endpoint":"https://login.example/t"}`, 1,
			"{&#34;issuer&#34;:&#34;URL&#34;,&#34;client&#34;:&#34;page&#34;,", "'self' https://login.example"},
		"of a provider that is down": {"page", "", 1, `URL&#34;,&#34;client&#34;:&#34;page&#34;}"`, "'self'"},
	} {
		t.Run(name, func(t *testing.T) {
			p := issuer.Start(t)
			var asked atomic.Int64
			p.SetFault(func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1); tc.document == "" {
					w.WriteHeader(http.StatusBadGateway)
				}
				_, _ = io.WriteString(w, strings.ReplaceAll(tc.document, "URL", p.URL))
			})
			handler, err := FromEnv(func(name string) string {
				return map[string]string{
					config.ConnectionsTable: "c", config.MessagesTable: "messages", "AWS_REGION": "eu-north-1",
					"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", config.AuthIssuer: p.URL,
					config.AuthAudience: "page", config.AuthClientID: tc.client,
				}[name]
			}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			get := func(path string) (body, policy string) {
				t.Helper()
				answer, err := handler.Invoke(t.Context(), []byte(`{"requestContext":{"routeKey":"GET `+path+`"}}`))
				var r struct {
					StatusCode int
					Headers    map[string]string
					Body       string
				}
				if err == nil {
					err = json.Unmarshal(answer, &r)
				}
				if err != nil || r.StatusCode != 200 {
					t.Fatalf("%s: %d, %v", path, r.StatusCode, err)
				}
				return r.Body, r.Headers["Content-Security-Policy"]
			}
			get("/main.js")
			if n := asked.Load(); n != 0 {
				t.Errorf("the provider was asked %d times before the page was wanted", n)
			}
			for range 3 {
				body, policy := get("/")
				if !strings.Contains(body, strings.ReplaceAll(tc.told, "URL", p.URL)) ||
					!strings.Contains(policy, "connect-src "+tc.connect+";") {
					t.Errorf("the policy is %s, the page %.1000s", policy, body)
				}
			}
			if n := asked.Load(); n != tc.asked {
				t.Errorf("the provider was asked %d times, want %d", n, tc.asked)
			}
		})
	}
}
