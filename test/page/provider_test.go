package page_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/pkg/config"
	"wschat/pkg/localchat"
	"wschat/pkg/localchat/demoissuer"
	"wschat/test/browser"
	"wschat/test/logbuffer"
)

// desk is the chat, and a provider at another origin where people sign in.
type desk struct {
	*browser.Browser
	t        *testing.T
	options  localchat.Config
	chat     *localchat.Server
	url      string // of the page
	provider *httptest.Server
	issuer   *demoissuer.Issuer

	mu       sync.Mutex
	fault    func(w http.ResponseWriter, r *http.Request) (answered bool)
	asked    map[string]int // requests by the last part of their path, and of tokens by the kind of grant
	sent     string         // the latest answer to the page that was changed
	refused  int            // requests for tokens
	present  int            // requests for tokens under way
	together int            // the most of them
}

// startDesk starts a chat and a provider whose tokens live so long.
func startDesk(t *testing.T, life time.Duration) *desk {
	t.Helper()
	c := &desk{Browser: browser.Start(t), t: t, asked: map[string]int{}}
	c.provider = httptest.NewServer(c)
	t.Cleanup(c.provider.Close)
	c.options = localchat.Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger:   slog.New(slog.NewJSONHandler(&logbuffer.Buffer{}, nil)),
		Settings: config.Values{config.AuthIssuer: c.provider.URL, config.AuthClientID: "page"}}
	c.startChat()
	t.Cleanup(c.stopChat)
	c.options.Addr, c.url = c.chat.Addr, "http://"+c.chat.Addr+"/"
	issuer, err := demoissuer.New(demoissuer.Config{URL: c.provider.URL, ClientID: "page", Pages: []string{c.url},
		Life: life})
	if err != nil {
		t.Fatal(err)
	}
	c.issuer = issuer
	return c
}

func (c *desk) startChat() {
	c.t.Helper()
	s, err := localchat.Start(c.t.Context(), c.options)
	if err != nil {
		c.t.Fatal(err)
	}
	c.chat = s
}

func (c *desk) stopChat() {
	c.t.Helper()
	if err := c.chat.Stop(); err != nil {
		c.t.Error(err)
	}
}

// ServeHTTP is the provider, which counts what it is asked for, and has faults.
func (c *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	isToken := what == "token" && r.Method == http.MethodPost
	if isToken {
		what = r.FormValue("grant_type")
	}
	c.mu.Lock()
	c.asked[what]++
	fault := c.fault
	if isToken {
		c.present++
		c.together = max(c.together, c.present)
	}
	c.mu.Unlock()
	answer := &statusWriter{ResponseWriter: w}
	if fault == nil || !fault(answer, r) {
		if isToken {
			time.Sleep(300 * time.Millisecond) // so that two could meet
		}
		c.issuer.ServeHTTP(answer, r)
	}
	if isToken {
		c.mu.Lock()
		c.present--
		if answer.status >= 400 {
			c.refused++
		}
		c.mu.Unlock()
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (c *desk) setFault(fault func(w http.ResponseWriter, r *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = fault
}

// times tells how often the provider was asked for something.
func (c *desk) times(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[what]
}

// down is a provider that does not work.
func down(w http.ResponseWriter, _ *http.Request) bool {
	http.Error(w, "down", http.StatusServiceUnavailable)
	return true
}

// opens opens the page in a browser that knows nobody.
func (c *desk) opens(opts ...browser.Option) person {
	c.t.Helper()
	return person{c.Open(c.t, c.url, append(opts, browser.Before(recorder))...)}
}

// goesToProvider presses the button of the first page, and waits until the provider asks for a name.
func (p person) goesToProvider(t *testing.T) {
	t.Helper()
	p.WaitFor(t, `document.querySelector("#enter-button").textContent === "Sign in"`, 20*time.Second)
	p.Click(t, "#enter-button")
	p.WaitFor(t, `document.querySelector("#allow") !== null`, 10*time.Second)
}

// allows gives a name at the provider.
func (p person) allows(t *testing.T, name string) {
	t.Helper()
	p.Type(t, "input[name=name]", name)
	p.Click(t, "#allow")
}

// signsIn signs a person in at the provider, which asks for the name.
func (p person) signsIn(t *testing.T, name string) {
	t.Helper()
	p.goesToProvider(t)
	p.allows(t, name)
	p.isIn(t, name)
}

// showsNoAnswer waits until no answer of the provider is in the address, and checks that none is in the history.
func (c *desk) showsNoAnswer(p person) {
	c.t.Helper()
	p.WaitFor(c.t, fmt.Sprintf(`location.href.startsWith(%q) && location.search === ""`, c.url), 10*time.Second)
	for _, address := range p.History(c.t) {
		if strings.HasPrefix(address, c.url) && strings.Contains(address, "?") || strings.Contains(address, "code=") {
			c.t.Errorf("the history has %s", address)
		}
	}
}

// A person signs in at the provider, and stays signed in after a reload, and in another tab. The room of the first
// page, or of the link to it, is the one that is shown.
func TestBrowserSignsInAtTheProvider(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	ann := person{c.Open(t, c.url+"#tea", browser.Before(recorder))}
	ann.WaitFor(t, `document.activeElement.id === "enter-button" && document.querySelector("#ask-token").hidden`,
		10*time.Second)
	if violations := ann.Axe(t); len(violations) > 0 {
		t.Errorf("axe finds %q", violations)
	}
	ann.signsIn(t, "Ann")
	c.showsNoAnswer(ann)
	ann.WaitFor(t, `location.hash === "#tea"`, 5*time.Second)
	ann.say(t, "hello")
	ann.shows(t, 1, 1)
	ann.Reload(t)
	ann.isIn(t, "Ann")
	second := person{ann.OpenTab(t, c.url)}
	second.isIn(t, "Ann")
	ann.Close()
	third := person{second.OpenTab(t, c.url)}
	third.isIn(t, "Ann")
	third.isNotAsked(t)
	if n := c.times("authorization_code"); n != 1 {
		t.Errorf("the provider gave tokens %d times", n)
	}
	for _, p := range []person{second, third} {
		for _, line := range p.Console() {
			t.Errorf("the page says: %s", line)
		}
	}
}

// Short tokens are refreshed by one tab at a time, nobody notices, and no refresh token is used twice.
func TestBrowserTokensAreRefreshed(t *testing.T) {
	t.Parallel()
	const life, rounds = 12 * time.Second, 3
	c := startDesk(t, life)
	ann := c.opens()
	ann.signsIn(t, "Ann")
	second := person{ann.OpenTab(t, c.url)}
	second.isIn(t, "Ann")
	for _, p := range []person{ann, second} {
		p.Eval(t, watchState, nil)
	}
	began := time.Now()
	for c.times("refresh_token") < rounds {
		if time.Sleep(100 * time.Millisecond); time.Since(began) > 2*time.Minute {
			t.Fatal("no token is refreshed")
		}
	}
	took := time.Since(began)
	time.Sleep(2 * time.Second) // for the other tab
	for _, p := range []person{ann, second} {
		p.isIn(t, "Ann")
		p.neverOffline(t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A token is refreshed after half of its life at the soonest.
	if n := c.asked["refresh_token"]; c.refused > 0 || c.together > 1 || n > rounds || took < (rounds-1)*life/2 {
		t.Errorf("%d refreshes within %v, %d refused, %d at once", n, took, c.refused, c.together)
	}
}

// A sign-out ends the person's tabs, the refresh token, and the session at the provider.
func TestBrowserSigningOutAtTheProvider(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	ann := c.opens()
	ann.signsIn(t, "Ann")
	second := person{ann.OpenTab(t, c.url)}
	second.isIn(t, "Ann")
	refresh := ann.refreshToken(t)
	ann.Click(t, "#rename")
	ann.WaitFor(t, `location.search === "" && document.querySelector("#enter-button") !== null`, 10*time.Second)
	ann.leftNothing(t)
	second.isTold(t, "You signed out in another tab.")
	second.leftNothing(t)
	if c.times("revoke") != 1 || c.times("end-session") != 1 {
		t.Errorf("the provider was asked %d times to revoke, %d times to end the session", c.times("revoke"),
			c.times("end-session"))
	}
	answer, err := http.PostForm(c.provider.URL+"/token", url.Values{"grant_type": {"refresh_token"},
		"client_id": {"page"}, "refresh_token": {refresh}})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("the refresh token of somebody who has signed out is answered with %d", answer.StatusCode)
	}
	for _, address := range ann.History(t) {
		if strings.Contains(address, "eyJ") {
			t.Errorf("the history has %s", address)
		}
	}
	second.signsIn(t, "Bob") // and is asked for a name

	// Without a network there is no way to the provider. What is not sent would be lost, so the page asks.
	second.Offline(t, true)
	second.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 30*time.Second)
	second.say(t, "later")
	second.waits(t, "later")
	second.Click(t, "#rename")
	second.asks(t, 2, "1 message is not sent yet.")
	second.leftNothing(t)
}

// grantHere is what the browser keeps of the provider, in JavaScript.
const grantHere = `JSON.parse(Object.entries(localStorage).find(([key]) => key.includes('"grant"'))[1])`

func (p person) refreshToken(t *testing.T) (token string) {
	t.Helper()
	p.Eval(t, grantHere+`.refresh`, &token)
	return token
}

// tampered is a provider whose answers to the page are changed on their way.
func tampered(c *desk, change func(answer url.Values)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/authorize" || r.Method != http.MethodPost {
			return false
		}
		recorded := httptest.NewRecorder()
		c.issuer.ServeHTTP(recorded, r)
		page, answer, _ := strings.Cut(recorded.Header().Get("Location"), "?")
		values, err := url.ParseQuery(answer)
		if err != nil {
			c.t.Error(err)
		}
		change(values)
		w.Header()["Set-Cookie"] = recorded.Header()["Set-Cookie"]
		c.mu.Lock()
		c.sent = "?" + values.Encode()
		c.mu.Unlock()
		http.Redirect(w, r, page+"?"+values.Encode(), http.StatusSeeOther)
		return true
	}
}

// What is wrong with the provider's answer is said in the page's own words. Nobody is signed in, and the next attempt
// can succeed.
func TestBrowserBadAnswersOfTheProvider(t *testing.T) {
	t.Parallel()
	const strange = "This sign-in was not begun in this tab"
	const broken = "The sign-in service gave an answer that is not right"
	const unreachable = "The sign-in service cannot be reached."
	set := func(name, value string) func(url.Values) {
		return func(answer url.Values) { answer.Set(name, value) }
	}
	failed := func(code string) func(url.Values) {
		return func(answer url.Values) {
			answer.Del("code")
			answer.Set("error", code)
			answer.Set("error_description", "Call <b>0900</b> now")
		}
	}
	for name, tc := range map[string]struct {
		fault  func(c *desk) func(http.ResponseWriter, *http.Request) bool
		change func(url.Values)
		says   string
		tokens int // requests for tokens
	}{
		"another state":        {change: set("state", "forged"), says: strange},
		"no state":             {change: func(answer url.Values) { answer.Del("state") }, says: strange},
		"another issuer":       {change: set("iss", "https://attacker.example"), says: broken},
		"no issuer":            {change: func(answer url.Values) { answer.Del("iss") }, says: broken},
		"no code":              {change: func(answer url.Values) { answer.Del("code") }, says: broken},
		"another code":         {change: set("code", "forged"), says: "used already", tokens: 1},
		"the person declines":  {change: failed("access_denied"), says: "You were not signed in", tokens: 0},
		"it is overloaded":     {change: failed("temporarily_unavailable"), says: unreachable},
		"an error of its own":  {change: failed("<b>Call 0900</b>"), says: broken},
		"an error with a code": {change: set("error", "access_denied"), says: "You were not signed in"},
		"another nonce": {says: broken, tokens: 1, fault: func(c *desk) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if _ = r.ParseForm(); r.Form.Has("nonce") {
					r.Form.Set("nonce", "forged")
				}
				return false
			}
		}},
		"a code that was used": {says: "used already", tokens: 1,
			fault: func(c *desk) func(http.ResponseWriter, *http.Request) bool {
				return func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/token" {
						_ = r.ParseForm()
						c.issuer.ServeHTTP(httptest.NewRecorder(), r)
					}
					return false
				}
			}},
		"no tokens": {says: unreachable, tokens: 1,
			fault: func(*desk) func(http.ResponseWriter, *http.Request) bool {
				return func(w http.ResponseWriter, r *http.Request) bool {
					return r.URL.Path == "/token" && down(w, r)
				}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			c := startDesk(t, time.Hour)
			if tc.fault != nil {
				c.setFault(tc.fault(c))
			} else {
				c.setFault(tampered(c, tc.change))
			}
			ann := c.opens()
			ann.goesToProvider(t)
			ann.allows(t, "Ann")
			ann.isTold(t, tc.says)
			c.showsNoAnswer(ann)
			var text string
			if ann.Eval(t, `document.body.innerText`, &text); strings.Contains(text, "0900") {
				t.Errorf("the page shows the provider's words: %s", text)
			}
			if n := c.times("authorization_code"); n != tc.tokens {
				t.Errorf("%d requests for tokens, want %d", n, tc.tokens)
			}
			var kept string
			if ann.Eval(t, `JSON.stringify({...localStorage})`, &kept); strings.Contains(kept, "grant") {
				t.Errorf("the browser keeps %s", kept)
			}
			c.mu.Lock()
			sent := c.sent
			c.mu.Unlock()
			if sent != "" { // no answer counts twice
				ann.load(t, c.url, sent)
				ann.isTold(t, strange)
			}
			c.setFault(nil)
			ann.Click(t, "#enter-button") // the provider knows Ann already
			ann.isIn(t, "Ann")
			c.showsNoAnswer(ann)
		})
	}
}

// The provider's own button to go back without a sign-in.
func TestBrowserAPersonDeclinesAtTheProvider(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	ann := c.opens()
	ann.goesToProvider(t)
	ann.Click(t, "#cancel")
	ann.isTold(t, "You were not signed in: the sign-in was cancelled")
	c.showsNoAnswer(ann)
}

// Somebody else's link with an answer of the provider signs nobody in or out, and asks the provider nothing.
func TestBrowserSomebodyElsesAnswer(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	link := "?code=" + strings.Repeat("c", 26) + "&state=" + strings.Repeat("5", 32) + "&iss=" +
		url.QueryEscape(c.provider.URL)
	ann := person{c.Open(t, c.url+link)}
	ann.isTold(t, "This sign-in was not begun in this tab")
	c.showsNoAnswer(ann)

	ann.goesToProvider(t) // now there is an attempt in this tab, which the link does not take away
	ann.load(t, c.url, link)
	ann.isTold(t, "This sign-in was not begun in this tab")
	ann.Eval(t, `void setTimeout(() => history.go(-2))`, nil)
	ann.WaitFor(t, `document.querySelector("#allow") !== null`, 10*time.Second)
	ann.allows(t, "Ann")
	ann.isIn(t, "Ann")

	ann.load(t, c.url, link)
	ann.isIn(t, "Ann")
	c.showsNoAnswer(ann)
	ann.isNotAsked(t)
	second := person{ann.OpenTab(t, c.url+link)}
	second.isIn(t, "Ann")
	c.showsNoAnswer(second)
	for _, p := range []person{ann, second} {
		p.WaitFor(t, `(`+notice+`) === ""`, 5*time.Second)
	}
	if n := c.times("authorization_code"); n != 1 {
		t.Errorf("the provider was asked for tokens %d times", n)
	}
}

// Several tabs can be at the provider at once.
func TestBrowserTabsSignInAtOnce(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	ann := c.opens()
	second := person{ann.OpenTab(t, c.url)}
	ann.goesToProvider(t)
	second.goesToProvider(t)
	ann.allows(t, "Ann")
	ann.isIn(t, "Ann")
	second.allows(t, "Bob")
	second.isIn(t, "Bob")
	for _, p := range []person{ann, second} {
		p.Reload(t)
	}
	ann.isIn(t, "Ann")
	second.isIn(t, "Bob")
	third := person{ann.OpenTab(t, c.url)} // of two people it is neither
	third.isTold(t, "")
	second.Click(t, "#rename")
	second.WaitFor(t, `!document.querySelector("#welcome").hidden`, 10*time.Second)
	ann.isIn(t, "Ann")
	fourth := person{ann.OpenTab(t, c.url)}
	fourth.isIn(t, "Ann")
}

// The page comes without delay while the provider does not work, says so, and can try again.
func TestBrowserTheProviderIsDown(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"failing": down,
		"silent":  func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true },
	} {
		c.stopChat() // a new process knows nothing of the provider
		c.setFault(fault)
		c.startChat()
		began := time.Now()
		ann := c.opens()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: the page took %v", name, took)
		}
		ann.isTold(t, "Nobody can sign in at the moment, because the sign-in service does not answer.")
		if violations := ann.Axe(t); len(violations) > 0 {
			t.Errorf("%s: axe finds %q", name, violations)
		}
		c.setFault(nil)
		deadline := time.Now().Add(time.Minute)
		for isBack := false; !isBack; ann.Eval(t, `document.querySelector("#enter-button").textContent === "Sign in"`,
			&isBack) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the provider is back, and the page does not find it", name)
			}
			ann.Click(t, "#enter-button")
			time.Sleep(time.Second)
			ann.WaitFor(t, `!document.querySelector("#welcome").hidden`, 10*time.Second)
		}
		ann.signsIn(t, "Ann")
	}
}

// While the provider is down, nobody is signed out: not after a token's end, and not by a reload, even if the chat's
// server knows nothing of the provider.
func TestBrowserARefreshWaitsForTheProvider(t *testing.T) {
	t.Parallel()
	const life = 12 * time.Second
	c := startDesk(t, life)
	ann := c.opens()
	ann.signsIn(t, "Ann")
	c.setFault(down)
	for _, restarts := range []bool{false, true} {
		ann.WaitFor(t, grantHere+`.until + 1000 < Date.now()`, time.Minute)
		if restarts {
			c.stopChat()
			c.startChat()
			ann.Reload(t)
			ann.WaitFor(t, `!document.querySelector("meta[name=provider]").content.includes("authorize")`,
				10*time.Second)
		} else {
			ann.Reload(t)
		}
		ann.WaitFor(t, `document.querySelector("#welcome").hidden && !document.querySelector("#banner").hidden`,
			20*time.Second)
		ann.Type(t, "#draft", "d")
		time.Sleep(8 * time.Second) // for some attempts
		ann.WaitFor(t, `document.querySelector("#welcome").hidden`, 5*time.Second)
		c.setFault(nil)
		ann.isIn(t, "Ann")
		ann.WaitFor(t, `document.querySelector("#draft").value.startsWith("d")`, 5*time.Second)
		c.setFault(down)
	}
	c.setFault(nil)
}

// The provider takes the sign-in back: the page says that it has ended, in all tabs, and what is written is there
// after the next sign-in.
func TestBrowserTheProviderEndsTheSignIn(t *testing.T) {
	t.Parallel()
	c := startDesk(t, 15*time.Second)
	ann := c.opens()
	ann.signsIn(t, "Ann")
	second := person{ann.OpenTab(t, c.url)}
	second.isIn(t, "Ann")
	ann.Type(t, "#draft", "half a sent")
	answer, err := http.PostForm(c.provider.URL+"/revoke", url.Values{"client_id": {"page"},
		"token": {ann.refreshToken(t)}})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	const ended = "Your sign-in has ended. Please sign in again."
	ann.isTold(t, ended)
	second.isTold(t, ended)
	ann.WaitFor(t, `!Object.keys(localStorage).some((key) => key.includes("grant"))`, 5*time.Second)
	ann.Reload(t)
	ann.isTold(t, "")
	ann.Click(t, "#enter-button")
	ann.isIn(t, "Ann")
	ann.drafts(t, "half a sent")
}

// A provider without refresh tokens: the sign-in ends with the token, and nothing is lost.
func TestBrowserAProviderWithoutRefreshTokens(t *testing.T) {
	t.Parallel()
	c := startDesk(t, 12*time.Second)
	c.setFault(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			return false
		}
		recorded := httptest.NewRecorder()
		c.issuer.ServeHTTP(recorded, r)
		var document map[string]any
		if err := json.Unmarshal(recorded.Body.Bytes(), &document); err != nil {
			t.Error(err)
		}
		document["scopes_supported"] = []string{"openid", "profile"}
		_ = json.NewEncoder(w).Encode(document)
		return true
	})
	ann := c.opens()
	ann.signsIn(t, "Ann")
	ann.Type(t, "#draft", "half a sent")
	ann.isTold(t, "Your sign-in has ended. Please sign in again.")
	ann.Click(t, "#enter-button")
	ann.isIn(t, "Ann")
	ann.drafts(t, "half a sent")
	if n := c.times("refresh_token"); n != 0 {
		t.Errorf("%d refreshes without a refresh token", n)
	}
}

// Where a page has no WebCrypto, as without TLS, it says so.
func TestBrowserNobodySignsInWithoutTLS(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	ann := c.opens(browser.Before(`Object.defineProperty(Crypto.prototype, "subtle", { value: undefined })`))
	ann.isTold(t, "Nobody can sign in on a page without HTTPS.")
}

// Links with a token still sign in, and a tab that a link has opened for somebody else asks first.
func TestBrowserLinksBesideTheProvider(t *testing.T) {
	t.Parallel()
	c := startDesk(t, time.Hour)
	token := func(name string) string {
		token, err := c.issuer.Token(name, time.Hour, nil)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	bob := person{c.Open(t, c.url+"#token="+token("Bob"))}
	bob.isIn(t, "Bob")
	ann := c.opens()
	ann.signsIn(t, "Ann")
	second := person{ann.OpenTab(t, c.url+"#token="+token("Bob"))}
	second.asks(t, 2, "Sign in as Bob?", "Ann is signed in in this browser.")
	second.isIn(t, "Bob")
	ann.isIn(t, "Ann")
	second.Click(t, "#rename")
	second.WaitFor(t, `!document.querySelector("#welcome").hidden`, 10*time.Second)
	ann.isIn(t, "Ann")
	if c.times("end-session") != 0 {
		t.Error("Bob's link has ended the session of Ann")
	}
}

// The demonstration of the local chat has the button, and works at both of this machine's names.
func TestBrowserTheDemonstration(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	b.stop(t)
	b.options.DemoUsers = []string{"ann"}
	b.start(t)
	_, port, _ := strings.Cut(b.server.Addr, ":")
	for _, host := range []string{"127.0.0.1", "localhost"} {
		ann := person{b.Open(t, "http://"+host+":"+port+"/")}
		ann.goesToProvider(t)
		if violations := ann.Axe(t); len(violations) > 0 {
			t.Errorf("axe finds %q", violations)
		}
		ann.allows(t, "<i>Ann</i>")
		ann.isIn(t, "<i>Ann</i>")
		ann.Click(t, "#rename")
		ann.leftNothing(t)
		ann.goesToProvider(t)
	}
}
