// Package demoissuer is a small OpenID Connect provider, for trying the chat out and for its tests: it vouches for
// whoever it is told to. It has no login, and keeps its keys in memory.
package demoissuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Issuer signs tokens, and serves its discovery document and its keys below its URL. Safe for concurrent use.
type Issuer struct {
	url      string
	audience string

	mu   sync.Mutex
	keys []jose.JSONWebKey // the last one signs
}

// New returns an Issuer with one key, whose tokens are meant for the audience. What is served at url must reach its
// ServeHTTP.
func New(url, audience string) (*Issuer, error) {
	i := &Issuer{url: url, audience: audience}
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
		"iss": i.url, "aud": i.audience, "sub": "user-" + user, "name": user,
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

// ServeHTTP serves the discovery document
// (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata) and the public keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var document any
	switch {
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		document = map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}}
	case strings.HasSuffix(r.URL.Path, "/keys"):
		i.mu.Lock()
		var public jose.JSONWebKeySet
		for _, key := range i.keys {
			public.Keys = append(public.Keys, key.Public())
		}
		i.mu.Unlock()
		document = public
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}
