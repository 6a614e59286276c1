package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The command is for any functions, and not only for those of this project.
func TestItImportsTheLocalPackagesAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	own := []string{"wschat/pkg/localruntime", "wschat/pkg/localgateway", "wschat/pkg/localgateway/template",
		"wschat/pkg/localgateway/cmd/gateway"}
	found := 0
	for p := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(p, "wschat/") {
			found++
			if !slices.Contains(own, p) {
				t.Errorf("it imports %s", p)
			}
		}
	}
	if found != len(own) {
		t.Errorf("go list names %d packages of this module", found)
	}
}
