// Package browser opens web pages in a headless Chromium, for tests that use a page as people do. Any failed step fails
// the test. The failure message has the text that the page shows and the lines that it logged.
package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"wschat/test/installed"
)

// patience is the timeout of one step on a page. It is long enough for a slow and busy machine.
const patience = 30 * time.Second

// Browser is a Chromium process.
type Browser struct{ ctx context.Context }

// Start runs Chromium with a new profile until the test ends.
func Start(t testing.TB) *Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	program := installed.Program(t, "chromium-headless-shell", "chromium", "google-chrome")
	options := append(chromedp.DefaultExecAllocatorOptions[:], // headless, and without network traffic of its own
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU) // containers often forbid the sandbox
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	// The cleanup waits until the process has ended and its profile is gone.
	t.Cleanup(stop)
	ctx, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s does not start: %v", program, err)
	}
	return &Browser{ctx: ctx}
}

// Option says how Open opens a page.
type Option func(*options)

type options struct {
	width, height int64
	scheme        string
	scripts       []string
}

// Viewport sets the size of the page in CSS pixels. A screenshot has the same number of pixels. The default is 1280 by
// 800.
func Viewport(width, height int) Option {
	return func(o *options) { o.width, o.height = int64(width), int64(height) }
}

// Dark opens the page with a preference for a dark colour scheme. The default is a light one.
func Dark() Option { return func(o *options) { o.scheme = "dark" } }

// Before evaluates a script in each document that the page loads, before the document's own.
func Before(script string) Option { return func(o *options) { o.scripts = append(o.scripts, script) } }

// Open loads a page, and closes it when the test ends. Only tabs of the same page share its cookies and storage.
func (b *Browser) Open(t testing.TB, url string, opts ...Option) *Page {
	t.Helper()
	made, err := chromedp.CallBrowser(b.ctx, target.CreateBrowserContext, target.CreateBrowserContextParams{})
	if err != nil {
		t.Fatalf("open a page: %v", err)
	}
	profile := made.BrowserContextID
	t.Cleanup(func() {
		params := target.DisposeBrowserContextParams{BrowserContextID: profile}
		if _, err := chromedp.CallBrowser(b.ctx, target.DisposeBrowserContext, params); err != nil {
			t.Errorf("forget the storage of a page: %v", err)
		}
	})
	return b.open(t, profile, url, opts)
}

// OpenTab loads a page in another tab that shares this page's cookies and storage. This page may be closed already.
// OpenTab closes the new tab when the test ends.
func (p *Page) OpenTab(t testing.TB, url string, opts ...Option) *Page {
	t.Helper()
	return p.browser.open(t, p.profile, url, opts)
}

func (b *Browser) open(t testing.TB, profile cdp.BrowserContextID, url string, opts []Option) *Page {
	t.Helper()
	o := options{width: 1280, height: 800, scheme: "light"}
	for _, opt := range opts {
		opt(&o)
	}
	p := &Page{browser: b, profile: profile}
	p.ctx, p.close = chromedp.NewContext(b.ctx, chromedp.WithExistingBrowserContext(profile),
		chromedp.WithListener(p.listen))
	t.Cleanup(p.Close)
	// The page lives as long as the context of its first step. So that context has no deadline.
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(o.width, o.height, chromedp.EmulateScale(1))); err != nil {
		t.Fatalf("open a page: %v", err)
	}
	steps := []chromedp.Action[chromedp.Void]{
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: o.scheme}}}),
		// Every page acts as if it had the focus, as if each user had their own screen.
		command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
	}
	for _, script := range o.scripts {
		steps = append(steps, command(page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{Source: script}))
	}
	p.do(t, "open "+url, append(steps, chromedp.Navigate(url))...)
	p.runModules()
	return p
}

// command makes a step from a command of the DevTools protocol.
func command[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, cmd, params)
		return chromedp.Void{}, err
	}
}
