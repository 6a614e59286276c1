package localchat

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wschat/test/installed"
)

// clientConfig is what testdata/client.mjs is told at its start.
type clientConfig struct {
	Module string `json:"module"` // where client.js is
	URL    string `json:"url"`
	User   string `json:"user,omitempty"`
	Token  string `json:"token,omitempty"`
	Tokens string `json:"tokens,omitempty"` // a URL where a token is fetched before each connection
	WS     string `json:"ws,omitempty"`     // the path of npm's ws; "" for Node's own WebSocket

	Clients int `json:"clients,omitempty"` // how many, of the names USER0, USER1, …; 0 for one of the name USER
}

// clientEvent is a line that it prints.
type clientEvent struct {
	Client  int // its number
	Event   string
	Room    string
	State   string
	Index   int64
	Content string
	Code    string
	Message string
	Members int

	at time.Time
}

// nodeClient is client.js in a Node process.
type nodeClient struct {
	input io.Writer
	ended chan struct{} // closed when the process has ended

	mu     sync.Mutex
	events []clientEvent
	errors strings.Builder // what it wrote to its standard error
}

// nodes are the combinations of Node and a WebSocket that client.js must work with.
func nodes(t *testing.T) map[string]struct{ node, ws string } {
	t.Helper()
	ws := "file://" + installed.File(t, "node_modules/ws/wrapper.mjs")
	return map[string]struct{ node, ws string }{
		"Node 20 and ws":    {installed.NodeVersion(t, 20), ws},
		"Node 22 and ws":    {installed.NodeVersion(t, 22), ws},
		"Node 22 by itself": {installed.NodeVersion(t, 22), ""},
	}
}

// eachNode runs a test of client.js, beside the others, in every combination.
func eachNode(t *testing.T, test func(t *testing.T, start func(clientConfig) *nodeClient)) {
	for name, n := range nodes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			test(t, func(c clientConfig) *nodeClient {
				c.WS = n.ws
				return startNodeClient(t, n.node, c)
			})
		})
	}
}

func startNodeClient(t *testing.T, node string, c clientConfig) *nodeClient {
	t.Helper()
	module, err := filepath.Abs("../webclient/files/client.js")
	if err != nil {
		t.Fatal(err)
	}
	// As on the page, the file is a module; Node goes by the name.
	source, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "client.mjs")
	if err := os.WriteFile(copied, source, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Module = "file://" + copied
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	n := &nodeClient{ended: make(chan struct{})}
	cmd := exec.Command(node, "testdata/client.mjs", string(config))
	cmd.Stderr = &n.errors
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if n.input, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			e := clientEvent{at: time.Now()}
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				n.mu.Lock()
				n.events = append(n.events, e)
				n.mu.Unlock()
			}
		}
		_ = cmd.Wait()
		close(n.ended)
	}()
	t.Cleanup(func() {
		n.do(t, "close", "", "")
		select {
		case <-n.ended:
		case <-time.After(5 * time.Second):
			t.Error("the process of a client that is closed does not end")
			_ = cmd.Process.Kill()
		}
		if n.errors.Len() > 0 {
			t.Errorf("the client says %s", n.errors.String())
		}
	})
	return n
}

// do tells the client to do something.
func (n *nodeClient) do(t *testing.T, what, room, content string) {
	t.Helper()
	line, err := json.Marshal(map[string]string{"do": what, "room": room, "content": content})
	if err == nil {
		_, err = fmt.Fprintf(n.input, "%s\n", line)
	}
	if err != nil {
		t.Errorf("%s: %v; the client says %s", what, err, n.errors.String())
	}
}

// seen is a copy of the events so far.
func (n *nodeClient) seen() []clientEvent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]clientEvent(nil), n.events...)
}

// waitFor waits for an event after the first so many, and returns it.
func (n *nodeClient) waitFor(t *testing.T, after int, within time.Duration, what string,
	is func(clientEvent) bool) clientEvent {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, e := range n.seen()[after:] {
			if is(e) {
				return e
			}
		}
		select {
		case <-n.ended:
			t.Fatalf("the process ended before %s: %+v\n%s", what, n.seen(), n.errors.String())
		default:
		}
	}
	t.Fatalf("no %s within %v: %+v", what, within, n.seen()[after:])
	return clientEvent{}
}

func stateIs(state string) func(clientEvent) bool {
	return func(e clientEvent) bool { return e.Event == "state" && e.State == state }
}

func messageIs(content string) func(clientEvent) bool {
	return func(e clientEvent) bool { return e.Event == "message" && e.Content == content }
}
