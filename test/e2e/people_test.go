package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/coder/websocket"

	"wschat/test/wscat"
)

// socket is a person at a WebSocket library: the test writes its frames.
type socket struct{ conn *websocket.Conn }

var _ person = socket{}

func dial(url string, subprotocols ...string) (socket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: subprotocols})
	if err != nil {
		return socket{}, err
	}
	conn.SetReadLimit(1 << 20)
	return socket{conn}, nil
}

// handshake returns the status and the body with which a handshake is answered.
func handshake(url string, subprotocols ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: subprotocols})
	if answer == nil {
		return 0, "", err
	}
	if err == nil {
		return http.StatusSwitchingProtocols, "", conn.CloseNow()
	}
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func (c socket) send(frame string) error {
	return c.conn.Write(context.Background(), websocket.MessageText, []byte(frame))
}

func (c socket) next(ctx context.Context) (string, error) {
	_, b, err := c.conn.Read(ctx)
	return string(b), err
}

func (c socket) close() error { return c.conn.Close(websocket.StatusNormalClosure, "") }

// typist is a person at wscat.
type typist struct{ *wscat.Client }

var _ person = typist{}

func (t typist) send(frame string) error                            { return t.Send(frame) }
func (t typist) next(ctx context.Context) (frame string, err error) { return t.Next(ctx) }
func (t typist) close() error                                       { return t.Close() }

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
