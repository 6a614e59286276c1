package config_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"wschat/pkg/config"
	"wschat/pkg/config/idn"
	"wschat/test/installed"
)

// rightOrigins are lists, and what browsers send of each.
func rightOrigins() map[string]string {
	return map[string]string{
		"https://chat.example.com":                                 "https://chat.example.com",
		"https://Chat.Example.com":                                 "https://chat.example.com",
		"HTTPS://chat.example.com":                                 "https://chat.example.com",
		"https://chat.example.com:443":                             "https://chat.example.com",
		"https://chat.example.com:0443":                            "https://chat.example.com",
		"https://chat.example.com:":                                "https://chat.example.com",
		"https://chat.example.com:80":                              "https://chat.example.com:80",
		"http://chat.example.com:80":                               "http://chat.example.com",
		"http://chat.example.com:443":                              "http://chat.example.com:443",
		"https://chat.example.com/":                                "https://chat.example.com",
		"https://chat.example.com:443/":                            "https://chat.example.com",
		"https://chat.example.com.":                                "https://chat.example.com.",
		"  https://a.example\t":                                    "https://a.example",
		"http://localhost:03000":                                   "http://localhost:3000",
		"http://my_host":                                           "http://my_host",
		"https://bücher.example":                                   "https://xn--bcher-kva.example",
		"https://BÜCHER.example":                                   "https://xn--bcher-kva.example",
		"https://bu\u0308cher.example":                             "https://xn--bcher-kva.example",
		"https://XN--BCHER-KVA.example":                            "https://xn--bcher-kva.example",
		"https://straße.example":                                   "https://xn--strae-oqa.example",
		"https://例え。テスト":                                           "https://xn--r8jz45g.xn--zckzah",
		"https://مثال.example":                                     "https://xn--mgbh0fb.example",
		"https://☃.example":                                        "https://xn--n3h.example",
		"https://ex\u00adample.com":                                "https://example.com",
		"https://ｅｘａｍｐｌｅ.com":                                      "https://example.com",
		"http://127.0.0.1:8080":                                    "http://127.0.0.1:8080",
		"http://[::1]":                                             "http://[::1]",
		"http://[0:0:0:0:0:0:0:1]:80":                              "http://[::1]",
		"http://[2001:DB8:0:0:1:0:0:1]:3000":                       "http://[2001:db8::1:0:0:1]:3000",
		"http://[::ffff:127.0.0.1]":                                "http://[::ffff:7f00:1]",
		"http://[1:2:3:4:5:6:7::]":                                 "http://[1:2:3:4:5:6:7:0]",
		"*":                                                        "",
		" * ":                                                      "",
		"https://a.example, http://b.example":                      "https://a.example,http://b.example",
		"https://a.example,https://A.example:443,http://a.example": "https://a.example,http://a.example",
		"capacitor://localhost":                                    "capacitor://localhost",
		"ionic://localhost,tauri://localhost/":                     "ionic://localhost,tauri://localhost",
		"app://obsidian.md,app://.":                                "app://obsidian.md,app://.",
		"chrome-extension://abcdefghijklmnop":                      "chrome-extension://abcdefghijklmnop",
		"moz-extension://0f6d8c2b-3ace-92b0":                       "moz-extension://0f6d8c2b-3ace-92b0",
		"safari-web-extension://3ACE92B0-5F1C":                     "safari-web-extension://3ace92b0-5f1c",
	}
}

func TestOriginsAreWrittenAsBrowsersSendThem(t *testing.T) {
	for list, want := range rightOrigins() {
		got, err := config.ParseOrigins(list, idn.ToASCII)
		if err != nil || strings.Join(got, ",") != want {
			t.Errorf("%q: got %q, %v; want %q", list, got, err, want)
		}
	}
}

func TestWhatNoBrowserSendsIsRefused(t *testing.T) {
	const rule = "it must be an origin such as https://chat.example.com, with no path"
	for list, says := range map[string]string{
		"":                              `"": ` + rule,
		",":                             `"": ` + rule + `, and "": ` + rule,
		"https://a.example,":            `"": ` + rule,
		"chat.example.com":              `"chat.example.com": ` + rule,
		"//chat.example.com":            rule,
		"https:/chat.example.com":       rule,
		"https:chat.example.com":        rule,
		"https://":                      "it must have the name of a host",
		"https://:443":                  "it must have the name of a host",
		"https:///":                     "it must have the name of a host",
		"https://a.example//":           rule,
		"https://a.example/chat":        rule,
		"https://a.example?":            rule,
		"https://a.example#x":           rule,
		`https://a.example\`:            rule,
		"https://ann@a.example":         "it must have no user name",
		"https://ann:pw@a.example":      "it must have no user name",
		"https://a.example:0":           "it must have a port from 1 to 65535",
		"https://a.example:65536":       "it must have a port from 1 to 65535",
		"https://a.example:+80":         "it must have a port from 1 to 65535",
		"https://a.example:http":        "it must have a port from 1 to 65535",
		"https://a.example:80:80":       "it must have the name of a host",
		"https://a.example https://b.c": rule,
		"https://a b":                   "it must have the name of a host",
		"https://\x90":                  rule,
		"https://a..example":            "it must have the name of a host",
		"https://.":                     "it must have the name of a host",
		"https://ex%61mple.com":         "it must have the name of a host",
		"https://xn--a.example":         "it must have the name of a host",
		"https://a\u200dexample":        "it must have the name of a host", // a joiner where none may be
		"https://אa.example":            "it must have the name of a host",
		// right to left and left to right in one label
		"https://\ufffd.example":                          "it must have the name of a host",
		"https://[bücher]":                                "it must have an IPv6 address",
		"https://" + strings.Repeat("a", 64) + ".example": "it must have the name of a host",
		"*,https://a.example":                             `"*": it must stand alone`,
		"https://*.example.com":                           "it must name one host",
		"https://*":                                       "it must name one host",
		"*://a.example":                                   rule,
		"null":                                            `"null": it must name a host`,
		"http://127.1":                                    "it must have an IPv4 address",
		"http://2130706433":                               "it must have an IPv4 address",
		"http://0x7f.0.0.1":                               "it must have an IPv4 address",
		"http://127.0.0.01":                               "it must have an IPv4 address",
		"http://127.0.0.256":                              "it must have an IPv4 address",
		"http://::1":                                      "it must have the name of a host",
		"http://[::1":                                     "it must have",
		"http://[::1:3000":                                "it must have an IPv6 address",
		"http://[fe80::1%25eth0]":                         "it must have an IPv6 address",
		"http://[127.0.0.1]":                              "it must have an IPv6 address",
		"http://[::1]x":                                   "it must have",
		"wss://chat.example.com":                          "it must be the origin of a page",
		"file://":                                         "it must have another scheme",
		"data://x":                                        "it must have another scheme",
		"htps://chat.example.com":                         "it must begin with https:// or http://",
		"htttp://chat.example.com":                        "it must begin with https:// or http://",
		"hptts://chat.example.com":                        "it must begin with https:// or http://",
		"chrome-extension://*":                            "it must have a host of ASCII letters",
		"capacitor://":                                    "it must have a host of ASCII letters",
		"capacitor://bücher":                              "it must have a host of ASCII letters",
		"capacitor:localhost":                             rule,
		`["https://a.example"`:                            rule,
	} {
		got, err := config.ParseOrigins(list, idn.ToASCII)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") || got != nil {
			t.Errorf("%q: got %q, %v; want %q", list, got, err, says)
		}
	}
}

// checkFixed fails if what the parser returns is anything else to the parser.
func checkFixed(t interface{ Fatalf(string, ...any) }, list string) {
	origins, err := config.ParseOrigins(list, idn.ToASCII)
	if err != nil || len(origins) == 0 {
		return
	}
	again, err := config.ParseOrigins(strings.Join(origins, ","), idn.ToASCII)
	if err != nil || !slices.Equal(again, origins) {
		t.Fatalf("%q is %q, which is %q, %v", list, origins, again, err)
	}
	for _, origin := range origins {
		if strings.IndexFunc(origin, func(r rune) bool { return r <= ' ' || r > '~' || 'A' <= r && r <= 'Z' }) >= 0 {
			t.Fatalf("%q is %q, which no browser sends", list, origin)
		}
	}
}

// drawOrigin makes what is an origin, or nearly one.
func drawOrigin(t *rapid.T) string {
	scheme := rapid.SampledFrom([]string{"https://", "http://", "HTTP://", "capacitor://", "https:", ""}).Draw(t,
		"scheme")
	label := rapid.OneOf(
		rapid.SampledFrom([]string{"example", "Chat", "xn--bcher-kva", "xn--", "bücher", "ß", "例え", "127", "0x1", "1",
			"*", "a_b", "-", "\u200d", "אב", "①"}),
		rapid.StringN(1, 6, -1),
		rapid.StringMatching(`[a-zA-Z0-9-]{1,8}`))
	host := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(label, 1, 4).Draw(t, "labels"),
				rapid.SampledFrom([]string{".", "。"}).Draw(t, "dot"))
		}),
		rapid.StringMatching(`\[[0-9a-fA-F:.]{2,20}\]`),
		rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){3}`)).Draw(t, "host")
	port := rapid.SampledFrom([]string{"", "", ":80", ":443", ":3000", ":", ":00080", ":99999"}).Draw(t, "port")
	end := rapid.SampledFrom([]string{"", "", "/", ".", "/x"}).Draw(t, "end")
	return scheme + host + port + end
}

func TestWhatIsReturnedIsAFixedPoint(t *testing.T) {
	for list := range rightOrigins() {
		checkFixed(t, list)
	}
	rapid.Check(t, func(t *rapid.T) {
		checkFixed(t, strings.Join(rapid.SliceOfN(rapid.Custom(drawOrigin), 1, 3).Draw(t, "origins"), ","))
	})
}

func FuzzParseOrigins(f *testing.F) {
	for list := range rightOrigins() {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) { checkFixed(t, list) })
}

// Node.js has the URL standard's own parser: an origin of a web page that is accepted is what a browser makes of it.
func TestOriginsAreThoseOfTheURLStandard(t *testing.T) {
	node := installed.Program(t, "node")
	type pair struct{ Given, Got string }
	var pairs []pair
	add := func(given string) {
		given = strings.TrimSpace(given)
		got, err := config.ParseOrigins(given, idn.ToASCII)
		if err == nil && len(got) == 1 && strings.HasPrefix(got[0], "http") {
			pairs = append(pairs, pair{given, got[0]})
		}
	}
	for list := range rightOrigins() {
		add(list)
	}
	drawn := rapid.Custom(drawOrigin)
	for seed := range 6000 {
		add(drawn.Example(seed))
	}
	given, err := json.Marshal(pairs)
	if err != nil || len(pairs) < 300 {
		t.Fatalf("only %d origins are accepted: %v", len(pairs), err)
	}
	cmd := exec.Command(node, "-e", `
		let all = "";
		process.stdin.on("data", (d) => all += d).on("end", () => {
			for (const { Given, Got } of JSON.parse(all)) {
				let want;
				try { want = new URL(Given).origin } catch { want = "nothing" }
				if (want !== Got) console.log(JSON.stringify(Given), "is", want, "and not", Got);
			}
		})`)
	cmd.Stdin = bytes.NewReader(given)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("of %d: %v\n%s", len(pairs), err, out)
	}
}

// The function refuses at its start what would never let a page in.
func TestOriginsInTheEnvironment(t *testing.T) {
	for value, want := range map[string]string{
		"":                          "",
		"*":                         "",
		"https://Chat.example:443/": "https://chat.example",
		"https://bücher.example": `configuration: ALLOWED_ORIGINS is "https://bücher.example": it must have the name ` +
			`of a host`,
		"https://a.example,capacitor://localhost": "https://a.example,capacitor://localhost",
		"https://a.example/x": `configuration: ALLOWED_ORIGINS is "https://a.example/x": it ` +
			`must be an origin such as`,
	} {
		c, err := config.FromEnv(func(name string) string {
			return map[string]string{config.ConnectionsTable: "c", config.MessagesTable: "messages",
				config.AllowedOrigins: value}[name]
		})
		got := strings.Join(c.AllowedOrigins, ",")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestTypos(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"stage", "stage", 0}, {"stag", "stage", 1}, {"stagee", "stage", 1}, {"stahe", "stage", 1},
		{"satge", "stage", 1},
		{"", "abc", 3}, {"hptts", "https", 2}, {"authissuer", "oauthisuer", 2}, {"kitten", "sitting", 3},
	} {
		if got, back := config.Typos(tc.a, tc.b), config.Typos(tc.b, tc.a); got != tc.want || back != tc.want {
			t.Errorf("%q and %q: %d, %d, want %d", tc.a, tc.b, got, back, tc.want)
		}
	}
}
