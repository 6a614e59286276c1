package localgateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// connect tries a handshake and returns its status.
func connect(t *testing.T, url string, options *websocket.DialOptions) int {
	t.Helper()
	c, answer, err := websocket.Dial(t.Context(), url, options)
	if err == nil {
		t.Cleanup(func() { _ = c.CloseNow() })
	} else if answer == nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

func TestNewConnectionsAreLimited(t *testing.T) {
	config, clock := withClock()
	config.Quotas = &localgateway.Quotas{ConnectionsPerSecond: 3}
	_, _, addr := serve(t, config, nil)
	for second, want := range [][]int{{101, 101, 101, 429, 429}, {101, 101, 101, 429}} {
		for i, status := range want {
			if got := connect(t, "ws://"+addr+"/dev", nil); got != status {
				t.Errorf("second %d, handshake %d: %d, want %d", second, i, got, status)
			}
		}
		clock.Advance(time.Second)
	}
}

func TestMessagesAndCallsShareTheAccountsQuota(t *testing.T) {
	config, clock := withClock()
	config.Quotas = &localgateway.Quotas{RequestsPerSecond: 2, RequestBurst: 4}
	f, _, addr := serve(t, config, nil)
	c := dial(t, "ws://"+addr+"/dev")
	post := "http://" + addr + "/dev/@connections/" + f.next(t).Context.ConnectionID
	spend := func(round string) { // 4 requests of three kinds
		t.Helper()
		write(t, c, round)
		if got := f.next(t).Body; got != round {
			t.Errorf("got %q", got)
		}
		for range 2 {
			if status, _, _ := call(t, "POST", post, "hi"); status != 200 {
				t.Errorf("%s: a post: %d", round, status)
			}
			read(t, c)
		}
		if status, _, _ := call(t, "GET", "http://"+addr+"/ping", ""); status != 200 {
			t.Errorf("%s: a call of a route: %d", round, status)
		}
		f.next(t)
	}
	spend("first")
	if status, name, _ := call(t, "POST", post, "over"); status != 429 || name != "LimitExceededException" {
		t.Errorf("a post that is over: %d %s", status, name)
	}
	if status, _, _ := call(t, "GET", post, ""); status != 429 {
		t.Errorf("a GET that is over: %d", status)
	}
	if status, _, _ := call(t, "GET", "http://"+addr+"/ping", ""); status != 429 {
		t.Errorf("a route that is over: %d", status)
	}
	write(t, c, "over")
	if got := read(t, c); !strings.Contains(got, `"message":"Too Many Requests","connectionId":"`) {
		t.Errorf("a message that is over: %s", got)
	}
	select {
	case e := <-f.events:
		t.Errorf("what was over reached the handler: %s", e.raw)
	default:
	}
	clock.Advance(time.Hour) // no more than the burst is saved up
	c = dial(t, "ws://"+addr+"/dev")
	post = "http://" + addr + "/dev/@connections/" + nextConnect(t, f)
	spend("second")
	if status, _, _ := call(t, "POST", post, "over"); status != 429 {
		t.Errorf("more than the burst: %d", status)
	}
	clock.Advance(time.Second)
	for i, want := range []int{200, 200, 429} {
		if status, _, _ := call(t, "POST", post, "hi"); status != want {
			t.Errorf("a second later, post %d: %d, want %d", i, status, want)
		}
	}
}

// nextConnect is the connection id of the next CONNECT event.
func nextConnect(t *testing.T, f *function) string {
	t.Helper()
	for {
		if e := f.next(t); e.Context.EventType == "CONNECT" {
			return e.Context.ConnectionID
		}
	}
}

// If nothing is said, there are no limits; with &Quotas{} there are AWS's.
func TestQuotasAreOffByDefault(t *testing.T) {
	for _, tc := range []struct {
		quotas *localgateway.Quotas
		passed int
	}{{nil, 6000}, {&localgateway.Quotas{}, 5000}} {
		config, _ := withClock()
		config.Quotas = tc.quotas
		gw, err := localgateway.New(func() localgateway.Config { config.Handler = &function{}; return config }())
		if err != nil {
			t.Fatal(err)
		}
		passed := 0
		for range 6000 {
			if status := serveDirectly(gw, "POST", "/dev/@connections/AAAAAAAAAAAAAAA="); status == 410 {
				passed++
			} else if status != 429 {
				t.Fatal(status)
			}
		}
		if passed != tc.passed {
			t.Errorf("%+v: %d of 6,000 calls at once passed, want %d", tc.quotas, passed, tc.passed)
		}
	}
}
