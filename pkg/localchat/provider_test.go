package localchat

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"wschat/test/issuer"
)

// The provider has its bad days.
func TestTheProviderFails(t *testing.T) {
	t.Parallel()
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	garbage := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>sign in</html>") }
	other := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"issuer":"https://example.com","jwks_uri":"https://example.com/keys","keys":[]}`)
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	}
	ways(t, func(t *testing.T, bootstrap string) {
		for name, fault := range map[string]http.HandlerFunc{"down": down, "garbage": garbage, "another issuer": other,
			"elsewhere": elsewhere} {
			p := issuer.Start(t)
			p.SetFault(fault)
			d := startDoor(t, p, bootstrap)
			if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 500 {
				t.Errorf("%s at first: %d, want 500", name, status)
			}
			if bootstrap != "" {
				break // the rest is the same code, and a pause of five seconds each
			}
		}
		p := issuer.Start(t)
		d := startDoor(t, p, bootstrap)
		if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 101 {
			t.Fatalf("a provider that is well: %d", status)
		}
		p.SetFault(down)
		if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 101 {
			t.Errorf("down after the first: %d", status)
		}
	})
}

// A hundred clients come while the provider changes its keys: all with a good token are let in, and the provider is
// not asked a hundred times.
func TestKeysRotateInACrowd(t *testing.T) {
	p := issuer.Start(t)
	d := startDoor(t, p, "")
	if _, status := d.knock(t, "", "chat", p.Token(nil)); status != 101 {
		t.Fatal(status)
	}
	d.ahead.Store(int64(time.Minute)) // a fetch was just made, and the next one is made only after a while
	p.Rotate(t, "next")
	before := p.Fetches.Load()
	token := p.Token(nil)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, status := d.knock(t, "", "chat", token); status != 101 {
				t.Errorf("a client got %d", status)
			}
		})
	}
	wg.Wait()
	if n := p.Fetches.Load() - before; n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	// Key ids that are made up cost the provider nothing more for a while.
	k := issuer.NewKey(t, "made up", true)
	for i := range 20 {
		if _, status := d.knock(t, "", "chat", k.Sign(k.Header(map[string]any{"kid": fmt.Sprint(i)}),
			p.Claims(nil))); status != 403 {
			t.Errorf("a made up key: %d", status)
		}
	}
	if n := p.Fetches.Load() - before; n != 1 {
		t.Errorf("made up key ids had the keys fetched %d times", n-1)
	}
}
