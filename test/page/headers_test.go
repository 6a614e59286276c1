package page_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A browser knows every word of the page's headers, and keeps to them.
func TestBrowserKeepsToTheHeaders(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := b.enter(t, "ann", "lobby") // which checks that the browser has no complaint
	var allowed []string
	ann.Eval(t, `document.featurePolicy.allowedFeatures()`, &allowed)
	for _, feature := range []string{
		"camera", "microphone", "geolocation", "display-capture", "payment", "usb", "serial", "clipboard-read",
	} {
		if slices.Contains(allowed, feature) {
			t.Errorf("the page may use %s", feature)
		}
	}
	other := b.Open(t, "about:blank")
	other.Eval(t, fmt.Sprintf(`void (window.chat = window.open(%q))`, "http://"+b.server.Addr+"/"), nil)
	other.WaitFor(t, `window.chat.closed`, 10*time.Second) // another page has no hold of it
}
