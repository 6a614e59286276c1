package route_test

import (
	"strings"
	"testing"

	"wschat/pkg/chat"
	"wschat/pkg/route"
)

// Every answer over HTTP says that a browser must not take it for anything else, and so does every other answer,
// whatever becomes of it.
func TestEveryAnswerIsNoSniff(t *testing.T) {
	up, down := newFixture(t, nil), newFixture(t, func(s *chat.Service) { s.Log = panicking{} })
	for name, f := range map[string]*fixture{"up": up, "down": down} {
		for _, key := range append(route.HTTPKeys(), "GET /nothing", "$other") {
			if got := f.invoke(key, "", "", nil); got.Headers["X-Content-Type-Options"] != "nosniff" {
				t.Errorf("%s, %s: %d %v", name, key, got.StatusCode, got.Headers)
			}
		}
		for _, key := range route.WebSocketKeys() {
			kind := "MESSAGE"
			if strings.HasPrefix(key, "$c") || strings.HasPrefix(key, "$di") {
				kind = strings.ToUpper(key[1:])
			}
			if got := f.invoke(key, kind, "{}", nil); got.Headers["X-Content-Type-Options"] != "nosniff" {
				t.Errorf("%s, %s: %d %v", name, key, got.StatusCode, got.Headers)
			}
		}
	}
}
