package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	fetchTimeout = 5 * time.Second // for one answer of the provider
	failurePause = 5 * time.Second // after a fetch that failed
	// after one that succeeded, until a key id that is not among the keys is worth another: tokens with key ids made
	// up cost the provider little
	unknownPause = 30 * time.Second
	freshFor     = time.Hour      // keys are fetched again after, so that one that was withdrawn is forgotten
	goodFor      = 24 * time.Hour // keys are used, where the provider does not answer any more
	maxDocument  = 1 << 20        // bytes of an answer
)

// keySet is the provider's keys, fetched when a token needs them. Safe for concurrent use. It is written by hand
// because of its outage rules: keys stay good for a day if the provider goes away, and unknown ids cannot cause many
// fetches.
type keySet struct {
	issuer string
	url    string // of the keys; "" where discovery finds it
	client *http.Client
	now    func() time.Time

	mu        sync.Mutex
	keys      []providerKey
	fetchedAt time.Time     // when the keys came
	triedAt   time.Time     // when a fetch last ended
	failure   error         // of that fetch
	found     string        // what discovery found; "" to look again
	fetching  chan struct{} // closed when the fetch that is under way ends; nil where none is
}

var _ oidc.KeySet = (*keySet)(nil)

// providerError says that the provider's keys are not to be had.
type providerError struct{ err error }

func (e *providerError) Error() string { return e.err.Error() }
func (e *providerError) Unwrap() error { return e.err }

// VerifySignature returns the payload of a token that one of the provider's keys has signed. The error is a *Refusal
// if none has, and a *providerError if the keys cannot be had.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, algorithms())
	if err != nil || len(jws.Signatures) != 1 {
		return nil, refuse(ReasonSignature, "its signature is none of the accepted kinds")
	}
	header := jws.Signatures[0].Protected
	keys, err := s.current(ctx, header.KeyID, false)
	if err != nil {
		return nil, err
	}
	payload, err := verifyWith(keys, jws, header.Algorithm)
	if err == nil {
		return payload, nil
	}
	if header.KeyID == "" { // there is no id by which to see that the keys have changed
		if keys, err = s.current(ctx, "", true); err != nil {
			return nil, err
		}
		if payload, err = verifyWith(keys, jws, header.Algorithm); err == nil {
			return payload, nil
		}
	}
	return nil, refuse(ReasonSignature, "%v", err)
}

// current returns the keys with an id, or all keys if the token names none. It fetches the keys if there are none,
// if they are old, and if they do not serve: the id is not among them, or the caller found that none fits. Then the
// provider may have changed its keys. It waits for one fetch at most. If the fetch fails, it returns old keys.
func (s *keySet) current(ctx context.Context, id string, noneFits bool) ([]providerKey, error) {
	s.mu.Lock()
	now := s.now()
	fresh := !s.fetchedAt.IsZero() && now.Sub(s.fetchedAt) < freshFor
	if found := s.withID(id); fresh && len(found) > 0 && !noneFits {
		s.mu.Unlock()
		return found, nil
	}
	pause := failurePause
	if fresh {
		pause = unknownPause
	}
	if s.fetching == nil && (s.triedAt.IsZero() || now.Sub(s.triedAt) >= pause) {
		s.fetching = make(chan struct{})
		go s.fetch(s.fetching)
	}
	done := s.fetching
	s.mu.Unlock()
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, &providerError{ctx.Err()}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	good := !s.fetchedAt.IsZero() && s.now().Sub(s.fetchedAt) < goodFor
	switch found := s.withID(id); {
	case good && len(found) > 0:
		return found, nil
	case s.failure != nil:
		return nil, &providerError{s.failure}
	case !good:
		return nil, &providerError{errors.New("there are no keys yet")}
	default:
		return nil, nil // the keys are new, and the id is not among them
	}
}

// withID returns the keys with an id, or all for "". The caller holds mu.
func (s *keySet) withID(id string) (found []providerKey) {
	for _, key := range s.keys {
		if id == "" || key.KeyID == id {
			found = append(found, key)
		}
	}
	return found
}

// fetch replaces the keys. Several requests wait for one fetch, not only the request that began it.
func (s *keySet) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*fetchTimeout)
	defer cancel()
	s.mu.Lock()
	address := s.found
	s.mu.Unlock()
	keys, address, err := s.download(ctx, address)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found, s.triedAt, s.failure = address, s.now(), err
	if err == nil {
		s.keys, s.fetchedAt = keys, s.now()
	}
	s.fetching = nil
	close(done)
}

// download reads the keys, and says where they are, unless that may have changed.
func (s *keySet) download(ctx context.Context, address string) (keys []providerKey, from string, err error) {
	if address == "" {
		address = s.url
	}
	if address == "" {
		var document struct {
			JWKSURI string `json:"jwks_uri"`
		}
		if err := discover(ctx, s.client, s.issuer, &document); err != nil {
			return nil, "", err
		}
		address = document.JWKSURI
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := get(ctx, s.client, s.issuer, address, &set); err != nil {
		return nil, "", err
	}
	for _, raw := range set.Keys {
		// of a kind that is not known here, it is nobody's harm (RFC 7517, section 5)
		if key, err := parseKey(raw); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, "", fmt.Errorf("%s has no keys of a known kind", address)
	}
	return keys, address, nil
}
