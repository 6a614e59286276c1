package protocol_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wschat/test/installed"
)

// What a real parser says of the document. Its examples and schemas are held against real frames in test/e2e.
func TestTheAsyncAPIDocumentIsValid(t *testing.T) {
	installed.File(t, "node_modules/@asyncapi/parser")
	node := installed.Program(t, "node")
	out, err := exec.Command(node, filepath.Join(installed.Dir(), "asyncapi.mjs"), "asyncapi.yaml").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// The codes are documented where clients' authors read.
func TestEveryCodeIsDocumented(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	source := read("../chat/errors.go")
	codes := regexp.MustCompile(`(?m)^\tCode\w+ +Code = "(\w+)"`).FindAllStringSubmatch(source, -1)
	if len(codes) == 0 {
		t.Fatal("no code was found")
	}
	asyncAPI, readme := read("asyncapi.yaml"), read("../../README.md")
	for _, code := range codes {
		if !strings.Contains(asyncAPI, "\n        - "+code[1]+"\n") {
			t.Errorf("asyncapi.yaml does not list %s", code[1])
		}
		if !strings.Contains(readme, "`"+code[1]+"`") {
			t.Errorf("README.md does not explain %s", code[1])
		}
	}
}
