package dynamolocal

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Fault is what can happen to one HTTP request to DynamoDB.
type Fault string

// The faults.
const (
	None      Fault = ""
	Throttled Fault = "throttled"     // refused, with DynamoDB's own error
	Failed    Fault = "failed"        // 500
	Reset     Fault = "reset"         // the connection breaks before the request arrives
	Lost      Fault = "answer lost"   // the request takes effect, and the connection breaks before its answer arrives
	Hanging   Fault = "never answers" // nor is it carried out
)

// AllFaults are those that are some.
func AllFaults() []Fault { return []Fault{Throttled, Failed, Reset, Lost, Hanging} }

// Network is an HTTP transport to DynamoDB on which things go wrong. The zero value is one on which nothing does.
type Network struct {
	mu       sync.Mutex
	requests []string                     // operations, in order
	decide   func(n int, op string) Fault // of the nth request, counted from 0; nil for no fault
}

// RoundTrip carries out a request, or has it go wrong.
func (n *Network) RoundTrip(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch fault := n.next(op); fault {
	case Throttled:
		return answer(r, 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",`+
			`"message":"slow down"}`), nil
	case Failed:
		return answer(r, 500, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"oops"}`), nil
	case Reset:
		return nil, fmt.Errorf("write: %w", syscall.ECONNRESET)
	case Hanging:
		_, _ = io.Copy(io.Discard, r.Body) // or a proxy does not see that its client gives up
		<-r.Context().Done()
		return nil, r.Context().Err()
	case Lost:
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
	default:
		return http.DefaultTransport.RoundTrip(r)
	}
}

func (n *Network) next(op string) Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	number := len(n.requests)
	n.requests = append(n.requests, op)
	if n.decide == nil {
		return None
	}
	return n.decide(number, op)
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)), Request: r}
}

// Begin starts counting requests anew, with what is to go wrong: decide is asked for the nth request, counted from 0.
// Nil has nothing go wrong.
func (n *Network) Begin(decide func(n int, op string) Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests, n.decide = nil, decide
}

// Note adds something else that happened to the requests.
func (n *Network) Note(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests = append(n.requests, what)
}

// Requests are the operations that were asked for, in order.
func (n *Network) Requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.requests)
}

// Count is how many requests there were.
func (n *Network) Count() int { return len(n.Requests()) }
