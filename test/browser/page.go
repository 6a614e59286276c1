package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Page is a tab of a Browser. Only one goroutine at a time may use it.
type Page struct {
	browser *Browser
	profile cdp.BrowserContextID // holds its cookies and storage
	ctx     context.Context
	close   context.CancelFunc

	mu      sync.Mutex
	console []string
}

// Close closes the page if it is still open. Its cookies and storage remain until the test ends, for OpenTab.
func (p *Page) Close() { p.close() }

// Eval evaluates JavaScript, and decodes the result from JSON into out, unless out is nil. If the result is a promise,
// it waits for it.
func (p *Page) Eval(t testing.TB, js string, out any) {
	t.Helper()
	value, err := p.eval(patience, js)
	if err == nil && out != nil {
		if len(value) == 0 {
			err = fmt.Errorf("the result is undefined, or is not JSON")
		} else {
			err = json.Unmarshal(value, out)
		}
	}
	if err != nil {
		p.fail(t, "evaluate %s: %v", abbreviate(js), err)
	}
}

// WaitFor waits until a JavaScript expression, or its promise, is true. An expression that throws counts as false.
func (p *Page) WaitFor(t testing.TB, js string, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		value, err := p.eval(max(time.Until(deadline), time.Second), "(async () => Boolean(await (\n"+js+"\n)))()")
		if string(value) == "true" {
			return
		}
		if time.Now().After(deadline) {
			if err != nil {
				js += "\nlast error: " + err.Error()
			}
			p.fail(t, "not true within %v: %s", within, js)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Type focuses the element that a CSS selector finds, and presses the keys of a text.
func (p *Page) Type(t testing.TB, selector, text string) {
	t.Helper()
	p.do(t, fmt.Sprintf("type into %s", selector), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Press presses a key in the focused element. The key's name is that of KeyboardEvent.key, after those of the
// keys that are held, in this order: "Enter", "Shift+Tab", "Control+Shift+F", "Alt+ArrowUp". The key event carries the
// character that it types, as on a keyboard. So a page that prevents the event also prevents the character. (chromedp's
// own KeyEvent sends the character as a separate event.)
func (p *Page) Press(t testing.TB, key string) {
	t.Helper()
	name, held := key, int64(0)
	for _, modifier := range []struct {
		name string
		bit  int64 // of the DevTools protocol
	}{{"Control+", 2}, {"Alt+", 1}, {"Shift+", 8}} {
		if rest, ok := strings.CutPrefix(name, modifier.name); ok {
			name, held = rest, held|modifier.bit
		}
	}
	for char, k := range kb.Keys {
		if k.Key != name || char == '\n' {
			continue
		}
		down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Modifiers: held, Text: k.Text,
			UnmodifiedText: k.Unmodified,
			Code:           k.Code, Key: k.Key, WindowsVirtualKeyCode: k.Windows, NativeVirtualKeyCode: k.Native}
		if held&2 != 0 {
			down.Text, down.UnmodifiedText = "", "" // a command types nothing
		}
		up := down
		up.Type, up.Text, up.UnmodifiedText = input.DispatchKeyEventTypeKeyUp, "", ""
		p.do(t, "press "+key, command(input.DispatchKeyEvent, down), command(input.DispatchKeyEvent, up))
		return
	}
	t.Fatalf("no key is called %q", name)
}

// Click waits until the element that a CSS selector finds is visible, scrolls to it, and clicks its centre.
func (p *Page) Click(t testing.TB, selector string) {
	t.Helper()
	p.do(t, "click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Tap touches the page at a point, in CSS pixels, as a finger does.
func (p *Page) Tap(t testing.TB, x, y float64) {
	t.Helper()
	p.do(t, fmt.Sprintf("tap at %v, %v", x, y),
		command(input.DispatchTouchEvent, input.DispatchTouchEventParams{
			Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: x, Y: y}}}),
		command(input.DispatchTouchEvent, input.DispatchTouchEventParams{
			Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{}}))
}

// LetCopy lets the page write to the clipboard, which a headless browser forbids. The page's own policy still counts.
func (p *Page) LetCopy(t testing.TB) {
	t.Helper()
	params := cdpbrowser.SetPermissionParams{BrowserContextID: p.profile, Setting: cdpbrowser.PermissionSettingGranted,
		Permission: &cdpbrowser.PermissionDescriptor{Name: "clipboard-write"}}
	if _, err := chromedp.CallBrowser(p.browser.ctx, cdpbrowser.SetPermission, params); err != nil {
		p.fail(t, "let the page copy: %v", err)
	}
}

// Reload reloads the page, and waits until it has loaded.
func (p *Page) Reload(t testing.TB) {
	t.Helper()
	p.do(t, "reload", chromedp.Reload())
	p.runModules()
}

// Resize changes the size of the page in CSS pixels, as when a phone is rotated.
func (p *Page) Resize(t testing.TB, width, height int) {
	t.Helper()
	p.do(t, "resize", chromedp.EmulateViewport(int64(width), int64(height), chromedp.EmulateScale(1)))
}

// TimeZone moves the page into another time zone, such as Asia/Tokyo.
func (p *Page) TimeZone(t testing.TB, name string) {
	t.Helper()
	p.do(t, "time zone "+name, command(emulation.SetTimezoneOverride,
		emulation.SetTimezoneOverrideParams{TimezoneID: name}))
}

// Screenshot writes the viewport into a PNG file.
func (p *Page) Screenshot(t testing.TB, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		p.fail(t, "screenshot: %v", err)
	}
}

// History returns the URLs in the tab's history.
func (p *Page) History(t testing.TB) (addresses []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	history, err := chromedp.Run(ctx, func(ctx context.Context,
		target *chromedp.Target) (page.GetNavigationHistoryResult, error) {
		return cdp.Call(ctx, target, page.GetNavigationHistory, cdp.Empty{})
	})
	if err != nil {
		p.fail(t, "history: %v", err)
	}
	for _, entry := range history.Entries {
		addresses = append(addresses, entry.URL)
	}
	return addresses
}

// Offline disconnects the page from the network, or connects it again.
func (p *Page) Offline(t testing.TB, offline bool) {
	t.Helper()
	p.do(t, "offline",
		command(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Offline: offline, DownloadThroughput: -1,
				UploadThroughput: -1}}}),
		command(network.OverrideNetworkState, network.OverrideNetworkStateParams{
			Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}))
}
