package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// client is a person at a WebSocket client library.
type client struct{ conn *websocket.Conn }

var _ person = client{}

func dial(url string) (client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return client{}, err
	}
	conn.SetReadLimit(1 << 20)
	return client{conn}, nil
}

// handshake returns the status and the body with which a handshake is answered.
func handshake(url string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, url, nil)
	if answer == nil {
		return 0, "", err
	}
	if err == nil {
		return http.StatusSwitchingProtocols, "", conn.CloseNow()
	}
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func (c client) send(frame string) error {
	return c.conn.Write(context.Background(), websocket.MessageText, []byte(frame))
}

func (c client) next(ctx context.Context) (string, error) {
	_, b, err := c.conn.Read(ctx)
	return string(b), err
}

func (c client) close() error { return c.conn.Close(websocket.StatusNormalClosure, "") }

// wscat is a person at wscat: what they type, and what it prints.
type wscat struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	frames chan string
	once   sync.Once
}

var _ person = (*wscat)(nil)

func startWscat(path, url string) (*wscat, error) {
	// With -P it prints a line when it is connected: it sends a ping, whose answer it shows.
	w := &wscat{cmd: exec.Command(path, "--slash", "-P", "-c", url), frames: make(chan string, 100)}
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
	for range 100 { // what is typed before it is connected is lost
		if err := w.send("/ping"); err != nil {
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

// read takes frames from what wscat prints: those of the chat begin with {, after wscat's own signs.
func (w *wscat) read(out io.Reader, ready chan struct{}) {
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

func (w *wscat) send(frame string) error {
	_, err := io.WriteString(w.in, frame+"\n")
	return err
}

func (w *wscat) next(ctx context.Context) (string, error) {
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

// close ends wscat as Ctrl-D does.
func (w *wscat) close() (err error) {
	w.once.Do(func() {
		_ = w.in.Close()
		err = w.cmd.Wait()
	})
	return err
}

// match says how a frame differs from what was expected, or "".
func match(want, got string) string {
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return fmt.Sprintf("the expected frame is no JSON: %v", err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		return fmt.Sprintf("that is no JSON: %v", err)
	}
	return differ("", w, g)
}

func differ(path string, want, got any) string {
	if want == "*" {
		return ""
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				return fmt.Sprintf("%s.%s was not expected", path, name)
			}
		}
		for name, value := range w {
			if _, ok := g[name]; !ok {
				return fmt.Sprintf("%s.%s is missing", path, name)
			}
			if problem := differ(path+"."+name, value, g[name]); problem != "" {
				return problem
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		if len(g) != len(w) {
			return fmt.Sprintf("%s has %d elements, not %d", path, len(g), len(w))
		}
		for i := range w {
			if problem := differ(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); problem != "" {
				return problem
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s is %.200v, not %.200v", path, got, want)
	}
	return ""
}
