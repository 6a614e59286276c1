package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	fetchTimeout = 5 * time.Second // for one answer of the provider
	fetchPause   = 5 * time.Second // between two fetches, whatever comes: tokens with key ids made up cost the provider nothing
	freshFor     = time.Hour       // keys are fetched again after, so that one that was withdrawn is forgotten
	goodFor      = 24 * time.Hour  // keys are used, where the provider does not answer any more
	maxDocument  = 1 << 20         // bytes of an answer
)

// keySet is the provider's keys, fetched when a token needs them. Safe for concurrent use.
type keySet struct {
	issuer string
	url    string // of the keys; "" where discovery finds it
	client *http.Client
	now    func() time.Time

	mu        sync.Mutex
	keys      []jose.JSONWebKey
	fetchedAt time.Time     // when the keys came
	triedAt   time.Time     // when a fetch last began
	failure   error         // of that fetch
	fetching  chan struct{} // closed when the fetch that is under way ends; nil where none is
}

var _ oidc.KeySet = (*keySet)(nil)

// providerError says that the provider's keys are not to be had.
type providerError struct{ err error }

func (e *providerError) Error() string { return e.err.Error() }
func (e *providerError) Unwrap() error { return e.err }

// VerifySignature returns the payload of a token that one of the provider's keys has signed; a *Refusal where none has, and a
// *providerError where the keys are not to be had.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSigned(token, algorithms())
	if err != nil || len(jws.Signatures) != 1 {
		return nil, refuse(ReasonSignature, "its signature is none of the accepted kinds")
	}
	header := jws.Signatures[0].Protected
	keys, err := s.current(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm || key.Use != "" && key.Use != "sig" {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, refuse(ReasonSignature, "none of the provider's keys has signed it")
}

// current returns the keys with an id, all keys where the token names none. It fetches them where there are none, where they
// are old, and where the id is not among them: then the provider may have changed its keys.
func (s *keySet) current(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	for {
		s.mu.Lock()
		age := s.now().Sub(s.fetchedAt)
		have := !s.fetchedAt.IsZero() && age < goodFor
		found := s.withID(id)
		if have && age < freshFor && len(found) > 0 {
			s.mu.Unlock()
			return found, nil
		}
		if s.fetching == nil && s.now().Sub(s.triedAt) < fetchPause {
			failure := s.failure
			s.mu.Unlock()
			switch {
			case have && len(found) > 0:
				return found, nil
			case failure != nil:
				return nil, &providerError{failure}
			default:
				return nil, nil // the keys are new, and the id is not among them
			}
		}
		if s.fetching == nil {
			s.fetching, s.triedAt = make(chan struct{}), s.now()
			go s.fetch(s.fetching)
		}
		done := s.fetching
		s.mu.Unlock()
		if have && len(found) > 0 { // old, but good: nobody waits for newer ones
			return found, nil
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, &providerError{ctx.Err()}
		}
	}
}

// withID returns the keys with an id, or all for "". The caller holds mu.
func (s *keySet) withID(id string) (found []jose.JSONWebKey) {
	for _, key := range s.keys {
		if id == "" || key.KeyID == id {
			found = append(found, key)
		}
	}
	return found
}

// fetch replaces the keys. It is nobody's own: others than the one who began it wait for it.
func (s *keySet) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*fetchTimeout)
	defer cancel()
	keys, err := s.download(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure = err; err == nil {
		s.keys, s.fetchedAt = keys, s.now()
	}
	s.fetching = nil
	close(done)
}

func (s *keySet) download(ctx context.Context) ([]jose.JSONWebKey, error) {
	address := s.url
	if address == "" {
		var document struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		// https://openid.net/specs/openid-connect-discovery-1_0.html
		if err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", &document); err != nil {
			return nil, err
		}
		if document.Issuer != s.issuer {
			return nil, fmt.Errorf("the discovery document is of the issuer %q, not %q", document.Issuer, s.issuer)
		}
		address = document.JWKSURI
	}
	var set jose.JSONWebKeySet
	if err := s.get(ctx, address, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) == 0 {
		return nil, fmt.Errorf("%s has no keys", address)
	}
	return set.Keys, nil
}

// get reads a JSON document.
func (s *keySet) get(ctx context.Context, address string, into any) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%q is no URL of a provider", address)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, answer.Status)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument))
	if err != nil {
		return fmt.Errorf("read %s: %w", address, err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s is no such document: %w", address, err)
	}
	return nil
}
