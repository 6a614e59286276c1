package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"

	"wschat/pkg/config"
)

// newClient returns the client for a provider. It follows no redirect: what a provider says is at its own URLs. For
// an issuer elsewhere it also connects to no address on this machine, so that no host name leads to Lambda's runtime
// API.
func newClient(issuer string) *http.Client {
	client := &http.Client{Timeout: fetchTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	if config.OnThisMachine(issuer) || isProxied(issuer) {
		return client
	}
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: refuseThisMachine}
	client.Transport = &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: fetchTimeout,
		IdleConnTimeout:     failurePause,
	}
	return client
}

// isProxied reports whether requests to a URL go through a proxy. It may be on this machine, and it resolves the names.
func isProxied(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return err == nil && proxy != nil
}

// refuseThisMachine is a net.Dialer's Control, which sees the address that a name has resolved to.
func refuseThisMachine(_, address string, _ syscall.RawConn) error {
	resolved, err := netip.ParseAddrPort(address)
	if err != nil || config.AddressOnThisMachine(resolved.Addr()) {
		return fmt.Errorf("%s is on this machine, and the issuer is not: check jwks_uri and DNS", address)
	}
	return nil
}
