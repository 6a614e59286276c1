// Package installed finds the programs that ./test/run installs for the tests. If one is missing, a plain go test
// skips what needs it, and ./test/run fails.
package installed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// RequireAll is the environment variable that ./test/run sets, so that a test which cannot run is a failure.
const RequireAll = "TEST_REQUIRE_ALL"

// Node returns the path of a program of the Node packages in test/package.json, such as "wscat".
func Node(t testing.TB, program string) string {
	t.Helper()
	return File(t, filepath.Join("node_modules", ".bin", program))
}

// File returns the path of an installed file, given below the folder test.
func File(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Dir(), filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		missing(t, name)
	}
	return path
}

// NodeVersion returns the path of Node.js of a major version, 20 or 22, which a Node package carries.
func NodeVersion(t testing.TB, major int) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return File(t, fmt.Sprintf("node_modules/node%d-%s-%s/bin/node", major, runtime.GOOS, arch))
}

// Program returns the path of the first of these programs that is on PATH, such as "java".
func Program(t testing.TB, programs ...string) string {
	t.Helper()
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	missing(t, strings.Join(programs, " or "))
	return ""
}

// Dir is the folder test of the checkout that the working directory is in, which for a test is its package's folder.
// (Where the source was at compile time is not known to a test that was built with -trimpath.)
func Dir() string {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return filepath.Join(dir, "test")
		}
	}
	panic(fmt.Sprintf("installed: no go.mod in or above the working directory %s: %v", dir, err))
}

func missing(t testing.TB, program string) {
	t.Helper()
	if os.Getenv(RequireAll) != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed: ./test/run installs it", program)
}
