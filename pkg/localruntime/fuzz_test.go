package localruntime

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Whatever a process says to the runtime API, each invocation that it takes is answered once at most, and by the first
// answer that has its id.
func FuzzTheRuntimeAPI(f *testing.F) {
	for _, seed := range []string{"", "n", "nr", "nrr", "nnr", "nre", "nwer", "ininr", "iinr", "rnr", "nm", "nrnrne"} {
		f.Add(seed, "{}")
	}
	f.Fuzz(func(t *testing.T, steps, body string) {
		p := &process{next: make(chan *invocation), initError: make(chan *FunctionError, 1)}
		api := p.handler()
		var current *invocation // in flight
		send := func(method, path string, header ...string) int {
			r := httptest.NewRequest(method, "/2018-06-01/runtime/"+path, strings.NewReader(body))
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if !slices.Contains([]int{200, 202, 400, 403}, w.Code) || !strings.HasPrefix(w.Body.String(), "{") {
				t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
			return w.Code
		}
		answers := func(path string) {
			expected := 400
			if current != nil {
				path = strings.Replace(path, "ID", current.id, 1)
				expected = 403
				if !p.answered {
					expected = 202
				}
			}
			if got := send("POST", path); got != expected {
				t.Errorf("after %q: %s gets %d, not %d", steps, path, got, expected)
			}
		}
		for _, step := range steps {
			switch step {
			case 'n':
				current = takeNext(t, p, api, current)
			case 'r':
				answers("invocation/ID/response")
			case 'e':
				answers("invocation/ID/error")
			case 'w':
				if got := send("POST", "invocation/"+requestID()+"/response"); got != 400 {
					t.Errorf("a wrong id gets %d", got)
				}
			case 'm':
				if got := send("POST", "invocation/x/response", headerResponseMode, body+"x"); got != 400 {
					t.Errorf("a wrong mode gets %d", got)
				}
			case 'i':
				before := p.started
				if got := send("POST", "init/error"); (got == 202) == before {
					t.Errorf("after %q: a failed start gets %d", steps, got)
				}
			}
		}
		if len(p.initError) == 1 && current != nil {
			t.Errorf("%q: a process that failed to start got an event", steps)
		}
	})
}

// takeNext asks for an event, and returns the invocation that the process then has.
func takeNext(t *testing.T, p *process, api http.Handler, current *invocation) *invocation {
	if current != nil && p.answered != (len(current.answer) == 1) {
		t.Fatalf("the invocation has %d answers", len(current.answer))
	}
	in := &invocation{id: requestID(), payload: []byte("{}"), answer: make(chan answer, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case p.next <- in:
		case <-ctx.Done():
		}
	}()
	may := !p.failed && (current == nil || p.answered)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("GET", "/2018-06-01/runtime/invocation/next", nil))
	if may != (w.Code == 200) || may != (w.Header().Get(headerRequestID) == in.id) {
		t.Fatalf("an event: status %d, %v", w.Code, w.Header())
	}
	if may {
		return in
	}
	return current
}

// A process that cannot start says why, and exits. What it said is the invocation's error, whatever is seen first.
func TestAProcessThatSaysWhyItExits(t *testing.T) {
	said := &FunctionError{Reason: "said"}
	for range 100 {
		p := &process{initError: make(chan *FunctionError, 1), exited: make(chan struct{})}
		p.initError <- said
		close(p.exited)
		if _, err := p.run(t.Context(), &invocation{}); err != said {
			t.Fatalf("got %v", err)
		}
	}
}
