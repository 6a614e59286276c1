package demoissuer_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/localchat/demoissuer"
)

const (
	page     = "https://chat.example/"
	issuerAt = "http://127.0.0.1:1/demo"
)

// provider is an Issuer, and somebody's browser.
type provider struct {
	*demoissuer.Issuer
	cookies http.CookieJar
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	issuer, err := demoissuer.New(demoissuer.Config{URL: issuerAt, ClientID: "chat", Pages: []string{page}})
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &provider{issuer, jar}
}

// ask makes a request, with a form if it is not nil.
func (p *provider) ask(method, path string, form url.Values, headers ...string) *http.Response {
	r := httptest.NewRequest(method, issuerAt+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, cookie := range p.cookies.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	answer := w.Result()
	p.cookies.SetCookies(r.URL, answer.Cookies())
	return answer
}

const verifier = "0123456789abcdefghijklmnopqrstuvwxyz0123456789"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// changed are values with one of them replaced, or left out for "".
func changed(values url.Values, name, value string) url.Values {
	made := url.Values{}
	for n, v := range values {
		made[n] = v
	}
	if made.Set(name, value); value == "" {
		made.Del(name)
	}
	return made
}

func question() url.Values {
	return url.Values{"client_id": {"chat"}, "redirect_uri": {page}, "response_type": {"code"}, "state": {"s"},
		"nonce": {"n"}, "scope": {"openid profile offline_access"}, "code_challenge": {challenge()},
		"code_challenge_method": {"S256"}}
}

// answerTo is what a person's browser is sent back to the page with; nil if it is not sent there.
func answerTo(t *testing.T, r *http.Response) url.Values {
	t.Helper()
	query, ok := strings.CutPrefix(r.Header.Get("Location"), page+"?")
	if r.StatusCode != http.StatusSeeOther || !ok {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func (p *provider) code(t *testing.T, name string) string {
	t.Helper()
	answer := answerTo(t, p.ask("POST", "/authorize", changed(question(), "name", name)))
	if answer.Get("code") == "" || answer.Get("state") != "s" || answer.Get("iss") != issuerAt {
		t.Fatalf("the answer is %v", answer)
	}
	return answer.Get("code")
}

func forCode(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {"chat"}, "redirect_uri": {page},
		"code": {code}, "code_verifier": {verifier}}
}

func forRefresh(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {"chat"}, "refresh_token": {token}}
}

// tokens asks for tokens. The error is "" if there are some.
func (p *provider) tokens(t *testing.T, form url.Values) (idToken, refresh, wrong string) {
	t.Helper()
	r := p.ask("POST", "/token", form)
	var answer struct {
		Error        string `json:"error"`
		IDToken      string `json:"id_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("Cache-Control") != "no-store" || (r.StatusCode == http.StatusOK) != (answer.Error == "") {
		t.Errorf("%d, %v, %+v", r.StatusCode, r.Header, answer)
	}
	return answer.IDToken, answer.RefreshToken, answer.Error
}

func claims(t *testing.T, token string) (c map[string]any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A page gets tokens for a code, and for each refresh token once. The first token has the nonce.
func TestTokens(t *testing.T) {
	p := newProvider(t)
	token, refresh, wrong := p.tokens(t, forCode(p.code(t, "Ann")))
	c := claims(t, token)
	if wrong != "" || c["iss"] != issuerAt || c["aud"] != "chat" || c["sub"] != "user-Ann" || c["name"] != "Ann" ||
		c["nonce"] != "n" || c["exp"].(float64)-c["iat"].(float64) != 3600 {
		t.Errorf("%v, %s", c, wrong)
	}
	for range 3 {
		var next string
		if token, next, wrong = p.tokens(t, forRefresh(refresh)); wrong != "" || next == refresh || next == "" {
			t.Fatalf("%s after %s, %s", next, refresh, wrong)
		}
		if c := claims(t, token); c["sub"] != "user-Ann" || c["nonce"] != nil {
			t.Errorf("%v", c)
		}
		refresh = next
	}
	form := changed(changed(question(), "scope", "openid"), "name", "Ann")
	code := answerTo(t, p.ask("POST", "/authorize", form)).Get("code")
	if _, refresh, wrong := p.tokens(t, forCode(code)); refresh != "" || wrong != "" {
		t.Errorf("without offline_access: %q, %s", refresh, wrong)
	}
}

// What was used once ends everything that came of it: somebody else has it, too.
func TestNothingIsUsedTwice(t *testing.T) {
	p := newProvider(t)
	code := p.code(t, "Ann")
	_, refresh, _ := p.tokens(t, forCode(code))
	if _, _, wrong := p.tokens(t, forCode(code)); wrong != "invalid_grant" {
		t.Errorf("a code is used twice: %s", wrong)
	}
	if _, _, wrong := p.tokens(t, forRefresh(refresh)); wrong != "invalid_grant" {
		t.Errorf("the refresh token of a code that was used twice: %s", wrong)
	}
	_, first, _ := p.tokens(t, forCode(p.code(t, "Ann")))
	_, second, _ := p.tokens(t, forRefresh(first))
	for _, token := range []string{first, second} {
		if _, _, wrong := p.tokens(t, forRefresh(token)); wrong != "invalid_grant" {
			t.Errorf("after a refresh token was used twice: %s", wrong)
		}
	}
	_, refresh, _ = p.tokens(t, forCode(p.code(t, "Ann")))
	if r := p.ask("POST", "/revoke", url.Values{"client_id": {"chat"}, "token": {refresh}}); r.StatusCode != 200 {
		t.Errorf("a revocation is answered with %d", r.StatusCode)
	}
	if _, _, wrong := p.tokens(t, forRefresh(refresh)); wrong != "invalid_grant" {
		t.Errorf("a refresh token that was revoked: %s", wrong)
	}
}

func TestBadRequestsForTokens(t *testing.T) {
	p := newProvider(t)
	for name, tc := range map[string]struct{ field, value, want string }{
		"another verifier":    {"code_verifier", strings.Repeat("x", 43), "invalid_grant"},
		"no verifier":         {"code_verifier", "", "invalid_grant"},
		"the challenge":       {"code_verifier", challenge(), "invalid_grant"},
		"another page":        {"redirect_uri", page + "x", "invalid_grant"},
		"no page":             {"redirect_uri", "", "invalid_grant"},
		"another client":      {"client_id", "other", "invalid_client"},
		"no client":           {"client_id", "", "invalid_client"},
		"another code":        {"code", "x", "invalid_grant"},
		"another kind":        {"grant_type", "password", "unsupported_grant_type"},
		"a code as a refresh": {"grant_type", "refresh_token", "invalid_grant"},
	} {
		form := changed(forCode(p.code(t, "Ann")), tc.field, tc.value)
		if _, _, wrong := p.tokens(t, form); wrong != tc.want {
			t.Errorf("%s: %q, want %q", name, wrong, tc.want)
		}
	}
	code := p.code(t, "Ann")
	if _, _, wrong := p.tokens(t, forRefresh(code)); wrong != "invalid_grant" {
		t.Errorf("a code as a refresh token: %q", wrong)
	}
	_, refresh, _ := p.tokens(t, forCode(p.code(t, "Ann")))
	if _, _, wrong := p.tokens(t, forCode(refresh)); wrong != "invalid_grant" {
		t.Errorf("a refresh token as a code: %q", wrong)
	}
	if r := p.ask("GET", "/token?"+forCode(p.code(t, "Ann")).Encode(), nil); r.StatusCode != http.StatusBadRequest {
		t.Errorf("GET is answered with %d", r.StatusCode)
	}
}

// A code is good for a minute.
func TestCodesAreShortLived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t)
		code := p.code(t, "Ann")
		time.Sleep(59 * time.Second)
		if _, _, wrong := p.tokens(t, forCode(code)); wrong != "" {
			t.Errorf("in time: %s", wrong)
		}
		code = p.code(t, "Ann")
		time.Sleep(61 * time.Second)
		if _, _, wrong := p.tokens(t, forCode(code)); wrong != "invalid_grant" {
			t.Errorf("too late: %q", wrong)
		}
	})
}

// Nobody is sent to another address than the page's, and nothing is granted without PKCE.
func TestBadQuestions(t *testing.T) {
	p := newProvider(t)
	for _, method := range []string{"GET", "POST"} {
		for name, form := range map[string]url.Values{
			"another page":     changed(question(), "redirect_uri", "https://attacker.example/"),
			"a part of a page": changed(question(), "redirect_uri", strings.TrimSuffix(page, "/")),
			"more than a page": changed(question(), "redirect_uri", page+"?x"),
			"no page":          changed(question(), "redirect_uri", ""),
			"another client":   changed(question(), "client_id", "other"),
		} {
			form.Set("name", "Ann")
			r := p.ask("POST", "/authorize", form)
			if method == "GET" {
				r = p.ask("GET", "/authorize?"+form.Encode(), nil)
			}
			if r.StatusCode != http.StatusBadRequest || r.Header.Get("Location") != "" {
				t.Errorf("%s %s: %d to %q", method, name, r.StatusCode, r.Header.Get("Location"))
			}
		}
	}
	for name, tc := range map[string]struct {
		form url.Values
		want string
	}{
		"no challenge":   {changed(question(), "code_challenge", ""), "invalid_request"},
		"plain":          {changed(question(), "code_challenge_method", "plain"), "invalid_request"},
		"no method":      {changed(question(), "code_challenge_method", ""), "invalid_request"},
		"implicit":       {changed(question(), "response_type", "token"), "unsupported_response_type"},
		"with a no":      {changed(question(), "cancel", "yes"), "access_denied"},
		"no and a name":  {changed(changed(question(), "cancel", "yes"), "name", "Ann"), "access_denied"},
		"hybrid":         {changed(question(), "response_type", "code id_token"), "unsupported_response_type"},
		"no kind at all": {changed(question(), "response_type", ""), "unsupported_response_type"},
	} {
		answer := answerTo(t, p.ask("POST", "/authorize", tc.form))
		if answer.Get("error") != tc.want || answer.Has("code") || answer.Get("state") != "s" ||
			answer.Get("iss") != issuerAt {
			t.Errorf("%s: %v, want %s", name, answer, tc.want)
		}
	}
	for _, name := range []string{"", " ", strings.Repeat("x", 101), "\xff"} {
		if r := p.ask("POST", "/authorize", changed(question(), "name", name)); r.StatusCode != http.StatusOK {
			t.Errorf("the name %q is answered with %d", name, r.StatusCode)
		}
	}
}

// The page that asks for a name runs nothing, is in no frame, and is not written by the one that links to it.
func TestThePageThatAsks(t *testing.T) {
	p := newProvider(t)
	r := p.ask("GET", "/authorize?"+changed(question(), "state", `"><script>alert(1)</script>`).Encode(), nil)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	policy := r.Header.Get("Content-Security-Policy")
	if policy != "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "+
		"form-action 'self' https://chat.example" {
		t.Errorf("the policy is %s", policy)
	}
	if strings.Contains(string(body), "<script") || !strings.Contains(string(body), `value="&#34;&gt;&lt;script&gt;`) ||
		r.Header.Get("Referrer-Policy") != "no-referrer" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v\n%s", r.Header, body)
	}
}

// A person with a session is not asked again, until its end.
func TestSessions(t *testing.T) {
	p := newProvider(t)
	ask := func() *http.Response { return p.ask("GET", "/authorize?"+question().Encode(), nil) }
	if r := ask(); r.StatusCode != http.StatusOK {
		t.Errorf("at first: %d", r.StatusCode)
	}
	p.code(t, "Ann")
	if answer := answerTo(t, ask()); answer.Get("code") == "" {
		t.Errorf("Ann is answered with %v", answer)
	} else if token, _, _ := p.tokens(t, forCode(answer.Get("code"))); claims(t, token)["name"] != "Ann" {
		t.Errorf("Ann is %v", claims(t, token))
	}
	end := url.Values{"client_id": {"chat"}, "post_logout_redirect_uri": {"https://attacker.example/"}}
	if r := p.ask("GET", "/end-session?"+end.Encode(), nil); r.Header.Get("Location") != "" {
		t.Errorf("somebody who signs out is sent to %s", r.Header.Get("Location"))
	}
	if r := ask(); r.StatusCode != http.StatusOK {
		t.Errorf("after the end: %d", r.StatusCode)
	}
	end.Set("post_logout_redirect_uri", page)
	if r := p.ask("GET", "/end-session?"+end.Encode(), nil); r.Header.Get("Location") != page {
		t.Errorf("somebody who signs out is sent to %q", r.Header.Get("Location"))
	}
}

// Scripts of the client's page may read what the page asks for, and no others.
func TestOnlyThePageReadsTokens(t *testing.T) {
	p := newProvider(t)
	for origin, want := range map[string]string{"https://chat.example": "https://chat.example",
		"https://attacker.example": "", "null": "", "": ""} {
		for _, path := range []string{"/token", "/revoke"} {
			r := p.ask("POST", path, forCode("x"), "Origin", origin)
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != want || r.Header.Get("Vary") != "Origin" {
				t.Errorf("%s from %q may be read by %q", path, origin, got)
			}
		}
		if r := p.ask("GET", "/authorize?"+question().Encode(), nil, "Origin", origin); r.Header.Get(
			"Access-Control-Allow-Origin") != "" {
			t.Errorf("scripts of %q may read the page", origin)
		}
	}
}
