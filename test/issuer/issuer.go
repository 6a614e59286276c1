// Package issuer is an OpenID Connect provider for tests, which may be down, slow or wrong, and signs whatever it is
// asked to.
package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Provider is an OpenID Connect provider that may be down, slow, or wrong, and that signs whatever it is asked to.
type Provider struct {
	*httptest.Server
	Fetches atomic.Int64 // of its keys

	mu    sync.Mutex
	Keys  []Key
	fault http.HandlerFunc // answers in its place; nil for none
}

// Key is a key with the name that tokens call it by.
type Key struct {
	ID     string
	Signer crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey
}

func NewKey(t *testing.T, id string, elliptical bool) Key {
	t.Helper()
	var key crypto.Signer
	var err error
	if elliptical {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return Key{id, key}
}

func Start(t *testing.T) *Provider {
	p := &Provider{Keys: []Key{NewKey(t, "rsa", false), NewKey(t, "ec", true)}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fault, keys := p.fault, p.Keys
	p.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	case "/keys":
		p.Fetches.Add(1)
		list := []map[string]string{}
		for _, k := range keys {
			list = append(list, k.Public())
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) SetFault(f http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *Provider) Rotate(t *testing.T, id string) {
	k := NewKey(t, id, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Keys = []Key{k}
}

// Public is the key as a JWK (RFC 7517).
func (k Key) Public() map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := k.Signer.(type) {
	case *rsa.PrivateKey:
		return map[string]string{"kty": "RSA", "kid": k.ID, "use": "sig", "n": b64(key.N.Bytes()),
			"e": b64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PrivateKey:
		x, y := make([]byte, 32), make([]byte, 32)
		return map[string]string{"kty": "EC", "kid": k.ID, "crv": "P-256", "x": b64(key.X.FillBytes(x)),
			"y": b64(key.Y.FillBytes(y))}
	default:
		panic("no such key")
	}
}

// After is a time that a claim names, counted from when the token is made; it becomes seconds since the epoch.
type After time.Duration

// Claims are those of a good token, with some replaced; a nil value leaves a claim out.
func (p *Provider) Claims(more map[string]any) map[string]any {
	c := map[string]any{"iss": p.URL, "aud": "chat", "sub": "u1", "name": "ann",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	maps.Copy(c, more)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	for name, value := range c {
		if d, ok := value.(After); ok {
			c[name] = time.Now().Add(time.Duration(d)).Unix()
		}
	}
	return c
}

// Token is a good token but for these claims, signed with the first key.
func (p *Provider) Token(more map[string]any) string {
	p.mu.Lock()
	k := p.Keys[0]
	p.mu.Unlock()
	return k.Sign(k.Header(nil), p.Claims(more))
}

// Header is that of a good token, with some fields replaced.
func (k Key) Header(more map[string]any) map[string]any {
	h := map[string]any{"alg": "RS256", "kid": k.ID, "typ": "JWT"}
	if _, ok := k.Signer.(*ecdsa.PrivateKey); ok {
		h["alg"] = "ES256"
	}
	maps.Copy(h, more)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	return h
}

// Sign makes a token of a header and claims, each JSON or what becomes JSON.
func (k Key) Sign(header, claims any) string {
	signed := Segment(header) + "." + Segment(claims)
	sum := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch key := k.Signer.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, key, sum[:])
		signature, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	}
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// HMAC signs with the public key as if it were a shared secret.
func (k Key) HMAC(claims any) string {
	der, err := x509.MarshalPKIXPublicKey(k.Signer.Public())
	if err != nil {
		panic(err)
	}
	signed := Segment(k.Header(map[string]any{"alg": "HS256"})) + "." + Segment(claims)
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	fmt.Fprint(mac, signed)
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Segment is a part of a token: JSON, or a text that stands for itself, in base64.
func Segment(v any) string {
	if raw, ok := v.(string); ok {
		return base64.RawURLEncoding.EncodeToString([]byte(raw))
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
