package localchat

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"wschat/test/dynamolocal"
	"wschat/test/installed"
)

// database is the DynamoDB Local of all tests, and function is what they run on it: both take seconds to make.
var (
	database dynamolocal.Server
	function bootstrap
)

func TestMain(m *testing.M) {
	// These tests wait most of the time, as clients do: so by default, more of them run than there are processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	database.Stop()
	function.remove()
	os.Exit(code)
}

// bootstrap is the built function, for several tests.
type bootstrap struct {
	mu  sync.Mutex
	dir string
}

// build builds the function if no test has built it, and returns its path.
func (b *bootstrap) build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds the function")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	path := filepath.Join(b.dir, "bootstrap")
	if b.dir != "" {
		return path
	}
	dir, err := os.MkdirTemp("", "function")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", path, "./lambda")
	cmd.Dir = filepath.Dir(installed.Dir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.dir = dir
	return path
}

func (b *bootstrap) remove() { _ = os.RemoveAll(b.dir) }
