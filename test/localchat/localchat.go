// Package localchat starts the chat on this machine for a test, as its command does.
package localchat

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wschat/test/installed"
)

// Chat is a running chat.
type Chat struct {
	URL     string        // of its WebSocket API
	Printed *bufio.Reader // what the command prints after the line with that
}

// Start builds the command, and runs it with these flags until the test ends. Its messages are in a file of its own.
func Start(t testing.TB, flags ...string) Chat {
	t.Helper()
	program := filepath.Join(t.TempDir(), "local")
	build := exec.Command("go", "build", "-o", program, "./infra/local")
	build.Dir = filepath.Dir(installed.Dir())
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the chat: %v\n%s", err, out)
	}
	server := exec.Command(program, append([]string{"-addr", "127.0.0.1:0", "-data", filepath.Join(t.TempDir(), "chat.db")}, flags...)...)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	printed := bufio.NewReader(out)
	line, err := printed.ReadString('\n')
	if err != nil {
		t.Fatalf("the chat printed no URL: %v", err)
	}
	return Chat{URL: strings.TrimSpace(line[strings.Index(line, "ws://"):]), Printed: printed}
}
