package demoissuer

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is what a person has allowed the page. Its code, and then each of its refresh tokens, is good once.
type grant struct {
	name     string
	asked    question
	isOver   bool
	unused   string    // the code or the refresh token that is good now
	isCode   bool      // it is the code
	goodTill time.Time // of what is good now
}

// newCode grants what a page has asked for.
func (i *Issuer) newCode(q question, name string) string {
	code := rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(i.grants, func(_ string, g *grant) bool { return now.After(g.goodTill) })
	i.grants[code] = &grant{name: name, asked: q, unused: code, isCode: true, goodTill: now.Add(codeLife)}
	return code
}

// use takes a grant by its code or by its refresh token. What was used already ends the whole grant: somebody else has
// it, too (https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2).
func (i *Issuer) use(secret string, isCode bool) *grant {
	g := i.grants[secret]
	if g == nil || g.isOver || time.Now().After(g.goodTill) {
		return nil
	}
	if g.unused != secret || g.isCode != isCode {
		g.isOver = true
		return nil
	}
	return g
}

// token answers the page's requests for tokens (https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3).
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	if !i.takesForm(w, r) {
		return
	}
	form := r.PostForm
	if form.Get("client_id") != i.config.ClientID {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	var g grant
	var refresh string
	ok := false
	i.mu.Lock()
	switch form.Get("grant_type") {
	case "authorization_code":
		g, refresh, ok = i.redeem(form.Get("code"), true, func(q question) bool {
			return form.Get("redirect_uri") == q.Page && fits(form.Get("code_verifier"), q.Challenge)
		})
	case "refresh_token":
		g, refresh, ok = i.redeem(form.Get("refresh_token"), false, func(question) bool { return true })
	default:
		i.mu.Unlock()
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	i.mu.Unlock()
	if !ok {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{}
	if form.Get("grant_type") == "authorization_code" && g.asked.Nonce != "" {
		claims["nonce"] = g.asked.Nonce
	}
	token, err := i.Token(g.name, i.config.Life, claims)
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	answer := map[string]any{"token_type": "Bearer", "access_token": rand.Text(), "id_token": token,
		"expires_in": int(i.config.Life.Seconds())}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	writeJSON(w, http.StatusOK, answer)
}

// redeem uses a code or a refresh token up. It returns the next refresh token, "" without offline_access. The caller
// holds mu.
func (i *Issuer) redeem(secret string, isCode bool, fits func(question) bool) (_ grant, refresh string, ok bool) {
	g := i.use(secret, isCode)
	if g == nil {
		return grant{}, "", false
	}
	if !fits(g.asked) {
		g.isOver = true
		return grant{}, "", false
	}
	g.unused, g.isCode, g.goodTill = "", false, time.Now().Add(refreshLife)
	if slices.Contains(strings.Fields(g.asked.Scope), "offline_access") {
		refresh = rand.Text()
		g.unused = refresh
		i.grants[refresh] = g
	}
	return *g, refresh, true
}

// fits reports whether a code verifier is the one of a challenge (https://www.rfc-editor.org/rfc/rfc7636#section-4.6).
func fits(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return len(verifier) >= 43 && subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}

// revoke ends the grant of a refresh token (https://www.rfc-editor.org/rfc/rfc7009).
func (i *Issuer) revoke(w http.ResponseWriter, r *http.Request) {
	if !i.takesForm(w, r) {
		return
	}
	if r.PostForm.Get("client_id") != i.config.ClientID {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if g := i.grants[r.PostForm.Get("token")]; g != nil {
		g.isOver = true
	}
	w.WriteHeader(http.StatusOK)
}

// takesForm reads a form that a script of the client's page may send, and lets the script read the answer.
func (i *Issuer) takesForm(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" && i.isClientOrigin(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return false
	}
	return true
}

func (i *Issuer) isClientOrigin(origin string) bool {
	return slices.ContainsFunc(i.config.Pages, func(page string) bool {
		u, err := url.Parse(page)
		return err == nil && u.Scheme+"://"+u.Host == origin
	})
}
