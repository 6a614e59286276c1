package localgateway_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"
	"github.com/aws/smithy-go"

	"wschat/pkg/localgateway"
)

func keys(id, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
	})
}

// withCredentials serves a gateway that looks at signatures, and returns a connection.
func withCredentials(t *testing.T) (f *function, addr, id string) {
	c := allRoutes
	c.Credentials = &localgateway.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	f, _, addr = serve(t, c, nil)
	dial(t, "ws://"+addr+"/dev")
	return f, addr, f.next(t).Context.ConnectionID
}

func TestTheSDKsSignatureIsTaken(t *testing.T) {
	_, addr, id := withCredentials(t)
	client := func(id, secret string) *apigatewaymanagementapi.Client {
		return apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
			BaseEndpoint: aws.String("http://" + addr + "/dev"), Region: "eu-central-1", Credentials: keys(id, secret),
			RetryMaxAttempts: 1})
	}
	good := client("AKID", "secret")
	if _, err := good.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id,
		Data: []byte("hi")}); err != nil {
		t.Error(err)
	}
	if _, err := good.GetConnection(t.Context(),
		&apigatewaymanagementapi.GetConnectionInput{ConnectionId: &id}); err != nil {
		t.Error(err)
	}
	_, err := good.PostToConnection(t.Context(),
		&apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String("AAAAAAAAAAAAAAA="),
			Data: []byte("hi")})
	if _, gone := errors.AsType[*types.GoneException](err); !gone {
		t.Errorf("a connection that is gone: %v", err)
	}
	for _, tc := range []struct{ id, secret, code string }{
		{"AKID", "wrong", "InvalidSignatureException"},
		{"other", "secret", "UnrecognizedClientException"},
	} {
		_, err := client(tc.id, tc.secret).DeleteConnection(t.Context(),
			&apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &id})
		if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != tc.code {
			t.Errorf("%s: %v, want %s", tc.id, err, tc.code)
		}
	}
	if _, err := good.DeleteConnection(t.Context(),
		&apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &id}); err != nil {
		t.Error(err)
	}
}

// Callers sign with the time of their machine, whatever clock the gateway's timeouts are on.
func TestSignaturesAreNotOnTheManualClock(t *testing.T) {
	config, clock := withClock()
	config.Credentials = &localgateway.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	f, gw, addr := serve(t, config, nil)
	dial(t, "ws://"+addr+"/dev")
	id := f.next(t).Context.ConnectionID
	gw.WaitForInvocations()
	clock.Advance(6 * time.Minute)
	client := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
		BaseEndpoint: aws.String("http://" + addr + "/dev"), Region: "eu-central-1",
		Credentials: keys("AKID", "secret"), RetryMaxAttempts: 1})
	if _, err := client.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id,
		Data: []byte("hi")}); err != nil {
		t.Error(err)
	}
}

// What is signed by hand, and changed after it was signed.
func TestASignatureCoversTheWholeCall(t *testing.T) {
	_, addr, id := withCredentials(t)
	for _, tc := range []struct {
		name   string
		at     time.Time
		change func(r *http.Request)
		status int
		code   string
	}{
		{"nothing changed", time.Now(), func(*http.Request) {}, 200, ""},
		{"four minutes old", time.Now().Add(-4 * time.Minute), func(*http.Request) {}, 200, ""},
		{"six minutes old", time.Now().Add(-6 * time.Minute), func(*http.Request) {}, 403, "InvalidSignatureException"},
		{"from the future", time.Now().Add(6 * time.Minute), func(*http.Request) {}, 403, "InvalidSignatureException"},
		{"not signed", time.Now(), func(r *http.Request) { r.Header.Del("Authorization") }, 403,
			"MissingAuthenticationTokenException"},
		{"another scheme", time.Now(), func(r *http.Request) { r.SetBasicAuth("AKID", "secret") }, 403,
			"IncompleteSignatureException"},
		{"no date", time.Now(), func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 403,
			"IncompleteSignatureException"},
		{"another date", time.Now(), func(r *http.Request) {
			r.Header.Set("X-Amz-Date", time.Now().Add(time.Minute).UTC().Format("20060102T150405Z"))
		}, 403, "InvalidSignatureException"},
		{"another body", time.Now(), func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("xx")) }, 403,
			"InvalidSignatureException"},
		{"another path", time.Now(), func(r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, id,
				"AAAAAAAAAAAAAAA=", 1)
		}, 403, "InvalidSignatureException"},
		{"another query", time.Now(), func(r *http.Request) { r.URL.RawQuery = "x=1" }, 403,
			"InvalidSignatureException"},
		{"another method", time.Now(), func(r *http.Request) { r.Method = "PUT" }, 403, "InvalidSignatureException"},
		{"a signed header changed", time.Now(), func(r *http.Request) { r.Header.Set("X-Signed", "2") }, 403,
			"InvalidSignatureException"},
		{"a header more", time.Now(), func(r *http.Request) { r.Header.Set("X-Other", "1") }, 200, ""},
		{"fewer headers signed", time.Now(), func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-signed", "", 1))
		}, 403, "InvalidSignatureException"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/dev/@connections/"+id,
				strings.NewReader("hi"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Signed", "1")
			hash := sha256.Sum256([]byte("hi"))
			if err := v4.NewSigner().SignHTTP(t.Context(),
				aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, r,
				hex.EncodeToString(hash[:]), "execute-api", "eu-central-1", tc.at.UTC()); err != nil {
				t.Fatal(err)
			}
			tc.change(r)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if name := answer.Header.Get("x-amzn-ErrorType"); answer.StatusCode != tc.status || name != tc.code {
				t.Errorf("got %d %s, want %d %s", answer.StatusCode, name, tc.status, tc.code)
			}
		})
	}
}
