package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"wschat/test/installed"
)

// do runs steps, and fails the test if one fails.
func (p *Page) do(t testing.TB, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.fail(t, "%s: %v", what, err)
	}
}

// eval evaluates JavaScript and returns the result as JSON. If the result is a promise, it waits for it.
func (p *Page) eval(within time.Duration, js string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.ctx, within)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[[]byte](js, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
}

// runModules waits until the modules of the page have run. That is after the page has loaded, if they wait for
// something themselves. A module that fails has run, too, and a page may go elsewhere meanwhile.
func (p *Page) runModules() {
	_, _ = p.eval(patience, `Promise.allSettled([...document.querySelectorAll("script[type=module][src]")]
		.map(({ src }) => import(src))).then(() => {})`)
}

// fail fails the test. Its message has the text that the page shows and the lines that it logged.
func (p *Page) fail(t testing.TB, format string, args ...any) {
	t.Helper()
	shows, _ := p.eval(2*time.Second, "document.body.innerText")
	t.Fatalf("%s\nthe page shows %s\nand logged %q", fmt.Sprintf(format, args...), abbreviate(string(shows)),
		p.Console())
}

func abbreviate(s string) string {
	const most = 2000
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// Console returns the lines that the page has logged since it was opened: errors, warnings, uncaught exceptions, and
// actions that a policy blocked.
func (p *Page) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.console...)
}

func (p *Page) listen(ev any) {
	line := ""
	switch e := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			line = string(e.Type) + ":"
			for _, arg := range e.Args {
				line += " " + strings.TrimSpace(string(arg.Value)+" "+arg.Description)
			}
		}
	case *runtime.EventExceptionThrown:
		line = "exception: " + e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			line += " " + e.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			line = string(e.Entry.Level) + ": " + e.Entry.Text + " " + e.Entry.URL
		}
	}
	if line != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.console = append(p.console, line)
	}
}

// Axe checks accessibility with axe-core (https://github.com/dequelabs/axe-core), and returns a line for each element
// that breaks a rule. axe-core runs through the DevTools protocol, so no policy of the page can block it.
func (p *Page) Axe(t testing.TB) (violations []string) {
	t.Helper()
	source, err := os.ReadFile(installed.File(t, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.eval(patience, string(source)+";0"); err != nil {
		p.fail(t, "axe-core: %v", err)
	}
	var found []struct {
		ID, Help string
		Nodes    []struct {
			Target         []any
			FailureSummary string
		}
	}
	raw, err := p.eval(patience, "axe.run().then((r) => r.violations)")
	if err == nil {
		err = json.Unmarshal(raw, &found)
	}
	if err != nil {
		p.fail(t, "axe-core: %v", err)
	}
	for _, v := range found {
		for _, node := range v.Nodes {
			violations = append(violations, fmt.Sprintf("%s (%s) at %v: %s", v.ID, v.Help, node.Target,
				node.FailureSummary))
		}
	}
	return violations
}
