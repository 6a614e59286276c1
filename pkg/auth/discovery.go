package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"wschat/pkg/config"
)

// Metadata is what a provider's discovery document says of the provider
// (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
type Metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	EndSession    string   `json:"end_session_endpoint"` // "" for none
	Revocation    string   `json:"revocation_endpoint"`  // "" for none
	Scopes        []string `json:"scopes_supported"`

	// NamesItself says that each answer of the authorization endpoint has the parameter iss (RFC 9207, section 3).
	NamesItself bool `json:"authorization_response_iss_parameter_supported"`
}

// discover reads the discovery document of an issuer. Each reader decodes only what it needs, so that a mistake in the
// rest does not concern it.
func discover(ctx context.Context, client *http.Client, issuer string, into any) error {
	address := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	var document json.RawMessage
	if err := get(ctx, client, issuer, address, &document); err != nil {
		return err
	}
	var said struct {
		Issuer string `json:"issuer"`
	}
	if err := errors.Join(json.Unmarshal(document, &said), json.Unmarshal(document, into)); err != nil {
		return fmt.Errorf("%s is no such document: %w", address, err)
	}
	if said.Issuer != issuer {
		return fmt.Errorf("the discovery document is of the issuer %q, not %q", said.Issuer, issuer)
	}
	return nil
}

// checkEndpoints refuses endpoints to which no page may send people or tokens.
func (m Metadata) checkEndpoints() error {
	for name, address := range map[string]string{"authorization_endpoint": m.Authorization, "token_endpoint": m.Token,
		"end_session_endpoint": m.EndSession, "revocation_endpoint": m.Revocation} {
		if address == "" && (name == "end_session_endpoint" || name == "revocation_endpoint") {
			continue
		}
		u, err := url.Parse(address)
		if err == nil {
			u.RawQuery = "" // endpoints may have one (RFC 6749, section 3.1)
			err = config.CheckKeysURL(u.String(), m.Issuer)
		}
		if err != nil {
			return fmt.Errorf("the provider's %s %q %w", name, address, err)
		}
	}
	return nil
}

// get reads a JSON document of an issuer.
func get(ctx context.Context, client *http.Client, issuer, address string, into any) error {
	if err := config.CheckKeysURL(address, issuer); err != nil {
		return fmt.Errorf("the provider's URL %q %w", address, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
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

// discoveryWait is how long a page waits for a provider whose endpoints are not known yet.
const discoveryWait = 2 * time.Second

// Discovery finds the endpoints at which a page signs people in. It is made for a page that must be served without
// delay: what was found is good for a day, and a provider that does not answer is waited for only once in a while.
// Safe for concurrent use.
type Discovery struct {
	issuer string
	client *http.Client
	now    func() time.Time
	logger *slog.Logger

	mu       sync.Mutex
	found    Metadata
	foundAt  time.Time     // zero for never
	triedAt  time.Time     // when a fetch last ended
	fetching chan struct{} // closed when the fetch that is under way ends; nil where none is
}

// NewDiscovery returns a Discovery, which uses the Issuer, the Client, the Logger and Now of a Config. It asks the
// provider nothing before it is asked.
func NewDiscovery(c Config) *Discovery {
	d := &Discovery{issuer: c.Issuer, client: c.Client, now: c.Now, logger: c.Logger}
	if d.now == nil {
		d.now = time.Now
	}
	if d.client == nil {
		d.client = newClient(c.Issuer)
	}
	return d
}

// Metadata returns what is known of the provider. It waits only if nothing good is known, and at most discoveryWait.
func (d *Discovery) Metadata(ctx context.Context) (Metadata, error) {
	d.mu.Lock()
	now := d.now()
	isGood := !d.foundAt.IsZero() && now.Sub(d.foundAt) < goodFor
	isFresh := isGood && now.Sub(d.foundAt) < freshFor
	if !isFresh && d.fetching == nil && (d.triedAt.IsZero() || now.Sub(d.triedAt) >= failurePause) {
		d.fetching = make(chan struct{})
		go d.fetch(d.fetching)
	}
	found, done := d.found, d.fetching
	d.mu.Unlock()
	if isGood {
		return found, nil
	}
	if done != nil {
		timer := time.NewTimer(discoveryWait)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.foundAt.IsZero() || d.now().Sub(d.foundAt) >= goodFor {
		return Metadata{}, errors.New("the provider's endpoints are not known")
	}
	return d.found, nil
}

// fetch replaces what is known. Several requests wait for one fetch, not only the request that began it.
func (d *Discovery) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	var m Metadata
	err := discover(ctx, d.client, d.issuer, &m)
	if err == nil {
		err = m.checkEndpoints()
	}
	if err != nil {
		d.logger.WarnContext(ctx, "the page cannot sign people in", slog.String("error", err.Error()))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.triedAt = d.now()
	if err == nil {
		d.found, d.foundAt = m, d.triedAt
	}
	d.fetching = nil
	close(done)
}
