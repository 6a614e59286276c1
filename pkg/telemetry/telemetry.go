// Package telemetry is what the chat measures: its metrics by name, and how they get into the log line of an
// invocation, where CloudWatch finds them without a call
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
// It is written by hand because libraries for that format write lines of their own: here the metrics ride on the log
// line.
package telemetry

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Namespace is the one of all metrics.
	Namespace = "Chat"

	// FunctionName is the dimension that every metric has: each stack has a function of its own.
	FunctionName = "FunctionName"

	// Directive is the field of a log line that tells CloudWatch of the metrics in it.
	Directive = "_aws"
)

// Meter measures the invocations of one process.
type Meter struct {
	functionName string
	specs        map[Metric]Spec
	told         map[Metric]bool // of which CloudWatch is told; nil for all
	warm         atomic.Bool
}

// New returns a Meter for the function of that name, which tells CloudWatch of every metric.
func New(functionName string) *Meter { return &Meter{functionName: functionName, specs: Specs()} }

// NewFree returns a Meter that tells CloudWatch only of the metrics in Free. The values of the others are in the log
// line all the same.
func NewFree(functionName string) *Meter {
	m := New(functionName)
	m.told = map[Metric]bool{}
	for _, metric := range Free() {
		m.told[metric] = true
	}
	return m
}

// tells says whether CloudWatch is told of a metric.
func (m *Meter) tells(metric Metric) bool { return m.told == nil || m.told[metric] }

// Record is what is measured of one invocation. A nil one takes everything and keeps nothing.
type Record struct {
	meter *Meter
	cold  bool

	mu     sync.Mutex
	values map[Metric]float64
	by     map[Metric]string // the value of the second dimension
}

type key struct{}

// Begin begins an invocation, whose Record is in the context. A nil Meter measures nothing.
func (m *Meter) Begin(ctx context.Context) (context.Context, *Record) {
	if m == nil {
		return ctx, nil
	}
	r := &Record{meter: m, values: map[Metric]float64{}, by: map[Metric]string{}}
	r.Add(Requests, 1)
	if r.cold = !m.warm.Swap(true); r.cold {
		r.Add(ColdStarts, 1)
	}
	return context.WithValue(ctx, key{}, r), r
}

// FromContext returns the Record of the invocation at hand; nil if there is none.
func FromContext(ctx context.Context) *Record {
	r, _ := ctx.Value(key{}).(*Record)
	return r
}

// Cold reports whether this is the process's first invocation.
func (r *Record) Cold() bool { return r != nil && r.cold }

// Add adds to a metric, which then has a value, if 0, in this invocation.
func (r *Record) Add(m Metric, n float64) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values[m] += n
}

// AddTime adds a time to a metric of milliseconds.
func (r *Record) AddTime(m Metric, d time.Duration) {
	r.Add(m, float64(d.Microseconds())/1000)
}

// AddBy adds to a metric that has a second dimension, of which an invocation has one value.
func (r *Record) AddBy(m Metric, value string, n float64) {
	if r == nil {
		return
	}
	r.Add(m, n)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[m] = value
}

// directive is a set of metrics with the same dimensions.
type directive struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name Metric `json:"Name"`
	Unit string `json:"Unit"`
}

// Log writes the invocation's line, with its metrics. If the logger leaves out lines of that level, the metrics
// are written without the rest: what is measured does not depend on how much is logged.
func (r *Record) Log(ctx context.Context, logger *slog.Logger, level slog.Level, message string, attrs ...slog.Attr) {
	metrics := r.attrs()
	switch {
	case logger.Enabled(ctx, level):
		attrs = append(attrs, metrics...)
	case len(metrics) > 0:
		message, attrs = "metrics", metrics
	default:
		return
	}
	line := slog.NewRecord(time.Now(), level, message, 0)
	line.AddAttrs(attrs...)
	_ = logger.Handler().Handle(ctx, line) // there is no other place to report it
}

// attrs are the metrics, and what tells CloudWatch that they are some.
func (r *Record) attrs() []slog.Attr {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	attrs := []slog.Attr{slog.String(FunctionName, r.meter.functionName)}
	plain := directive{Namespace, [][]string{{FunctionName}}, nil}
	var directives []directive
	for _, m := range slices.Sorted(maps.Keys(r.values)) {
		spec := r.meter.specs[m]
		attrs = append(attrs, slog.Float64(string(m), r.values[m]))
		if spec.By != "" {
			attrs = append(attrs, slog.String(spec.By, r.by[m]))
		}
		switch {
		case !r.meter.tells(m):
		case spec.By == "":
			plain.Metrics = append(plain.Metrics, definition{m, spec.Unit})
		default:
			directives = append(directives, directive{Namespace, [][]string{{FunctionName, spec.By}},
				[]definition{{m, spec.Unit}}})
		}
	}
	if len(plain.Metrics) > 0 {
		directives = append(directives, plain)
	}
	if len(directives) == 0 {
		return nil
	}
	return append(attrs, slog.Any(Directive, struct {
		Timestamp         int64       `json:"Timestamp"`
		CloudWatchMetrics []directive `json:"CloudWatchMetrics"`
	}{time.Now().UnixMilli(), directives}))
}
