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

	"wschat/pkg/config"
	"wschat/pkg/telemetry"
)

// shown is a metric of the chat's own, as a dashboard or an alarm asks for it: its name and the names of its
// dimensions.
func shown(name string, dimensions []string) string {
	slices.Sort(dimensions)
	return name + " by " + strings.Join(dimensions, ", ")
}

// emitted are the metrics of which the code tells CloudWatch: all, or those that are free.
func emitted(everything bool) map[string]bool {
	all := map[string]bool{}
	for metric, spec := range telemetry.Specs() {
		if !everything && !slices.Contains(telemetry.Free(), metric) {
			continue
		}
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

// dashboardMetrics are all metrics on the dashboard, as its source has them; those inside expressions too.
func dashboardMetrics(t *testing.T, tmpl map[string]any) (all [][]any) {
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
	for _, w := range body.Widgets {
		all = append(all, w.Properties.Metrics...)
	}
	return all
}

// onDashboard are the chat's own metrics on the dashboard.
func onDashboard(t *testing.T, tmpl map[string]any) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range dashboardMetrics(t, tmpl) {
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
	return found
}

// inAlarms are the chat's own metrics in alarms.
func inAlarms(tmpl map[string]any) map[string]bool {
	found := map[string]bool{}
	for _, r := range resources(tmpl, "AWS::CloudWatch::Alarm") {
		p := r["Properties"].(map[string]any)
		metrics, _ := p["Metrics"].([]any)
		if p["Namespace"] == telemetry.Namespace {
			metrics = []any{map[string]any{"MetricStat": map[string]any{"Metric": p}}}
		}
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
	for name, everything := range map[string]bool{"auth": true, "defaults": false} {
		t.Run(name, func(t *testing.T) {
			watchedIsEmitted(t, template(t, configurations()[name]),
				emitted(everything))
		})
	}
}

func watchedIsEmitted(t *testing.T, tmpl map[string]any, all map[string]bool) {
	dashboard, alarms := onDashboard(t, tmpl), inAlarms(tmpl)
	if len(dashboard) < 10 || len(alarms) < 3 {
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

// What an account has for nothing, for ever (https://aws.amazon.com/cloudwatch/pricing/).
const (
	freeAlarmMetrics     = 10 // each metric in an alarm's expression counts
	freeDashboards       = 3
	freeDashboardMetrics = 50 // on each of them
)

// combinations are the settings that change what is watched or what is there to be watched, each with all others. The
// last group has those that change the rest.
func combinations() []map[string]any {
	groups := []map[string]any{
		{"authIssuer": "https://chat.example.com/", "authAudience": "chat"},
		{"alarmEmail": "ops@example.com", "alarmTopic": "arn:aws:sns:eu-north-1:123456789012:on-call"},
		{"messagesTable": "restored-1"},
		{"metrics": "free", "tracing": true, "logLevel": "debug", "messageRetentionDays": 30.0, "presenceLimit": 0.0,
			"memorySize":     1024.0,
			"allowedOrigins": "https://a.example", "domainName": "chat.example.com",
			"certificateArn": "arn:aws:acm:eu-north-1:123456789012:certificate/0a1b2c3d-0000-1111-2222-333344445555"},
	}
	all := make([]map[string]any, 1<<len(groups))
	for i := range all {
		all[i] = map[string]any{}
		for j, group := range groups {
			if i>>j&1 == 1 {
				maps.Copy(all[i], group)
			}
		}
	}
	return all
}

// Watching a chat must not cost more than the chat: by default, all of it is among what an account has for nothing.
// How many metrics the function emits, pkg/telemetry's TestFreeMetrics counts.
func TestWatchingIsFreeByDefault(t *testing.T) {
	contexts := combinations()
	if testing.Short() { // sixteen syntheses take ten seconds: none of the groups, and all of them
		contexts = []map[string]any{contexts[0], contexts[len(contexts)-1]}
	}
	for _, context := range contexts {
		tmpl := template(t, context)
		if n := alarmMetrics(tmpl); n > freeAlarmMetrics || n < 5 {
			t.Errorf("%v: the alarms watch %d metrics, of which %d are free", context, n, freeAlarmMetrics)
		}
		if n := len(resources(tmpl, "AWS::CloudWatch::Dashboard")); n > freeDashboards {
			t.Errorf("%v: there are %d dashboards, of which %d are free", context, n, freeDashboards)
		}
		if n := len(dashboardMetrics(t, tmpl)); n > freeDashboardMetrics || n < 15 {
			t.Errorf("%v: the dashboard has %d metrics, of which %d are free", context, n, freeDashboardMetrics)
		}
		for _, kind := range []string{"AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::AnomalyDetector",
			"AWS::CloudWatch::InsightRule",
			"AWS::Logs::MetricFilter", "AWS::Synthetics::Canary"} {
			if n := len(resources(tmpl, kind)); n > 0 {
				t.Errorf("%v: there are %d of %s, which are billed", context, n, kind)
			}
		}
		for id, stage := range resources(tmpl, "AWS::ApiGatewayV2::Stage") {
			settings := stage["Properties"].(map[string]any)["DefaultRouteSettings"].(map[string]any)
			if settings["DetailedMetricsEnabled"] == true {
				t.Errorf("%v: %s has metrics for each route, which are billed", context, id)
			}
		}
		if c := functionConfig(t, tmpl); c.AllMetrics {
			t.Errorf("%v: the function emits all metrics", context)
		}
	}
	all := template(t, map[string]any{"metrics": "all"})
	if n := alarmMetrics(all); n <= freeAlarmMetrics || !functionConfig(t, all).AllMetrics {
		t.Errorf("with all metrics, the alarms watch %d", n)
	}
}

// functionConfig is the configuration that the function of a template reads. What is known at the deploy is a word.
func functionConfig(t *testing.T, tmpl map[string]any) config.Config {
	t.Helper()
	environment := only(t, tmpl, "AWS::Lambda::Function")["Environment"].(map[string]any)["Variables"].(map[string]any)
	c, err := config.FromEnv(func(name string) string {
		if environment[name] == nil {
			return ""
		}
		// The address of the HTTP API, which is known at the deploy, ends the list of origins.
		return strings.Replace(joined(t, environment[name]), ",TOKEN", ",https://token.example", 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// alarmMetrics counts the metrics in all alarms.
func alarmMetrics(tmpl map[string]any) (n int) {
	for _, r := range resources(tmpl, "AWS::CloudWatch::Alarm") {
		p := r["Properties"].(map[string]any)
		if p["MetricName"] != nil {
			n++
		}
		metrics, _ := p["Metrics"].([]any)
		for _, m := range metrics {
			if m.(map[string]any)["MetricStat"] != nil {
				n++
			}
		}
	}
	return n
}

func TestAlarms(t *testing.T) {
	quiet, loud := template(t, nil), template(t, configurations()["auth"])
	readme, err := os.ReadFile("README.md")
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
	if policy := fmt.Sprint(only(t, loud, "AWS::SNS::TopicPolicy")); !strings.Contains(policy,
		"Effect:Allow Principal:map[Service:cloudwatch.amazonaws.com]") ||
		!strings.Contains(policy, "aws:SourceAccount") {
		t.Errorf("alarms may not publish: %s", policy)
	}
	for id, r := range resources(loud, "AWS::CloudWatch::Alarm") {
		p := r["Properties"].(map[string]any)
		actions, _ := p["AlarmActions"].([]any)
		if text, _ := p["AlarmDescription"].(string); len(actions) != 2 || len(text) < 80 ||
			strings.Count(text, ".") < 2 {
			t.Errorf("%s has the actions %v and says %q", id, actions, text)
		}
		if !strings.Contains(fmt.Sprint(actions), "arn:aws:sns:eu-north-1:123456789012:on-call") {
			t.Errorf("%s does not tell the topic: %v", id, actions)
		}
		if name, _, _ := strings.Cut(id, "Alarm"); !strings.Contains(string(readme), "\n#### `"+name+"`\n") {
			t.Errorf("README.md does not say what to do about %s", name)
		}
		if p["TreatMissingData"] != "notBreaching" {
			t.Errorf("%s rings while nobody talks", id)
		}
	}
	// README.md says which alarms are there by default.
	said := strings.Fields(strings.NewReplacer("`", "", ",", "", " and ", " ").Replace(
		between(t, strings.Join(strings.Fields(string(readme)), " "), "### When an alarm rings",
			"are there by default")))
	var there []string
	for id := range resources(quiet, "AWS::CloudWatch::Alarm") {
		name, _, _ := strings.Cut(id, "Alarm")
		there = append(there, name)
	}
	slices.Sort(said)
	slices.Sort(there)
	if !slices.Equal(said, there) {
		t.Errorf("README.md says that the alarms are %v by default, and they are %v", said, there)
	}
	if few, all := len(resources(quiet, "AWS::CloudWatch::Alarm")), len(resources(loud,
		"AWS::CloudWatch::Alarm")); few != 8 || all != 14 {
		t.Errorf("%d alarms, and %d with all metrics and a provider", few, all)
	}
}

// between is what stands in a text between two others.
func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, before)
	middle, _, ended := strings.Cut(rest, after)
	if !found || !ended {
		t.Fatalf("there is no %q and %q", before, after)
	}
	return middle
}

func TestTracing(t *testing.T) {
	for value, want := range map[any]any{"off": nil, "on": "Active", true: "Active", false: nil, "true": "Active",
		"false": nil} {
		fn := only(t, template(t, map[string]any{"tracing": value}), "AWS::Lambda::Function")
		config, _ := fn["TracingConfig"].(map[string]any)
		if config["Mode"] != want {
			t.Errorf("%v: %v", value, config)
		}
	}
}
