package main

import (
	"io"
	"strings"
	"testing"

	"wschat/pkg/config"
)

// An issuer on this machine may have its keys here, and an issuer elsewhere may not.
func TestFlagsOfAnIssuer(t *testing.T) {
	const remote, local = "https://issuer.example", "http://127.0.0.1:8081"
	for _, tc := range []struct{ issuer, jwksURL, wrong string }{
		{remote, "", ""},
		{remote, remote + "/keys", ""},
		{local, "", ""},
		{local, local + "/keys", ""},
		{"http://a.localhost:8081", "http://[::1]:8081/keys", ""},
		{local, remote + "/keys", ""},
		{remote, local + "/keys", `-auth-jwks-url is "http://127.0.0.1:8081/keys": it must not be on this machine`},
		{remote, "https://[::ffff:127.0.0.1]/keys",
			`-auth-jwks-url is "https://[::ffff:127.0.0.1]/keys": it must not be on this`},
		{"http://issuer.example", "", `-auth-issuer is "http://issuer.example": it must begin with https://`},
		{"https://2130706433", "", `-auth-issuer is "https://2130706433": it must have an IPv4 address of four ` +
			`decimal numbers`},
	} {
		args := []string{"-auth-issuer", tc.issuer, "-auth-audience", "chat"}
		if tc.jwksURL != "" {
			args = append(args, "-auth-jwks-url", tc.jwksURL)
		}
		_, err := parse(args, io.Discard)
		if (err == nil) != (tc.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), tc.wrong) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

func TestFlagsAreRefused(t *testing.T) {
	for flags, says := range map[string]string{
		"-allowed-origins https://x.example/page": `-allowed-origins is "https://x.example/page": it must be an ` +
			`origin such as https://chat.example.com, with no path`,
		"-allowed-origins *,https://x.example": `-allowed-origins is "*": it must stand alone`,
		"-allowed-origins null":                `-allowed-origins is "null"`,
		"-max-rooms 0":                         `-max-rooms is "0": it must be a whole number from 1 to 10000`,
		"-actions-per-second many":             `-actions-per-second is "many": it must be a whole number`,
		"-presence-limit -1":                   `-presence-limit is "-1"`,
		"-auth-audience chat":                  `-auth-issuer and -auth-audience need each other`,
		"-auth-name-claim nick": `-auth-jwks-url, -auth-id-claim, -auth-name-claim, ` +
			`-auth-rooms-claim and -auth-roles-claim say how tokens are read: give -auth-issuer too`,
		"-demo-users ann -auth-audience chat":  `-demo-users brings its own provider`,
		"-demo-users ann -auth-client-id chat": `-demo-users brings its own provider`,
		"-auth-client-id chat":                 `-auth-client-id is of no use without a provider`,
	} {
		if _, err := parse(strings.Fields(flags), io.Discard); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: %v, want %s", flags, err, says)
		}
	}
	if o, err := parse([]string{"-allowed-origins", "*"}, io.Discard); err != nil || len(o.Settings.Origins()) != 0 {
		t.Errorf("every page: %v, %v", o.Settings.Origins(), err)
	}
}

// What is given as a flag is what the function gets; what is not given is left to the defaults, which are the same on
// AWS.
func TestFlagsBecomeSettings(t *testing.T) {
	c, err := parse([]string{"-max-rooms", "7", "-actions-per-second", "9", "-presence-limit", "100"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Settings.Environment()
	if len(got) != 2 || got[config.MaxRooms] != "7" || got[config.ActionsPerSecond] != "9" {
		t.Errorf("the environment is %v, want MAX_ROOMS=7 and ACTIONS_PER_SECOND=9", got)
	}
	// An ID token is meant for the client.
	client := []string{"-auth-issuer", "https://x.example", "-auth-client-id", "page"}
	if c, err := parse(client, io.Discard); err != nil ||
		c.Settings.Environment()[config.AuthAudience] != "page" {
		t.Errorf("got %v, %v; want the client as the audience", c.Settings, err)
	}
	if c, err := parse([]string{"-demo-users", "ann", "-auth-rooms-claim", "rooms"}, io.Discard); err != nil ||
		len(c.Settings.Environment()) != 1 || c.Settings[config.AuthRoomsClaim] != "rooms" {
		t.Errorf("got %v, %v; want the claim alone, as the provider is to come", c.Settings, err)
	}
}
