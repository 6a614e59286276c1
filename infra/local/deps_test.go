package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Running the chat on one machine must not need the CDK, which is large and needs Node.js.
func TestNothingOfTheCDKIsNeeded(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "wschat/pkg/localgateway") {
		t.Fatalf("go list names no localgateway: %s", out)
	}
	for _, part := range []string{"aws-cdk-go", "jsii", "constructs-go"} {
		if strings.Contains(string(out), part) {
			t.Errorf("infra/local needs %s", part)
		}
	}
}
