package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
		for _, part := range []string{"awscdk", "jsii", "wschat/pkg/local", "wschat/infra", "wschat/test", "testing",
			"github.com/aws/aws-sdk-go-v2/config"} {
			if strings.Contains(dep, part) {
				t.Errorf("%s is in the function", dep)
			}
		}
	}
}

// The function as it is deployed: built for arm64, with nothing that it does not need.
func TestTheBinaryIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the function")
	}
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
	const most = 9_900_000
	t.Logf("%d bytes", info.Size())
	if info.Size() > most {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), most)
	}
}
