package webclient_test

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"

	"wschat/pkg/webclient"
)

// pageFor is what the page of a provider says of it, and what the page may connect to.
func pageFor(t *testing.T, s *webclient.Site, p *webclient.Provider) (told, connect, etag string) {
	t.Helper()
	r, err := s.Serve("/", webclient.Request{Provider: p})
	if err != nil || r.Status != 200 || strings.Contains(r.Body, "{{") {
		t.Fatalf("%d, %v", r.Status, err)
	}
	content := regexp.MustCompile(`<meta name="provider" content="([^"]*)">`).FindStringSubmatch(r.Body)
	if content == nil {
		t.Fatalf("the page tells nothing: %s", r.Body)
	}
	policy := r.Headers["Content-Security-Policy"]
	parts := regexp.MustCompile(`connect-src ([^;]*);`).FindStringSubmatch(policy)
	without := serve(t, s, "/", "").Headers["Content-Security-Policy"]
	const connects = "connect-src 'self' wss://x.example;"
	if strings.ReplaceAll(policy, parts[0], "") != strings.ReplaceAll(without, connects, "") {
		t.Errorf("the policy is %q with a provider, %q without", policy, without)
	}
	return html.UnescapeString(content[1]), parts[1], r.Headers["ETag"]
}

// The page may connect to the chat and to the origin of the token endpoint, and to nothing else. No provider can put
// more into the policy. Pages with other policies have other tags.
func TestThePageMayAskOneProviderForTokens(t *testing.T) {
	const own, token = "'self' wss://x.example", "https://login.example/token"
	whole := webclient.Provider{Issuer: "https://issuer.example", ClientID: `a"b<c`,
		Authorization: "https://elsewhere.example/authorize?p=1&q=2", Token: token,
		EndSession: "https://out.example/end", Revocation: "https://login.example/revoke", NamesItself: true,
		Offline: true}
	s := webclient.New("wss://x.example/dev", true)
	tags := map[string]string{}
	for name, tc := range map[string]struct {
		change  func(p *webclient.Provider)
		connect string
		revokes bool
	}{
		"one origin": {func(*webclient.Provider) {}, own + " https://login.example", true},
		"with a port": {func(p *webclient.Provider) { p.Token = "http://127.0.0.1:80/t" },
			own + " http://127.0.0.1:80", false},
		"a revocation elsewhere": {func(p *webclient.Provider) { p.Revocation = "https://other.example/r" },
			own + " https://login.example", false},
		"a revocation without TLS": {func(p *webclient.Provider) { p.Revocation = "http://login.example/r" },
			own + " https://login.example", false},
	} {
		p := whole
		tc.change(&p)
		for range 2 { // the second comes from memory
			told, connect, etag := pageFor(t, s, &p)
			var got map[string]any
			if err := json.Unmarshal([]byte(told), &got); err != nil {
				t.Fatalf("%s: %q, %v", name, told, err)
			}
			if connect != tc.connect {
				t.Errorf("%s: the page may connect to %s, want %s", name, connect, tc.connect)
			}
			if _, revokes := got["revoke"]; revokes != tc.revokes || got["client"] != p.ClientID ||
				got["token"] != p.Token || got["authorize"] != p.Authorization || got["logout"] != p.EndSession {
				t.Errorf("%s: the page is told %s", name, told)
			}
			if other, known := tags[etag]; known && other != connect {
				t.Errorf("%s: pages that may connect to %s and to %s have one tag", name, connect, other)
			}
			tags[etag] = connect
		}
	}
	const unknown = `{"issuer":"https://issuer.example","client":"a\"b\u003cc"}`
	for _, bad := range []string{"", "https:///token", "https://a;script-src/t", "https://a,b/t", "https://*/t",
		"https://'self'/t", "https://a@b@c/", "javascript:alert(1)", "data:text/html,x", "//login.example/t", "/token",
		"https://login.example:port/", "https://[::1]/t", "https://a\nb/"} {
		p := whole
		p.Token = bad
		if told, connect, _ := pageFor(t, s, &p); told != unknown || connect != own {
			t.Errorf("%q: the page is told %s, and may connect to %s", bad, told, connect)
		}
	}
	if told, connect, _ := pageFor(t, s, nil); told != "" || connect != own {
		t.Errorf("without a provider the page is told %q, and may connect to %s", told, connect)
	}
	// No other file has to do with the provider.
	for _, path := range webclient.Paths()[1:] {
		r, err := s.Serve(path, webclient.Request{Provider: &whole})
		if err != nil || strings.Contains(r.Headers["Content-Security-Policy"], "login") {
			t.Errorf("%s: %v, %v", path, r.Headers, err)
		}
	}
}
