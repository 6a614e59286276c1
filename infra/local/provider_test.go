package main

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

// provider is an OpenID Connect provider that may be down, slow, or wrong, and that signs whatever it is asked to.
type provider struct {
	*httptest.Server
	fetches atomic.Int64 // of its keys

	mu    sync.Mutex
	keys  []signingKey
	fault http.HandlerFunc // answers in its place; nil for none
}

// signingKey is a key with the name that tokens call it by.
type signingKey struct {
	id  string
	key crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey
}

func newKey(t *testing.T, id string, elliptical bool) signingKey {
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
	return signingKey{id, key}
}

func startProvider(t *testing.T) *provider {
	p := &provider{keys: []signingKey{newKey(t, "rsa", false), newKey(t, "ec", true)}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fault, keys := p.fault, p.keys
	p.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	case "/keys":
		p.fetches.Add(1)
		list := []map[string]string{}
		for _, k := range keys {
			list = append(list, k.public())
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) setFault(f http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *provider) rotate(t *testing.T, id string) {
	k := newKey(t, id, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = []signingKey{k}
}

// public is the key as a JWK (RFC 7517).
func (k signingKey) public() map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := k.key.(type) {
	case *rsa.PrivateKey:
		return map[string]string{"kty": "RSA", "kid": k.id, "use": "sig", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PrivateKey:
		x, y := make([]byte, 32), make([]byte, 32)
		return map[string]string{"kty": "EC", "kid": k.id, "crv": "P-256", "x": b64(key.X.FillBytes(x)), "y": b64(key.Y.FillBytes(y))}
	default:
		panic("no such key")
	}
}

// after is a time that a claim names, counted from when the token is made; it becomes seconds since the epoch.
type after time.Duration

// claims are those of a good token, with some replaced; a nil value leaves a claim out.
func (p *provider) claims(more map[string]any) map[string]any {
	c := map[string]any{"iss": p.URL, "aud": "chat", "sub": "u1", "name": "ann", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	maps.Copy(c, more)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	for name, value := range c {
		if d, ok := value.(after); ok {
			c[name] = time.Now().Add(time.Duration(d)).Unix()
		}
	}
	return c
}

// token is a good token but for these claims, signed with the first key.
func (p *provider) token(more map[string]any) string {
	p.mu.Lock()
	k := p.keys[0]
	p.mu.Unlock()
	return k.sign(k.header(nil), p.claims(more))
}

// header is that of a good token, with some fields replaced.
func (k signingKey) header(more map[string]any) map[string]any {
	h := map[string]any{"alg": "RS256", "kid": k.id, "typ": "JWT"}
	if _, ok := k.key.(*ecdsa.PrivateKey); ok {
		h["alg"] = "ES256"
	}
	maps.Copy(h, more)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	return h
}

// sign makes a token of a header and claims, each JSON or what becomes JSON.
func (k signingKey) sign(header, claims any) string {
	signed := segment(header) + "." + segment(claims)
	sum := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch key := k.key.(type) {
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

// hmac signs with the public key as if it were a shared secret.
func (k signingKey) hmac(claims any) string {
	der, err := x509.MarshalPKIXPublicKey(k.key.Public())
	if err != nil {
		panic(err)
	}
	signed := segment(k.header(map[string]any{"alg": "HS256"})) + "." + segment(claims)
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	fmt.Fprint(mac, signed)
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func segment(v any) string {
	if raw, ok := v.(string); ok {
		return base64.RawURLEncoding.EncodeToString([]byte(raw))
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
