package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wschat/test/installed"
)

// tlsClient is an HTTP client that trusts a certificate, or one without TLS if there is none.
func tlsClient(t *testing.T, certificate string) *http.Client {
	t.Helper()
	if certificate == "" {
		return http.DefaultClient
	}
	text, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s has no certificate", certificate)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// With -tls, a client that trusts the certificate connects, and one that does not is refused. A function reaches
// @connections by the address in its event, and by the name that the API would have on AWS.
func TestTLS(t *testing.T) {
	r := launch(t, "-tls", "-route", "$default="+self(t))
	if !strings.HasPrefix(r.url, "wss://127.0.0.1:") || !strings.HasPrefix(r.http, "https://127.0.0.1:") {
		t.Errorf("the URLs are %s and %s", r.url, r.http)
	}
	c := dial(t, r.url, tlsClient(t, r.certificate))
	for what, host := range map[string]string{
		"post by domain": strings.TrimPrefix(r.http, "https://"),
		"post by id":     "local.execute-api.us-east-1.amazonaws.com",
	} {
		if got := c.say(what); got != "posted to https://"+host+"/dev" {
			t.Errorf("%s: got %s; the log is %s", what, got, r.stderr)
		}
	}
	if _, err := http.Get(r.http); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a client that does not trust the certificate gets %v", err)
	}
	port := r.http[strings.LastIndex(r.http, ":"):]
	if status, _ := get(t, tlsClient(t, r.certificate), "https://localhost"+port+"/dev"); status != 426 {
		t.Errorf("by the name localhost it answers %d", status)
	}
}

// The private key is nowhere, and others cannot change what functions trust.
func TestTheCertificatesFiles(t *testing.T) {
	dir := t.TempDir()
	c, err := newCertificate(dir, "gateway.example", ".execute-api.eu-north-1.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil || strings.Contains(string(text), "PRIVATE") {
			t.Errorf("%s has a key, or %v", file.Name(), err)
		}
		if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v, %v", file.Name(), info.Mode(), err)
		}
	}
	certificate, err := x509.ParseCertificate(c.tls.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, covered := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true,
		"gateway.example": true, "abc.execute-api.eu-north-1.amazonaws.com": true,
		"abc.execute-api.us-east-1.amazonaws.com": false, "amazonaws.com": false} {
		if err := certificate.VerifyHostname(name); (err == nil) != covered {
			t.Errorf("%s: %v", name, err)
		}
	}
	if certificate.IsCA {
		t.Error("it is an authority, which could sign for any host")
	}
}

// Functions trust what this machine trusts, too.
func TestTheBundleHasTheSystemsRoots(t *testing.T) {
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, []byte("# these are the roots"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", roots)
	c, err := newCertificate(t.TempDir(), "127.0.0.1", ".x")
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(c.bundle)
	if err != nil || !strings.HasPrefix(string(bundle), "# these are the roots\n-----BEGIN CERTIFICATE") {
		t.Errorf("the bundle is %s, %v", bundle, err)
	}
}

// Options of Node.js that a template or the command line has stay beside the gateway's own.
func TestOptionsOfNode(t *testing.T) {
	s := &server{plan: &plan{}}
	for _, tc := range []struct {
		template, command, want string
	}{
		{"", "", "NODE_OPTIONS=--require x"},
		{"--inspect", "", "NODE_OPTIONS=--inspect --require x"},
		{"--inspect", "--trace-warnings", "NODE_OPTIONS=--inspect --require x --trace-warnings"},
	} {
		f := &spec{env: map[string]string{"NODE_OPTIONS": tc.template}}
		o := options{env: pairs{{"NODE_OPTIONS", tc.command}}}
		got := s.envOf(f, o, map[string]string{"NODE_OPTIONS": "--require x"})
		if !slices.Equal(got, []string{tc.want}) {
			t.Errorf("%+v: got %q", tc, got)
		}
	}
}

// The proxy leads the names of APIs to the gateway, and other names where they are.
func TestTheProxy(t *testing.T) {
	answering := func(text string) *httptest.Server {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, text)
		}))
		t.Cleanup(s.Close)
		return s
	}
	gateway, other := answering("the gateway"), answering("another server")
	proxy := httptest.NewServer(detour{domain: ".execute-api.x", gateway: gateway.Listener.Addr().String()})
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(at),
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for url, want := range map[string]string{
		"https://abc.execute-api.x/dev": "the gateway",
		other.URL:                       "another server",
	} {
		if _, got := get(t, client, url); got != want {
			t.Errorf("%s: got %q", url, got)
		}
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "CONNECT abc.execute-api.x:443 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil || answer.StatusCode != 200 || len(answer.TransferEncoding)+len(answer.Header) > 0 {
		t.Errorf("a tunnel begins with %+v, %v", answer, err)
	}
	if _, err := client.Get("https://" + closed(t)); err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("got %v", err)
	}
	if status, _ := get(t, http.DefaultClient, proxy.URL); status != http.StatusMethodNotAllowed {
		t.Errorf("got %d", status)
	}
}

// closed is an address at which nothing listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// In Node.js the names of APIs lead to the gateway, too: for the module https, which the SDK uses, and for fetch. The
// folder of temporary files may have a space in its name, as those of Windows have.
func TestTheDetourInNode(t *testing.T) {
	installed.Program(t, "node")
	dir := filepath.Join(t.TempDir(), "with a space")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	const code = `import https from 'node:https';
		import {connect} from 'node:tls';
		const url = 'https://abc.execute-api.us-east-1.amazonaws.com/dev';
		const status = () => new Promise((done, fail) =>
			https.get(url, {agent: new https.Agent({keepAlive: true})}, (r) => done(r.statusCode)).on('error', fail));
		const direct = () => new Promise((done, fail) => {
			const s = connect({host: 'abc.execute-api.us-east-1.amazonaws.com', port: 443}, () => {
				s.end();
				done('tls');
			});
			s.on('error', fail);
		});
		export const handler = async () => ({statusCode: 200,
			body: [await status(), (await fetch(url)).status, await direct()].join(' ')});`
	if err := os.WriteFile(filepath.Join(dir, "app.mjs"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	r := launch(t, "-tls", "-route", "$default=node:"+dir+"/app.handler", "-route-response", "$default")
	if got := dial(t, r.url, tlsClient(t, r.certificate)).say("x"); got != "426 426 tls" {
		t.Errorf("got %s; the log is %s", got, r.stderr)
	}
}
