package localgateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/pkg/localgateway"
)

// The same seed strikes the same posts of the same connections, also if the connections are served in another order.
func TestFaultsAreRepeatable(t *testing.T) {
	t.Parallel()
	const connections, posts = 4, 250
	run := func(seed uint64, byConnection bool) string {
		f, gw, addr := serve(t, allRoutes, nil)
		setFaults(t, gw, seed, localgateway.Fault{Effect: localgateway.ThrottlePost, Rate: 0.2})
		var urls [connections]string
		for i := range urls {
			dial(t, "ws://"+addr+"/dev")
			urls[i] = "http://" + addr + "/dev/@connections/" + f.next(t).Context.ConnectionID
		}
		var struck [connections][posts]byte
		post := func(i, n int) {
			status, _, _ := call(t, "POST", urls[i], "x")
			struck[i][n] = '.'
			if status == 429 {
				struck[i][n] = 'x'
			}
		}
		for a := range connections * posts {
			if byConnection {
				post(a/posts, a%posts)
			} else {
				post(a%connections, a/connections)
			}
		}
		if struck[0] == struck[1] {
			t.Error("two connections met the same faults")
		}
		return fmt.Sprintf("%s", struck)
	}
	first := run(7, true)
	if again := run(7, false); again != first {
		t.Errorf("the same seed gave\n%s\nand then\n%s", first, again)
	}
	if other := run(8, true); other == first {
		t.Error("another seed gave the same")
	}
	if n := strings.Count(first, "x"); n < connections*posts/10 || n > connections*posts*3/10 {
		t.Errorf("a rate of 0.2 struck %d of %d", n, connections*posts)
	}
}

// The messages of one client are struck in their order. The order of their invocations changes nothing.
func TestFaultsOfInvocationsAreRepeatable(t *testing.T) {
	if testing.Short() {
		t.Skip("each of its runs waits for the end of a connection")
	}
	t.Parallel()
	const messages = 100
	run := func() string {
		f, gw, addr := serve(t, allRoutes, nil)
		setFaults(t, gw, 7, localgateway.Fault{Effect: localgateway.FailHandler, RouteKey: "echo", Rate: 0.5})
		c := dial(t, "ws://"+addr+"/dev")
		f.next(t)
		for i := range messages {
			write(t, c, fmt.Sprintf(`{"action":"echo","number":%d}`, i))
		}
		write(t, c, "the last")
		struck := []byte(strings.Repeat("x", messages))
		note := func(e event) {
			var body struct{ Number int }
			if json.Unmarshal([]byte(e.Body), &body) == nil {
				struck[body.Number] = '.'
			}
		}
		for {
			e := f.next(t)
			note(e)
			if e.Body == "the last" { // all before it are under way
				break
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := gw.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		for len(f.events) > 0 {
			note(f.next(t))
		}
		return string(struck)
	}
	first := run()
	if n := strings.Count(first, "x"); n < messages/4 || n > messages*3/4 {
		t.Errorf("a rate of 0.5 struck %d of %d", n, messages)
	}
	for range 3 {
		if again := run(); again != first {
			t.Fatalf("the same seed gave\n%s\nand then\n%s", first, again)
		}
	}
}
