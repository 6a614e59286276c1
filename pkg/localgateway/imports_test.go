package localgateway_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Another project can take this package as it is.
func TestItImportsNothingOfThisProject(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	self := packages[len(packages)-1] // dependencies come first
	module, _, _ := strings.Cut(self, "/")
	for _, p := range packages {
		if strings.HasPrefix(p, module+"/") && p != self {
			t.Errorf("it imports %s", p)
		}
	}
	if !strings.HasSuffix(self, "/localgateway") {
		t.Errorf("go list ends with %s", self)
	}
}
