package localgateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
)

// withIAM is a configuration whose clients must sign.
func withIAM(token string) localgateway.Config {
	c := allRoutes
	c.IAM = true
	c.Credentials = &localgateway.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: token}
	return c
}

// replaced sets the query's text anew, with old replaced.
func replaced(r *http.Request, old, new string) {
	r.URL.RawQuery = strings.Replace(r.URL.RawQuery, old, new, 1)
}

// Each handshake is signed in headers and in the query, and changed after that.
func TestClientsSignTheirHandshakes(t *testing.T) {
	nothing := func(*http.Request) {}
	otherDate := func(r *http.Request) {
		at := time.Now().Add(time.Minute).UTC().Format("20060102T150405Z")
		if r.Header.Get("X-Amz-Date") != "" {
			r.Header.Set("X-Amz-Date", at)
			return
		}
		query := r.URL.Query()
		query.Set("X-Amz-Date", at)
		r.URL.RawQuery = query.Encode()
	}
	scope := func(old, new string) func(r *http.Request) {
		return func(r *http.Request) {
			replaced(r, url.QueryEscape(old), url.QueryEscape(new))
			if header := r.Header.Get("Authorization"); header != "" {
				r.Header.Set("Authorization", strings.Replace(header, old, new, 1))
			}
		}
	}
	for _, tc := range []struct {
		name   string
		sign   signing
		change func(r *http.Request)
		want   string // the error type; "" if the client is let in
	}{
		{"unchanged", signing{}, nothing, ""},
		{"four minutes old", signing{age: 4 * time.Minute}, nothing, ""},
		{"six minutes old", signing{age: 6 * time.Minute}, nothing, invalid},
		{"from the future", signing{age: -6 * time.Minute}, nothing, invalid},
		{"not signed", signing{}, func(r *http.Request) { r.Header, r.URL.RawQuery = http.Header{}, "room=a" },
			missing},
		{"another key", signing{id: "OTHER"}, nothing, unknown},
		{"another secret", signing{secret: "other"}, nothing, invalid},
		{"another service", signing{service: "s3"}, nothing, invalid},
		{"a session token that nobody asks for", signing{token: "token"}, nothing, ""},
		{"the hash of another body", signing{payloadHash: strings.Repeat("0", 64)}, nothing, invalid},
		{"no hash of the body", signing{payloadHash: "UNSIGNED-PAYLOAD"}, nothing, invalid},
		{"another path", signing{}, func(r *http.Request) { r.URL.Path = "/dev/" }, invalid},
		{"another parameter", signing{}, func(r *http.Request) { replaced(r, "room=a", "room=b") }, invalid},
		{"a parameter less", signing{}, func(r *http.Request) { replaced(r, "&user=", "") }, invalid},
		{"a parameter more", signing{}, func(r *http.Request) { r.URL.RawQuery += "&x=1" }, invalid},
		{"a parameter twice", signing{}, func(r *http.Request) { r.URL.RawQuery += "&room=a%20b" }, invalid},
		{"a parameter in other letters", signing{}, func(r *http.Request) { replaced(r, "room=", "Room=") }, invalid},
		{"parameters in another order", signing{}, func(r *http.Request) {
			parameters := strings.Split(r.URL.RawQuery, "&")
			slices.Reverse(parameters)
			r.URL.RawQuery = strings.Join(parameters, "&")
		}, ""},
		{"a plus for a space", signing{}, func(r *http.Request) { replaced(r, "room=a%20b", "room=a+b") }, ""},
		{"small letters in what is encoded", signing{}, func(r *http.Request) { replaced(r, "%C3%A9", "%c3%a9") }, ""},
		{"another host", signing{}, func(r *http.Request) { r.Host = "example.com" }, invalid},
		{"another port", signing{}, func(r *http.Request) { r.Host = "127.0.0.1:1" }, invalid},
		{"another date", signing{}, otherDate, invalid},
		{"another day in the scope", signing{}, scope("/20", "/19"), invalid},
		{"another Region in the scope", signing{}, scope("/eu-central-1/", "/eu-central-2/"), invalid},
		{"another service in the scope", signing{service: "s3"}, scope("/s3/", "/execute-api/"), invalid},
		{"another service in the scope alone", signing{}, scope("/execute-api/", "/s3/"), invalid},
		{"another end of the scope", signing{}, scope("/aws4_request", "/aws5_request"), incomplete},
		{"another key in the scope", signing{id: "OTHER", secret: "other"}, scope("OTHER/", "AKID/"), invalid},
		{"a header more", signing{}, func(r *http.Request) { r.Header.Set("X-Other", "1") }, ""},
	} {
		for kind, sign := range map[string]func(*testing.T, *http.Request){"headers": tc.sign.inHeaders,
			"query": tc.sign.inQuery} {
			t.Run(tc.name+" in "+kind, func(t *testing.T) {
				f, _, addr := serve(t, withIAM(""), nil)
				r := httptest.NewRequest("GET", "http://"+addr+"/dev?room=a%20b&user=&user=%C3%A9", nil)
				sign(t, r)
				tc.change(r)
				if got := dialSigned(t, addr, r); got != tc.want {
					t.Errorf("got %q, want %q", got, tc.want)
				}
				if invoked := len(f.events) > 0; invoked != (tc.want == "") {
					t.Errorf("$connect was invoked: %v", invoked)
				}
			})
		}
	}
}

// dialSigned tries a handshake with the path, the query and the headers of a request. It returns the error type of a
// 403, or "" if the client is let in.
func dialSigned(t *testing.T, addr string, r *http.Request) string {
	t.Helper()
	c, answer, err := websocket.Dial(t.Context(), "ws://"+addr+r.URL.RequestURI(),
		&websocket.DialOptions{HTTPHeader: r.Header, Host: r.Host})
	if err == nil {
		_ = c.CloseNow()
		return ""
	}
	if answer == nil || answer.StatusCode != 403 {
		t.Fatalf("got %v, want a handshake or 403", err)
	}
	var got struct{ Message, ConnectionID, RequestID string }
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Message == "" || got.ConnectionID == "" ||
		got.RequestID == "" {
		t.Errorf("the body is %+v, %v", got, err)
	}
	return answer.Header.Get("x-amzn-ErrorType")
}

func TestTheHabitsOfSigners(t *testing.T) {
	_, _, addr := serve(t, withIAM(""), nil)
	_, port, _ := strings.Cut(addr, ":")
	for _, tc := range []struct {
		name   string
		inURL  bool
		before func(r *http.Request)
		after  func(r *http.Request)
		age    time.Duration
		want   string
	}{
		{"a host without its port", false, func(r *http.Request) { r.Host = "localhost" },
			func(r *http.Request) { r.Host = "localhost:" + port }, 0, ""},
		{"a host without its port in the query", true, func(r *http.Request) { r.Host = "localhost" },
			func(r *http.Request) { r.Host = "localhost:" + port }, 0, ""},
		{"a host in brackets without its port", true, func(r *http.Request) { r.Host = "[::1]" },
			func(r *http.Request) { r.Host = "[::1]:" + port }, 0, ""},
		{"a host that starts like the port", true, func(r *http.Request) { r.Host = "localhost" },
			func(r *http.Request) { r.Host = "localhost.example.com:" + port }, 0, invalid},
		{"no spaces in the header", false, nil, func(r *http.Request) {
			r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), ", ", ","))
		}, 0, ""},
		{"a signed hash of no body", false, func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
		}, nil, 0, ""},
		{"a signed header with many spaces", false, func(r *http.Request) { r.Header.Set("X-Signed", "a   b") },
			func(r *http.Request) { r.Header.Set("X-Signed", "a  b") }, 0, ""},
		{"a signed header of two lines", false, func(r *http.Request) { r.Header["X-Signed"] = []string{"a", "b"} },
			nil, 0, ""},
		{"a signed header that was removed", false, func(r *http.Request) { r.Header.Set("X-Signed", "a") },
			func(r *http.Request) { r.Header.Del("X-Signed") }, 0, invalid},
		{"a signed header in the query's signature", true, func(r *http.Request) { r.Header.Set("Origin", "http://a") },
			nil, 0, ""},
		{"that was changed", true, func(r *http.Request) { r.Header.Set("Origin", "http://a") },
			func(r *http.Request) { r.Header.Set("Origin", "http://b") }, 0, invalid},
		{"ten minutes", true, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=600" }, nil, 9 * time.Minute,
			""},
		{"a week", true, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=604800" }, nil, 9 * time.Minute, ""},
		{"two minutes", true, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=120" }, nil,
			4 * time.Minute, invalid},
		{"more than a week", true, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=604801" }, nil,
			0, incomplete},
		{"no time at all", true, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=0" }, nil,
			0, incomplete},
		{"a time that is none", true, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=soon" }, nil,
			0, incomplete},
		{"a time that was changed", true, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=120" },
			func(r *http.Request) { replaced(r, "X-Amz-Expires=120", "X-Amz-Expires=600") },
			4 * time.Minute, invalid},
		{"another algorithm", true, nil, func(r *http.Request) { replaced(r, "HMAC-SHA256", "HMAC-SHA1") },
			0, incomplete},
		{"two signatures", true, nil, func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=x" },
			0, incomplete},
		{"no signature", true, nil, func(r *http.Request) { replaced(r, "X-Amz-Signature", "X-Amz-Sign") },
			0, incomplete},
		{"a signature in the query beside the header", false, nil,
			func(r *http.Request) { r.URL.RawQuery += "X-Amz-Signature=x" }, 0, invalid},
		{"no host among the signed headers", true, nil, func(r *http.Request) {
			replaced(r, "SignedHeaders=host", "SignedHeaders=origin")
		}, 0, incomplete},
		{"no signed headers", true, nil, func(r *http.Request) { replaced(r, "SignedHeaders=host", "SignedHeaders=") },
			0, incomplete},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://"+addr+"/dev", nil)
			if tc.before != nil {
				tc.before(r)
			}
			sign := signing{age: tc.age}
			if tc.inURL {
				sign.inQuery(t, r)
			} else {
				sign.inHeaders(t, r)
			}
			if tc.after != nil {
				tc.after(r)
			}
			if got := dialSigned(t, addr, r); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSessionTokens(t *testing.T) {
	_, _, addr := serve(t, withIAM("session+/="), nil)
	for _, tc := range []struct{ token, want string }{{"session+/=", ""}, {"", unknown}, {"other", unknown}} {
		r := httptest.NewRequest("GET", "http://"+addr+"/dev", nil)
		signing{token: tc.token}.inHeaders(t, r)
		if got := dialSigned(t, addr, r); got != tc.want {
			t.Errorf("in headers, %q: got %q, want %q", tc.token, got, tc.want)
		}
		r = httptest.NewRequest("GET", "http://"+addr+"/dev", nil)
		signing{token: tc.token}.inQuery(t, r)
		if got := dialSigned(t, addr, r); got != tc.want {
			t.Errorf("in the query, %q: got %q, want %q", tc.token, got, tc.want)
		}
	}
	r := httptest.NewRequest("GET", "http://"+addr+"/dev", nil)
	signing{}.inQuery(t, r)
	r.URL.RawQuery += "&X-Amz-Security-Token=" + url.QueryEscape("session+/=")
	if got := dialSigned(t, addr, r); got != invalid {
		t.Errorf("a token that was not signed: got %q", got)
	}
}

func TestTheEventsOfASignedConnection(t *testing.T) {
	f, _, addr := serve(t, withIAM(""), nil)
	r := httptest.NewRequest("GET", "http://"+addr+"/dev", nil)
	signing{}.inQuery(t, r)
	c := dial(t, "ws://"+addr+r.URL.RequestURI())
	write(t, c, "hi")
	events := []event{f.next(t), f.next(t)}
	r = httptest.NewRequest("GET", "http://"+addr+"/dev/@connections/"+events[0].Context.ConnectionID, nil)
	signing{}.inQuery(t, r)
	if status, _, body := call(t, "GET", r.URL.String(), ""); status != 200 || strings.Contains(body, "AKID") {
		t.Errorf("@connections: %d %s", status, body) // its identity has the address and the user agent alone
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
	for _, e := range append(events, f.next(t)) {
		var got struct {
			RequestContext struct{ Identity map[string]string }
		}
		if err := json.Unmarshal(e.raw, &got); err != nil {
			t.Fatal(err)
		}
		delete(got.RequestContext.Identity, "userAgent")
		want := map[string]string{"sourceIp": "127.0.0.1", "accessKey": "AKID", "accountId": "000000000000",
			"caller": "AKID", "user": "AKID", "userArn": "arn:aws:iam::000000000000:user/AKID"}
		if !maps.Equal(got.RequestContext.Identity, want) {
			t.Errorf("%s has the identity %v, want %v", e.Context.EventType, got.RequestContext.Identity, want)
		}
	}
	config := withIAM("")
	config.IAM = false
	f, _, addr = serve(t, config, nil)
	dial(t, "ws://"+addr+"/dev")
	if e := f.next(t); strings.Contains(string(e.raw), "AKID") {
		t.Errorf("without IAM: %s", e.raw)
	}
}
