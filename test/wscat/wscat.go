// Package wscat types into the real wscat (https://github.com/websockets/wscat) and reads what it prints.
package wscat

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Client is a wscat process with its input and its output.
type Client struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	frames chan string
	once   sync.Once
}

// Start starts wscat, the program at path, with optional further flags. It returns when wscat is connected to the URL.
func Start(path, url string, flags ...string) (*Client, error) {
	// With -P wscat prints the pong that answers its ping. So the first pong shows that it is connected.
	w := &Client{cmd: exec.Command(path, append(flags, "--slash", "-P", "-c", url)...), frames: make(chan string, 100)}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go w.read(out, ready)
	for range 100 { // wscat loses input that comes before it is connected
		if err := w.Send("/ping"); err != nil {
			return nil, err
		}
		select {
		case <-ready:
			return w, nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("wscat does not connect to %s", url)
}

// read finds frames in the output of wscat. A frame of the chat begins with {, after wscat's own prompt.
func (w *Client) read(out io.Reader, ready chan struct{}) {
	defer close(w.frames)
	var once sync.Once
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "pong") {
			once.Do(func() { close(ready) })
		}
		if i := strings.Index(lines.Text(), "{"); i >= 0 {
			w.frames <- lines.Text()[i:]
		}
	}
}

// Send types a line.
func (w *Client) Send(frame string) error {
	_, err := io.WriteString(w.in, frame+"\n")
	return err
}

// Next returns the next frame of the chat that wscat prints, or io.EOF if wscat has ended.
func (w *Client) Next(ctx context.Context) (string, error) {
	select {
	case frame, ok := <-w.frames:
		if !ok {
			return "", io.EOF
		}
		return frame, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Close ends wscat as Ctrl-D does.
func (w *Client) Close() (err error) {
	w.once.Do(func() {
		_ = w.in.Close()
		err = w.cmd.Wait()
	})
	return err
}
