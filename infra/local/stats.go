package main

import (
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

// stats sums up the metrics in the log lines that pass, since the start, as a page. It sees those of loggers without attributes
// of their own, as all of the chat's are.
type stats struct {
	slog.Handler // which gets every line

	specs map[telemetry.Metric]telemetry.Spec
	sums  *sums
}

type sums struct {
	mu  sync.Mutex
	all map[telemetry.Metric]summary
}

// summary is of the values of one metric.
type summary struct {
	count         int
	sum, greatest float64
}

func newStats(next slog.Handler) stats {
	return stats{next, telemetry.Specs(), &sums{all: map[telemetry.Metric]summary{}}}
}

// Handle takes the metrics out of a line.
func (s stats) Handle(ctx context.Context, r slog.Record) error {
	s.sums.mu.Lock()
	r.Attrs(func(a slog.Attr) bool {
		metric := telemetry.Metric(a.Key)
		if _, ok := s.specs[metric]; ok {
			m, value := s.sums.all[metric], a.Value.Float64()
			s.sums.all[metric] = summary{m.count + 1, m.sum + value, max(m.greatest, value)}
		}
		return true
	})
	s.sums.mu.Unlock()
	return s.Handler.Handle(ctx, r)
}

// ServeHTTP shows the page.
func (s stats) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.sums.mu.Lock()
	all := maps.Clone(s.sums.all)
	s.sums.mu.Unlock()
	var rows strings.Builder
	for _, metric := range slices.Sorted(maps.Keys(all)) {
		m := all[metric]
		fmt.Fprintf(&rows, "<tr><th scope=row>%s<td>%s<td>%d<td>%.6g<td>%.6g<td>%.6g\n", html.EscapeString(string(metric)), s.specs[metric].Unit,
			m.count, m.sum, m.sum/float64(m.count), m.greatest)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2><title>What the chat measures</title>
<style>body{font:16px system-ui;color-scheme:light dark;margin:2em}td,th{padding:.2em 1em;text-align:right}th[scope=row]{text-align:left}</style>
<h1>What the chat measures</h1><p>Since it was started: what CloudWatch would be told.
<table><thead><tr><th scope=col>metric<th scope=col>unit<th scope=col>values<th scope=col>sum<th scope=col>average<th scope=col>greatest<tbody>
%s</table></html>
`, rows.String())
}
