package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// wrong is a gateway with one fault, which is in one of these places, and the behaviours that it fails.
type wrong struct {
	config  func(c *localgateway.Config)
	handler func(next localgateway.Handler) localgateway.Handler // also of the authorizer
	front   func(next http.Handler) http.Handler
	fails   string // names and groups of them as event-*, separated by spaces
}

// handlerFunc is a Handler that is a function.
type handlerFunc func(ctx context.Context, payload []byte) ([]byte, error)

func (f handlerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// object is a JSON object.
type object = map[string]any

func parseObject(payload []byte) (o object) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	_ = d.Decode(&o)
	return o
}

// kindOf is an event's type: CONNECT, MESSAGE, DISCONNECT, REQUEST for an authorizer's, HTTP for that of an HTTP API.
func kindOf(event object) string {
	context, _ := event["requestContext"].(object)
	switch {
	case event["type"] == "REQUEST":
		return "REQUEST"
	case event["version"] == "2.0":
		return "HTTP"
	}
	return fmt.Sprint(context["eventType"])
}

// editEvents edits events of these kinds before the function gets them.
func editEvents(edit func(event, context object), kinds ...string) func(localgateway.Handler) localgateway.Handler {
	return func(next localgateway.Handler) localgateway.Handler {
		return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			event := parseObject(payload)
			if slices.Contains(kinds, kindOf(event)) {
				edit(event, event["requestContext"].(object))
				payload, _ = json.Marshal(event)
			}
			return next.Invoke(ctx, payload)
		})
	}
}

// editResponses edits the responses to events of these kinds. edit gets nil for a failure, and returns nil for one.
func editResponses(edit func(event object, response any) any, kinds ...string) func(
	localgateway.Handler) localgateway.Handler {
	return func(next localgateway.Handler) localgateway.Handler {
		return handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			answer, err := next.Invoke(ctx, payload)
			event := parseObject(payload)
			if !slices.Contains(kinds, kindOf(event)) {
				return answer, err
			}
			var response any
			if err == nil {
				response, _ = decodeAny(answer)
			}
			edited := edit(event, response)
			if edited == nil && err == nil {
				err = errors.New("the function failed")
			}
			if edited == nil {
				return nil, err
			}
			return json.Marshal(edited)
		})
	}
}

// editStatus changes statuses of answers to requests whose path has a part.
func editStatus(from, to int, part string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, part) {
				w = &statusWriter{w, from, to}
			}
			next.ServeHTTP(w, r)
		})
	}
}

type statusWriter struct {
	http.ResponseWriter
	from, to int
}

func (w *statusWriter) WriteHeader(status int) {
	if status == w.from {
		status = w.to
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// editRequests changes requests before the gateway gets them.
func editRequests(edit func(r *http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			edit(r)
			next.ServeHTTP(w, r)
		})
	}
}

// editFrames changes the frames that the gateway sends, and the bytes that it reads.
func editFrames(frames func(ws.Frame) []ws.Frame, read func(c net.Conn, b []byte) int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&frameWriter{w, frames, read}, r)
		})
	}
}

type frameWriter struct {
	http.ResponseWriter
	frames func(ws.Frame) []ws.Frame
	read   func(c net.Conn, b []byte) int
}

func (w *frameWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return &frameConn{conn, w.frames, w.read}, rw, err
}

// frameConn is a connection to which the gateway writes one frame at a time.
type frameConn struct {
	net.Conn
	frames func(ws.Frame) []ws.Frame
	read   func(c net.Conn, b []byte) int
}

func (c *frameConn) Write(b []byte) (int, error) {
	payload := bytes.NewBuffer(bytes.Clone(b))
	header, err := ws.ReadHeader(payload)
	if err != nil || c.frames == nil {
		return c.Conn.Write(b)
	}
	for _, f := range c.frames(ws.Frame{Header: header, Payload: payload.Bytes()}) {
		if _, err := c.Conn.Write(ws.MustCompileFrame(f)); err != nil { // at once, for a further frameConn
			return 0, err
		}
	}
	return len(b), nil
}

func (c *frameConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.read != nil {
		n = copy(b, b[n-c.read(c.Conn, b[:n]):n])
	}
	return n, err
}

// The suite fails gateways that are wrong: exactly the behaviours that a fault concerns fail, and each behaviour fails
// somewhere.
func TestWrongGatewaysFail(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the suite several times")
	}
	s := loaded(t)
	shorten(&s)
	w := newWorld(t)
	failed := map[string]bool{}
	var wg sync.WaitGroup
	for i, group := range groups(t, s) {
		target := w.deploy(t, s, fmt.Sprintf("group%d-", i), group.all())
		target.Patience = 3 * time.Second
		wg.Go(func() { group.check(t, s, target) })
		for _, fault := range group {
			for _, name := range fault.names {
				failed[name] = true
			}
		}
	}
	wg.Wait()
	for _, b := range s.Behaviours {
		if b.Slow == "" && !failed[b.Name] {
			t.Errorf("no gateway fails %s", b.Name)
		}
	}
}

// faults are those of one gateway. No behaviour is concerned by two of them.
type faults []fault

// fault is one of the wrongs.
type fault struct {
	wrong
	is    string   // what is wrong
	names []string // of the behaviours that fail
}

// groups puts the wrongs into as few gateways as it can easily find.
func groups(t *testing.T, s Suite) (all []faults) {
	t.Helper()
	for _, wrongs := range []map[string]wrong{functionWrongs, eventWrongs, wireWrongs} {
		for _, is := range slices.Sorted(maps.Keys(wrongs)) {
			f := fault{wrongs[is], is, wrongs[is].names(t, s)}
			if len(f.names) == 0 {
				t.Errorf("%s: it fails nothing", is)
			}
			i := slices.IndexFunc(all, func(group faults) bool { return group.takes(f) })
			if i < 0 {
				i, all = len(all), append(all, nil)
			}
			all[i] = append(all[i], f)
		}
	}
	return all
}

// takes reports whether a further fault concerns other behaviours than these.
func (group faults) takes(further fault) bool {
	return !slices.ContainsFunc(group, func(f fault) bool {
		return slices.ContainsFunc(f.names, func(name string) bool { return slices.Contains(further.names, name) })
	})
}

// all is the gateway that has all these faults.
func (group faults) all() (all wrong) {
	all.config = func(c *localgateway.Config) {
		for _, f := range group {
			if f.config != nil {
				f.config(c)
			}
		}
	}
	all.handler = func(h localgateway.Handler) localgateway.Handler {
		for _, f := range group {
			if f.handler != nil {
				h = f.handler(h)
			}
		}
		return h
	}
	all.front = func(h http.Handler) http.Handler {
		for _, f := range group {
			if f.front != nil {
				h = f.front(h)
			}
		}
		return h
	}
	return all
}

// check runs the suite against the gateway with these faults.
func (group faults) check(t *testing.T, s Suite, target Target) {
	t.Helper()
	got := failures(s.Run(t.Context(), target))
	var further []Behaviour
	for _, b := range s.Behaviours {
		if _, failed := got[b.Name]; failed && group.takes(fault{names: []string{b.Name}}) {
			further = append(further, b)
		}
	}
	target.Patience = 20 * time.Second // perhaps the machine was slow
	for name, reason := range failures(Suite{Behaviours: further}.Run(t.Context(), target)) {
		t.Errorf("%s fails, and no fault concerns it: %s; the faults are %s", name, reason, group)
	}
	for _, f := range group {
		for _, name := range f.names {
			if _, failed := got[name]; !failed {
				t.Errorf("%s: %s does not fail", f.is, name)
			}
		}
	}
}

func (group faults) String() string {
	var text []string
	for _, f := range group {
		text = append(text, f.is)
	}
	return strings.Join(text, "; ")
}

// names are the names of the behaviours that a wrong gateway fails, sorted.
func (f wrong) names(t *testing.T, s Suite) (names []string) {
	t.Helper()
	for _, pattern := range strings.Fields(f.fails) {
		before := len(names)
		for _, b := range s.Behaviours {
			if ok, err := path.Match(pattern, b.Name); err != nil {
				t.Fatal(err)
			} else if ok && b.Slow == "" {
				names = append(names, b.Name)
			}
		}
		if len(names) == before {
			t.Errorf("no behaviour has the name %s", pattern)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// failures are the reasons of failed behaviours, by their names.
func failures(results []Result) map[string]string {
	failed := map[string]string{}
	for _, r := range results {
		if r.Outcome == Failed {
			failed[r.Behaviour.Name] = r.Reason
		}
	}
	return failed
}

// shorten makes a wait of the suite shorter.
func shorten(s *Suite) {
	for _, b := range s.Behaviours {
		for _, list := range [][]json.RawMessage{b.When, b.Then} {
			for i := range list {
				list[i] = bytes.ReplaceAll(list[i], []byte("3000"), []byte("1000"))
			}
		}
	}
}
