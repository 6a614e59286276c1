// Package localchat builds the project's programs and starts the chat on this machine for a test, as its command does.
package localchat

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wschat/test/installed"
)

// Build builds one of the project's programs, such as ./infra/local, and returns its path.
func Build(t testing.TB, pkg string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), pkg)...)
	cmd.Dir = filepath.Dir(installed.Dir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// Chat is a running chat.
type Chat struct {
	*exec.Cmd
	Addr    string        // its host and port
	Printed *bufio.Reader // what the command prints after the line with its address
}

// URL is that of the WebSocket API.
func (c Chat) URL() string { return "ws://" + c.Addr + "/dev" }

// Run runs the built command in a folder, with its messages in a file there, and returns when it accepts connections.
// The caller ends the process.
func Run(program, dir string, log io.Writer, flags ...string) (Chat, error) {
	c := Chat{Cmd: exec.Command(program, append([]string{"-addr", "127.0.0.1:0", "-data", "chat.db"}, flags...)...)}
	c.Dir, c.Stderr = dir, log
	out, err := c.StdoutPipe()
	if err != nil {
		return Chat{}, err
	}
	if err := c.Cmd.Start(); err != nil {
		return Chat{}, err
	}
	c.Printed = bufio.NewReader(out)
	line, err := c.Printed.ReadString('\n')
	if err != nil {
		return Chat{}, err
	}
	_, rest, _ := strings.Cut(line, "http://")
	addr, _, ok := strings.Cut(rest, "/")
	if !ok {
		return Chat{}, fmt.Errorf("local printed %q", line)
	}
	c.Addr = addr
	return c, nil
}

// Start builds the command, and runs it with these flags until the test ends.
func Start(t testing.TB, flags ...string) Chat {
	t.Helper()
	c, err := Run(Build(t, "./infra/local"), t.TempDir(), io.Discard, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	})
	return c
}
