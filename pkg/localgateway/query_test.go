package localgateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A query that cannot be read is refused, and no part of it is dropped: for a handshake, an HTTP route and
// @connections alike.
func TestAMalformedQueryIsRefused(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	for query, good := range map[string]bool{
		"a;b":             false,
		"a=1;b=2":         false,
		"a=1&b;c":         false,
		";":               false,
		"%zz":             false,
		"a=%zz":           false,
		"a=1&b=%":         false,
		"a=1&b=%4":        false,
		"%=1":             false,
		"a=1&=%g0":        false,
		"room_name=%ff":   false, // no UTF-8
		"%c3=1":           false,
		"a=%ed%a0%80":     false, // half a surrogate pair
		"a=\xff":          false,
		"":                true,
		"a":               true,
		"&":               true,
		"a=1&a=2":         true,
		"a=%3B&b=%25zz":   true,
		"a=b=c":           true,
		"a=caf%C3%A9+bar": true,
		"a=?/:@!$'()*,":   true,
	} {
		want := map[bool]int{true: 101, false: 400}[good]
		if _, answer := handshake(t, addr, "/dev?"+query); answer.StatusCode != want {
			t.Errorf("a handshake with ?%s: %d, want %d", query, answer.StatusCode, want)
		} else if body, _ := io.ReadAll(io.LimitReader(answer.Body, 1000)); !good &&
			!strings.Contains(string(body), "query string") {
			t.Errorf("a handshake with ?%s: %s", query, body)
		}
		for method, path := range map[string]string{"GET": "/ping", "DELETE": "/dev/@connections/AAAAAAAAAAAAAAA="} {
			want := map[bool]int{true: map[string]int{"GET": 200, "DELETE": 410}[method], false: 400}[good]
			if got := request(t, addr, method, path+"?"+query); got != want {
				t.Errorf("%s %s?%s: %d, want %d", method, path, query, got, want)
			}
		}
		if got := len(f.events); (got == 0) == good {
			t.Errorf("?%s: %d invocations", query, got)
		}
		for len(f.events) > 0 {
			<-f.events
		}
	}
}

// request sends a request whose target is written as it is given, and returns the status.
func request(t *testing.T, addr, method, target string) int {
	t.Helper()
	conn := tcp(t, addr)
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method,
		target); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}
