package localchat

import (
	"maps"

	"wschat/pkg/config"
	"wschat/pkg/localchat/demoissuer"
)

const (
	// demoPath is where the demonstration provider is served, and demoAudience what its tokens are meant for.
	demoPath     = "/demo-issuer"
	demoAudience = "chat"
)

// demo makes the demonstration provider of a server that clients on this machine reach at addr, HOST:PORT, and
// returns the settings with which the chat trusts it.
func demo(settings config.Values, addr string) (*demoissuer.Issuer, config.Values, error) {
	url := "http://" + addr + demoPath
	trusting := config.Values{config.AuthIssuer: url, config.AuthAudience: demoAudience}
	maps.Copy(trusting, settings)
	issuer, err := demoissuer.New(url, demoAudience)
	return issuer, trusting, err
}
