package auth_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"wschat/pkg/auth"
)

func serving(document string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, document) }
}

// A provider elsewhere cannot have its keys fetched from this machine: on Lambda that is the runtime API.
func TestKeysOnThisMachineAreNotFetched(t *testing.T) {
	key := newKey(t, "P-256")
	for _, address := range []string{"http://127.0.0.1:9001/keys", "https://127.0.0.1/keys", "https://localhost/keys",
		"https://a.localhost/keys",
		"https://[::ffff:127.0.0.1]/keys", "https://0.0.0.0/keys", "https://169.254.169.254/keys",
		"https://2130706433/keys", "https://0x7f.1/keys"} {
		f := newForgery("ES256", key)
		f.documents[remoteIssuer+"/.well-known/openid-configuration"] = serving(
			`{"issuer":"` + remoteIssuer + `","jwks_uri":"` + address + `"}`)
		f.documents[address] = serving(`{"keys":[` + object(f.jwk, "") + `]}`)
		network := &provider{forgery: f}
		a, err := auth.New(auth.Config{Issuer: remoteIssuer, Audience: "chat", Client: &http.Client{Transport: network},
			Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := a.Invoke(t.Context(), event(t, "chat, "+f.token(t))); err == nil ||
			!strings.Contains(err.Error(), address) {
			t.Errorf("keys at %s: %s, %v", address, answer, err)
		}
		if slices.Contains(network.asked, address) {
			t.Errorf("%s was asked", address)
		}
	}
}

// resolveToThisMachine makes every host name one of 127.0.0.1, until the test ends.
func resolveToThisMachine(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class,
					TTL: 1},
					Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = server.WriteTo(packed, from)
			}
		}
	}()
	usual := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = usual
		_ = server.Close()
	})
}

// A host name that resolves to this machine leads nowhere either.
func TestNamesOfThisMachineAreNotDialled(t *testing.T) {
	resolveToThisMachine(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var dialled atomic.Int64
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			dialled.Add(1)
			_ = c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	ask := func(issuer string) error {
		a, err := auth.New(auth.Config{Issuer: issuer, Audience: "chat", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		f := newForgery("ES256", newKey(t, "P-256"))
		_, err = a.Invoke(t.Context(), event(t, "chat, "+f.token(t)))
		return err
	}
	if err := ask("https://rebinding.example:" + port); err == nil || !strings.Contains(err.Error(),
		"is on this machine") {
		t.Errorf("a name of this machine: %v", err)
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("%d connections to this machine", n)
	}
	if err := ask("https://localhost:" + port); err == nil || strings.Contains(err.Error(), "is on this machine") {
		t.Errorf("an issuer on this machine: %v", err)
	}
	for end := time.Now().Add(5 * time.Second); dialled.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an issuer on this machine was not dialled")
		}
	}
}

// Neither the discovery document nor the keys are taken from where a redirect points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, redirected := range []string{"/.well-known/openid-configuration", "/keys"} {
		a, issuer, srv := newDoorAt(t, auth.Config{Logger: slog.New(slog.DiscardHandler)})
		srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == redirected {
				http.Redirect(w, r, srv.URL+"/moved"+redirected, http.StatusFound)
				return
			}
			issuer.ServeHTTP(w, r)
		})
		token, err := issuer.Token("ann", time.Hour, nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := a.Invoke(t.Context(), event(t, "chat, "+token)); err == nil || !strings.Contains(err.Error(),
			"302") {
			t.Errorf("a redirect of %s: %s, %v", redirected, answer, err)
		}
	}
}
