package localgateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"wschat/pkg/localgateway"
)

// The error types of a signature that is refused.
const (
	missing    = "MissingAuthenticationTokenException"
	incomplete = "IncompleteSignatureException"
	unknown    = "UnrecognizedClientException"
	invalid    = "InvalidSignatureException"
)

// signing is how a test signs a request. Its zero value is right for withIAM.
type signing struct {
	id, secret, token, service, payloadHash string
	age                                     time.Duration
}

// inHeaders signs a request with the SDK's signer, in its headers.
func (s signing) inHeaders(t *testing.T, r *http.Request) {
	t.Helper()
	err := v4.NewSigner().SignHTTP(t.Context(), s.credentials(), r, s.hash(t, r), s.serviceName(), "eu-central-1",
		time.Now().Add(-s.age).UTC())
	if err != nil {
		t.Fatal(err)
	}
}

// inQuery signs a request with the SDK's signer, in its query.
func (s signing) inQuery(t *testing.T, r *http.Request) {
	t.Helper()
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), s.credentials(), r, s.hash(t, r), s.serviceName(),
		"eu-central-1", time.Now().Add(-s.age).UTC())
	if err != nil {
		t.Fatal(err)
	}
	if r.URL, err = url.Parse(signed); err != nil {
		t.Fatal(err)
	}
}

func (s signing) credentials() aws.Credentials {
	c := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: s.token}
	if s.id != "" {
		c.AccessKeyID = s.id
	}
	if s.secret != "" {
		c.SecretAccessKey = s.secret
	}
	return c
}

func (s signing) serviceName() string {
	if s.service != "" {
		return s.service
	}
	return "execute-api"
}

func (s signing) hash(t *testing.T, r *http.Request) string {
	t.Helper()
	if s.payloadHash != "" {
		return s.payloadHash
	}
	var body []byte
	if r.GetBody != nil {
		reader, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if body, err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// A call of @connections may be signed in the query as well.
func TestACallThatIsSignedInTheQuery(t *testing.T) {
	_, addr, id := withCredentials(t)
	for _, tc := range []struct {
		name, body string
		status     int
	}{{"as it was signed", "hi", 200}, {"with another body", "ho", 403}} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/dev/@connections/"+
			url.PathEscape(id), strings.NewReader("hi"))
		if err != nil {
			t.Fatal(err)
		}
		signing{}.inQuery(t, r)
		if status, name, _ := call(t, "POST", r.URL.String(), tc.body); status != tc.status {
			t.Errorf("%s: %d %s, want %d", tc.name, status, name, tc.status)
		}
	}
}

// FuzzSignatures: whatever query, header and body a call has, the SDK's signature of it is taken, and is not taken for
// another body.
func FuzzSignatures(f *testing.F) {
	config := localgateway.Config{Handler: &function{}, Credentials: &localgateway.Credentials{AccessKeyID: "AKID",
		SecretAccessKey: "secret"}}
	gw, err := localgateway.New(config)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a=b&a=&c", "x  y", []byte("hi"), true)
	f.Add("aB=1&a%5B=2&a-b=3&a~=%2B+%20&=", " a,b ", []byte{}, false)
	f.Fuzz(func(t *testing.T, query, header string, body []byte, inQuery bool) {
		if _, err := url.ParseQuery(query); err != nil || strings.Contains(strings.ToLower(query), "x-amz") {
			return
		}
		r := httptest.NewRequest("POST", "/dev/@connections/AAAAAAAAAAAAAAA%3D", bytes.NewReader(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.URL.Host, r.URL.RawQuery = r.Host, query
		r.Header.Set("Origin", header)
		if inQuery {
			signing{}.inQuery(t, r)
		} else {
			signing{}.inHeaders(t, r)
		}
		answer := httptest.NewRecorder()
		if gw.ServeHTTP(answer, r); answer.Code == 403 {
			t.Errorf("%q, %q, %q: %s", query, header, body, answer.Body)
		}
		r.Body = io.NopCloser(bytes.NewReader(append(body, 'x')))
		answer = httptest.NewRecorder()
		if gw.ServeHTTP(answer, r); answer.Code != 403 && answer.Code != 400 && answer.Code != 413 {
			t.Errorf("%q, %q, %q: another body got %d", query, header, body, answer.Code)
		}
	})
}
