package main

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"wschat/test/installed"
)

// TestTheRealCLI synthesises as a person does, and compiles the function twice: the same source is the same asset.
// The CLI complains of nothing.
func TestTheRealCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and synthesises twice")
	}
	cdk := installed.Node(t, "cdk")
	var assets []string
	for range 2 {
		out := t.TempDir()
		cmd := exec.Command(cdk, "synth", "--quiet", "--output", out)
		cmd.Dir = filepath.Dir(installed.Dir())
		if b, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(b), "flags are not configured") {
			t.Fatalf("%v\n%s", err, b)
		}
		checkManifest(t, filepath.Join(out, "manifest.json"))
		b, err := os.ReadFile(filepath.Join(out, "Chat-dev.assets.json"))
		if err != nil {
			t.Fatal(err)
		}
		var manifest struct {
			Files map[string]struct {
				DisplayName string
				Source      struct{ Path, Packaging string }
			}
		}
		if err := json.Unmarshal(b, &manifest); err != nil {
			t.Fatal(err)
		}
		for hash, file := range manifest.Files {
			if file.Source.Packaging == "zip" {
				assets = append(assets, hash)
				info, err := os.Stat(filepath.Join(out, file.Source.Path, "bootstrap"))
				if err != nil || info.Mode()&0o111 == 0 {
					t.Errorf("the asset holds no executable bootstrap: %v", err)
				}
			}
		}
	}
	if len(assets) != 2 || assets[0] != assets[1] {
		t.Errorf("the function's asset is %v, want the same twice", assets)
	}
}

// checkManifest fails if a feature flag of the CDK has not the value that its library recommends, or if the stack has
// lost its tag.
func checkManifest(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Artifacts map[string]struct {
			Properties struct {
				Tags  map[string]string
				Flags map[string]struct {
					RecommendedValue, UserValue any
					UnconfiguredBehavesLike     struct{ V2 any }
				}
			}
		}
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		t.Fatal(err)
	}
	if tag := manifest.Artifacts["Chat-dev"].Properties.Tags["chat:stage"]; tag != "dev" {
		t.Errorf("the stack's tag is %q", tag)
	}
	flags := manifest.Artifacts["aws-cdk-lib/feature-flag-report"].Properties.Flags
	if len(flags) < 50 {
		t.Errorf("the report is of %d feature flags", len(flags))
	}
	for name, flag := range flags {
		is := cmp.Or(flag.UserValue, flag.UnconfiguredBehavesLike.V2, any(false))
		if !reflect.DeepEqual(is, flag.RecommendedValue) {
			t.Errorf("the feature flag %s is %v, recommended is %v: set it in cdk.json", name, is,
				flag.RecommendedValue)
		}
	}
}

// Wrong context is one clear line and a non-zero exit.
func TestWrongContextAtTheCommandLine(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the app")
	}
	infra := filepath.Join(t.TempDir(), "infra")
	if b, err := exec.Command("go", "build", "-o", infra, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	for context, says := range map[string]string{
		`{"memorySize":"7"}`: `infra: context: memorySize is "7": it must be a whole number from ` +
			`128 to 10240`,
		`{"lambdaRuntime":"python3.9"}`: `infra: context: lambdaRuntime is "python3.9": it must be ` +
			`provided.al2023 or provided.al2`,
		`{"allowedOrigins":"example.com"}`: `infra: context: allowedOrigins is "example.com": it must be an ` +
			`origin such as https://chat.example.com, with no path`,
		`{"allowedOrigins":["https://*.a.b"]}`: `infra: context: allowedOrigins is "https://*.a.b": it must name ` +
			`one host: give each subdomain as an origin of its own`,
		`{"alarmEmail":true,"team":"payments"}`: `infra: context: alarmEmail is true: it must be an e-mail address ` +
			`such as ops@example.com`,
		`{"auth-issuer":"https://a.example"}`: `infra: context: there is no setting "auth-issuer": write ` +
			`authIssuer if you mean that, or give yours another name`,
		`{"domainName":"chat.example.com"}`: `infra: context: domainName and certificateArn need each other: ` +
			`give both, or neither`,
		`{"stage":"a b","memorySize":"many"}`: `infra: context: stage is "a b": it must be 1 to 64 letters, ` +
			`digits or -; memorySize is "many": it must be a whole number from 128 to 10240`,
	} {
		cmd := exec.Command(infra)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "CDK_CONTEXT_JSON="+context, "CDK_OUTDIR="+t.TempDir())
		b, err := cmd.CombinedOutput()
		if _, failed := err.(*exec.ExitError); !failed {
			t.Errorf("%s: ended with %v", context, err)
		}
		if got := strings.TrimSpace(string(b)); got != says {
			t.Errorf("%s: says\n%s\nwant\n%s", context, got, says)
		}
	}
}

// A program that was built with -trimpath does not know the folder of its source: it looks for it where it runs.
func TestTheSourceIsFoundAtRunTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the app twice")
	}
	installed.Program(t, "node")
	infra := filepath.Join(t.TempDir(), "infra")
	if b, err := exec.Command("go", "build", "-trimpath", "-o", infra, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	root := filepath.Dir(installed.Dir())
	for _, tc := range []struct {
		dir  string
		says string // "" if it works from there
	}{
		{root, ""},
		{filepath.Join(root, "infra", "testdata"), ""},
		{t.TempDir(), "infra: the function's source is not here: run this in the project's folder, where cdk.json " +
			"is, with Go on PATH (go list"},
	} {
		cmd := exec.Command(infra)
		cmd.Dir = tc.dir
		out := t.TempDir()
		cmd.Env = append(os.Environ(), "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON=")
		b, err := cmd.CombinedOutput()
		said := strings.TrimSpace(string(b))
		if _, missing := os.Stat(filepath.Join(out, "Chat-dev.template.json")); (err == nil) != (tc.says == "") ||
			(missing == nil) != (err == nil) {
			t.Errorf("in %s: %v\n%s", tc.dir, err, said)
		}
		if err != nil && (!strings.HasPrefix(said, tc.says) || strings.Contains(said, "\n")) {
			t.Errorf("in %s it says %s", tc.dir, said)
		}
	}
}
