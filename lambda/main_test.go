package main

import (
	"os/exec"
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
