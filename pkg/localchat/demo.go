package localchat

import (
	"maps"
	"net"

	"wschat/pkg/config"
	"wschat/pkg/localchat/demoissuer"
)

const (
	// demoPath is where the demonstration provider is served, and demoClient the page's client id there.
	demoPath   = "/demo-issuer"
	demoClient = "chat"
)

// demo makes the demonstration provider of a server that clients on this machine reach at addr, HOST:PORT, and
// returns the settings with which the chat trusts it.
func demo(settings config.Values, addr string) (*demoissuer.Issuer, config.Values, error) {
	url := "http://" + addr + demoPath
	trusting := config.Values{config.AuthIssuer: url, config.AuthAudience: demoClient, config.AuthClientID: demoClient}
	maps.Copy(trusting, settings)
	pages := []string{"http://" + addr + "/"}
	if host, port, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsLoopback() {
		pages = append(pages, "http://"+net.JoinHostPort("localhost", port)+"/")
	}
	issuer, err := demoissuer.New(demoissuer.Config{URL: url, ClientID: demoClient, Pages: pages})
	return issuer, trusting, err
}
