package client_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A program that uses the client links the standard library, one WebSocket library and a page of this module.
func TestItImportsNothingOfAWS(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "wschat/pkg/client") {
		t.Fatalf("go list names only %v", packages)
	}
	for _, p := range packages {
		switch {
		case strings.HasPrefix(p, "github.com/coder/websocket"), p == "wschat/pkg/backoff", p == "wschat/pkg/client":
		default:
			t.Errorf("it imports %s", p)
		}
	}
}
