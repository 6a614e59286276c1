package main

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wschat/pkg/config"
	"wschat/pkg/telemetry"
)

// What must never be in the function: it would make it large and slow to start, or is not meant for AWS.
func TestTheFunctionHoldsNothingThatIsNotItsOwn(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("go list names only %d packages", len(deps))
	}
	for _, dep := range deps {
		for _, part := range []string{"awscdk", "jsii", "wschat/pkg/local", "wschat/infra", "wschat/test", "testing", "github.com/aws/aws-sdk-go-v2/config"} {
			if strings.Contains(dep, part) {
				t.Errorf("%s is in the function", dep)
			}
		}
	}
}

func TestWorkers(t *testing.T) {
	for memory, want := range map[string]int{"128": 16, "512": 64, "769": 96, "10240": 128, "": 64, "much": 64} {
		if got := workers(memory); got != want {
			t.Errorf("%q MB: %d workers, want %d", memory, got, want)
		}
	}
}

// The function as it is deployed: built for arm64, with nothing that it does not need.
func TestTheBinaryIsSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const most = 9_266_000
	t.Logf("%d bytes", info.Size())
	if info.Size() > most {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), most)
	}
}

// The function tells CloudWatch of the metrics that cost nothing, unless it is asked for all.
func TestTheMetricsOfTheFunction(t *testing.T) {
	for value, all := range map[string]bool{"": false, "free": false, "all": true} {
		c, err := config.FromEnv(func(name string) string {
			return map[string]string{"CONNECTIONS_TABLE": "c", "MESSAGES_TABLE": "m", "METRICS": value}[name]
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
		"CONNECTIONS_TABLE": "c", "MESSAGES_TABLE": "m",
		"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
	}
	if _, err := newHandler(func(name string) string { return all[name] }); err != nil {
		t.Errorf("with all that is needed: %v", err)
	}
	for missing := range all {
		_, err := newHandler(func(name string) string {
			if name == missing {
				return ""
			}
			return all[name]
		})
		if err == nil || !strings.Contains(err.Error(), missing) || strings.Contains(err.Error(), "\n") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	for name, value := range map[string]string{
		"CONNECTIONS_ENDPOINT": "wss://x.example/dev", "MESSAGE_RETENTION_DAYS": "0",
		"METRICS": "few", "ALLOWED_ORIGINS": "x.example",
	} {
		_, err := newHandler(func(n string) string {
			if n == name {
				return value
			}
			return all[n]
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("with %s=%s: %v", name, value, err)
		}
	}
}
