package review

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"wschat/pkg/chat"
)

// What a program answers, and what becomes of it.
func TestVerdicts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		header string
		answer string
		want   chat.Verdict
		wrong  bool
	}{
		{name: "yes", answer: `{"allow":true}`, want: chat.Verdict{Allow: true}},
		{name: "yes, changed", answer: `{"allow":true,"content":"**"}`, want: chat.Verdict{Allow: true, Content: "**"}},
		{name: "no", answer: `{"allow":false,"reason":"spam","more":1}`, want: chat.Verdict{Reason: "spam"}},
		{name: "nothing", wrong: true},
		{name: "no verdict", answer: `{}`, wrong: true},
		{name: "null", answer: `null`, wrong: true},
		{name: "a wrong type", answer: `{"allow":"yes"}`, wrong: true},
		{name: "an error", status: 500, answer: `{"allow":true}`, wrong: true},
		{name: "a redirect", status: 302, answer: `{"allow":true}`, wrong: true},
		{name: "too long", answer: `{"allow":true}` + strings.Repeat(" ", maxAnswerBytes), wrong: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var asked string
			program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				asked = r.Method + " " + r.Header.Get("Content-Type") + " " + string(b)
				if tc.status != 0 {
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(tc.status)
				}
				_, _ = io.WriteString(w, tc.answer)
			}))
			defer program.Close()
			for _, otherwise := range []bool{false, true} {
				r, err := New(Config{URL: program.URL, AllowOtherwise: otherwise})
				if err != nil {
					t.Fatal(err)
				}
				got, err := r.Review(t.Context(), chat.Review{Room: "lobby", By: chat.Person{Name: "ann", ID: "u1"},
					Content: "hi", MessageID: "m1"})
				want := tc.want
				if tc.wrong && otherwise {
					want = chat.Verdict{Allow: true}
				}
				if (err != nil) != (tc.wrong && !otherwise) || got != want {
					t.Errorf("otherwise allow: %v: %+v, %v; want %+v", otherwise, got, err, want)
				}
			}
			const want = `POST application/json {"action":"sendMessage","room_name":"lobby","user_name":"ann",` +
				`"user_id":"u1","content":"hi","message_id":"m1"}`
			if asked != want {
				t.Errorf("it was asked %s, want %s", asked, want)
			}
		})
	}
}

// An edit names the message. No answer in time is an error.
func TestEditsAndSilence(t *testing.T) {
	asked := make(chan string, 1)
	end := make(chan struct{})
	program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked <- string(b)
		<-end
	}))
	defer program.Close()
	defer close(end)
	r, err := New(Config{URL: program.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := r.Review(ctx, chat.Review{Room: "lobby", By: chat.Person{Name: "ann"}, Content: "hi",
		Index: 3}); err == nil {
		t.Errorf("without an answer: %+v", got)
	}
	const want = `{"action":"editMessage","room_name":"lobby","user_name":"ann","content":"hi","index":3}`
	if got := <-asked; got != want {
		t.Errorf("it was asked %s", got)
	}
}

// A function is invoked as Lambda's API demands, with a signature. What it fails with is no verdict.
func TestAFunctionIsInvoked(t *testing.T) {
	var path, signature, failed string
	lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, signature = r.URL.EscapedPath(), r.Header.Get("Authorization")
		if failed != "" {
			w.Header().Set("X-Amz-Function-Error", failed)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"allow": true})
	}))
	defer lambda.Close()
	const arn = "arn:aws:lambda:eu-north-1:123456789012:function:review:prod"
	r, err := New(Config{Function: arn, Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session"}, nil
		})})
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(r.url, ".amazonaws.com")
	if r.url != "https://lambda.eu-north-1.amazonaws.com"+after {
		t.Errorf("it is invoked at %s", r.url)
	}
	r.url = lambda.URL + after
	if got, err := r.Review(t.Context(), chat.Review{Content: "hi"}); err != nil || !got.Allow {
		t.Errorf("%+v, %v", got, err)
	}
	if want := "/2015-03-31/functions/" + arn + "/invocations"; path != want {
		t.Errorf("the path is %s, want %s", path, want)
	}
	if !strings.Contains(signature, "AWS4-HMAC-SHA256 Credential=AKID/") ||
		!strings.Contains(signature, "/eu-north-1/lambda/aws4_request") {
		t.Errorf("the signature is %s", signature)
	}
	failed = "Unhandled"
	if got, err := r.Review(t.Context(), chat.Review{Content: "hi"}); err == nil {
		t.Errorf("a function that failed: %+v", got)
	}
	for _, arn := range []string{"review", "arn:aws:s3:::bucket", "arn:aws:lambda::1:function:f"} {
		if _, err := New(Config{Function: arn}); err == nil {
			t.Errorf("%s is taken for a function", arn)
		}
	}
	china, err := New(Config{Function: "arn:aws-cn:lambda:cn-north-1:123456789012:function:review"})
	if err != nil || !strings.HasPrefix(china.url, "https://lambda.cn-north-1.amazonaws.com.cn/2015-03-31/") {
		t.Errorf("in China: %+v, %v", china, err)
	}
}
