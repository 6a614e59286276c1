// Package demoissuer is a small OpenID Connect provider, for trying the chat out and for its tests. It
// vouches for every name that it is given, by a program or on its page. It has no passwords, and keeps everything in
// memory.
package demoissuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Config is what an Issuer needs.
type Config struct {
	URL string // at which the issuer's ServeHTTP is reached, and which its tokens name. Required

	// ClientID is the one client, a page, and what tokens are meant for. Required.
	ClientID string

	// Pages are the URLs of the client's page, exactly. People are sent there, and nowhere else.
	Pages []string

	Life time.Duration // of the tokens that the client gets; 0 for an hour
}

// Issuer signs tokens, and serves what a provider has below its URL. Safe for concurrent use.
type Issuer struct {
	config Config
	path   string // of the URL

	mu       sync.Mutex
	keys     []jose.JSONWebKey // the last one signs
	sessions map[string]string // the names of people who are signed in here, by a cookie's value
	grants   map[string]*grant // by the code, and by each refresh token
}

// New returns an Issuer with one key.
func New(c Config) (*Issuer, error) {
	if c.Life == 0 {
		c.Life = time.Hour
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("demo issuer: %w", err)
	}
	i := &Issuer{config: c, path: u.Path, sessions: map[string]string{}, grants: map[string]*grant{}}
	return i, i.Rotate()
}

// Rotate makes a new key, which signs from here on, and forgets all others.
func (i *Issuer) Rotate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("demo issuer: make a key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = []jose.JSONWebKey{{Key: key, KeyID: rand.Text(), Algorithm: string(jose.ES256), Use: "sig"}}
	return nil
}

// Token returns a token that says who somebody is, for a time. more adds claims, or replaces them.
func (i *Issuer) Token(user string, life time.Duration, more map[string]any) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": i.config.URL, "aud": i.config.ClientID, "sub": "user-" + user, "name": user,
		"iat": now.Unix(), "exp": now.Add(life).Unix(),
	}
	for name, value := range more {
		claims[name] = value
	}
	i.mu.Lock()
	key := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("demo issuer: %w", err)
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// The endpoints, below the URL.
const (
	discoveryPath  = "/.well-known/openid-configuration"
	keysPath       = "/keys"
	authorizePath  = "/authorize"
	tokenPath      = "/token"
	revocationPath = "/revoke"
	endSessionPath = "/end-session"
)

// ServeHTTP serves the endpoints.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve, ok := map[string]http.HandlerFunc{
		discoveryPath: i.discovery, keysPath: i.publicKeys, authorizePath: i.authorize, tokenPath: i.token,
		revocationPath: i.revoke, endSessionPath: i.endSession,
	}[strings.TrimPrefix(r.URL.Path, i.path)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	serve(w, r)
}

// discovery serves the discovery document
// (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                         i.config.URL,
		"jwks_uri":                                       i.config.URL + keysPath,
		"authorization_endpoint":                         i.config.URL + authorizePath,
		"token_endpoint":                                 i.config.URL + tokenPath,
		"revocation_endpoint":                            i.config.URL + revocationPath,
		"end_session_endpoint":                           i.config.URL + endSessionPath,
		"id_token_signing_alg_values_supported":          []string{"ES256"},
		"response_types_supported":                       []string{"code"},
		"subject_types_supported":                        []string{"public"},
		"scopes_supported":                               []string{"openid", "profile", "offline_access"},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	})
}

func (i *Issuer) publicKeys(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	var public jose.JSONWebKeySet
	for _, key := range i.keys {
		public.Keys = append(public.Keys, key.Public())
	}
	i.mu.Unlock()
	writeJSON(w, http.StatusOK, public)
}

func writeJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}
