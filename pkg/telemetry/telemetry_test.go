package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"wschat/pkg/telemetry"
)

// line is a log line with what is in a Record.
func line(t *testing.T, r *telemetry.Record) map[string]any {
	t.Helper()
	var out bytes.Buffer
	r.Log(t.Context(), slog.New(slog.NewJSONHandler(&out, nil)), slog.LevelInfo, "invocation")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

// What CloudWatch demands of a line, by its specification of the format.
func TestLinesAreInTheEmbeddedMetricFormat(t *testing.T) {
	_, r := telemetry.New("function").Begin(t.Context())
	r.Add(telemetry.MessagesStored, 1)
	r.Add(telemetry.Posts, 3)
	r.Add(telemetry.Posts, 4)
	r.AddTime(telemetry.StoreTime, 1500*time.Microsecond)
	r.AddBy(telemetry.Refusals, "room_busy", 1)
	got := line(t, r)
	b, err := json.Marshal(got["_aws"])
	if err != nil {
		t.Fatal(err)
	}
	var directive struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	if err := json.Unmarshal(b, &directive); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(time.UnixMilli(directive.Timestamp)); age < 0 || age > time.Minute {
		t.Errorf("the timestamp is %v old", age)
	}
	seen := map[string]string{}
	for _, d := range directive.CloudWatchMetrics {
		if d.Namespace != "Chat" || len(d.Dimensions) != 1 || len(d.Metrics) == 0 || len(d.Metrics) > 100 {
			t.Errorf("a directive is %+v", d)
		}
		for _, dimension := range d.Dimensions[0] {
			if value, ok := got[dimension].(string); !ok || value == "" {
				t.Errorf("the dimension %s is %v", dimension, got[dimension])
			}
		}
		for _, m := range d.Metrics {
			if _, ok := got[m.Name].(float64); !ok {
				t.Errorf("the metric %s is %v", m.Name, got[m.Name])
			}
			if !slices.Contains([]string{"Count", "Milliseconds", "None"}, m.Unit) {
				t.Errorf("the unit of %s is %q", m.Name, m.Unit)
			}
			seen[m.Name] = m.Unit
			if by := slices.Contains(d.Dimensions[0], "Code"); by != (m.Name == "Refusals") {
				t.Errorf("%s is by %v", m.Name, d.Dimensions)
			}
		}
	}
	if len(seen) != 6 || seen["StoreTime"] != "Milliseconds" || seen["ColdStarts"] != "Count" {
		t.Errorf("the metrics are %v", seen)
	}
	if got["Posts"] != 7.0 || got["StoreTime"] != 1.5 || got["Code"] != "room_busy" ||
		got["FunctionName"] != "function" {
		t.Errorf("the line is %v", got)
	}
}

func TestOnlyTheFirstInvocationIsCold(t *testing.T) {
	m := telemetry.New("function")
	_, first := m.Begin(t.Context())
	ctx, second := m.Begin(t.Context())
	if !first.Cold() || second.Cold() {
		t.Errorf("cold: %v, then %v", first.Cold(), second.Cold())
	}
	if got := line(t, second); got["Requests"] != 1.0 || got["ColdStarts"] != nil {
		t.Errorf("the second line is %v", got)
	}
	if telemetry.FromContext(ctx) != second {
		t.Error("the context has another record")
	}
}

// Code that counts does not need to know whether anybody listens.
func TestWithoutARecordNothingIsKept(t *testing.T) {
	r := telemetry.FromContext(t.Context())
	r.Add(telemetry.Posts, 1)
	r.AddBy(telemetry.Refusals, "x", 1)
	r.AddTime(telemetry.SendTime, time.Second)
	if got := line(t, r); r.Cold() || len(got) != 3 || got["msg"] != "invocation" {
		t.Errorf("something is kept: %v", got)
	}
	var none *telemetry.Meter
	if _, r := none.Begin(t.Context()); r != nil {
		t.Error("a Meter that is none measures")
	}
}

func TestARecordMayBeAddedToFromEverywhere(t *testing.T) {
	_, r := telemetry.New("function").Begin(t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				r.Add(telemetry.Conflicts, 1)
			}
		})
	}
	all.Wait()
	if got := line(t, r)["Conflicts"]; got != 8000.0 {
		t.Errorf("got %v", got)
	}
}

// A higher log level must not lose metrics.
func TestMetricsDoNotDependOnTheLevel(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))
	m := telemetry.New("function")
	_, cold := m.Begin(t.Context())
	cold.Log(t.Context(), logger, slog.LevelInfo, "invocation", slog.String("room", "r"))
	var none *telemetry.Record
	none.Log(t.Context(), logger, slog.LevelInfo, "invocation", slog.String("room", "r"))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if got["msg"] != "metrics" || got["ColdStarts"] != 1.0 || got["_aws"] == nil || got["room"] != nil {
		t.Errorf("got %v", got)
	}
}

// told is of what CloudWatch is told by a line: each metric, with the values of its dimensions.
func told(t *testing.T, line map[string]any) map[string]bool {
	t.Helper()
	text, err := json.Marshal(line[telemetry.Directive])
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		CloudWatchMetrics []struct {
			Dimensions [][]string
			Metrics    []struct{ Name string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, set := range d.CloudWatchMetrics {
		for _, m := range set.Metrics {
			for _, dimensions := range set.Dimensions {
				name := m.Name
				for _, dimension := range dimensions {
					name += fmt.Sprint(" ", line[dimension])
				}
				all[name] = true
			}
		}
	}
	return all
}

// Of the free metrics there are as many as an account has for nothing, counted as CloudWatch counts them: each value
// of a dimension is another metric. The line has the values of all in any case.
func TestFreeMetrics(t *testing.T) {
	const free = 10 // https://aws.amazon.com/cloudwatch/pricing/
	const values = 15
	for name, tc := range map[string]struct {
		meter       *telemetry.Meter
		least, most int
	}{
		"free": {telemetry.NewFree("function"), 1, free},
		"all":  {telemetry.New("function"), len(telemetry.Specs()) - 2 + 2*values, 1000},
	} {
		all := map[string]bool{}
		for i := range values {
			value := fmt.Sprint("value", i)
			_, r := tc.meter.Begin(t.Context())
			for metric, spec := range telemetry.Specs() {
				if spec.By == "" {
					r.Add(metric, 1)
				} else {
					r.AddBy(metric, value, 1)
				}
			}
			got := line(t, r)
			maps.Copy(all, told(t, got))
			for metric, spec := range telemetry.Specs() {
				if got[string(metric)] == nil || spec.By != "" && got[spec.By] != value {
					t.Errorf("%s: the line has %v for %s, by %v", name, got[string(metric)], metric, got[spec.By])
				}
			}
		}
		if len(all) < tc.least || len(all) > tc.most {
			t.Errorf("%s: CloudWatch is told of %d metrics, want %d to %d: %v", name, len(all), tc.least, tc.most, all)
		}
	}
	for _, metric := range telemetry.Free() {
		if _, ok := telemetry.Specs()[metric]; !ok {
			t.Errorf("there is no metric %s", metric)
		}
	}
}
