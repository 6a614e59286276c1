package auth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"wschat/pkg/auth"
)

const remoteIssuer = "https://issuer.example"

// forgery is a token, and the key under which its provider publishes it. It is good until something is changed.
type forgery struct {
	header, claims, jwk map[string]string // JSON by name; "" leaves a name out
	key                 crypto.Signer
	moreClaims          string                      // JSON after the claims
	respell             func(string) string         // changes the finished token
	offer               func(string) string         // changes what is offered
	documents           map[string]http.HandlerFunc // of the provider, by URL, in place of its own
}

// text and after are JSON values of claims.
func text(s string) string         { return strconv.Quote(s) }
func after(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }

func newForgery(alg string, key crypto.Signer) *forgery {
	public, err := jose.JSONWebKey{Key: key.Public(), KeyID: "k"}.MarshalJSON()
	if err != nil {
		panic(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(public, &raw); err != nil {
		panic(err)
	}
	f := &forgery{key: key, jwk: map[string]string{}, respell: strings.Clone,
		offer:  func(t string) string { return "chat, " + t },
		header: map[string]string{"alg": text(alg), "kid": `"k"`, "typ": `"JWT"`},
		claims: map[string]string{"iss": text(remoteIssuer), "aud": `"chat"`, "sub": `"u1"`, "name": `"ann"`,
			"iat": after(0), "exp": after(time.Hour)},
		documents: map[string]http.HandlerFunc{}}
	for name, value := range raw {
		f.jwk[name] = string(value)
	}
	return f
}

// object writes a JSON object; more is added at its end as it is.
func object(values map[string]string, more string) string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" {
			fields = append(fields, text(name)+":"+values[name])
		}
	}
	return "{" + strings.Join(fields, ",") + more + "}"
}

// token signs the forgery, with the hash of the algorithm in its header, whatever the key.
func (f *forgery) token(t *testing.T) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(object(f.header, ""))) + "." + b64([]byte(object(f.claims, f.moreClaims)))
	if f.header["b64"] == "false" { // then the claims are signed as they are
		signed = b64([]byte(object(f.header, ""))) + "." + object(f.claims, f.moreClaims)
	}
	alg, _ := strconv.Unquote(f.header["alg"])
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384}[alg[len(alg)-3:]]
	if hash == 0 {
		hash = crypto.SHA512
	}
	digest := []byte(signed)
	if _, isEd := f.key.(ed25519.PrivateKey); isEd {
		hash = 0
	} else {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	var signature []byte
	var err error
	switch key := f.key.(type) {
	case *ecdsa.PrivateKey:
		const most = 66 // bytes of a number, with P-521
		size := map[string]int{"ES256": 32, "ES384": 48, "ES512": most}[alg]
		r, s, signErr := ecdsa.Sign(rand.Reader, key, digest)
		err = signErr
		for _, number := range []*big.Int{r, s} {
			signature = append(signature, number.FillBytes(make([]byte, most))[most-size:]...)
		}
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			signature, err = rsa.SignPSS(rand.Reader, key, hash, digest,
				&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			signature, err = rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
		}
	default:
		signature, err = key.Sign(rand.Reader, digest, hash)
	}
	if err != nil {
		t.Fatal(err)
	}
	head, payload, _ := strings.Cut(signed, ".")
	if f.header["b64"] == "false" {
		payload = b64([]byte(payload))
	}
	return f.respell(head + "." + payload + "." + b64(signature))
}

// provider is a network on which only the forgery's provider answers. It keeps what was asked.
type provider struct {
	forgery *forgery
	mu      sync.Mutex
	asked   []string
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.asked = append(p.asked, r.URL.String())
	p.mu.Unlock()
	serve := p.forgery.documents[r.URL.String()]
	if serve == nil {
		document := map[string]string{
			remoteIssuer + "/.well-known/openid-configuration": fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, remoteIssuer,
				remoteIssuer+"/keys"),
			remoteIssuer + "/keys": `{"keys":[` + object(p.forgery.jwk, "") + `]}`,
		}[r.URL.String()]
		serve = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, document) }
	}
	w := &answer{header: http.Header{}, status: http.StatusOK}
	serve(w, r)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header,
		Body: io.NopCloser(&w.body), Request: r}, nil
}

// answer is a http.ResponseWriter that keeps what is written.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// try shows the forgery to an authorizer. It returns "" where it is let in, and otherwise the reason and the sentence
// of the log.
func (f *forgery) try(t *testing.T) string {
	t.Helper()
	var log bytes.Buffer
	network := &provider{forgery: f}
	a, err := auth.New(auth.Config{Issuer: remoteIssuer, Audience: "chat", Client: &http.Client{Transport: network},
		Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	effect, _ := ask(t, a, f.offer(f.token(t)))
	var line struct{ Reason, Error string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	if (effect == "Allow") != (line.Reason == "") || effect == "Deny" && line.Error == "" {
		t.Errorf("%s, but the log says %s", effect, log.String())
	}
	if effect == "Allow" {
		return ""
	}
	return line.Reason + ": " + line.Error
}

// newKey makes a key of a kind: a curve, or RSA with its bits.
func newKey(t *testing.T, kind string) (key crypto.Signer) {
	t.Helper()
	var err error
	switch kind {
	case "P-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "P-521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "RSA 1024":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	case "RSA 2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("there is no kind of keys %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}
