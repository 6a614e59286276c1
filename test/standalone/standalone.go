// Package standalone has checks of packages that another project can take as they are: what they import, and whether
// their README says of each behaviour where it comes from and which test has it.
package standalone

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ImportsNothing fails if the package of the test imports another package of this module. name is the last part of its
// import path.
func ImportsNothing(t *testing.T, name string) {
	t.Helper()
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
	if !strings.HasSuffix(self, "/"+name) {
		t.Errorf("go list ends with %s", self)
	}
}

// READMENamesEveryTest fails unless the table of behaviours in the README of the test's package has so many rows at
// least, and names tests of the package alone, and all of them. Each link in it must lead somewhere.
func READMENamesEveryTest(t *testing.T, atLeast int) {
	t.Helper()
	tests := testFunctions(t)
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(raw)
	named := map[string]bool{}
	rows := 0
	for _, row := range tableAfter(t, readme, "| behaviour | AWS's source | the test's name |") {
		cells := strings.Split(strings.Trim(row, "| "), "|")
		if strings.HasPrefix(row, "| **") { // the title of a group
			continue
		}
		if rows++; len(cells) != 3 || strings.TrimSpace(cells[1]) == "" {
			t.Errorf("not three cells with a source: %s", row)
			continue
		}
		names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1)
		if len(names) == 0 {
			t.Errorf("no test: %s", row)
		}
		for _, name := range names {
			named[name[1]] = true
		}
	}
	if rows < atLeast {
		t.Errorf("the table has %d rows", rows)
	}
	for name := range named {
		if !tests[name] {
			t.Errorf("the README names %s, which is no test", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if !named[name] {
			t.Errorf("the README does not name %s", name)
		}
	}
	tableAfter(t, readme, "| not emulated | here |")
	for _, link := range regexp.MustCompile(`\[([\w-]+)\]`).FindAllStringSubmatch(readme, -1) {
		if !strings.Contains(readme, "\n"+link[0]+": https://") {
			t.Errorf("the link %s leads nowhere", link[0])
		}
		if strings.Count(readme, link[0]) < 2 {
			t.Errorf("no row has the link %s", link[0])
		}
	}
}

// tableAfter returns the rows of the table with this head.
func tableAfter(t *testing.T, text, head string) (rows []string) {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+head+"\n")
	if !ok {
		t.Fatalf("there is no table %s", head)
	}
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if !strings.HasPrefix(line, "| ---") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	return rows
}

// testFunctions are the names of the package's tests and fuzz tests.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if ok && f.Recv == nil && f.Name.Name != "TestMain" &&
				(strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}
