package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// wrongSignIn says what is wrong with the settings of sign-in together, each of which is right by itself.
func (v Values) wrongSignIn(from Source) (wrong []string) {
	names := map[string]string{}
	for _, s := range Settings() {
		names[s.Key()] = from.Name(s)
	}
	issuer, audience, keys, client := v[AuthIssuer], v[AuthAudience], v[AuthJWKSURL], v[AuthClientID]
	if client != "" && client != audience {
		wrong = append(wrong, fmt.Sprintf("%s is %q, and %s is %q: leave %[3]s out, or give both the same value. The "+
			"page gives the chat the ID token, which is meant for the client", names[AuthClientID], client,
			names[AuthAudience], audience))
	}
	if client != "" && issuer == "" {
		wrong = append(wrong, fmt.Sprintf("%s is of no use without a provider: give %s too", names[AuthClientID],
			names[AuthIssuer]))
	} else if (issuer == "") != (audience == "") {
		wrong = append(wrong, fmt.Sprintf("%s and %s need each other: give both, or neither", names[AuthIssuer],
			names[AuthAudience]))
	}
	if issuer == "" && keys+v[AuthIDClaim]+v[AuthNameClaim]+v[AuthRoomsClaim]+v[AuthRolesClaim] != "" {
		wrong = append(wrong, fmt.Sprintf("%s, %s, %s, %s and %s say how tokens are read: give %s too",
			names[AuthJWKSURL], names[AuthIDClaim], names[AuthNameClaim], names[AuthRoomsClaim], names[AuthRolesClaim],
			names[AuthIssuer]))
	}
	checkIssuer, checkKeys := CheckProviderURL, func(value string) error { return CheckKeysURL(value, issuer) }
	if from.Deployed {
		checkIssuer, checkKeys = CheckDeployedURL, CheckDeployedURL
	}
	for _, one := range []struct {
		key, value string
		check      func(string) error
	}{{AuthIssuer, issuer, checkIssuer}, {AuthJWKSURL, keys, checkKeys}} {
		if one.value == "" {
			continue
		}
		if err := one.check(one.value); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s is %q: it %v", names[one.key], one.value, err))
		}
	}
	return wrong
}

// CheckProviderURL refuses a text that cannot be a provider's URL. Keys that come over plain HTTP could be anybody's;
// on this machine nobody stands between. The error begins with "must".
func CheckProviderURL(value string) error {
	host, err := providerHost(value)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(strings.ToLower(value), "https:") && !host.onThisMachine {
		return errors.New("must begin with https://")
	}
	return nil
}

// CheckKeysURL refuses a text that cannot be the URL of an issuer's keys. Keys on this machine are accepted only from
// an issuer on this machine: on Lambda, this machine is the function's own sandbox, with its runtime API. The error
// begins with "must".
func CheckKeysURL(value, issuer string) error {
	if err := CheckProviderURL(value); err != nil {
		return err
	}
	if OnThisMachine(value) && !OnThisMachine(issuer) {
		return errors.New("must not be on this machine, because the issuer is not on this machine")
	}
	return nil
}

// CheckDeployedURL refuses a text that cannot be a provider's URL for a function on Lambda, where this machine is the
// function's own sandbox, with its runtime API. The error begins with "must".
func CheckDeployedURL(value string) error {
	if err := CheckProviderURL(value); err != nil {
		return err
	}
	if OnThisMachine(value) {
		return errors.New("must not be on this machine: for the deployed function that is its own sandbox, " +
			"where no provider runs. Use a provider with a public host name")
	}
	return nil
}

// OnThisMachine reports whether a URL names this machine or its own link: localhost and the names below it
// (https://www.rfc-editor.org/rfc/rfc6761#section-6.3), or an address as AddressOnThisMachine knows it. A name may also
// resolve to such an address: check that when the name is dialled.
func OnThisMachine(value string) bool {
	host, err := providerHost(value)
	return err == nil && (host.onThisMachine || host.onThisLink)
}

// AddressOnThisMachine reports whether an address is a loopback, unspecified or link-local one, also where IPv6 wraps
// it. Lambda serves its runtime API and credentials on such addresses.
func AddressOnThisMachine(address netip.Addr) bool {
	return isLoopback(address) || unwrap(address).IsLinkLocalUnicast()
}

// isLoopback reports whether an address leads back to this machine: 127.0.0.0/8 and ::1, and the unspecified addresses,
// to which Linux connects as if they were loopback. The rest of 0.0.0.0/8 is "this host on this network"
// (https://www.rfc-editor.org/rfc/rfc6890#section-2.2.2).
func isLoopback(address netip.Addr) bool {
	address = unwrap(address)
	return address.IsLoopback() || address.Is4() && address.As4()[0] == 0
}

// unwrap returns the IPv4 address inside an IPv6 address that stands for one, and another address without its zone.
func unwrap(address netip.Addr) netip.Addr {
	address = address.WithZone("").Unmap()
	if address.Is4() {
		return address
	}
	bytes := address.As16()
	for prefix, at := range map[string]int{
		// IPv4-compatible (https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.1); ::1 becomes 0.0.0.1
		"::/96":        12,
		"64:ff9b::/96": 12, // NAT64 (https://www.rfc-editor.org/rfc/rfc6052#section-2.1)
		"2002::/16":    2,  // 6to4 (https://www.rfc-editor.org/rfc/rfc3056#section-2)
	} {
		if netip.MustParsePrefix(prefix).Contains(address) {
			return netip.AddrFrom4([4]byte(bytes[at : at+4]))
		}
	}
	return address
}

// host is what is known of a URL's host without a look at DNS.
type host struct {
	onThisMachine bool
	onThisLink    bool
}

// providerHost takes the host out of a provider's URL as an HTTP client would read it. Other ways to write an IPv4
// address than four decimal numbers, such as 2130706433, 0x7f.1 and 127.1, are refused: readers differ in what they
// make of them.
func providerHost(value string) (host, error) {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && u.Scheme != "http" {
		return host{}, errors.New("must be a URL such as https://example.auth0.com/")
	}
	name := u.Hostname()
	if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) { // a URL has none (RFC 3986)
		return host{}, errors.New("must have a host name of ASCII letters, as in https://xn--bcher-kva.example")
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if address, err := netip.ParseAddr(name); err == nil {
		return host{onThisMachine: isLoopback(address), onThisLink: AddressOnThisMachine(address)}, nil
	}
	last := name[strings.LastIndex(name, ".")+1:]
	if regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`).MatchString(last) {
		return host{}, errors.New("must have an IPv4 address of four decimal numbers, as 127.0.0.1")
	}
	return host{onThisMachine: last == "localhost"}, nil
}
