package localruntime_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"wschat/pkg/localruntime"
)

// byHand is a process whose runtime API the test calls instead.
type byHand struct {
	t       *testing.T
	pool    *localruntime.Pool
	address string
	ended   chan result // of each invocation
}

type result struct {
	response string
	err      error
}

// callByHand starts a process for an invocation of the event {}.
func callByHand(t *testing.T) *byHand {
	t.Helper()
	output, printed := io.Pipe()
	p, err := localruntime.New(localruntime.Config{
		Bootstrap: os.Args[0], Env: []string{"FUNCTION=leaves its API to the test"}, Output: printed,
		Region: "eu-west-1", Account: "123456789012", Name: "by-hand",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	h := &byHand{t: t, pool: p, ended: make(chan result, 1)}
	h.invoke()
	h.address, err = bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	h.address = strings.TrimSpace(h.address)
	return h
}

// invoke begins an invocation of the event {}.
func (h *byHand) invoke() {
	go func() {
		response, err := call(h.t, h.pool, "{}")
		h.ended <- result{response, err}
	}()
}

// send sends a request to the runtime API, and returns the answer's status, headers and body.
func (h *byHand) send(method, path, body string, header ...string) (int, http.Header, string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+h.address+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(got)
}

// expect sends a request and expects a status, and the type of the error; "" is for no error.
func (h *byHand) expect(status int, kind, method, path, body string, header ...string) {
	h.t.Helper()
	got, headers, answer := h.send(method, path, body, header...)
	want := `^\{"errorMessage":"[^"]+","errorType":"` + kind + `"\}$`
	if kind == "" {
		want = `^\{"status":"OK"\}$`
	}
	if got != status || !regexp.MustCompile(want).MatchString(answer) ||
		headers.Get("Content-Type") != "application/json" {
		h.t.Errorf("%s %s: got %d %s; want %d %s", method, path, got, answer, status, kind)
	}
}

const (
	api       = "/2018-06-01/runtime/"
	nextEvent = api + "invocation/next"
	initError = api + "init/error"
)

// take takes the event, and returns the path of the invocation.
func (h *byHand) take() string {
	h.t.Helper()
	status, header, _ := h.send("GET", nextEvent, "")
	if status != 200 {
		h.t.Fatalf("the status is %d", status)
	}
	return api + "invocation/" + header.Get("Lambda-Runtime-Aws-Request-Id")
}

// returns expects what the invocation returns.
func (h *byHand) returns(want string) {
	h.t.Helper()
	if got := <-h.ended; got.err != nil || got.response != want {
		h.t.Errorf("the invocation returns %.100s, %v; want %.100s", got.response, got.err, want)
	}
}

// fails expects the payload with which the invocation fails.
func (h *byHand) fails(want string) {
	h.t.Helper()
	got := <-h.ended
	if failed, ok := errors.AsType[*localruntime.FunctionError](got.err); !ok || string(failed.Payload) != want {
		h.t.Errorf("the invocation returns %v; want %s", got.err, want)
	}
}

func TestWhatComesWithAnEvent(t *testing.T) {
	t.Parallel()
	h := callByHand(t)
	before := time.Now()
	status, header, body := h.send("GET", nextEvent, "")
	if status != 200 || body != "{}" || header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s, %v", status, body, header)
	}
	for name, pattern := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"Lambda-Runtime-Invoked-Function-Arn": `^arn:aws:lambda:eu-west-1:123456789012:function:by-hand$`,
		"Lambda-Runtime-Trace-Id":             `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`,
		"Lambda-Runtime-Deadline-Ms":          `^\d{13}$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(header.Get(name)) {
			t.Errorf("%s is %q", name, header.Get(name))
		}
	}
	deadline, err := strconv.ParseInt(header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if left := time.UnixMilli(deadline).Sub(before); err != nil || left <= 0 || left > 20*time.Second {
		t.Errorf("the deadline is in %v, %v", left, err)
	}
	h.expect(202, "", "POST", api+"invocation/"+header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "1")
	h.returns("1")
}

// A process that says nonsense is told so, and its invocation is not lost.
func TestWhatTheRuntimeAPIRefuses(t *testing.T) {
	t.Parallel()
	h := callByHand(t)
	const other = api + "invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd"
	h.expect(400, "InvalidRequestID", "POST", other+"/response", "0") // nothing is in flight
	invocation := h.take()
	h.expect(400, "InvalidRequestID", "POST", other+"/response", "0")
	h.expect(400, "InvalidRequestID", "POST", other+"/error", "{}")
	h.expect(403, "InvalidStateTransition", "GET", nextEvent, "") // it has not answered yet
	h.expect(403, "InvalidStateTransition", "POST", initError, "{}")
	h.expect(400, "InvalidFunctionResponseMode", "POST", invocation+"/response", "0",
		"Lambda-Runtime-Function-Response-Mode", "buffered")
	for _, path := range []string{"/", api, api + "invocation", invocation, invocation + "/garbage", "/%ff/../..",
		"/2015-03-31/runtime/invocation/next"} {
		if status, _, _ := h.send("POST", path, "0"); status != 404 {
			t.Errorf("POST %s: got %d", path, status)
		}
	}
	for method, path := range map[string]string{"POST": nextEvent, "GET": invocation + "/response",
		"DELETE": initError} {
		if status, _, _ := h.send(method, path, ""); status != 405 {
			t.Errorf("%s %s: got %d", method, path, status)
		}
	}
	h.expect(202, "", "POST", invocation+"/response", "1")
	h.returns("1")
	h.expect(403, "InvalidStateTransition", "POST", invocation+"/response", "2")
	h.expect(403, "InvalidStateTransition", "POST", invocation+"/error", "{}")

	h.invoke() // the process can go on
	again := h.take()
	h.expect(400, "InvalidRequestID", "POST", invocation+"/response", "3")
	h.expect(202, "", "POST", again+"/error", `{"errorMessage":"m","errorType":"T"}`)
	h.fails(`{"errorMessage":"m","errorType":"T"}`)
}

// An id belongs to the process that has its event.
func TestAnotherProcesssID(t *testing.T) {
	t.Parallel()
	a, b := callByHand(t), callByHand(t)
	ofA, ofB := a.take(), b.take()
	a.expect(400, "InvalidRequestID", "POST", ofB+"/response", `"of a"`)
	b.expect(400, "InvalidRequestID", "POST", ofA+"/response", `"of b"`)
	a.expect(202, "", "POST", ofA+"/response", `"a"`)
	b.expect(202, "", "POST", ofB+"/response", `"b"`)
	a.returns(`"a"`)
	b.returns(`"b"`)
}

// The invocation for which a process was started gets the error of its start.
func TestAnErrorOfTheStart(t *testing.T) {
	t.Parallel()
	h := callByHand(t)
	h.expect(202, "", "POST", initError, `{"errorMessage":"m","errorType":"T"}`)
	h.fails(`{"errorMessage":"m","errorType":"T"}`)
}

func TestAResponseThatIsTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 6<<20 + 100
	h := callByHand(t)
	h.expect(413, "RequestEntityTooLarge", "POST", h.take()+"/response", strings.Repeat(" ", limit+1))
	h.fails(`{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",` +
		`"errorType":"Function.ResponseSizeTooLarge"}`)
	h.invoke() // a client that writes all of it before it reads
	head := fmt.Sprintf("POST %s/response HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", h.take(), 8*limit)
	if got := h.raw(head+strings.Repeat(" ", 8*limit), false); got != "HTTP/1.1 413 Request Entity Too Large" {
		t.Errorf("got %s", got)
	}
	<-h.ended
	h.invoke()
	h.expect(202, "", "POST", h.take()+"/response", strings.Repeat(" ", limit))
	h.returns(strings.Repeat(" ", limit))
}

// raw sends bytes to the runtime API and returns the first line of the answer.
func (h *byHand) raw(bytes string, hangUp bool) string {
	h.t.Helper()
	c, err := net.Dial("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, bytes); err != nil {
		h.t.Fatal(err)
	}
	if hangUp {
		_ = c.(*net.TCPConn).CloseWrite()
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// A body has a length, or it comes in pieces. One that ends before its length fails the invocation.
func TestBodiesOfOtherForms(t *testing.T) {
	t.Parallel()
	const chunked = "/response HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	for _, tc := range []struct{ request, status, payload string }{
		{"/response HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12", "HTTP/1.1 400 Bad Request", ""},
		{"/response HTTP/1.0\r\n\r\n", "HTTP/1.0 202 Accepted", ""}, // no length and no pieces: no body
		{chunked + "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n" +
			"1\r\n1\r\n0\r\nLambda-Runtime-Function-Error-Type: T\r\n" +
			"Lambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n\r\n", "HTTP/1.1 202 Accepted", `{"a":1}`},
		{chunked + "Trailer: Lambda-Runtime-Function-Error-Type\r\n\r\n" +
			"0\r\nLambda-Runtime-Function-Error-Type: T\r\n\r\n", "HTTP/1.1 202 Accepted",
			`{"errorMessage":"","errorType":"T"}`},
	} {
		h := callByHand(t)
		invocation := h.take()
		if got := h.raw("POST "+invocation+tc.request, true); got != tc.status {
			t.Errorf("%q: got %s", tc.request, got)
		}
		got := <-h.ended
		failed, ok := errors.AsType[*localruntime.FunctionError](got.err)
		if (tc.status != "HTTP/1.0 202 Accepted") != ok || ok && string(failed.Payload) != tc.payload {
			t.Errorf("%q: got %s, %v", tc.request, got.response, got.err)
		}
	}
	h := callByHand(t)
	for _, garbage := range []string{"\x00\xff\r\n\r\n", "GET / HTTP/9\r\n\r\n", "POST",
		"GET " + nextEvent + " HTTP/1.1\r\n\r\n"} {
		if got := h.raw(garbage, true); !strings.HasPrefix(got, "HTTP/1.1 ") && got != "" {
			t.Errorf("%q: got %s", garbage, got)
		}
	}
	h.expect(202, "", "POST", h.take()+"/response", "1", "Lambda-Runtime-Function-Response-Mode", "streaming")
	h.returns("1")
}

func TestAFunctionThatIsTooSlow(t *testing.T) {
	t.Parallel()
	p := pool(t, localruntime.Config{Timeout: 300 * time.Millisecond})
	_, err := invoke(t, p, "hang")
	failed, ok := errors.AsType[*localruntime.FunctionError](err)
	if !ok || failed.ErrorType() != "Sandbox.Timedout" ||
		!strings.HasSuffix(failed.ErrorMessage(), " Error: Task timed out after 0.30 seconds") {
		t.Errorf("got %v", err)
	}
	got, err := invoke(t, p, "hi") // by another process, because the hanging one is gone
	for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); {
		got, err = invoke(t, p, "hi") // perhaps the machine is too slow to start it within the timeout
	}
	if err != nil || got != "hi 1" {
		t.Errorf("got %q, %v", got, err)
	}
}

// Only the deadline of the function is its own failure.
func TestACallerThatGivesUp(t *testing.T) {
	t.Parallel()
	p := pool(t, localruntime.Config{Timeout: 20 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := p.Invoke(ctx, []byte(`"hang"`)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	busy := pool(t, localruntime.Config{MaxProcesses: 1})
	begun := make(chan struct{})
	go func() {
		close(begun)
		_, _ = busy.Invoke(t.Context(), []byte(`"hang"`))
	}()
	<-begun
	for err := error(nil); !errors.Is(err, context.DeadlineExceeded); { // until the other one has the only process
		if err != nil {
			t.Fatalf("while all processes are busy: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err = busy.Invoke(ctx, []byte(`"hi"`))
		cancel()
	}
}
