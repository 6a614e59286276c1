package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"wschat/test/installed"
)

// The app is synthesised as people do it, by the CLI, and by the program itself. A program that was built with
// -trimpath does not know the folder of its source, and looks for it where it runs. Each run compiles the function
// anew, and the same source is the same asset. The CLI complains of nothing.
func TestTheRealCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the app, and synthesises three times")
	}
	cdk := installed.Node(t, "cdk")
	installed.Program(t, "node")
	root := filepath.Dir(installed.Dir())
	infra := buildApp(t)
	assets := map[string]string{} // of the function, by the run
	var mu sync.Mutex
	t.Run("runs", func(t *testing.T) {
		t.Run("the CLI", func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			cmd := exec.Command(cdk, "synth", "--quiet", "--output", out)
			cmd.Dir = root
			if b, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(b), "flags are not configured") {
				t.Fatalf("%v\n%s", err, b)
			}
			checkManifest(t, filepath.Join(out, "manifest.json"))
			mu.Lock()
			defer mu.Unlock()
			assets["the CLI"] = checkAsset(t, out)
		})
		for _, dir := range []string{root, filepath.Join(root, "infra", "testdata")} {
			t.Run("the program in "+filepath.Base(dir), func(t *testing.T) {
				t.Parallel()
				out := t.TempDir()
				if said, err := runApp(infra, dir, out); err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
				mu.Lock()
				defer mu.Unlock()
				assets[dir] = checkAsset(t, out)
			})
		}
		t.Run("the program elsewhere", func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			said, err := runApp(infra, t.TempDir(), out)
			says := "infra: the function's source is not here: run this in the project's folder, where cdk.json is, " +
				"with Go on PATH (go list"
			if err == nil || !strings.HasPrefix(said, says) || strings.Contains(said, "\n") {
				t.Errorf("%v\n%s", err, said)
			}
			if _, err := os.Stat(filepath.Join(out, "Chat-dev.template.json")); err == nil {
				t.Error("it makes a template all the same")
			}
		})
	})
	hashes := slices.Sorted(maps.Values(assets))
	if len(hashes) != 3 || hashes[0] == "" || hashes[0] != hashes[2] {
		t.Errorf("the function's asset is %v, want the same three times", assets)
	}
}

// buildApp builds the app without the paths of this machine, and returns the program's path.
func buildApp(t *testing.T) string {
	t.Helper()
	infra := filepath.Join(t.TempDir(), "infra")
	if b, err := exec.Command("go", "build", "-trimpath", "-o", infra, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return infra
}

// runApp runs the app in a folder, as the CLI does, and returns what it says.
func runApp(infra, dir, out string) (said string, err error) {
	cmd := exec.Command(infra)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON=")
	b, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(b)), err
}

// checkAsset fails if a synthesised stack has no template or no function that can be run. It returns the hash of the
// function's asset.
func checkAsset(t *testing.T, out string) (hash string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(out, "Chat-dev.template.json")); err != nil {
		t.Error(err)
	}
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
	zips := 0
	for name, file := range manifest.Files {
		if file.Source.Packaging == "zip" {
			zips++
			hash = name
			info, err := os.Stat(filepath.Join(out, file.Source.Path, "bootstrap"))
			if err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("the asset holds no executable bootstrap: %v", err)
			}
		}
	}
	if zips != 1 {
		t.Errorf("there are %d assets of functions", zips)
	}
	return hash
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
	infra := buildApp(t)
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
