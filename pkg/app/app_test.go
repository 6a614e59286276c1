package app

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"wschat/pkg/config"
	"wschat/pkg/telemetry"
)

func TestWorkers(t *testing.T) {
	for memory, want := range map[string]int{"128": 16, "512": 64, "769": 96, "10240": 128, "": 64, "much": 64} {
		if got := workers(memory); got != want {
			t.Errorf("%q MB: %d workers, want %d", memory, got, want)
		}
	}
}

// The function tells CloudWatch of the metrics that cost nothing, unless it is asked for all.
func TestTheMetricsOfTheFunction(t *testing.T) {
	for value, all := range map[string]bool{"": false, "free": false, "all": true} {
		c, err := config.FromEnv(func(name string) string {
			return map[string]string{"CONNECTIONS_TABLE": "c", "MESSAGES_TABLE": "messages", "METRICS": value}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		_, r := newMeter(c, "function").Begin(t.Context())
		r.AddBy(telemetry.Refusals, "room_busy", 1)
		r.Log(t.Context(), slog.New(slog.NewJSONHandler(&out, nil)), slog.LevelInfo, "invocation")
		line := out.String()
		if strings.Contains(line, `{"Name":"Refusals"`) != all || !strings.Contains(line, `{"Name":"Requests"`) ||
			!strings.Contains(line, `"Refusals":1`) {
			t.Errorf("METRICS=%s: %s", value, line)
		}
	}
}

func TestMissingConfigurationIsNamed(t *testing.T) {
	all := map[string]string{
		"CONNECTIONS_TABLE": "c", "MESSAGES_TABLE": "messages",
		"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
	}
	if _, err := FromEnv(func(name string) string { return all[name] }, io.Discard); err != nil {
		t.Errorf("with all that is needed: %v", err)
	}
	for missing := range all {
		_, err := FromEnv(func(name string) string {
			if name == missing {
				return ""
			}
			return all[name]
		}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), missing) || strings.Contains(err.Error(), "\n") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	for name, value := range map[string]string{
		"CONNECTIONS_ENDPOINT": "wss://x.example/dev", "MESSAGE_RETENTION_DAYS": "-1",
		"METRICS": "few", "ALLOWED_ORIGINS": "x.example",
	} {
		_, err := FromEnv(func(n string) string {
			if n == name {
				return value
			}
			return all[n]
		}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("with %s=%s: %v", name, value, err)
		}
	}
}
