package webclient

import (
	"encoding/json"
	"net/url"
	"regexp"
)

// Provider is the OpenID Connect provider at which the page signs people in. If its endpoints are not known at the
// moment, they are "": the page says so, and offers to try again.
type Provider struct {
	Issuer        string `json:"issuer"`
	ClientID      string `json:"client"`
	Authorization string `json:"authorize,omitempty"` // the URLs of its endpoints
	Token         string `json:"token,omitempty"`     // the page may connect to this one's origin, and to no other
	EndSession    string `json:"logout,omitempty"`    // "" for none
	Revocation    string `json:"revoke,omitempty"`    // "" for none. Used if it has the origin of Token
	NamesItself   bool   `json:"iss,omitempty"`       // its answers say which provider they are of (RFC 9207)
	Offline       bool   `json:"offline,omitempty"`   // it knows the scope offline_access
}

// providerPage is the page for a provider.
type providerPage struct {
	of   Provider
	page file
}

// pageWith returns the page for a provider. It keeps the page of the latest one: there is only one, until the provider
// changes its endpoints. The page's content tells the provider's endpoints, so a page with another policy has another
// tag. (Browsers keep the policy of what a 304 confirms.)
func (s *Site) pageWith(p Provider) file {
	if latest := s.latest.Load(); latest != nil && latest.of == p {
		return latest.page
	}
	made, tokens := &providerPage{of: p}, originOf(p.Token)
	if tokens == "" {
		p = Provider{Issuer: p.Issuer, ClientID: p.ClientID}
	}
	if p.Revocation != "" && originOf(p.Revocation) != tokens {
		p.Revocation = ""
	}
	told, _ := json.Marshal(p) // texts and truth values always can be
	made.page = s.file("/", source("/"), string(told), tokens)
	s.latest.Store(made)
	return made.page
}

// originOf is the origin of a URL, and "" if it has none that a policy can name. Its host must have nothing that could
// end a part of a policy.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Scheme != "https" && u.Scheme != "http" ||
		!regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`).MatchString(u.Host) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
