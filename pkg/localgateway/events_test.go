package localgateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

var update = flag.Bool("update", false, "write the golden events anew")

// handshake sends a WebSocket handshake with exactly these lines, and returns the socket and the answer.
func handshake(t *testing.T, addr, target string, headers ...string) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	lines := append([]string{"GET " + target + " HTTP/1.1", "Host: " + addr, "Connection: Upgrade",
		"Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, headers...)
	if _, err := fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return conn, answer
}

// dynamic finds what differs from run to run: ids of 16 characters, and the port.
var dynamic = regexp.MustCompile(`"(connectionId|requestId|extendedRequestId|messageId)": "([\w-]{15}=)"`)

var traceID = regexp.MustCompile(`Root=1-695735a5-[0-9a-f]{24}`) // with the time at which the clock stands

// compare compares an event with the golden one of that name.
func compare(t *testing.T, name, addr string, raw []byte) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	text := dynamic.ReplaceAllString(got.String(), `"$1": "AbCdEfGhIjKlMnO="`)
	text = traceID.ReplaceAllString(text, "Root=1-695735a5-0123456789abcdef01234567")
	text = strings.ReplaceAll(text, port, "PORT") + "\n"
	path := filepath.Join("testdata", "events", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, text, want)
	}
}

// Every kind of event, to the last field: testdata/events has them.
func TestGoldenEvents(t *testing.T) {
	config, _ := withClock()
	f, _, addr := serve(t, config, nil)
	conn, _ := handshake(t, addr, "/dev?room=a%20b&room=c&x=", "User-Agent: test/1", "Cookie: a=b", "Cookie: c=d",
		"Origin: http://example.com")
	compare(t, "connect", addr, f.next(t).raw)
	send := func(frame ws.Frame) {
		if err := ws.WriteFrame(conn, ws.MaskFrame(frame)); err != nil {
			t.Fatal(err)
		}
	}
	send(ws.NewTextFrame([]byte(`{"action":"echo", "text":"é \u00e9 <b>"}`)))
	compare(t, "message", addr, f.next(t).raw)
	send(ws.NewCloseFrame(nil))
	compare(t, "disconnect", addr, f.next(t).raw)
	handshake(t, addr, "/dev")
	compare(t, "connect-bare", addr, f.next(t).raw)

	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/ping?a=1&a=2&b", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"User-Agent": {"test/1"}, "Accept-Encoding": {"identity"}, "X-Two": {"a", "b"},
		"Cookie": {"a=b; c=d"}}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	compare(t, "http", addr, f.next(t).raw)

	a := &authorizer{answer: strings.TrimSuffix(answerOf("Allow"), "}") + `,"context":{"name":"Ann"}}`,
		asked: make(chan []byte, 100)}
	config.Authorizer = &localgateway.Authorizer{Handler: a}
	f, _, addr = serve(t, config, nil)
	conn, _ = handshake(t, addr, "/dev?token=x", "User-Agent: test/1")
	compare(t, "authorizer", addr, <-a.asked)
	compare(t, "connect-authorized", addr, f.next(t).raw)
	send(ws.NewTextFrame([]byte("hi")))
	compare(t, "message-authorized", addr, f.next(t).raw)
	send(ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "bored")))
	compare(t, "disconnect-authorized", addr, f.next(t).raw)
	handshake(t, addr, "/dev")
	compare(t, "authorizer-bare", addr, <-a.asked)
}

func answerOf(effect string) string { return answer(effect, "execute-api:Invoke", "ARN") }

// shape is an event's fields and their types, sorted.
func shape(t *testing.T, path string) (fields []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		if object, ok := v.(map[string]any); ok {
			for key, value := range object {
				walk(name+"."+key, value)
			}
			return
		}
		fields = append(fields, fmt.Sprintf("%s %T", name, v))
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	walk("", v)
	slices.Sort(fields)
	return fields
}

// The golden events have the fields of the events that aws-lambda-go keeps, which were captured from API Gateway.
func TestGoldenEventsHaveTheCapturedFields(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	captured := filepath.Join(strings.TrimSpace(string(dir)), "events", "testdata")
	for golden, file := range map[string]string{
		"message":    "apigw-websocket-request-send-message.json",
		"disconnect": "apigw-websocket-request-disconnect.json",
	} {
		got, want := shape(t, filepath.Join("testdata", "events", golden+".json")), shape(t,
			filepath.Join(captured, file))
		if !slices.Equal(got, want) {
			t.Errorf("%s has the fields\n%s\nthe captured one\n%s", golden, strings.Join(got, "\n"),
				strings.Join(want, "\n"))
		}
	}
}
