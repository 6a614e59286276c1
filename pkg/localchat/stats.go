package localchat

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"wschat/pkg/telemetry"
)

// statsPath is where the page is, beside the chat.
const statsPath = "/stats"

// stats sums up the metrics in the log lines that pass, since the start, as a page. It sees those of loggers without
// attributes of their own, as all of the chat's are.
type stats struct {
	slog.Handler // which gets every line

	specs map[telemetry.Metric]telemetry.Spec
	sums  *sums
}

type sums struct {
	mu  sync.Mutex
	all map[row]summary
}

// row is a metric, for one value of its second dimension.
type row struct {
	metric telemetry.Metric
	by     string // "" for a metric without one
}

// summary is of the values of a row.
type summary struct {
	count         int
	sum, greatest float64
}

func newStats(next slog.Handler) stats {
	return stats{next, telemetry.Specs(), &sums{all: map[row]summary{}}}
}

// Handle takes the metrics out of a line.
func (s stats) Handle(ctx context.Context, r slog.Record) error {
	fields := map[string]slog.Value{}
	r.Attrs(func(a slog.Attr) bool {
		fields[a.Key] = a.Value
		return true
	})
	s.sums.mu.Lock()
	for metric, spec := range s.specs {
		if v, ok := fields[string(metric)]; ok && v.Kind() == slog.KindFloat64 {
			at := row{metric, ""}
			if spec.By != "" {
				at.by = fields[spec.By].String()
			}
			m, value := s.sums.all[at], v.Float64()
			s.sums.all[at] = summary{m.count + 1, m.sum + value, max(m.greatest, value)}
		}
	}
	s.sums.mu.Unlock()
	return s.Handler.Handle(ctx, r)
}

// ServeHTTP shows the page.
func (s stats) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.sums.mu.Lock()
	all := maps.Clone(s.sums.all)
	s.sums.mu.Unlock()
	still := maps.Clone(s.specs) // what has not moved
	for at := range all {
		delete(still, at.metric)
	}
	for metric := range still {
		all[row{metric, ""}] = summary{}
	}
	var rows strings.Builder
	for _, at := range slices.SortedFunc(maps.Keys(all), func(a, b row) int {
		return cmp.Or(cmp.Compare(a.metric, b.metric), cmp.Compare(a.by, b.by))
	}) {
		m, spec := all[at], s.specs[at.metric]
		fmt.Fprintf(&rows, "<tr><th scope=row>%s %s<td>%d<td>%.6g<td>%.6g<td>%.6g<td>%s<td class=meaning>%s\n",
			at.metric, html.EscapeString(at.by),
			m.count, m.sum, m.sum/float64(max(1, m.count)), m.greatest, spec.Unit, spec.Meaning)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>
	  <title>What the chat measures</title>
<style>body{font:16px system-ui;color-scheme:light dark;margin:2em}
td,th{padding:.2em 1em;text-align:right}
th[scope=row],th:first-child,.meaning,th:last-child{text-align:left}</style>
<h1>What the chat measures</h1><p>Since it was started: what CloudWatch would be told.
A broadcast is counted when it ends, in a busy room after some seconds.
<table><thead><tr><th scope=col>metric<th scope=col>values<th scope=col>sum
<th scope=col>average<th scope=col>greatest<th scope=col>unit<th scope=col>meaning<tbody>
%s</table></html>
`, rows.String())
}
