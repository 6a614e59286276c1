package management_test

import (
	"context"
	"errors"
	"fmt"
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

	"wschat/pkg/awsclient"
	"wschat/pkg/chat"
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
		if err := poster(srv.URL+"/dev").Close(t.Context(), "BFaT_fALIAMCKug="); (err != nil) != (status == http.StatusForbidden) {
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

func TestWhatIsRetried(t *testing.T) {
	for _, tc := range []struct {
		answers string
		calls   int32
		ok      bool
		gone    bool
	}{
		{"OK", 1, true, false},
		{"GoneException", 1, false, true},
		{"LimitExceededException OK", 2, true, false},
		{"LimitExceededException LimitExceededException LimitExceededException OK", 4, true, false},
		{"InternalServerError InternalServerError OK", 3, true, false},
		{"LimitExceededException GoneException", 2, false, true},
		{"LimitExceededException", 5, false, false},
		{"InternalServerError", 5, false, false},
		{"ForbiddenException", 1, false, false},
		{"PayloadTooLargeException", 1, false, false},
	} {
		t.Run(tc.answers, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			err := post(t, t.Context(), answers(&calls, strings.Fields(tc.answers)...))
			if (err == nil) != tc.ok || errors.Is(err, chat.ErrGone) != tc.gone || calls.Load() != tc.calls {
				t.Errorf("got %v after %d calls, want ok %v, gone %v after %d", err, calls.Load(), tc.ok, tc.gone, tc.calls)
			}
		})
	}
}

// The SDK's own retryer stops retrying in the whole client when a bucket of tokens is empty, however short a burst was.
func TestManyThrottledPostsAreAllRetried(t *testing.T) {
	var seen sync.Map
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, again := seen.LoadOrStore(r.URL.Path, true); !again {
			w.Header().Set("x-amzn-ErrorType", "LimitExceededException")
			w.WriteHeader(429)
		}
	}))
	defer srv.Close()
	p := poster(srv.URL)
	var wg sync.WaitGroup
	var failed atomic.Int32
	for i := range 300 {
		wg.Go(func() {
			if err := p.Post(t.Context(), fmt.Sprint(i), []byte("frame")); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of 300 failed", n)
	}
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
	if took := time.Since(start); err == nil || errors.Is(err, chat.ErrGone) || took > 7*time.Second {
		t.Errorf("got %v after %v", err, took)
	}
}

func TestADeadlineEndsAPost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var calls atomic.Int32
	start := time.Now()
	err := post(t, ctx, answers(&calls, "LimitExceededException"))
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
