package demoissuer

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	codeLife    = time.Minute
	refreshLife = 24 * time.Hour
	cookie      = "demo-session"

	maxNameBytes = 100
)

// question is what a page has asked for: the parameters of an authorization request
// (https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1).
type question struct {
	Page, State, Nonce, Challenge string
	Scope                         string
}

// authorize asks for a name, unless the browser has a session, and sends the person back to the page with a code.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		http.Error(w, "GET and POST only", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	q := question{Page: r.FormValue("redirect_uri"), State: r.FormValue("state"), Nonce: r.FormValue("nonce"),
		Challenge: r.FormValue("code_challenge"), Scope: r.FormValue("scope")}
	// Nobody is sent to an address that is not the client's, not even with an error
	// (https://www.rfc-editor.org/rfc/rfc9700#section-4.11.2).
	if r.FormValue("client_id") != i.config.ClientID || !slices.Contains(i.config.Pages, q.Page) {
		http.Error(w, "This is not the client, or not its page.", http.StatusBadRequest)
		return
	}
	name := strings.TrimSpace(r.PostFormValue("name"))
	switch session := i.session(r); {
	case r.FormValue("response_type") != "code":
		i.sendBack(w, r, q, url.Values{"error": {"unsupported_response_type"}})
	case len(q.Challenge) != 43 || r.FormValue("code_challenge_method") != "S256":
		i.sendBack(w, r, q, url.Values{"error": {"invalid_request"}})
	case r.Method == http.MethodPost && r.PostFormValue("cancel") != "":
		i.sendBack(w, r, q, url.Values{"error": {"access_denied"}, "error_description": {"the person did not want to"}})
	case r.Method == http.MethodPost && name != "" && len(name) <= maxNameBytes && utf8.ValidString(name):
		i.remember(w, name)
		i.sendBack(w, r, q, url.Values{"code": {i.newCode(q, name)}})
	case r.Method == http.MethodGet && session != "":
		i.sendBack(w, r, q, url.Values{"code": {i.newCode(q, session)}})
	default:
		i.ask(w, r, q)
	}
}

// session is the name of the person that has signed in here with this browser; "" for nobody.
func (i *Issuer) session(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sessions[c.Value]
}

func (i *Issuer) remember(w http.ResponseWriter, name string) {
	value := rand.Text()
	i.mu.Lock()
	i.sessions[value] = name
	i.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: i.path + "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode})
}

// sendBack sends the person to the page with an answer, which names the issuer
// (https://www.rfc-editor.org/rfc/rfc9207#section-2).
func (i *Issuer) sendBack(w http.ResponseWriter, r *http.Request, q question, answer url.Values) {
	answer.Set("iss", i.config.URL)
	if q.State != "" {
		answer.Set("state", q.State)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, q.Page+"?"+answer.Encode(), http.StatusSeeOther)
}

// ask shows the page that asks for a name. Everything in it is escaped by html/template.
func (i *Issuer) ask(w http.ResponseWriter, r *http.Request, q question) {
	page, err := url.Parse(q.Page)
	if err != nil {
		http.Error(w, "This page has no URL.", http.StatusBadRequest)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	// A browser applies form-action also to where the answer to a form redirects.
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "+
		"form-action 'self' "+page.Scheme+"://"+page.Host)
	_ = asking().Execute(w, map[string]any{"Action": r.URL.Path, "Client": i.config.ClientID, "Question": q,
		"MaxName": maxNameBytes})
}

func asking() *template.Template {
	return template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Demonstration sign-in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
</head>
<body>
<main>
<h1>Demonstration sign-in</h1>
<p>This provider believes every name. It is for trying out the chat on this machine.</p>
<form method="post" action="{{.Action}}">
<input type="hidden" name="client_id" value="{{.Client}}">
<input type="hidden" name="response_type" value="code">
<input type="hidden" name="redirect_uri" value="{{.Question.Page}}">
<input type="hidden" name="scope" value="{{.Question.Scope}}">
<input type="hidden" name="state" value="{{.Question.State}}">
<input type="hidden" name="nonce" value="{{.Question.Nonce}}">
<input type="hidden" name="code_challenge" value="{{.Question.Challenge}}">
<input type="hidden" name="code_challenge_method" value="S256">
<p><label>Your name <input name="name" maxlength="{{.MaxName}}" autocomplete="nickname" autofocus></label></p>
<p><button id="allow">Sign in</button> <button id="cancel" name="cancel" value="yes">Cancel</button></p>
</form>
</main>
</body>
</html>
`))
}

// endSession forgets the session of a browser, and sends the person back to the page
// (https://openid.net/specs/openid-connect-rpinitiated-1_0.html).
func (i *Issuer) endSession(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookie); err == nil {
		i.mu.Lock()
		delete(i.sessions, c.Value)
		i.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: i.path + "/", MaxAge: -1})
	page := r.FormValue("post_logout_redirect_uri")
	if r.FormValue("client_id") != i.config.ClientID || !slices.Contains(i.config.Pages, page) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("You are signed out.\n"))
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, page, http.StatusSeeOther)
}
