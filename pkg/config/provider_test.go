package config_test

import (
	"net/netip"
	"strings"
	"testing"

	"wschat/pkg/config"
)

// hostsHere are hosts on this machine, as a URL can have them.
func hostsHere() []string {
	return []string{
		"localhost", "LocalHost", "localhost.", "issuer.localhost", "a.b.LOCALHOST.", "127.0.0.1", "127.0.0.1.",
		"127.1.2.3",
		"127.255.255.254", "0.0.0.0", "0.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "[::127.0.0.1%25lo]", "[::ffff:0.0.0.0]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
		"[2002:7f00:1::]",
	}
}

// hostsOnTheLink are hosts on this machine's link, where Lambda and EC2 serve credentials.
func hostsOnTheLink() []string {
	return []string{"169.254.169.254", "169.254.100.1", "[fe80::1]", "[fe80::1%25eth0]", "[::ffff:169.254.169.254]",
		"[64:ff9b::a9fe:a9fe]"}
}

// hostsElsewhere look like hosts on this machine, and are not.
func hostsElsewhere() []string {
	return []string{
		"example.auth0.com", "localhost.example.com", "notlocalhost", "localhost.localdomain.example",
		"127.0.0.1.example.com", "128.0.0.1", "126.255.255.255", "169.253.0.1", "169.255.0.1", "10.0.0.5",
		"192.168.1.1",
		"1.0.0.0", "[2001:db8::1]", "[::ffff:10.0.0.5]", "[64:ff9b::a00:5]", "[2002:a00:5::]", "[2003:7f00:1::]",
		"0x7f.example.com", "xn--bcher-kva.example",
	}
}

// Keys of an issuer elsewhere are never on this machine, however that is written. Plain HTTP is for this machine alone.
func TestProvidersOnThisMachine(t *testing.T) {
	const remote, local = "https://issuer.example", "http://127.0.0.1:8080/demo-issuer"
	check := func(url, issuer string, want string) {
		t.Helper()
		err := config.CheckKeysURL(url, issuer)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("keys at %q of %q: %v, want %q", url, issuer, err, want)
		}
	}
	const refused = "must not be on this machine"
	for _, host := range hostsHere() {
		check("https://"+host+"/keys", remote, refused)
		check("http://"+host+":9001/keys", remote, refused)
		check("http://"+host+":9001/keys", local, "")
	}
	for _, host := range hostsOnTheLink() {
		check("https://"+host+"/keys", remote, refused)
		check("http://"+host+"/keys", remote, "must begin with https://")
		check("https://"+host+"/keys", local, "")
	}
	for _, host := range hostsElsewhere() {
		check("https://"+host+"/keys", remote, "")
		check("https://"+host+"/keys", local, "")
		check("http://"+host+"/keys", local, "must begin with https://")
	}
	// Other letters could mean any of these.
	for _, host := range []string{"\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021",
		"\uff4c\uff4f\uff43\uff41\uff4chost", "b\u00fccher.example"} {
		check("https://"+host+"/keys", remote, "must have a host name of ASCII letters")
		check("http://"+host+"/keys", local, "must have a host name of ASCII letters")
	}
	for _, host := range []string{"2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.1", "0",
		"127.0.0.0x1", "127.0.0.08", "256.0.0.1"} {
		check("https://"+host+"/keys", remote, "must have an IPv4 address of four decimal numbers")
	}
	for _, text := range []string{"", "example.com", "https://", "https:///keys", "https://:443/", "https:example.com",
		"https://a@127.0.0.1/", "https://example.com/?x", "ftp://127.0.0.1/keys", "//127.0.0.1/keys",
		"https://%31%32%37.0.0.1/", "https://127.0.0.1\n/"} {
		check(text, local, "must be a URL")
	}
}

// For the deployed function, no provider is on this machine.
func TestDeployedProviders(t *testing.T) {
	environment := func(issuer, jwksURL, taskRoot string) error {
		_, err := config.FromEnv(func(name string) string {
			return map[string]string{config.ConnectionsTable: "c", config.MessagesTable: "messages",
				config.AuthAudience: "chat",
				config.AuthIssuer:   issuer, config.AuthJWKSURL: jwksURL, "LAMBDA_TASK_ROOT": taskRoot}[name]
		})
		return err
	}
	const remote, local = "https://issuer.example", "http://localhost:8080"
	for _, tc := range []struct{ issuer, jwksURL, taskRoot, wrong string }{
		{remote, "", "/var/task", ""},
		{remote, remote + "/keys", "/var/task", ""},
		{local, "", "", ""},
		{local, local + "/keys", "", ""},
		{local, local + "/keys", "/home/ann/chat/build", ""},
		{local, "https://169.254.1.1/keys", "", ""},
		{local, remote + "/keys", "", ""},
		{local, "", "/var/task", `AUTH_ISSUER is "http://localhost:8080": it must not be on this machine`},
		{"https://169.254.1.1", "", "/var/task",
			`AUTH_ISSUER is "https://169.254.1.1": it must not be on this machine`},
		{local, local + "/keys", "/var/task",
			`AUTH_JWKS_URL is "http://localhost:8080/keys": it must not be on this machine`},
		{remote, local, "", `AUTH_JWKS_URL is "http://localhost:8080": it must not be on this machine`},
		{remote, "http://example.com", "", `AUTH_JWKS_URL is "http://example.com": it must begin with https://`},
	} {
		err := environment(tc.issuer, tc.jwksURL, tc.taskRoot)
		if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	for _, host := range append(hostsHere(), hostsOnTheLink()...) {
		if err := config.CheckDeployedURL("https://" + host + "/"); err == nil {
			t.Errorf("a deployed function may ask %s", host)
		}
	}
	for _, host := range hostsElsewhere() {
		if err := config.CheckDeployedURL("https://" + host + "/"); err != nil {
			t.Errorf("a deployed function may not ask %s: %v", host, err)
		}
	}
}

func TestAddressOnThisMachine(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "0.0.0.0": true, "169.254.169.254": true,
		"fe80::1%e": true,
		"10.0.0.1":  false, "2001:db8::1": false, "::ffff:8.8.8.8": false,
	} {
		if got := config.AddressOnThisMachine(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
