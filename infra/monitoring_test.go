package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wschat/pkg/telemetry"
)

// shown is a metric of the chat's own, as a dashboard or an alarm asks for it: its name and the names of its dimensions.
func shown(name string, dimensions []string) string {
	slices.Sort(dimensions)
	return name + " by " + strings.Join(dimensions, ", ")
}

// emitted are the metrics that the code emits.
func emitted() map[string]bool {
	all := map[string]bool{}
	for metric, spec := range telemetry.Specs() {
		dimensions := []string{telemetry.FunctionName}
		if spec.By != "" {
			dimensions = append(dimensions, spec.By)
		}
		all[shown(string(metric), dimensions)] = true
	}
	return all
}

// joined is a template's text, in which what is known at the deploy stands as a word.
func joined(t *testing.T, value any) string {
	t.Helper()
	switch v := value.(type) {
	case string:
		return v
	case map[string]any:
		if join, ok := v["Fn::Join"].([]any); ok {
			text := ""
			for _, part := range join[1].([]any) {
				text += joined(t, part)
			}
			return text
		}
		return "TOKEN"
	}
	t.Fatalf("no text: %v", value)
	return ""
}

var searched = regexp.MustCompile(`SEARCH\('\{Chat,([^}]+)\} MetricName="(\w+)" FunctionName="TOKEN"'`)

// onDashboard are the chat's own metrics on the dashboard.
func onDashboard(t *testing.T, tmpl map[string]any) map[string]bool {
	t.Helper()
	var body struct {
		Widgets []struct {
			Properties struct{ Metrics [][]any }
		}
	}
	text := joined(t, only(t, tmpl, "AWS::CloudWatch::Dashboard")["DashboardBody"])
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	found := map[string]bool{}
	for _, w := range body.Widgets {
		for _, m := range w.Properties.Metrics {
			if options, ok := m[0].(map[string]any); ok {
				if match := searched.FindStringSubmatch(fmt.Sprint(options["expression"])); match != nil {
					found[shown(match[2], strings.Split(match[1], ","))] = true
				}
				continue
			}
			if m[0] != telemetry.Namespace {
				continue
			}
			var dimensions []string
			for i := 2; i+1 < len(m); i += 2 {
				dimensions = append(dimensions, m[i].(string))
			}
			found[shown(m[1].(string), dimensions)] = true
		}
	}
	return found
}

// inAlarms are the chat's own metrics in alarms.
func inAlarms(tmpl map[string]any) map[string]bool {
	found := map[string]bool{}
	for _, r := range resources(tmpl, "AWS::CloudWatch::Alarm") {
		metrics, _ := r["Properties"].(map[string]any)["Metrics"].([]any)
		for _, m := range metrics {
			stat, ok := m.(map[string]any)["MetricStat"].(map[string]any)
			if !ok {
				continue // an expression
			}
			metric := stat["Metric"].(map[string]any)
			if metric["Namespace"] != telemetry.Namespace {
				continue
			}
			var dimensions []string
			for _, d := range metric["Dimensions"].([]any) {
				dimensions = append(dimensions, d.(map[string]any)["Name"].(string))
			}
			found[shown(metric["MetricName"].(string), dimensions)] = true
		}
	}
	return found
}

// A graph of a metric that nobody emits is empty, and an alarm on one never rings.
func TestWhatIsWatchedIsEmitted(t *testing.T) {
	tmpl := template(t, configurations()["auth"])
	dashboard, alarms, all := onDashboard(t, tmpl), inAlarms(tmpl), emitted()
	if len(dashboard) < 10 || len(alarms) < 5 {
		t.Fatalf("the dashboard shows %v, the alarms watch %v", dashboard, alarms)
	}
	for metric := range maps.Keys(dashboard) {
		if !all[metric] {
			t.Errorf("the dashboard shows %s, which nobody emits", metric)
		}
	}
	for metric := range maps.Keys(alarms) {
		if !all[metric] {
			t.Errorf("an alarm watches %s, which nobody emits", metric)
		}
	}
	for metric := range maps.Keys(all) {
		if !dashboard[metric] {
			t.Errorf("%s is emitted, and nobody sees it", metric)
		}
	}
}

func TestAlarms(t *testing.T) {
	quiet, loud := template(t, nil), template(t, configurations()["auth"])
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(resources(quiet, "AWS::SNS::Topic")); n != 0 {
		t.Errorf("%d topics without an address", n)
	}
	if s := only(t, loud, "AWS::SNS::Subscription"); s["Endpoint"] != "ops@example.com" || s["Protocol"] != "email" {
		t.Errorf("the subscription is %v", s)
	}
	// The topic's own policy takes the place of the one by which the account's alarms could publish.
	if policy := fmt.Sprint(only(t, loud, "AWS::SNS::TopicPolicy")); !strings.Contains(policy, "Effect:Allow Principal:map[Service:cloudwatch.amazonaws.com]") ||
		!strings.Contains(policy, "aws:SourceAccount") {
		t.Errorf("alarms may not publish: %s", policy)
	}
	for id, r := range resources(loud, "AWS::CloudWatch::Alarm") {
		p := r["Properties"].(map[string]any)
		actions, _ := p["AlarmActions"].([]any)
		if text, _ := p["AlarmDescription"].(string); len(actions) != 1 || len(text) < 80 || strings.Count(text, ".") < 2 {
			t.Errorf("%s has the actions %v and says %q", id, actions, text)
		}
		if name, _, _ := strings.Cut(id, "Alarm"); !strings.Contains(string(readme), "\n| `"+name+"`") {
			t.Errorf("README.md does not say what to do about %s", name)
		}
		if p["TreatMissingData"] != "notBreaching" {
			t.Errorf("%s rings while nobody talks", id)
		}
	}
	if n := len(resources(quiet, "AWS::CloudWatch::Alarm")); n != len(resources(loud, "AWS::CloudWatch::Alarm"))-1 || n < 8 { // without a provider

		t.Errorf("%d alarms", n)
	}
}

func TestTracing(t *testing.T) {
	for value, want := range map[any]any{"off": nil, "on": "Active", true: "Active", false: nil, "true": "Active", "false": nil} {
		fn := only(t, template(t, map[string]any{"tracing": value}), "AWS::Lambda::Function")
		config, _ := fn["TracingConfig"].(map[string]any)
		if config["Mode"] != want {
			t.Errorf("%v: %v", value, config)
		}
	}
}
