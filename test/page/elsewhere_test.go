package page_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/pkg/localchat"
	"wschat/test/browser"
)

// The page of another site in the client's README imports the client from the chat and is connected, if the chat allows
// that site.
func TestBrowserAnotherSiteImportsTheClient(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../pkg/webclient/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(readme), "```html\n")
	page, _, ok := strings.Cut(page, "```")
	if !ok || !strings.Contains(page, "https://CHAT/client.js") || !strings.Contains(page, "wss://…/dev") {
		t.Fatalf("the README has no page: %q", page)
	}
	var at string // where the chat is
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(strings.NewReplacer("https://CHAT", "http://"+at, "wss://…/dev", "ws://"+at+"/dev").
			Replace(page)))
	}))
	t.Cleanup(shop.Close)
	b := browser.Start(t)
	for allowed, shows := range map[string]bool{shop.URL: true, "https://other.example": false} {
		server, err := localchat.Start(t.Context(), localchat.Config{
			Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"), Logger: slog.New(slog.DiscardHandler),
			Settings: config.Values{config.AllowedOrigins: allowed},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Stop() })
		at = server.Addr
		_, _, err = server.Log.Append(t.Context(), chat.Message{Room: "lobby", User: "bob", Content: "hello, shop",
			CreateAt: time.Now().Unix()})
		if err != nil {
			t.Fatal(err)
		}
		p := b.Open(t, shop.URL)
		if shows {
			p.WaitFor(t, `document.querySelector("#messages").textContent === "bob: hello, shop"`, 20*time.Second)
			continue
		}
		p.WaitFor(t, `document.readyState === "complete"`, 20*time.Second)
		time.Sleep(time.Second)
		var text string
		p.Eval(t, `document.querySelector("#messages").textContent`, &text)
		if text != "" {
			t.Errorf("a site that is not allowed shows %q", text)
		}
	}
}
