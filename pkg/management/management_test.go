package management_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"wschat/pkg/awsclient"
	"wschat/pkg/chat"
	"wschat/pkg/localgateway"
	"wschat/pkg/management"
)

// post sends one frame through the real SDK client to a server of the test's own.
func post(t *testing.T, ctx context.Context, handler http.HandlerFunc) error {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return poster(srv.URL+"/dev").Post(ctx, "BFaT_fALIAMCKug=", []byte("frame"))
}

func poster(endpoint string) chat.Poster {
	stages := management.Stages{Options: management.Options{Endpoint: endpoint, Region: "eu-north-1", Workers: 8,
		Credentials: awsclient.Static(aws.Credentials{AccessKeyID: "id", SecretAccessKey: "key"})}}
	return stages.Poster("", "")
}

func TestPostSendsTheFrame(t *testing.T) {
	err := post(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/dev/@connections/BFaT_fALIAMCKug=" || string(body) != "frame" {
			t.Errorf("got %s %s %q", r.Method, r.URL.Path, body)
		}
		if a := r.Header.Get("Authorization"); !strings.Contains(a, "/eu-north-1/execute-api/aws4_request") {
			t.Errorf("signed as %q", a)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCloseDeletesTheConnection(t *testing.T) {
	for _, status := range []int{http.StatusNoContent, http.StatusGone, http.StatusForbidden} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "DELETE" || r.URL.Path != "/dev/@connections/BFaT_fALIAMCKug=" {
				t.Errorf("got %s %s", r.Method, r.URL.Path)
			}
			if status == http.StatusGone {
				w.Header().Set("x-amzn-ErrorType", "GoneException")
			}
			w.WriteHeader(status)
		}))
		if err := poster(srv.URL+"/dev").Close(t.Context(),
			"BFaT_fALIAMCKug="); (err != nil) != (status == http.StatusForbidden) {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
	}
}

// answers replies with one status after the other, the last for good, and counts.
func answers(count *atomic.Int32, statuses ...string) http.HandlerFunc {
	names := map[string]int{"OK": 200, "GoneException": 410, "LimitExceededException": 429, "ForbiddenException": 403,
		"PayloadTooLargeException": 413, "InternalServerError": 500}
	return func(w http.ResponseWriter, _ *http.Request) {
		name := statuses[min(int(count.Add(1))-1, len(statuses)-1)]
		w.Header().Set("x-amzn-ErrorType", name)
		w.WriteHeader(names[name])
	}
}

// A post is one attempt. Its error says whether another may do better.
func TestWhatAnswersMean(t *testing.T) {
	for _, tc := range []struct {
		answer      string
		gone, again bool
	}{
		{"OK", false, false},
		{"GoneException", true, false},
		{"LimitExceededException", false, true},
		{"InternalServerError", false, true},
		{"ForbiddenException", false, false},
		{"PayloadTooLargeException", false, false},
	} {
		t.Run(tc.answer, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			err := post(t, t.Context(), answers(&calls, tc.answer))
			if (err == nil) != (tc.answer == "OK") || errors.Is(err, chat.ErrGone) != tc.gone ||
				errors.Is(err, chat.ErrTryAgain) != tc.again || calls.Load() != 1 {
				t.Errorf("got %v after %d calls", err, calls.Load())
			}
			if err != nil && (!strings.Contains(err.Error(), "BFaT_fALIAMCKug=") || !tc.gone &&
				!strings.Contains(err.Error(), tc.answer)) {
				t.Errorf("the error does not say what was tried and what was the answer: %v", err)
			}
		})
	}
}

func TestAPostThatFailsOnTheWayMayBeTriedAgain(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	if err := poster(srv.URL).Post(t.Context(), "c=", nil); !errors.Is(err, chat.ErrTryAgain) {
		t.Errorf("nobody listens: %v", err)
	}
	err := post(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	if !errors.Is(err, chat.ErrTryAgain) {
		t.Errorf("cut off: %v", err)
	}
	if err := poster("no URL").Post(t.Context(), "c=", nil); err == nil || errors.Is(err, chat.ErrTryAgain) ||
		!strings.Contains(err.Error(), "no URL") {
		t.Errorf("an endpoint that is none: %v", err)
	}
}

// What is signed is what the gateway checks, whatever is in the connection id and with whatever credentials; and it
// is what the SDK's own client sends.
func TestPostsAreSigned(t *testing.T) {
	var seen []*http.Request
	gw, err := localgateway.New(localgateway.Config{Handler: noHandler{},
		Credentials: &localgateway.Credentials{AccessKeyID: "id", SecretAccessKey: "key"}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Clone(context.Background()))
		gw.ServeHTTP(w, r)
	}))
	defer srv.Close()
	credentials := awsclient.Static(aws.Credentials{AccessKeyID: "id", SecretAccessKey: "key", SessionToken: "token"})
	p := management.NewPoster(management.Options{Endpoint: srv.URL + "/dev", Region: "eu-north-1", Workers: 1,
		Credentials: credentials})
	sdk := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{BaseEndpoint: aws.String(srv.URL + "/dev"),
		Region: "eu-north-1", Credentials: credentials})
	for _, id := range []string{"BFaT_fALIAMCKug=", "a-_b+/=", "AAAA"} {
		for _, frame := range []string{"x", strings.Repeat("ä", 16<<10)} {
			seen = nil
			if err := p.Post(t.Context(), id, []byte(frame)); !errors.Is(err, chat.ErrGone) &&
				!strings.Contains(err.Error(), "BadRequest") {
				t.Errorf("%q: %v", id, err)
			}
			_, _ = sdk.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id,
				Data: []byte(frame)})
			if len(seen) != 2 {
				t.Fatalf("%d requests", len(seen))
			}
			own, its := seen[0], seen[1]
			if own.RequestURI != its.RequestURI || own.ContentLength != its.ContentLength ||
				own.Header.Get("X-Amz-Security-Token") != "token" ||
				own.Header.Get("Content-Type") != its.Header.Get("Content-Type") {
				t.Errorf("the SDK sends %s %v, this %s %v", its.RequestURI, its.Header, own.RequestURI, own.Header)
			}
		}
	}
}

// noHandler is a function that no test here invokes.
type noHandler struct{}

func (noHandler) Invoke(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("not invoked")
}

func TestAServerThatNeverAnswersIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the whole budget of a post")
	}
	start := time.Now()
	err := post(t, t.Context(), func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	if took := time.Since(start); !errors.Is(err, chat.ErrTryAgain) || took > 4*time.Second {
		t.Errorf("got %v after %v", err, took)
	}
}

func TestADeadlineEndsAPost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var calls atomic.Int32
	start := time.Now()
	err := post(t, ctx, func(_ http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
		t.Errorf("got %v after %v", err, took)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	p := poster(srv.URL)
	var wg sync.WaitGroup
	for range 8 { // as many as Options.Workers
		wg.Go(func() {
			for range 50 {
				if err := p.Post(t.Context(), "c=", []byte("frame")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := opened.Load(); n > 16 {
		t.Errorf("400 posts of 8 workers opened %d connections", n)
	}
}

func TestTheEndpointComesFromTheEventWhereNoneIsSet(t *testing.T) {
	stages := management.Stages{Options: management.Options{Region: "eu-north-1", Workers: 1}}
	a, b, c := stages.Poster("a.example", "dev"), stages.Poster("a.example", "dev"), stages.Poster("a.example", "prod")
	if a != b || a == c {
		t.Error("want one client for each stage")
	}
}
